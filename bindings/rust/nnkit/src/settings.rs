//! The options of functions, one struct for each. Each can also be given as text.
//!
//! Made from the library's catalogue by `python3 bindings/rust/generator`.

use crate::optimizers;
use crate::options::OptionWriter;
use crate::{choices, Error, Options};
use std::borrow::Cow;

/// The options of `nnk_model_create`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ModelOptions {
    /// Where all random numbers come from. At least 0. Default: `0`.
    pub seed: u64,
}

impl Options for ModelOptions {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        let mut options = OptionWriter::new();
        options.put("seed", &self.seed);
        options.finish().map(Cow::Owned)
    }
}

/// The options of `nnk_runtime_create`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct RuntimeOptions {
    /// How many threads; 0: as many as the process may use. From 0 to 1024. Default: `0`.
    pub threads: usize,
}

impl Options for RuntimeOptions {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        let mut options = OptionWriter::new();
        options.put("threads", &self.threads);
        options.finish().map(Cow::Owned)
    }
}

/// The options of `nnk_session_create` and `nnk_session_bytes`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionOptions {
    /// The most samples of one run. From 1 to 1073741824. Default: `1`.
    pub max_batch: usize,
    /// The longest open time dimension; 0: any, planned when it comes. From 0 to 1073741824. Default: `0`.
    pub max_time: usize,
    /// The most memory that a plan may take; 0: the machine's. From 0 to 4503599627370496. Default: `0`.
    pub max_bytes: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { max_batch: 1, max_time: 0, max_bytes: 0 }
    }
}

impl Options for SessionOptions {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        let mut options = OptionWriter::new();
        options.put("max_batch", &self.max_batch);
        options.put("max_time", &self.max_time);
        options.put("max_bytes", &self.max_bytes);
        options.finish().map(Cow::Owned)
    }
}

/// The options of `nnk_trainer_create`.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerOptions {
    /// What is minimised; none: the gradients of the outputs come from the program.
    pub loss: choices::Loss,
    /// How parameters follow their gradients.
    pub optimizer: optimizers::Optimizer,
    /// What is measured besides the loss.
    pub metric: Option<choices::Metric>,
    /// The largest global norm of the gradients, which are scaled down to it; 0: any. At least 0. Default: `0.0`.
    pub clip_norm: f64,
}

impl TrainerOptions {
    /// With what must be given; the rest has its defaults.
    pub fn new(loss: choices::Loss) -> Self {
        Self { loss, optimizer: optimizers::Optimizer::SGD(optimizers::SGD::default()), metric: None, clip_norm: 0.0 }
    }
}

impl Options for TrainerOptions {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        let mut options = OptionWriter::new();
        options.put("loss", &self.loss);
        options.put_word("optimizer", self.optimizer.word());
        options.put_all(&self.optimizer);
        options.put("metric", &self.metric);
        options.put("clip_norm", &self.clip_norm);
        options.finish().map(Cow::Owned)
    }
}

/// The options of `nnk_trainer_evaluate` and `nnk_trainer_evaluate_reporting`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EvaluateOptions {
    /// Samples in one step. From 1 to 1073741824. Default: `32`.
    pub batch_size: usize,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self { batch_size: 32 }
    }
}

impl Options for EvaluateOptions {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        let mut options = OptionWriter::new();
        options.put("batch_size", &self.batch_size);
        options.finish().map(Cow::Owned)
    }
}

/// The options of `nnk_trainer_fit`.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// How often the data is gone through. From 1 to 1073741824. Default: `1`.
    pub epochs: usize,
    /// Samples in one step. From 1 to 1073741824. Default: `32`.
    pub batch_size: usize,
    /// Whether each epoch has a new order, from the model's seed. Default: `true`.
    pub shuffle: bool,
    /// The last fraction of the samples, which is held out. From 0 to below 1. Default: `0.0`.
    pub validation_split: f64,
    /// How often the callback is called: after each epoch, step, or step and batch of the validation samples. Default:
    /// `Report::Epoch`.
    pub report: choices::Report,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { epochs: 1, batch_size: 32, shuffle: true, validation_split: 0.0, report: choices::Report::Epoch }
    }
}

impl Options for FitOptions {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        let mut options = OptionWriter::new();
        options.put("epochs", &self.epochs);
        options.put("batch_size", &self.batch_size);
        options.put("shuffle", &self.shuffle);
        options.put("validation_split", &self.validation_split);
        options.put("report", &self.report);
        options.finish().map(Cow::Owned)
    }
}
