//! Forward, gradients of the program's own, backward; frozen parameters; evaluations that tell of each batch; what a
//! model takes and gives.

mod common;

use common::*;
use nnkit::layers::{Add, Dense};
use nnkit::{DType, Dataset, ErrorKind, Event, Graph, Model, Tensor, TensorView, TensorViewMut, Trainer, OPEN};
use std::panic::{catch_unwind, AssertUnwindSafe};

#[test]
fn gradients_by_hand_are_their_formulas() {
    let model = line([2.0, -3.0], 0.5);
    let mut trainer = Trainer::new(&model, "loss=none optimizer=sgd learning_rate=1").unwrap();
    let x = Tensor::new(&[2, 2], vec![1.0_f32, 1.0, 10.0, 2.0]).unwrap();
    let (mut y, mut dx) = (Tensor::<f32>::zeros(&[2, 1]).unwrap(), Tensor::<f32>::zeros(&[2, 2]).unwrap());
    trainer.forward(&x, &mut y).unwrap();
    assert_eq!(y.as_slice(), [-0.5, 14.5]);
    let dy = Tensor::new(&[2, 1], vec![1.0_f32, 0.5]).unwrap();
    trainer.backward(&dy, &mut dx).unwrap();
    assert_eq!(dx.as_slice(), [2.0, -3.0, 1.0, -1.5]);
    assert_eq!(trainer.gradients_view().unwrap().get("dense/kernel").unwrap(), [6.0, 2.0]);
    trainer.apply().unwrap();
    assert_eq!(model.parameters().unwrap().get("dense/kernel").unwrap(), [-4.0, -5.0]);
    assert_eq!(model.parameters().unwrap().get("dense/bias").unwrap(), [-1.0]);
}

#[test]
fn steps_by_hand_train_as_the_library_does() {
    let (x, labels) = images(6);
    let (mine, theirs) = (cnn(), cnn());
    let mut by_hand = Trainer::new(&mine, "loss=none optimizer=adam").unwrap();
    let mut whole = Trainer::new(&theirs, "loss=softmax_cross_entropy optimizer=adam").unwrap();
    let shape = [6, CLASSES];
    let (mut logits, mut d) = (Tensor::<f32>::zeros(&shape).unwrap(), Tensor::<f32>::zeros(&shape).unwrap());
    for _ in 0..3 {
        by_hand.forward(&x, &mut logits).unwrap();
        for ((d, row), label) in d
            .as_mut_slice()
            .chunks_exact_mut(CLASSES)
            .zip(logits.as_slice().chunks_exact(CLASSES))
            .zip(labels.as_slice())
        {
            let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
            for (class, d) in d.iter_mut().enumerate() {
                let target = if class == *label as usize { 1.0 } else { 0.0 };
                *d = (row[class].exp() / sum - target) / 6.0;
            }
        }
        by_hand.backward(&d, ()).unwrap();
        whole.gradients(&x, &labels).unwrap();
        let expected = whole.gradients_view().unwrap();
        let found = by_hand.gradients_view().unwrap();
        for (a, b) in found.iter().zip(expected.iter()) {
            assert!((a - b).abs() < 1e-5, "{a}, {b}");
        }
        by_hand.apply().unwrap();
        whole.apply().unwrap();
    }
}

#[test]
fn gradients_may_be_left_out() {
    let mut g = Graph::new();
    let a = g.input("a", DType::F32, &[2]);
    let b = g.input("b", DType::F32, &[2]);
    let sum = g.layer(Add::default(), [a, b]);
    g.output("sum", sum);
    let y = g.layer(Dense::new(1), sum);
    g.output("y", y);
    let model = g.build("").unwrap();
    let trainer = Trainer::new(&model, "loss=none").unwrap();
    let (a, b) = (Tensor::new(&[1, 2], vec![1.0_f32, 2.0]).unwrap(), Tensor::new(&[1, 2], vec![3.0_f32, 4.0]).unwrap());
    let (mut sum, mut y) = (Tensor::<f32>::zeros(&[1, 2]).unwrap(), Tensor::<f32>::zeros(&[1, 1]).unwrap());
    trainer.forward((&a, &b), (&mut sum, &mut y)).unwrap();
    assert_eq!(sum.as_slice(), [4.0, 6.0]);
    let dsum = Tensor::new(&[1, 2], vec![5.0_f32, 7.0]).unwrap();
    let mut db = Tensor::<f32>::zeros(&[1, 2]).unwrap();
    trainer.backward([dsum.view(), TensorView::absent()], [TensorViewMut::absent(), db.view_mut()]).unwrap();
    assert_eq!(db.as_slice(), [5.0, 7.0]);
    // Where one must be given, it must.
    let error = trainer.forward([a.view(), TensorView::absent()], (&mut sum, &mut y)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn frozen_parameters_stay_and_thaw() {
    let (x, labels) = images(6);
    let model = cnn();
    let mut trainer = Trainer::new(&model, TRAINING).unwrap();
    let values = |name: &str| model.parameters().unwrap().get(name).unwrap().to_vec();
    let (kernel, bias, dense) = (values("conv2d/kernel"), values("conv2d/bias"), values("dense/kernel"));
    assert_eq!(trainer.freeze("conv2d/*").unwrap(), 2);
    assert_eq!(trainer.unfreeze("conv2d/b?as").unwrap(), 1);
    assert!(trainer.is_frozen("conv2d/kernel").unwrap());
    assert!(!trainer.is_frozen("conv2d/bias").unwrap() && !trainer.is_frozen("dense/kernel").unwrap());
    assert_eq!(trainer.is_frozen("conv2d").unwrap_err().kind(), ErrorKind::InvalidArgument);
    trainer.step(&x, &labels).unwrap();
    assert_eq!(values("conv2d/kernel"), kernel);
    assert_ne!(values("conv2d/bias"), bias);
    assert_ne!(values("dense/kernel"), dense);
    trainer.gradients(&x, &labels).unwrap();
    assert!(trainer.gradients_view().unwrap().get("conv2d/kernel").unwrap().iter().all(|value| *value == 0.0));
    trainer.unfreeze("*").unwrap();
    trainer.step(&x, &labels).unwrap();
    assert_ne!(values("conv2d/kernel"), kernel);
    for pattern in ["nothing", "", "a\0b", "conv2d/kernel "] {
        assert_eq!(trainer.freeze(pattern).unwrap_err().kind(), ErrorKind::InvalidArgument, "{pattern:?}");
    }
}

#[test]
fn backward_needs_its_forward() {
    let model = line([1.0, 1.0], 0.0);
    let trainer = Trainer::new(&model, "loss=none").unwrap();
    let (x, mut y) = (Tensor::<f32>::zeros(&[1, 2]).unwrap(), Tensor::<f32>::zeros(&[1, 1]).unwrap());
    let dy = Tensor::<f32>::zeros(&[1, 1]).unwrap();
    let refused = |result: nnkit::Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidArgument);
    refused(trainer.backward(&dy, ()));
    refused(trainer.apply());
    trainer.forward(&x, &mut y).unwrap();
    trainer.backward(&dy, ()).unwrap();
    refused(trainer.backward(&dy, ()));
    refused(trainer.step(&x, &y).map(drop));
    trainer.forward(&x, &mut y).unwrap();
    model.parameters_mut().unwrap()[0] = 3.0;
    refused(trainer.backward(&dy, ()));
    trainer.forward(&x, &mut y).unwrap();
    assert_eq!(trainer.backward(&x, ()).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(trainer.forward(&x, ()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let loan = model.parameters().unwrap();
    assert_eq!(trainer.forward(&x, &mut y).unwrap_err().kind(), ErrorKind::Busy);
    drop(loan);
}

#[test]
fn an_evaluation_tells_of_each_batch_and_stops() {
    let (x, labels) = images(30);
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    let whole = trainer.evaluate(&dataset, "batch_size=8").unwrap();
    let mut reports = Vec::new();
    let told = trainer
        .evaluate_reporting(&dataset, "batch_size=8", |p| {
            reports.push(*p);
            true
        })
        .unwrap();
    assert_eq!(told, whole);
    assert_eq!(
        reports.iter().map(|p| (p.event, p.step, p.steps)).collect::<Vec<_>>(),
        [1, 2, 3, 4].map(|step| { (Event::Evaluation, step, 4) })
    );
    assert_eq!(reports[3].validation_loss, Some(whole.loss));
    let text = reports[0].to_string();
    assert!(text.starts_with("batch 1/4  validation loss"), "{text}");

    let stopped = trainer.evaluate_reporting(&dataset, "batch_size=8", |p| p.step < 2).unwrap();
    assert_eq!(Some(stopped.loss), reports[1].validation_loss);
    let panic = catch_unwind(AssertUnwindSafe(|| trainer.evaluate_reporting(&dataset, "", |_| panic!("stop"))));
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "stop");
    trainer.evaluate(&dataset, "").unwrap();

    let mut events = Vec::new();
    trainer
        .fit(&dataset, "batch_size=8 validation_split=0.4 report=batch", |p| {
            events.push(p.event);
            true
        })
        .unwrap();
    assert!(events.contains(&Event::Evaluation) && events.ends_with(&[Event::Epoch]), "{events:?}");
}

#[test]
fn a_model_says_what_it_takes_and_gives() {
    for model in [lstm(), cnn(), Model::read(&lstm().to_bytes().unwrap()).unwrap()] {
        let info = model.info().unwrap();
        for (ports, infos) in [(model.inputs().unwrap(), info.inputs), (model.outputs().unwrap(), info.outputs)] {
            assert_eq!(ports.len(), infos.len());
            for (port, info) in ports.iter().zip(infos) {
                assert_eq!((&port.name, port.dtype, &port.shape), (&info.name, info.dtype, &info.shape));
            }
        }
    }
    let mut g = Graph::new();
    let x = g.input("x", DType::F32, &[OPEN, 4]);
    g.output("y", x);
    assert_eq!(g.build("").unwrap().inputs().unwrap()[0].shape, [OPEN, 4]);
}
