//! How a fit is going.

use nnkit_sys as sys;
use std::fmt;

/// When a report comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// An optimizer step has ended; only with `report=step` or `report=batch`.
    Step,
    /// An epoch has ended.
    Epoch,
    /// A batch has been evaluated: of the validation samples, with `report=batch`, or in
    /// [`Trainer::evaluate_reporting`](crate::Trainer::evaluate_reporting).
    Evaluation,
}

/// How a fit is going. Its text is a line for people.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What has ended.
    pub event: Event,
    /// The current epoch, from 1; 0 where there are none, in an evaluation by itself.
    pub epoch: u32,
    /// How many there are to be; 0 where there are none.
    pub epochs: u32,
    /// The current step of this epoch, or batch of the samples that are evaluated, from 1.
    pub step: u64,
    /// Steps in an epoch, or batches of the samples that are evaluated.
    pub steps: u64,
    /// Mean training loss of this epoch so far.
    pub loss: f64,
    /// The metric on the validation samples if there are any, else on the training samples of this epoch so far; `None`
    /// without a metric, or where it is not known yet.
    pub metric: Option<f64>,
    /// The metric on the training samples of this epoch so far; `None` without a metric.
    pub train_metric: Option<f64>,
    /// `None` without validation samples, and at [`Event::Step`]; at [`Event::Evaluation`] it and `metric` are those of
    /// the samples until then.
    pub validation_loss: Option<f64>,
    /// Seconds since the epoch began.
    pub seconds: f64,
}

/// The C interface says NaN for what is not known.
pub(crate) fn known(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

impl Progress {
    pub(crate) fn new(raw: &sys::nnk_progress) -> Progress {
        Progress {
            event: match raw.event {
                sys::NNK_EVENT_EPOCH => Event::Epoch,
                sys::NNK_EVENT_EVALUATION => Event::Evaluation,
                _ => Event::Step,
            },
            epoch: raw.epoch as u32,
            epochs: raw.epochs as u32,
            step: raw.step as u64,
            steps: raw.steps as u64,
            loss: raw.loss,
            metric: known(raw.metric),
            train_metric: known(raw.train_metric),
            validation_loss: known(raw.validation_loss),
            seconds: raw.seconds,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.epochs > 0 {
            parts.push(format!("epoch {}/{}", self.epoch, self.epochs));
        }
        match self.event {
            Event::Step => parts.push(format!("step {}/{}", self.step, self.steps)),
            Event::Evaluation => parts.push(format!("batch {}/{}", self.step, self.steps)),
            Event::Epoch => {}
        }
        if !self.loss.is_nan() {
            parts.push(format!("loss {:.4}", self.loss));
        }
        parts.extend(self.validation_loss.map(|loss| format!("validation loss {loss:.4}")));
        parts.extend(self.metric.map(|metric| format!("metric {metric:.4}")));
        f.write_str(&parts.join("  "))
    }
}
