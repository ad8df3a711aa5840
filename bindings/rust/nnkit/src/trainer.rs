//! A model with a loss, an optimizer and gradients.

use crate::access::Use;
use crate::callback::{report_through, write_through};
use crate::dataset::Owned;
use crate::error::check;
use crate::library::{c_string, created};
use crate::model::Shared;
use crate::options::c_options;
use crate::parameters::{buffer, Gradients};
use crate::progress::known;
use crate::tensor::with_raw;
use crate::views::Views;
use crate::{Dataset, Model, Options, Progress, Result};
use nnkit_sys as sys;
use std::io::Write;
use std::marker::PhantomData;
use std::os::raw::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

/// A model with a loss, an optimizer and gradients. It keeps the model alive.
///
/// Its calls take `&self`, so that the callback of a fit can change settings or write the state of its trainer. One
/// that comes while another is under way, in another thread or around the callback, is
/// [`ErrorKind::Busy`](crate::ErrorKind::Busy).
///
/// ```
/// use nnkit::optimizers::Adam;
/// use nnkit::settings::{FitOptions, TrainerOptions};
/// use nnkit::{Dataset, DType, Graph, Loss, Tensor, Trainer};
///
/// let mut g = Graph::new();
/// let x = g.input("x", DType::F32, &[2]);
/// let x = g.add("dense", "units=1", x);
/// g.output("y", x);
/// let model = g.build("seed=7")?;
///
/// let x = Tensor::new(&[4, 2], vec![0.0_f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0])?;
/// let y = Tensor::new(&[4, 1], vec![0.0_f32, 1.0, 2.0, 3.0])?;
/// let trainer = Trainer::new(
///     &model,
///     TrainerOptions {
///         optimizer: Adam { learning_rate: 0.1, ..Default::default() }.into(),
///         ..TrainerOptions::new(Loss::MeanSquaredError)
///     },
/// )?;
/// trainer.fit(&Dataset::from_arrays(&x, &y)?, FitOptions { epochs: 200, ..Default::default() }, |p| {
///     if p.epoch == 100 {
///         trainer.set("learning_rate=0.01").unwrap();
///     }
///     p.loss > 1e-6 // whether to go on
/// })?;
/// assert!(trainer.evaluate(&Dataset::from_arrays(&x, &y)?, "")?.loss < 1e-2);
/// # Ok::<(), nnkit::Error>(())
/// ```
///
/// `'d` is for how long the arrays of its validation samples live: they cannot go before the trainer.
///
/// ```compile_fail,E0597
/// # use nnkit::{Dataset, DType, Graph, Tensor, Trainer};
/// # let g = Graph::new();
/// # let model = g.build("")?;
/// let mut trainer = Trainer::new(&model, "loss=mean_squared_error")?;
/// {
///     let (x, y) = (Tensor::<f32>::zeros(&[4, 2])?, Tensor::<f32>::zeros(&[4, 1])?);
///     trainer.set_validation(Some(&Dataset::from_arrays(&x, &y)?))?;
/// }
/// trainer.apply()?;
/// # Ok::<(), nnkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Trainer<'d> {
    pub(crate) raw: NonNull<sys::nnk_trainer>,
    pub(crate) model: Arc<Shared>,
    /// The arrays of validation samples that own theirs.
    validation: Option<Arc<Owned>>,
    validation_arrays: PhantomData<&'d [f32]>,
}

// Safety: a handle belongs to no thread, and "a second, simultaneous call on it gives NNK_ERROR_BUSY"; what it keeps of
// datasets can be shared.
unsafe impl Send for Trainer<'_> {}
// Safety: as above. The gradients, which a call changes, are lent through `&mut self` alone.
unsafe impl Sync for Trainer<'_> {}

impl Drop for Trainer<'_> {
    fn drop(&mut self) {
        // Safety: the handle is this trainer's own, and no call on it is running, as it would borrow it. After this the
        // validation samples' arrays are read no more.
        unsafe { sys::nnk_trainer_destroy(self.raw.as_ptr()) }
    }
}

/// What [`Trainer::evaluate`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The mean loss; with several outputs the sum of theirs.
    pub loss: f64,
    /// The metric; `None` without one. With several outputs the mean of theirs.
    pub metric: Option<f64>,
}

impl<'d> Trainer<'d> {
    /// A trainer. Options: [`TrainerOptions`](crate::settings::TrainerOptions), or text such as
    /// `"loss=softmax_cross_entropy optimizer=adam learning_rate=1e-3"`.
    pub fn new(model: &Model, options: impl Options) -> Result<Trainer<'d>> {
        let options = c_options(&options)?;
        let model = model.shared().clone();
        let in_use = model.begin(Use::Call)?;
        // Safety: the model lives; the options stay during the call.
        let raw = created(|out| unsafe { sys::nnk_trainer_create(model.pointer(), options.as_ptr(), out) })?;
        drop(in_use);
        Ok(Trainer { raw, model, validation: None, validation_arrays: PhantomData })
    }

    /// Trains. Options: [`FitOptions`](crate::settings::FitOptions), or text such as `"epochs=5 batch_size=64"`.
    ///
    /// `callback` is told of each epoch, or with `report=step` of each step, in this thread; it returns whether to go
    /// on. It may use other objects, change the trainer's settings and save the model. If it panics, training stops,
    /// and the panic goes on from here.
    ///
    /// Shapes, labels and indices are checked before the first step. Where a later step fails, the steps before it have
    /// changed the model.
    pub fn fit(
        &self,
        dataset: &Dataset<'_>,
        options: impl Options,
        callback: impl FnMut(&Progress) -> bool,
    ) -> Result<()> {
        let options = c_options(&options)?;
        let _in_use = self.model.begin(Use::TrainerCall)?;
        // Safety: both handles live, and the dataset's arrays with it; the options stay during the call; the callback
        // and its data are those that `report_through` made.
        report_through(callback, |callback, user| unsafe {
            sys::nnk_trainer_fit(self.raw.as_ptr(), dataset.pointer(), options.as_ptr(), callback, user)
        })
    }

    /// The validation samples of the next fits, in place of `validation_split`; `None`: none. The dataset may go; its
    /// arrays stay borrowed for as long as the trainer lives.
    pub fn set_validation(&mut self, dataset: Option<&Dataset<'d>>) -> Result<()> {
        let pointer = dataset.map_or(std::ptr::null_mut(), Dataset::pointer);
        // Safety: NULL or a handle that lives. Its arrays outlive the trainer: by `'d`, or by the Arc that is kept.
        check(unsafe { sys::nnk_trainer_set_validation(self.raw.as_ptr(), pointer) })?;
        // The arrays of the samples before go only now that they are not used any more.
        self.validation = dataset.and_then(Dataset::owned);
        Ok(())
    }

    /// Mean loss and metric over a dataset, in inference mode, however it is divided into batches. Options:
    /// [`EvaluateOptions`](crate::settings::EvaluateOptions).
    pub fn evaluate(&self, dataset: &Dataset<'_>, options: impl Options) -> Result<Evaluation> {
        let options = c_options(&options)?;
        let _in_use = self.model.begin(Use::TrainerCall)?;
        let (mut loss, mut metric) = (f64::NAN, f64::NAN);
        // Safety: both handles live, and the dataset's arrays with it; the options stay during the call.
        check(unsafe {
            let (trainer, dataset) = (self.raw.as_ptr(), dataset.pointer());
            sys::nnk_trainer_evaluate(trainer, dataset, options.as_ptr(), &mut loss, &mut metric)
        })?;
        Ok(Evaluation { loss, metric: known(metric) })
    }

    /// The same, which tells `callback` of each batch ([`Event::Evaluation`](crate::Event::Evaluation)); it returns
    /// whether to go on. What it stops gives the loss and metric of the samples until then. A panic in it goes on from
    /// here.
    pub fn evaluate_reporting(
        &self,
        dataset: &Dataset<'_>,
        options: impl Options,
        callback: impl FnMut(&Progress) -> bool,
    ) -> Result<Evaluation> {
        let options = c_options(&options)?;
        let _in_use = self.model.begin(Use::TrainerCall)?;
        let (mut loss, mut metric) = (f64::NAN, f64::NAN);
        // Safety: as in `evaluate`; the callback and its data are those that `report_through` made.
        report_through(callback, |callback, user| unsafe {
            let (trainer, dataset) = (self.raw.as_ptr(), dataset.pointer());
            sys::nnk_trainer_evaluate_reporting(
                trainer,
                dataset,
                options.as_ptr(),
                &mut loss,
                &mut metric,
                callback,
                user,
            )
        })?;
        Ok(Evaluation { loss, metric: known(metric) })
    }

    /// One optimizer step on one batch: [`gradients`](Self::gradients), then [`apply`](Self::apply). Gives the mean
    /// loss before the step. Allocates nothing after the first call with the same shapes.
    pub fn step<'a>(&self, inputs: impl Views<'a>, targets: impl Views<'a>) -> Result<f64> {
        self.on_batch(inputs, targets, |trainer, inputs, n_inputs, targets, n_targets, loss| {
            // Safety: the handle lives; the views stay during the call and are only read.
            unsafe { sys::nnk_trainer_step(trainer, inputs, n_inputs, targets, n_targets, loss) }
        })
    }

    /// The first half of a step: gradients of one batch, into the trainer's buffer; no parameter changes. Gives the
    /// mean loss, whether it is finite or not.
    pub fn gradients<'a>(&self, inputs: impl Views<'a>, targets: impl Views<'a>) -> Result<f64> {
        self.on_batch(inputs, targets, |trainer, inputs, n_inputs, targets, n_targets, loss| {
            // Safety: as in `step`.
            unsafe { sys::nnk_trainer_gradients(trainer, inputs, n_inputs, targets, n_targets, loss) }
        })
    }

    fn on_batch<'a>(
        &self,
        inputs: impl Views<'a>,
        targets: impl Views<'a>,
        call: impl FnOnce(
            *mut sys::nnk_trainer,
            *const sys::nnk_tensor,
            i32,
            *const sys::nnk_tensor,
            i32,
            *mut f64,
        ) -> sys::nnk_status,
    ) -> Result<f64> {
        let _in_use = self.model.begin(Use::TrainerCall)?;
        let mut loss = f64::NAN;
        let status = inputs.with_views(|inputs| {
            targets.with_views(|targets| {
                with_raw(inputs, |inputs, n_inputs| {
                    with_raw(targets, |targets, n_targets| {
                        call(self.raw.as_ptr(), inputs, n_inputs, targets, n_targets, &mut loss)
                    })
                })
            })
        });
        check(status)?;
        Ok(loss)
    }

    /// The last part of a step: clips the gradients in the buffer if `clip_norm` asks for it, and lets the optimizer
    /// use them.
    pub fn apply(&self) -> Result<()> {
        let _in_use = self.model.begin(Use::TrainerCall)?;
        // Safety: the handle lives.
        check(unsafe { sys::nnk_trainer_apply(self.raw.as_ptr()) })
    }

    /// All gradients, which [`gradients`](Self::gradients) or [`backward`](Self::backward) left and
    /// [`apply`](Self::apply) will use: to read, or to
    /// change.
    ///
    /// No call can come while they are in use:
    ///
    /// ```compile_fail,E0502
    /// # use nnkit::{Graph, Trainer};
    /// # let mut trainer = Trainer::new(&Graph::new().build("")?, "loss=mean_squared_error")?;
    /// let mut gradients = trainer.gradients_view()?;
    /// trainer.apply()?;
    /// gradients[0] = 0.0;
    /// # Ok::<(), nnkit::Error>(())
    /// ```
    pub fn gradients_view(&mut self) -> Result<Gradients<'_>> {
        let layout = self.model.layout()?;
        // Safety: the handle lives.
        let (data, count) = buffer(|out| unsafe { sys::nnk_trainer_gradients_view(self.raw.as_ptr(), out) })?;
        // Safety: "The memory stays until the trainer is destroyed", which `self` is borrowed mutably of: no call on it
        // can be running.
        let values = unsafe { std::slice::from_raw_parts_mut(data, count) };
        Ok(Gradients::new(values, layout))
    }

    /// Changes settings, all or none of them: any option of the trainer's optimizer, and `clip_norm`. The optimizer
    /// keeps its state. Works at any time and from any thread, in the callback of a fit too: the next step uses it.
    pub fn set(&self, settings: impl Options) -> Result<()> {
        let settings = c_options(&settings)?;
        // Safety: the handle lives; the settings stay during the call.
        check(unsafe { sys::nnk_trainer_set(self.raw.as_ptr(), settings.as_ptr()) })
    }

    /// A setting as it was last set: `"learning_rate"`. One that is true or false is 1 or 0. Works at any time and from
    /// any thread.
    pub fn get(&self, name: &str) -> Result<f64> {
        let name = c_string(name, "the setting's name")?;
        let mut value = f64::NAN;
        // Safety: the handle lives; the name stays during the call.
        check(unsafe { sys::nnk_trainer_get(self.raw.as_ptr(), name.as_ptr(), &mut value) })?;
        Ok(value)
    }

    /// Freezes the parameters whose names fit `pattern`, in which `*` stands for any characters and `?` for any one:
    /// `"encoder_*"`, `"conv2d/kernel"`. A frozen parameter keeps its value and has a gradient of zero; no step
    /// computes for frozen ones alone. Gives how many fit; where none does, the error is
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument).
    ///
    /// ```
    /// # use nnkit::{DType, Graph, Tensor, Trainer};
    /// # let mut g = Graph::new();
    /// # let x = g.input("x", DType::F32, &[2]);
    /// # let x = g.add("dense", "units=3 name=encoder", x);
    /// # let x = g.add("dense", "units=1", x);
    /// # g.output("y", x);
    /// # let model = g.build("")?;
    /// let trainer = Trainer::new(&model, "loss=mean_squared_error")?;
    /// assert_eq!(trainer.freeze("encoder/*")?, 2);
    /// let before = model.parameters()?.get("encoder/kernel").unwrap().to_vec();
    /// trainer.step(&Tensor::new(&[1, 2], vec![1.0_f32, 2.0])?, &Tensor::new(&[1, 1], vec![3.0_f32])?)?;
    /// assert_eq!(model.parameters()?.get("encoder/kernel").unwrap(), before);
    /// trainer.unfreeze("*")?;
    /// # Ok::<(), nnkit::Error>(())
    /// ```
    pub fn freeze(&self, pattern: &str) -> Result<usize> {
        self.set_frozen(pattern, true)
    }

    /// Lets the parameters whose names fit `pattern` be trained again. Gives how many fit.
    pub fn unfreeze(&self, pattern: &str) -> Result<usize> {
        self.set_frozen(pattern, false)
    }

    /// Whether the parameter of this name, such as "dense/kernel", is frozen. The callback of a fit may ask its trainer.
    pub fn is_frozen(&self, name: &str) -> Result<bool> {
        let name = c_string(name, "the name")?;
        let mut frozen = 0;
        // Safety: the handle lives; the name stays during the call.
        check(unsafe { sys::nnk_trainer_is_frozen(self.raw.as_ptr(), name.as_ptr(), &mut frozen) })?;
        Ok(frozen != 0)
    }

    fn set_frozen(&self, pattern: &str, frozen: bool) -> Result<usize> {
        let pattern = c_string(pattern, "the pattern")?;
        let _in_use = self.model.begin(Use::TrainerCall)?;
        let mut count = 0;
        // Safety: the handle lives; the pattern stays during the call.
        check(unsafe { sys::nnk_trainer_freeze(self.raw.as_ptr(), pattern.as_ptr(), i32::from(frozen), &mut count) })?;
        Ok(count as usize)
    }

    /// Gives `writer` all that training goes on from, to the bit: the model, the optimizer's memory, counters and
    /// settings. The callback of a fit may call it for its trainer.
    pub fn write_state(&self, writer: impl Write) -> Result<()> {
        let _in_use = self.model.begin(Use::TrainerCall)?;
        // Safety: the handle lives; the callback and its data are those that `write_through` made.
        write_through(writer, |callback, user: *mut c_void| unsafe {
            sys::nnk_trainer_write_state(self.raw.as_ptr(), callback, user)
        })
    }

    /// What [`write_state`](Self::write_state) writes.
    pub fn state(&self) -> Result<Vec<u8>> {
        let mut state = Vec::new();
        self.write_state(&mut state)?;
        Ok(state)
    }

    /// Makes the trainer and its model go on where the trainer was that wrote `state`. On failure nothing has changed.
    pub fn read_state(&self, state: &[u8]) -> Result<()> {
        let _in_use = self.model.begin(Use::TrainerCall)?;
        let (data, count) = (state.as_ptr().cast(), state.len() as i64);
        // Safety: the handle lives; `count` bytes are there during the call.
        check(unsafe { sys::nnk_trainer_read_state(self.raw.as_ptr(), data, count) })
    }
}
