//! A step with a loss of the program's own, in three parts.

use crate::access::Use;
use crate::error::check;
use crate::tensor::{with_raw, with_raw_mut};
use crate::views::{Views, ViewsMut};
use crate::{Result, Trainer};
use nnkit_sys as sys;

type Handle = *mut sys::nnk_trainer;

/// With a loss of the program's own, a step is [`forward`](Trainer::forward), [`backward`](Trainer::backward),
/// [`apply`](Trainer::apply).
///
/// ```
/// use nnkit::{DType, Graph, Tensor, Trainer};
///
/// let mut g = Graph::new();
/// let x = g.input("x", DType::F32, &[2]);
/// let x = g.add("dense", "units=1", x);
/// g.output("y", x);
/// let model = g.build("seed=7")?;
/// let trainer = Trainer::new(&model, "loss=none optimizer=adam learning_rate=0.1")?;
///
/// let x = Tensor::new(&[4, 2], vec![0.0_f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0])?;
/// let targets = [0.0_f32, 1.0, 2.0, 3.0];
/// let (mut y, mut dy) = (Tensor::<f32>::zeros(&[4, 1])?, Tensor::<f32>::zeros(&[4, 1])?);
/// for _ in 0..200 {
///     trainer.forward(&x, &mut y)?;
///     for ((dy, y), target) in dy.as_mut_slice().iter_mut().zip(y.as_slice()).zip(targets) {
///         *dy = (y - target).clamp(-1.0, 1.0) / 4.0; // Huber's loss
///     }
///     trainer.backward(&dy, ())?;
///     trainer.apply()?;
/// }
/// assert!(y.as_slice().iter().zip(targets).all(|(y, target)| (y - target).abs() < 0.1));
/// # Ok::<(), nnkit::Error>(())
/// ```
impl Trainer<'_> {
    /// Runs the model on a batch as training does: dropout draws, batch norms take the batch's statistics. Reads
    /// `inputs`, writes `outputs`, whose shapes must be exactly those of the results, and keeps what
    /// [`backward`](Self::backward) needs. Changes no parameter. Allocates nothing after the first call with the same
    /// shapes.
    pub fn forward<'a, 'b>(&self, inputs: impl Views<'a>, outputs: impl ViewsMut<'b>) -> Result<()> {
        self.between(inputs, outputs, |trainer, inputs, n_inputs, outputs, n_outputs| {
            // Safety: the handle lives; the views stay during the call, and the outputs are borrowed mutably.
            unsafe { sys::nnk_trainer_forward(trainer, inputs, n_inputs, outputs, n_outputs) }
        })
    }

    /// The gradients of the last [`forward`](Self::forward), into the trainer's buffer, from those of its outputs. One
    /// that is [`TensorView::absent`](crate::TensorView::absent) counts as zero; so is that of an `i32` output. The
    /// mean over a batch is the caller's: nothing is divided by its size.
    ///
    /// `input_gradients` is `()`, or takes the gradient of each input, but where it is
    /// [`TensorViewMut::absent`](crate::TensorViewMut::absent). Each call needs a forward pass of its own, and the
    /// parameters that it was run with; else the error is [`ErrorKind::InvalidArgument`](crate::ErrorKind).
    pub fn backward<'a, 'b>(&self, output_gradients: impl Views<'a>, input_gradients: impl ViewsMut<'b>) -> Result<()> {
        self.between(output_gradients, input_gradients, |trainer, outputs, n_outputs, inputs, n_inputs| {
            // Safety: as in `forward`.
            unsafe { sys::nnk_trainer_backward(trainer, outputs, n_outputs, inputs, n_inputs) }
        })
    }

    fn between<'a, 'b>(
        &self,
        reads: impl Views<'a>,
        writes: impl ViewsMut<'b>,
        call: impl FnOnce(Handle, *const sys::nnk_tensor, i32, *mut sys::nnk_tensor, i32) -> sys::nnk_status,
    ) -> Result<()> {
        let _in_use = self.model.begin(Use::TrainerCall)?;
        check(reads.with_views(|reads| {
            writes.with_views_mut(|writes| {
                with_raw(reads, |reads, n_reads| {
                    with_raw_mut(writes, |writes, n_writes| call(self.raw.as_ptr(), reads, n_reads, writes, n_writes))
                })
            })
        }))
    }
}
