//! The types of the header.

use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::{c_int, c_void};

/// `NNK_OK` or one of the `NNK_ERROR_` codes.
pub type nnk_status = i32;
/// `NNK_FLOAT32`, `NNK_INT32` or `NNK_INT64`.
pub type nnk_dtype = i32;
/// A value in a graph: the output of a layer, or an input. Negative after an error.
pub type nnk_value = i32;

/// The handles are tokens, not addresses: nothing is ever read behind one.
macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _nothing: [u8; 0],
            _neither_send_nor_sync_nor_unpin: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

handles! {
    /// Threads and instruction set.
    nnk_runtime
    /// A model being described.
    nnk_graph
    /// A checked graph with its parameters.
    nnk_model
    /// Samples: inputs and, for training, targets.
    nnk_dataset
    /// A model with a loss, an optimizer and gradients.
    nnk_trainer
    /// A model planned for running: one per thread.
    nnk_session
    /// The recurrent state of one running sequence.
    nnk_stream
}

/// Where a tensor's memory is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct nnk_tensor_device {
    /// 1: CPU.
    pub device_type: i32,
    /// 0.
    pub device_id: i32,
}

/// What a tensor's elements are.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct nnk_tensor_dtype {
    /// 0: signed integer, 2: floating point.
    pub code: u8,
    /// 32 or 64.
    pub bits: u8,
    /// 1.
    pub lanes: u16,
}

/// A view of the caller's memory, with the layout of DLPack's `DLTensor`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nnk_tensor {
    /// The elements.
    pub data: *mut c_void,
    /// Where they are.
    pub device: nnk_tensor_device,
    /// How many axes there are.
    pub ndim: i32,
    /// What the elements are.
    pub dtype: nnk_tensor_dtype,
    /// `ndim` sizes.
    pub shape: *mut i64,
    /// `ndim` strides in elements, or NULL: dense, the last axis fastest.
    pub strides: *mut i64,
    /// Where in `data` the first element is.
    pub byte_offset: u64,
}

/// How a fit is going.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nnk_progress {
    /// How many bytes of this struct there are.
    pub struct_bytes: u32,
    /// `NNK_EVENT_STEP` or `NNK_EVENT_EPOCH`.
    pub event: i32,
    /// The current epoch, from 1.
    pub epoch: i32,
    /// How many there are to be.
    pub epochs: i32,
    /// The current step of this epoch, from 1.
    pub step: i64,
    /// Steps in an epoch.
    pub steps: i64,
    /// Mean training loss of this epoch so far.
    pub loss: f64,
    /// The metric on the validation samples if there are any, else on the training samples of this epoch so far; NaN
    /// without a metric, or where it is not known yet.
    pub metric: f64,
    /// The metric on the training samples of this epoch so far; NaN without a metric.
    pub train_metric: f64,
    /// NaN without validation samples, and at `NNK_EVENT_STEP`.
    pub validation_loss: f64,
    /// Since the epoch began.
    pub seconds: f64,
}

/// Called by `nnk_trainer_fit` in the calling thread. Returns 0 to go on, anything else to stop early. It must not
/// unwind.
pub type nnk_progress_callback =
    Option<unsafe extern "C" fn(progress: *const nnk_progress, user: *mut c_void) -> c_int>;

/// Takes `count` bytes that follow those of the calls before. Returns 0 to go on, anything else to stop. It must not
/// unwind.
pub type nnk_writer = Option<unsafe extern "C" fn(bytes: *const c_void, count: i64, user: *mut c_void) -> c_int>;
