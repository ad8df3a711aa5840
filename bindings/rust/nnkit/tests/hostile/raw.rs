//! The raw functions with NULL, with handles that are none, and with tensors that describe nonsense.

use super::*;
use nnkit_sys::*;
use std::ffi::CString;
use std::mem::zeroed;
use std::os::raw::{c_char, c_void};
use std::ptr::{null, null_mut};

/// Everything that a call may need, made anew in each child.
struct Objects {
    runtime: *mut nnk_runtime,
    graph: *mut nnk_graph,
    value: nnk_value,
    model: *mut nnk_model,
    trainer: *mut nnk_trainer,
    session: *mut nnk_session,
    dataset: *mut nnk_dataset,
    input: nnk_tensor,
    target: nnk_tensor,
    output: nnk_tensor,
}

fn text(value: &str) -> *const c_char {
    CString::new(value).unwrap().into_raw() // stays until the child ends
}

/// A tensor whose memory stays until the child ends.
fn tensor<T: Clone>(value: T, dtype: nnk_dtype, shape: &[i64]) -> nnk_tensor {
    let count: i64 = shape.iter().product();
    let data = Box::leak(vec![value; count as usize].into_boxed_slice());
    let shape = Box::leak(shape.to_vec().into_boxed_slice());
    // Safety: both stay.
    unsafe { nnk_tensor_view(data.as_mut_ptr().cast(), dtype, shape.as_ptr(), shape.len() as i32) }
}

impl Objects {
    fn new() -> Objects {
        // Safety: every argument is what the header asks for.
        unsafe {
            let mut o: Objects = Objects {
                runtime: null_mut(),
                graph: nnk_graph_create(),
                value: 0,
                model: null_mut(),
                trainer: null_mut(),
                session: null_mut(),
                dataset: null_mut(),
                input: tensor(0.5_f32, NNK_FLOAT32, &[2, 4]),
                target: tensor(1_i32, NNK_INT32, &[2]),
                output: tensor(0.0_f32, NNK_FLOAT32, &[2, 3]),
            };
            assert_eq!(nnk_runtime_create(text("threads=1"), &mut o.runtime), NNK_OK);
            let x = nnk_graph_input(o.graph, text("x"), NNK_FLOAT32, [4].as_ptr(), 1);
            o.value = nnk_graph_layer(o.graph, text("dense"), text("units=3"), x);
            assert_eq!(nnk_graph_output(o.graph, text("y"), o.value), NNK_OK);
            assert_eq!(nnk_model_create(o.runtime, o.graph, null(), &mut o.model), NNK_OK);
            assert_eq!(nnk_trainer_create(o.model, text("loss=softmax_cross_entropy"), &mut o.trainer), NNK_OK);
            assert_eq!(nnk_session_create(o.model, text("max_batch=2"), &mut o.session), NNK_OK);
            assert_eq!(nnk_dataset_create_from_arrays(&o.input, 1, &o.target, 1, &mut o.dataset), NNK_OK);
            o
        }
    }
}

/// The kind of a failure, which must have a message.
fn kind(status: nnk_status) -> Option<ErrorKind> {
    const KINDS: [ErrorKind; 11] =
        [InvalidArgument, InvalidHandle, Shape, Type, OutOfMemory, Io, Format, Numeric, Busy, Unsupported, Internal];
    if status == NNK_OK {
        return None;
    }
    // Safety: the message stays until the next failing call.
    let message = unsafe { std::ffi::CStr::from_ptr(nnk_last_error()) };
    assert!(!message.to_bytes().is_empty(), "a failure without a message");
    Some(KINDS[status as usize - 1])
}

/// A case of a raw call: `kinds` empty means NNK_OK.
fn add_raw(
    cases: &mut Cases,
    name: impl Into<String>,
    kinds: &'static [ErrorKind],
    call: impl Fn(&mut Objects) -> nnk_status + 'static,
) {
    cases.add(name, &[], "", move || {
        match kind(call(&mut Objects::new())) {
            None => assert!(kinds.is_empty(), "NNK_OK; expected one of {kinds:?}"),
            Some(found) => assert!(kinds.contains(&found), "{found:?}; expected one of {kinds:?}"),
        }
        Ok(())
    });
}

const NULL: &[ErrorKind] = &[InvalidArgument, InvalidHandle];
const HANDLE: &[ErrorKind] = &[InvalidHandle];

/// One argument is NULL, the others are fine.
fn null_arguments(cases: &mut Cases) {
    type Call = unsafe fn(&mut Objects) -> nnk_status;
    let rows: &[(&str, Call)] = &[
        ("runtime_create out", |_| unsafe { nnk_runtime_create(null(), null_mut()) }),
        ("runtime_info_json out", |o| unsafe { nnk_runtime_info_json(o.runtime, null_mut()) }),
        ("graph_layer_multi graph", |o| unsafe {
            nnk_graph_layer_multi(null_mut(), text("dense"), null(), &o.value, 1, &mut 0, 1)
        }),
        ("graph_layer_multi kind", |o| unsafe {
            nnk_graph_layer_multi(o.graph, null(), null(), &o.value, 1, &mut 0, 1)
        }),
        ("graph_layer_multi inputs", |o| unsafe {
            nnk_graph_layer_multi(o.graph, text("dense"), text("units=1"), null(), 1, &mut 0, 1)
        }),
        ("graph_layer_multi outputs", |o| unsafe {
            nnk_graph_layer_multi(o.graph, text("dense"), text("units=1"), &o.value, 1, null_mut(), 1)
        }),
        ("graph_output name", |o| unsafe { nnk_graph_output(o.graph, null(), o.value) }),
        ("graph_shape shape", |o| unsafe { nnk_graph_shape(o.graph, o.value, null_mut(), &mut 8) }),
        ("graph_shape rank", |o| unsafe { nnk_graph_shape(o.graph, o.value, [0; 8].as_mut_ptr(), null_mut()) }),
        ("model_create graph", |o| unsafe { nnk_model_create(o.runtime, null_mut(), null(), &mut null_mut()) }),
        ("model_create out", |o| unsafe { nnk_model_create(o.runtime, o.graph, null(), null_mut()) }),
        ("model_save model", |_| unsafe { nnk_model_save(null_mut(), text("never.nnkit")) }),
        ("model_save path", |o| unsafe { nnk_model_save(o.model, null()) }),
        ("model_load path", |_| unsafe { nnk_model_load(null_mut(), null(), &mut null_mut()) }),
        ("model_load out", |_| unsafe { nnk_model_load(null_mut(), text("x"), null_mut()) }),
        ("model_write writer", |o| unsafe { nnk_model_write(o.model, None, null_mut()) }),
        ("model_read bytes", |_| unsafe { nnk_model_read(null_mut(), null(), 9, &mut null_mut()) }),
        ("model_read out", |_| unsafe { nnk_model_read(null_mut(), b"123".as_ptr().cast(), 3, null_mut()) }),
        ("model_info_json out", |o| unsafe { nnk_model_info_json(o.model, null_mut()) }),
        ("parameters_view out", |o| unsafe { nnk_model_parameters_view(o.model, null_mut()) }),
        ("parameters_changed model", |_| unsafe { nnk_model_parameters_changed(null_mut()) }),
        ("dataset inputs", |o| unsafe { nnk_dataset_create_from_arrays(null(), 1, &o.target, 1, &mut null_mut()) }),
        ("dataset targets", |o| unsafe { nnk_dataset_create_from_arrays(&o.input, 1, null(), 1, &mut null_mut()) }),
        ("dataset out", |o| unsafe { nnk_dataset_create_from_arrays(&o.input, 1, &o.target, 1, null_mut()) }),
        ("trainer_create model", |_| unsafe { nnk_trainer_create(null_mut(), null(), &mut null_mut()) }),
        ("trainer_create out", |o| unsafe {
            nnk_trainer_create(o.model, text("loss=softmax_cross_entropy"), null_mut())
        }),
        ("trainer_set trainer", |_| unsafe { nnk_trainer_set(null_mut(), text("learning_rate=1")) }),
        ("trainer_get name", |o| unsafe { nnk_trainer_get(o.trainer, null(), &mut 0.0) }),
        ("trainer_get value", |o| unsafe { nnk_trainer_get(o.trainer, text("learning_rate"), null_mut()) }),
        ("trainer_fit dataset", |o| unsafe { nnk_trainer_fit(o.trainer, null_mut(), null(), None, null_mut()) }),
        ("trainer_evaluate dataset", |o| unsafe {
            nnk_trainer_evaluate(o.trainer, null_mut(), null(), &mut 0.0, &mut 0.0)
        }),
        ("trainer_step inputs", |o| unsafe { nnk_trainer_step(o.trainer, null(), 1, &o.target, 1, &mut 0.0) }),
        ("trainer_step targets", |o| unsafe { nnk_trainer_step(o.trainer, &o.input, 1, null(), 1, &mut 0.0) }),
        ("trainer_apply trainer", |_| unsafe { nnk_trainer_apply(null_mut()) }),
        ("trainer_gradients_view out", |o| unsafe { nnk_trainer_gradients_view(o.trainer, null_mut()) }),
        ("trainer_write_state writer", |o| unsafe { nnk_trainer_write_state(o.trainer, None, null_mut()) }),
        ("trainer_read_state bytes", |o| unsafe { nnk_trainer_read_state(o.trainer, null(), 5) }),
        ("session_create out", |o| unsafe { nnk_session_create(o.model, null(), null_mut()) }),
        ("session_run inputs", |o| unsafe { nnk_session_run(o.session, null(), 1, &mut o.output, 1) }),
        ("session_run outputs", |o| unsafe { nnk_session_run(o.session, &o.input, 1, null_mut(), 1) }),
        ("session_bytes bytes", |o| unsafe { nnk_session_bytes(o.model, null(), null_mut()) }),
        ("stream_create out", |o| unsafe { nnk_stream_create(o.model, null_mut()) }),
        ("stream_reset stream", |_| unsafe { nnk_stream_reset(null_mut()) }),
        ("streams_step streams", |o| unsafe { nnk_streams_step(o.session, null(), 1, &o.input, 1, &mut o.output, 1) }),
    ];
    for (name, call) in rows {
        let call = *call;
        // Safety: the header says that NULL is an error.
        add_raw(cases, format!("raw, NULL: {name}"), NULL, move |objects| unsafe { call(objects) });
    }
}

/// Handles that are none.
fn handles(cases: &mut Cases) {
    for token in [1, 7, 4096, 0xdead_beef, 1 << 47, 1 << 63, usize::MAX] {
        add_raw(cases, format!("raw, handle {token:#x}"), HANDLE, move |o| unsafe {
            nnk_graph_destroy(token as *mut _);
            nnk_model_destroy(token as *mut _);
            nnk_trainer_destroy(token as *mut _);
            nnk_session_destroy(token as *mut _);
            nnk_dataset_destroy(token as *mut _);
            nnk_stream_destroy(token as *mut _);
            nnk_runtime_destroy(token as *mut _);
            let statuses = [
                nnk_trainer_apply(token as *mut _),
                nnk_session_run(token as *mut _, &o.input, 1, &mut o.output, 1),
                nnk_model_info_json(token as *mut _, &mut null()),
                nnk_trainer_fit(o.trainer, token as *mut _, null(), None, null_mut()),
                nnk_stream_reset(token as *mut _),
                nnk_graph_output(token as *mut _, text("z"), 0),
            ];
            assert!(statuses.iter().all(|status| *status == statuses[0]), "{statuses:?}");
            statuses[0]
        });
    }
    add_raw(cases, "raw, a model as a trainer", HANDLE, |o| unsafe { nnk_trainer_apply(o.model.cast()) });
    add_raw(cases, "raw, a trainer as a session", HANDLE, |o| unsafe {
        nnk_session_run(o.trainer.cast(), &o.input, 1, &mut o.output, 1)
    });
    add_raw(cases, "raw, memory of the host as a handle", HANDLE, |o| unsafe {
        nnk_model_info_json((o as *mut Objects).cast(), &mut null())
    });
    add_raw(cases, "raw, a destroyed model", HANDLE, |o| unsafe {
        nnk_model_destroy(o.model);
        nnk_model_destroy(o.model);
        nnk_model_info_json(o.model, &mut null())
    });
    add_raw(cases, "raw, a destroyed dataset in a fit", HANDLE, |o| unsafe {
        nnk_dataset_destroy(o.dataset);
        nnk_trainer_fit(o.trainer, o.dataset, null(), None, null_mut())
    });
    add_raw(cases, "raw, everything destroyed twice, but for the trainer", &[], |o| unsafe {
        for _ in 0..2 {
            nnk_runtime_destroy(o.runtime);
            nnk_graph_destroy(o.graph);
            nnk_model_destroy(o.model);
            nnk_session_destroy(o.session);
        }
        nnk_trainer_fit(o.trainer, o.dataset, null(), None, null_mut())
    });
    add_raw(cases, "raw, destroyed in a callback", &[], |o| unsafe {
        unsafe extern "C" fn destroy(_: *const nnk_progress, user: *mut c_void) -> i32 {
            let o = &*user.cast::<Objects>();
            nnk_trainer_destroy(o.trainer);
            nnk_dataset_destroy(o.dataset);
            nnk_model_destroy(o.model);
            0
        }
        nnk_trainer_fit(o.trainer, o.dataset, text("epochs=2"), Some(destroy), (o as *mut Objects).cast())
    });
}

/// Tensors that describe nonsense.
fn tensors(cases: &mut Cases) {
    let odd: &'static [ErrorKind] = &[InvalidArgument, Shape, Type, Unsupported];
    type Spoil = fn(&mut nnk_tensor);
    let spoils: &[(&str, Spoil)] = &[
        ("no data", |t| t.data = null_mut()),
        ("another device", |t| t.device.device_type = 2),
        ("rank -1", |t| t.ndim = -1),
        ("rank 0", |t| t.ndim = 0),
        ("rank 2^31 - 1", |t| t.ndim = i32::MAX),
        ("unsigned elements", |t| t.dtype.code = 1),
        ("elements of 16 bits", |t| t.dtype.bits = 16),
        ("four lanes", |t| t.dtype.lanes = 4),
        ("no shape", |t| t.shape = null_mut()),
        ("batch -1", |t| t.shape = Box::leak(Box::new([-1_i64, 4])).as_mut_ptr()),
        ("batch 2^62", |t| t.shape = Box::leak(Box::new([1_i64 << 62, 4])).as_mut_ptr()),
        ("strides of 2^61", |t| t.strides = Box::leak(Box::new([1_i64 << 61, 1 << 61])).as_mut_ptr()),
        ("offset 2^64 - 1", |t| t.byte_offset = u64::MAX),
        // Safety: every field of the struct may be zero.
        ("zeros", |t| *t = unsafe { zeroed() }),
    ];
    for (name, spoil) in spoils {
        let spoil = *spoil;
        add_raw(cases, format!("raw, input of a run: {name}"), odd, move |o| unsafe {
            spoil(&mut o.input);
            nnk_session_run(o.session, &o.input, 1, &mut o.output, 1)
        });
        add_raw(cases, format!("raw, target of a step: {name}"), odd, move |o| unsafe {
            spoil(&mut o.target);
            nnk_trainer_step(o.trainer, &o.input, 1, &o.target, 1, null_mut())
        });
    }
    for n in [-1, 0, 2, i32::MAX, i32::MIN] {
        add_raw(cases, format!("raw, {n} inputs"), odd, move |o| unsafe {
            let inputs = [o.input; 2];
            nnk_session_run(o.session, inputs.as_ptr(), n, &mut o.output, 1)
        });
    }
}

pub fn add(cases: &mut Cases) {
    null_arguments(cases);
    handles(cases);
    tensors(cases);
}
