//! The constants of the header, with its comments.
//!
//! Made from include/nnkit.h by `python3 bindings/rust/generator`.

use crate::types::{nnk_dtype, nnk_status, nnk_value};

/// The header's version: major.
pub const NNK_VERSION_MAJOR: u32 = 0;
/// The header's version: minor.
pub const NNK_VERSION_MINOR: u32 = 1;
/// The header's version: patch.
pub const NNK_VERSION_PATCH: u32 = 0;

/// Grows by one whenever functions, options or struct fields are added. Nothing is ever removed or changed.
pub const NNK_ABI_VERSION: u32 = 2;

/// Success.
pub const NNK_OK: nnk_status = 0;
/// NULL where a value is needed, an unknown option, a value out of range.
pub const NNK_ERROR_INVALID_ARGUMENT: nnk_status = 1;
/// A handle that is stale, foreign or of another kind.
pub const NNK_ERROR_INVALID_HANDLE: nnk_status = 2;
/// A shape that does not fit, or whose size overflows.
pub const NNK_ERROR_SHAPE: nnk_status = 3;
/// An element type that does not fit.
pub const NNK_ERROR_TYPE: nnk_status = 4;
/// Memory that cannot be had, or more than max_bytes allows.
pub const NNK_ERROR_OUT_OF_MEMORY: nnk_status = 5;
/// A file that cannot be read or written, a writer that stopped.
pub const NNK_ERROR_IO: nnk_status = 6;
/// A file that is not a valid model, or bytes that are no valid state.
pub const NNK_ERROR_FORMAT: nnk_status = 7;
/// A loss, gradient or update that is not finite: that step changed nothing.
pub const NNK_ERROR_NUMERIC: nnk_status = 8;
/// The trainer, session or stream is already in a call.
pub const NNK_ERROR_BUSY: nnk_status = 9;
/// A valid request that this version or processor cannot serve.
pub const NNK_ERROR_UNSUPPORTED: nnk_status = 10;
/// A fault of NNKit's own; please report it.
pub const NNK_ERROR_INTERNAL: nnk_status = 11;
/// Nnk_session_cancel ended the call. Since ABI version 2.
pub const NNK_ERROR_CANCELLED: nnk_status = 12;

/// 32-bit floating point.
pub const NNK_FLOAT32: nnk_dtype = 1;
/// 32-bit integers.
pub const NNK_INT32: nnk_dtype = 2;
/// Accepted where `NNK_INT32` is, if every value fits into 32 bits.
pub const NNK_INT64: nnk_dtype = 3;

/// In place of an optional input that a layer is not given. Since ABI version 2.
pub const NNK_ABSENT: nnk_value = -2;

/// An optimizer step has ended; only with report=step or report=batch.
pub const NNK_EVENT_STEP: i32 = 0;
/// An epoch has ended.
pub const NNK_EVENT_EPOCH: i32 = 1;
/// A batch has been evaluated: of the validation samples, with report=batch, or in `nnk_trainer_evaluate_reporting`.
/// Since ABI version 2.
pub const NNK_EVENT_EVALUATION: i32 = 2;
