//! Sequences that are given and answered one time step at a time.

use crate::access::Use;
use crate::error::check;
use crate::library::created;
use crate::{Model, Result};
use nnkit_sys as sys;
use std::ptr::{self, NonNull};

/// The recurrent state of one running sequence. [`Session::step`](crate::Session::step) advances it, in any session of
/// its model, which it keeps alive.
#[derive(Debug)]
#[repr(transparent)]
pub struct Stream {
    raw: NonNull<sys::nnk_stream>,
}

// Safety: a handle belongs to no thread.
unsafe impl Send for Stream {}
// Safety: every call takes it mutably, so that sharing one lets nobody do anything.
unsafe impl Sync for Stream {}

impl Drop for Stream {
    fn drop(&mut self) {
        // Safety: the handle is this stream's own.
        unsafe { sys::nnk_stream_destroy(self.raw.as_ptr()) }
    }
}

impl Stream {
    /// A stream at the start of a sequence. The model needs at least one recurrent layer, and every other layer that a
    /// sequence passes must act on each time step by itself; else the error is
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
    pub fn new(model: &Model) -> Result<Stream> {
        let _in_use = model.shared().begin(Use::Call)?;
        // Safety: the model lives.
        let raw = created(|out| unsafe { sys::nnk_stream_create(model.shared().pointer(), out) })?;
        Ok(Stream { raw })
    }

    /// Goes back to the start of a sequence.
    pub fn reset(&mut self) -> Result<()> {
        // Safety: the handle lives.
        check(unsafe { sys::nnk_stream_reset(self.raw.as_ptr()) })
    }
}

/// Streams to advance together: `&mut Stream`; a mutable reference to a slice, `Vec` or array of `Stream`, or of
/// `&mut Stream`; or a `Vec` or array of `&mut Stream`.
pub trait StreamSet {
    /// Calls `body` with the handles.
    #[doc(hidden)]
    fn with_pointers<R>(self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R;
}

impl StreamSet for &mut [Stream] {
    fn with_pointers<R>(self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        // Safety: a Stream is a handle and nothing else, by `repr(transparent)`.
        body(unsafe { &*(self as *mut [Stream] as *const [*mut sys::nnk_stream]) })
    }
}

impl StreamSet for &mut Stream {
    fn with_pointers<R>(self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        std::slice::from_mut(self).with_pointers(body)
    }
}

impl StreamSet for &mut Vec<Stream> {
    fn with_pointers<R>(self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        self.as_mut_slice().with_pointers(body)
    }
}

impl<const N: usize> StreamSet for &mut [Stream; N] {
    fn with_pointers<R>(self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        self.as_mut_slice().with_pointers(body)
    }
}

/// How many scattered streams a step takes without allocating.
const FEW: usize = 64;

impl StreamSet for &mut [&mut Stream] {
    fn with_pointers<R>(self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        if self.len() <= FEW {
            let mut pointers = [ptr::null_mut(); FEW];
            for (pointer, stream) in pointers.iter_mut().zip(self.iter()) {
                *pointer = stream.raw.as_ptr();
            }
            body(&pointers[..self.len()])
        } else {
            body(&self.iter().map(|stream| stream.raw.as_ptr()).collect::<Vec<_>>())
        }
    }
}

impl StreamSet for &mut Vec<&mut Stream> {
    fn with_pointers<R>(self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        self.as_mut_slice().with_pointers(body)
    }
}

impl<const N: usize> StreamSet for &mut [&mut Stream; N] {
    fn with_pointers<R>(self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        self.as_mut_slice().with_pointers(body)
    }
}

impl StreamSet for Vec<&mut Stream> {
    fn with_pointers<R>(mut self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        self.as_mut_slice().with_pointers(body)
    }
}

impl<const N: usize> StreamSet for [&mut Stream; N] {
    fn with_pointers<R>(mut self, body: impl FnOnce(&[*mut sys::nnk_stream]) -> R) -> R {
        self.as_mut_slice().with_pointers(body)
    }
}
