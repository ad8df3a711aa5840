//! Closures and writers as C callbacks. A panic stops the call, and goes on in Rust when the call has returned: it
//! never unwinds through the library.

use crate::error::{check, Error};
use crate::{Progress, Result};
use nnkit_sys as sys;
use std::any::Any;
use std::io::{self, Write};
use std::os::raw::{c_int, c_void};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// A closure or writer, and what became of it.
struct Caller<F> {
    body: F,
    panic: Option<Box<dyn Any + Send>>,
    error: Option<io::Error>,
}

impl<F> Caller<F> {
    fn new(body: F) -> Caller<F> {
        Caller { body, panic: None, error: None }
    }

    /// Runs `call` on the body; a panic is kept, and means to stop.
    fn call(&mut self, call: impl FnOnce(&mut F) -> io::Result<bool>) -> c_int {
        let body = &mut self.body;
        // The body is not used again after a panic, so that nobody sees what it left half done.
        match catch_unwind(AssertUnwindSafe(|| call(body))) {
            Ok(Ok(go_on)) => c_int::from(!go_on),
            Ok(Err(error)) => {
                self.error = Some(error);
                1
            }
            Err(panic) => {
                self.panic = Some(panic);
                1
            }
        }
    }

    /// What the call that used it gave. Goes on with a panic.
    fn finish(self, status: sys::nnk_status) -> Result<()> {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
        match self.error {
            Some(error) if status != sys::NNK_OK => Err(Error::of_writer(error)),
            _ => check(status),
        }
    }
}

/// Calls `call` with a callback that reports to `body`, which returns whether to go on.
pub(crate) fn report_through<F: FnMut(&Progress) -> bool>(
    body: F,
    call: impl FnOnce(sys::nnk_progress_callback, *mut c_void) -> sys::nnk_status,
) -> Result<()> {
    unsafe extern "C" fn report<F: FnMut(&Progress) -> bool>(
        progress: *const sys::nnk_progress,
        user: *mut c_void,
    ) -> c_int {
        // Safety: `user` is the caller below, which this callback alone uses during the call; `progress` is valid
        // during the callback.
        let (caller, progress) = unsafe { (&mut *user.cast::<Caller<F>>(), &*progress) };
        caller.call(|body| Ok(body(&Progress::new(progress))))
    }
    let mut caller = Caller::new(body);
    let status = call(Some(report::<F>), (&mut caller as *mut Caller<F>).cast());
    caller.finish(status)
}

/// Calls `call` with a callback that gives its bytes to `writer`.
pub(crate) fn write_through<W: Write>(
    writer: W,
    call: impl FnOnce(sys::nnk_writer, *mut c_void) -> sys::nnk_status,
) -> Result<()> {
    unsafe extern "C" fn write<W: Write>(bytes: *const c_void, count: i64, user: *mut c_void) -> c_int {
        // Safety: `user` is the caller below, which this callback alone uses during the call; `count` bytes, at least
        // 1, stay during the callback.
        let (caller, bytes) =
            unsafe { (&mut *user.cast::<Caller<W>>(), std::slice::from_raw_parts(bytes.cast::<u8>(), count as usize)) };
        caller.call(|writer| writer.write_all(bytes).map(|()| true))
    }
    let mut caller = Caller::new(writer);
    let status = call(Some(write::<W>), (&mut caller as *mut Caller<W>).cast());
    caller.finish(status)
}
