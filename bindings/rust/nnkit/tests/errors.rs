//! Every kind of error that safe code can meet, and what a failed call leaves.

mod common;

use common::*;
use nnkit::layers::{Conv2D, Dense};
use nnkit::{DType, Dataset, ErrorKind, Graph, Model, Session, Stream, Tensor, TensorView, Trainer};
use std::error::Error as _;
use std::io;

#[test]
fn invalid_arguments_name_the_layer_and_the_nearest_spelling() {
    let mut g = Graph::new();
    let x = g.input("x", DType::F32, &[8, 8, 3]);
    let x = g.add("conv2d", "filters=4 kernle=3 name=first", x);
    let x = g.layer(Dense::default(), x);
    g.output("y", x);
    for _ in 0..2 {
        let error = g.build("").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("kernel") && !error.to_string().contains("nnk_"), "{error}");
    }
    assert_eq!(g.shape(x).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn the_first_error_of_a_graph_is_the_one_that_is_reported() {
    let build = |body: &dyn Fn(&mut Graph)| {
        let mut g = Graph::new();
        body(&mut g);
        g.build("").unwrap_err().to_string()
    };
    let bad_name = |g: &mut Graph| {
        let x = g_input(g);
        g.layer(Dense { name: Some("a b".into()), ..Dense::new(1) }, x);
    };
    let bad_units = |g: &mut Graph| {
        let x = g_input(g);
        g.add("dense", "units=0", x);
    };
    let first = build(&|g| {
        bad_name(g);
        bad_units(g);
    });
    assert!(first.contains("white space"), "{first}");
    let first = build(&|g| {
        bad_units(g);
        bad_name(g);
    });
    assert!(first.contains("units=0"), "{first}");
}

fn g_input(g: &mut Graph) -> nnkit::Value {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let name = format!("x{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    g.input(&name, DType::F32, &[4])
}

#[test]
fn a_value_of_another_graph_is_refused() {
    let (mut a, mut b) = (Graph::new(), Graph::new());
    let (x, _) = (g_input(&mut a), g_input(&mut b));
    b.output("y", x);
    let error = b.build("").unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("another graph"), "{error}");
    assert!(b.shape(x).is_err());
    assert!(a.shape(x).is_ok());
}

#[test]
fn a_required_size_that_was_left_out_is_named() {
    let mut g = Graph::new();
    let x = g.input("x", DType::F32, &[8, 8, 3]);
    let x = g.layer(Conv2D { kernel: [3, 3], ..Default::default() }, x);
    g.output("y", x);
    assert!(g.build("").unwrap_err().to_string().contains("filters=0"));
}

#[test]
fn shapes_and_types_that_do_not_fit_leave_the_outputs() {
    let model = cnn();
    let mut session = Session::new(&model, "max_batch=2").unwrap();
    let (x, labels) = images(2);
    let mut out = Tensor::new(&[2, 4], vec![7.0_f32; 8]).unwrap();
    assert_eq!(session.run(&x, &mut out).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(out.as_slice(), [7.0; 8]);
    let mut out = Tensor::<f32>::zeros(&[2, CLASSES]).unwrap();
    assert_eq!(session.run(&labels, &mut out).unwrap_err().kind(), ErrorKind::Type);
    assert_eq!(session.run((&x, &x), &mut out).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(session.run((), &mut out).unwrap_err().kind(), ErrorKind::InvalidArgument);
    session.run(&x, &mut out).unwrap();
}

#[test]
fn views_are_checked_against_their_shapes() {
    let values = [0.0_f32; 12];
    let refused = |result: nnkit::Result<TensorView<'_>>| result.unwrap_err().kind() == ErrorKind::Shape;
    assert!(refused(TensorView::new(&values, &[13])));
    assert!(refused(TensorView::new(&values, &[3, 3])));
    assert!(refused(TensorView::new(&values, &[])));
    assert!(refused(TensorView::new(&values, &[usize::MAX, 2])));
    assert!(refused(TensorView::new(&values, &[1, 1, 1, 1, 1, 1, 1, 1, 12])));
    assert!(refused(TensorView::strided(&values, &[4, 3], &[3, 2])));
    assert!(refused(TensorView::strided(&values, &[13], &[1])));
    assert!(refused(TensorView::strided(&values, &[2], &[usize::MAX])));
    assert!(refused(TensorView::strided(&values, &[3, 3], &[usize::MAX / 2, usize::MAX / 2])));
    assert!(refused(TensorView::strided(&values, &[3], &[1, 1])));
    assert!(refused(TensorView::strided(&[0.0_f32; 0], &[1], &[0])));
    assert!(TensorView::strided(&values, &[4, 3], &[3, 1]).is_ok());
    assert!(TensorView::strided(&values, &[0, 99], &[5, 5]).is_ok());
    assert!(TensorView::new(&values[..1], &[]).is_ok());
    assert_eq!(Tensor::<f32>::zeros(&[usize::MAX]).unwrap_err().kind(), ErrorKind::OutOfMemory);
    assert_eq!(Tensor::<f32>::zeros(&[usize::MAX, 4]).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(Tensor::<f32>::zeros(&[1; 9]).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn memory_that_is_not_allowed_is_out_of_memory() {
    let error = Session::new(&cnn(), "max_bytes=1").unwrap_err();
    assert!(error.kind() == ErrorKind::OutOfMemory && error.to_string().contains("max_bytes"), "{error}");
}

#[test]
fn files_that_are_not_there_or_no_models_say_so() {
    assert_eq!(Model::load("/not/there").unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(cnn().save("/not/there/model.nnkit").unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(Model::load("a\0b").unwrap_err().kind(), ErrorKind::InvalidArgument);
    let file = TemporaryFile::new("format.nnkit");
    std::fs::write(&file.0, b"this is no model at all").unwrap();
    assert_eq!(Model::load(&file.0).unwrap_err().kind(), ErrorKind::Format);
    assert_eq!(Model::read(b"").unwrap_err().kind(), ErrorKind::Format);
    let mut bytes = cnn().to_bytes().unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(Model::read(&bytes).unwrap_err().kind(), ErrorKind::Format);
}

struct FullDisk {
    room: usize,
}

impl io::Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        match taken {
            0 => Err(io::Error::new(io::ErrorKind::Other, "the disk is full")),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_is_the_source_of_the_error() {
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    for room in [0, 1, 100, 3000] {
        for result in [model.write(FullDisk { room }), trainer.write_state(FullDisk { room })] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert_eq!(error.source().unwrap().to_string(), "the disk is full");
            assert!(error.to_string().contains("the disk is full"));
        }
    }
    model.write(FullDisk { room: usize::MAX }).unwrap();
}

#[test]
fn a_loss_that_is_not_finite_changes_nothing() {
    let model = line([1.0, 1.0], 0.0);
    let trainer = Trainer::new(&model, "loss=mean_squared_error").unwrap();
    let before = model.parameters().unwrap().to_vec();
    let target = TensorView::new(&[2.0_f32], &[1, 1]).unwrap();
    let nan = [f32::NAN, 1.0];
    let error = trainer.step(TensorView::new(&nan, &[1, 2]).unwrap(), target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Numeric);
    assert!(trainer.gradients(TensorView::new(&nan, &[1, 2]).unwrap(), target).unwrap().is_nan());
    assert_eq!(trainer.apply().unwrap_err().kind(), ErrorKind::Numeric);
    assert_eq!(model.parameters().unwrap().to_vec(), before);
}

#[test]
fn loans_and_calls_that_do_not_fit_are_busy() {
    let model = cnn();
    let (x, labels) = images(6);
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    let mut session = Session::new(&model, "max_batch=6").unwrap();
    let mut logits = Tensor::<f32>::zeros(&[6, CLASSES]).unwrap();
    let busy = |result: nnkit::Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Busy);
    {
        let shared = model.parameters().unwrap();
        let again = model.parameters().unwrap();
        assert_eq!(*shared, *again);
        busy(model.parameters_mut().map(drop));
        busy(trainer.step(&x, &labels).map(drop));
        busy(fit(&trainer, &dataset, ""));
        busy(trainer.evaluate(&dataset, "").map(drop));
        busy(trainer.apply());
        busy(trainer.state().map(drop));
        session.run(&x, &mut logits).unwrap();
        model.to_bytes().unwrap();
    }
    {
        let mut exclusive = model.parameters_mut().unwrap();
        exclusive[0] = 1.0;
        busy(model.parameters().map(drop));
        busy(model.parameters_mut().map(drop));
        busy(session.run(&x, &mut logits));
        busy(model.to_bytes().map(drop));
        busy(model.save("never-written.nnkit"));
        busy(Session::new(&model, "").map(drop));
        busy(Session::bytes(&model, "").map(drop));
        busy(Trainer::new(&model, TRAINING).map(drop));
        busy(Stream::new(&model).map(drop));
        busy(trainer.step(&x, &labels).map(drop));
        assert_eq!(trainer.get("learning_rate").unwrap(), 0.02, "settings are no parameters");
    }
    fit(&trainer, &dataset, "").unwrap();
    std::mem::forget(model.parameters().unwrap());
    busy(fit(&trainer, &dataset, ""));
}

#[test]
fn calls_inside_of_a_call_are_busy() {
    let model = cnn();
    let (x, labels) = images(6);
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    let mut kinds = Vec::new();
    trainer
        .fit(&dataset, "", |_| {
            kinds.push(fit(&trainer, &dataset, "").unwrap_err().kind());
            kinds.push(trainer.step(&x, &labels).unwrap_err().kind());
            kinds.push(trainer.evaluate(&dataset, "").unwrap_err().kind());
            kinds.push(model.parameters().unwrap_err().kind());
            kinds.push(model.parameters_mut().unwrap_err().kind());
            true
        })
        .unwrap();
    assert_eq!(kinds, [ErrorKind::Busy; 5]);
}

#[test]
fn a_model_without_memory_cannot_be_streamed() {
    let error = Stream::new(&cnn()).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("recurrent"), "{error}");
}

#[test]
fn kinds_have_the_names_of_the_c_interface() {
    assert_eq!(ErrorKind::Shape.status_name(), "NNK_ERROR_SHAPE");
    assert_eq!(ErrorKind::Internal.status_name(), "NNK_ERROR_INTERNAL");
    assert_eq!(ErrorKind::NotLoaded.status_name(), "NOT_LOADED");
}

/// In a process of its own, as a library that is loaded stays.
#[cfg(feature = "dlopen")]
#[test]
fn a_library_that_cannot_be_loaded_is_an_error_everywhere() {
    if std::env::var_os("NNKIT_TEST_WITHOUT_LIBRARY").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_library_that_cannot_be_loaded_is_an_error_everywhere"])
            .env("NNKIT_TEST_WITHOUT_LIBRARY", "1")
            .env("NNKIT_LIBRARY", "/not/there/libnnkit.so")
            .status();
        assert!(status.unwrap().success());
        let library = std::env::var_os("NNKIT_LIBRARY").expect("the tests are given the library's path");
        nnkit::version().unwrap();
        nnkit::load(&library).unwrap();
        assert_eq!(nnkit::load("/another/libnnkit.so").unwrap_err().kind(), ErrorKind::NotLoaded);
        return;
    }
    let not_loaded = |kind: ErrorKind| assert_eq!(kind, ErrorKind::NotLoaded);
    not_loaded(nnkit::version().unwrap_err().kind());
    not_loaded(nnkit::catalog_json().unwrap_err().kind());
    not_loaded(nnkit::shutdown().unwrap_err().kind());
    not_loaded(nnkit::default_runtime_info().unwrap_err().kind());
    not_loaded(nnkit::Runtime::new("").unwrap_err().kind());
    not_loaded(Model::load("x").unwrap_err().kind());
    not_loaded(Model::read(b"x").unwrap_err().kind());
    not_loaded(Dataset::from_arrays(&Tensor::from(vec![1.0_f32]), ()).unwrap_err().kind());
    let mut g = cnn_graph();
    let x = g_input(&mut g);
    not_loaded(g.shape(x).unwrap_err().kind());
    not_loaded(g.build("").unwrap_err().kind());
    for path in ["/also/not/there", "/dev/null", "a\0b", ""] {
        let error = nnkit::load(path).unwrap_err();
        not_loaded(error.kind());
        assert!(error.to_string().contains("NNKIT_LIBRARY"), "{error}");
    }
    let libc = nnkit::load("libc.so.6").unwrap_err();
    assert!(libc.to_string().contains("nnk_abi_version"), "{libc}");
}
