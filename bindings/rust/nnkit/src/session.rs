//! A model planned for running, and streams that it advances.

use crate::access::Use;
use crate::error::check;
use crate::library::created;
use crate::model::Shared;
use crate::options::c_options;
use crate::tensor::{with_raw, with_raw_mut};
use crate::views::{Views, ViewsMut};
use crate::{Model, Options, Result, StreamSet};
use nnkit_sys as sys;
use std::ptr::NonNull;
use std::sync::Arc;

/// A model planned for running: one per thread. It keeps the model alive.
///
/// ```
/// use nnkit::{DType, Graph, Session, Tensor};
///
/// let mut g = Graph::new();
/// let x = g.input("x", DType::F32, &[4]);
/// let x = g.add("dense", "units=3", x);
/// g.output("y", x);
/// let mut session = Session::new(&g.build("")?, "max_batch=16")?;
/// let (x, mut y) = (Tensor::<f32>::zeros(&[16, 4])?, Tensor::<f32>::zeros(&[16, 3])?);
/// session.run(&x, &mut y)?;
/// # Ok::<(), nnkit::Error>(())
/// ```
///
/// What is read cannot be what is written:
///
/// ```compile_fail,E0502
/// # use nnkit::{Graph, Session, Tensor};
/// # let mut session = Session::new(&Graph::new().build("")?, "")?;
/// let mut x = Tensor::<f32>::zeros(&[16, 4])?;
/// session.run(&x, &mut x)?;
/// # Ok::<(), nnkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Session {
    raw: NonNull<sys::nnk_session>,
    model: Arc<Shared>,
}

// Safety: a handle belongs to no thread, and "one model may be used by any number of sessions at once".
unsafe impl Send for Session {}
// Safety: every call takes `&mut self`, so that sharing one lets nobody do anything.
unsafe impl Sync for Session {}

impl Drop for Session {
    fn drop(&mut self) {
        // Safety: the handle is this session's own, and no call on it is running, as it would borrow it.
        unsafe { sys::nnk_session_destroy(self.raw.as_ptr()) }
    }
}

impl Session {
    /// Plans the model and allocates what its runs need. Options: [`SessionOptions`](crate::settings::SessionOptions).
    pub fn new(model: &Model, options: impl Options) -> Result<Session> {
        let options = c_options(&options)?;
        let model = model.shared().clone();
        let in_use = model.begin(Use::Call)?;
        // Safety: the model lives; the options stay during the call.
        let raw = created(|out| unsafe { sys::nnk_session_create(model.pointer(), options.as_ptr(), out) })?;
        drop(in_use);
        Ok(Session { raw, model })
    }

    /// How many bytes [`new`](Self::new) would allocate for its plan with these options; allocates none of them. 0 where
    /// a time dimension is open and `max_time` is 0: nothing is planned before the first run.
    pub fn bytes(model: &Model, options: impl Options) -> Result<u64> {
        let options = c_options(&options)?;
        let _in_use = model.shared().begin(Use::Call)?;
        let mut bytes = 0_i64;
        // Safety: the model lives; the options stay during the call.
        check(unsafe { sys::nnk_session_bytes(model.shared().pointer(), options.as_ptr(), &mut bytes) })?;
        Ok(bytes as u64)
    }

    /// Runs the model on a batch: reads `inputs`, `[N, ...]` each, writes `outputs`, whose shapes must be exactly those
    /// of the results. A run with `max_batch` samples allocates nothing; any other number is planned when it first
    /// comes.
    pub fn run<'a, 'b>(&mut self, inputs: impl Views<'a>, outputs: impl ViewsMut<'b>) -> Result<()> {
        let session = self.raw.as_ptr();
        self.call(inputs, outputs, |inputs, n_inputs, outputs, n_outputs| {
            // Safety: the handle lives; the views stay during the call, and the outputs are borrowed mutably.
            unsafe { sys::nnk_session_run(session, inputs, n_inputs, outputs, n_outputs) }
        })
    }

    /// Advances different streams of the model, at most `max_batch`, by one time step each. Row `i` of every tensor
    /// belongs to stream `i`; the tensors are those of [`run`](Self::run) without their time dimension. Step by step
    /// the numbers are those of one run over the whole sequence. On failure no stream has advanced.
    ///
    /// ```
    /// use nnkit::{DType, Graph, Session, Stream, Tensor, OPEN};
    ///
    /// let mut g = Graph::new();
    /// let x = g.input("x", DType::F32, &[OPEN, 2]);
    /// let x = g.add("gru", "units=3", x);
    /// g.output("y", x);
    /// let model = g.build("")?;
    /// let mut session = Session::new(&model, "max_batch=2")?;
    /// let mut streams = [Stream::new(&model)?, Stream::new(&model)?];
    /// let (x, mut y) = (Tensor::new(&[2, 2], vec![1.0_f32, 2.0, 3.0, 4.0])?, Tensor::<f32>::zeros(&[2, 3])?);
    /// session.step(&mut streams[..], &x, &mut y)?;
    /// let one = Tensor::new(&[1, 2], vec![1.0_f32, 2.0])?;
    /// session.step(&mut streams[1], &one, &mut Tensor::<f32>::zeros(&[1, 3])?)?;
    /// # Ok::<(), nnkit::Error>(())
    /// ```
    ///
    /// One stream cannot be given twice:
    ///
    /// ```compile_fail,E0499
    /// # use nnkit::{Graph, Session, Stream, Tensor};
    /// # let model = Graph::new().build("")?;
    /// # let mut session = Session::new(&model, "")?;
    /// let mut stream = Stream::new(&model)?;
    /// # let (x, mut y) = (Tensor::<f32>::zeros(&[2, 2])?, Tensor::<f32>::zeros(&[2, 3])?);
    /// session.step([&mut stream, &mut stream], &x, &mut y)?;
    /// # Ok::<(), nnkit::Error>(())
    /// ```
    pub fn step<'a, 'b>(
        &mut self,
        streams: impl StreamSet,
        inputs: impl Views<'a>,
        outputs: impl ViewsMut<'b>,
    ) -> Result<()> {
        let session = self.raw.as_ptr();
        streams.with_pointers(|streams| {
            let n = i32::try_from(streams.len()).unwrap_or(i32::MAX);
            self.call(inputs, outputs, |inputs, n_inputs, outputs, n_outputs| {
                // Safety: as in `run`; the streams' handles live, and are borrowed mutably.
                unsafe { sys::nnk_streams_step(session, streams.as_ptr(), n, inputs, n_inputs, outputs, n_outputs) }
            })
        })
    }

    /// What ends the call that this session is in, from another thread.
    ///
    /// ```
    /// # use nnkit::{DType, ErrorKind, Graph, Session, Tensor};
    /// # let mut g = Graph::new();
    /// # let x = g.input("x", DType::F32, &[4]);
    /// # let x = g.add("dense", "units=3", x);
    /// # g.output("y", x);
    /// let mut session = Session::new(&g.build("")?, "max_batch=16")?;
    /// let canceller = session.canceller();
    /// let user = std::thread::spawn(move || canceller.cancel());
    /// let (x, mut y) = (Tensor::<f32>::zeros(&[16, 4])?, Tensor::<f32>::zeros(&[16, 3])?);
    /// if let Err(error) = session.run(&x, &mut y) {
    ///     assert_eq!(error.kind(), ErrorKind::Cancelled);
    /// }
    /// # user.join().unwrap();
    /// # Ok::<(), nnkit::Error>(())
    /// ```
    pub fn canceller(&self) -> Canceller {
        Canceller { session: self.raw }
    }

    fn call<'a, 'b>(
        &mut self,
        inputs: impl Views<'a>,
        outputs: impl ViewsMut<'b>,
        call: impl FnOnce(*const sys::nnk_tensor, i32, *mut sys::nnk_tensor, i32) -> sys::nnk_status,
    ) -> Result<()> {
        let _in_use = self.model.begin(Use::Call)?;
        let status = inputs.with_views(|inputs| {
            outputs.with_views_mut(|outputs| {
                with_raw(inputs, |inputs, n_inputs| {
                    with_raw_mut(outputs, |outputs, n_outputs| call(inputs, n_inputs, outputs, n_outputs))
                })
            })
        });
        check(status)
    }
}

/// Ends the calls of one [`Session`]; see [`Session::canceller`].
#[derive(Clone, Debug)]
pub struct Canceller {
    session: NonNull<sys::nnk_session>,
}

// Safety: a handle is a token that belongs to no thread; it is not used as an address.
unsafe impl Send for Canceller {}
// Safety: `nnk_session_cancel` may be called from any thread, at any time.
unsafe impl Sync for Canceller {}

impl Canceller {
    /// Ends the [`run`](Session::run) or [`step`](Session::step) that the session is in: it returns
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) when the layer that it computes has ended, and has written
    /// no output and advanced no stream. Does nothing where the session is in no call, or is gone; a call that begins
    /// later is not touched. The handler of a signal sets a flag for a thread that calls this, and does not call it.
    pub fn cancel(&self) {
        // Safety: the handle of a session that is gone is an error of the call, and here none of the caller's.
        let _ = unsafe { sys::nnk_session_cancel(self.session.as_ptr()) };
    }
}
