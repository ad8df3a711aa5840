//! The optimizers, one struct for each: what a [`Trainer`](crate::Trainer) follows gradients by.
//!
//! Made from the library's catalogue by `python3 bindings/rust/generator`.

use crate::options::OptionWriter;
use crate::{Error, Options};
use std::borrow::Cow;

/// Stochastic gradient descent, with momentum.
#[derive(Clone, Debug, PartialEq)]
pub struct SGD {
    /// The size of a step. At least 0. Default: `0.01`.
    pub learning_rate: f64,
    /// The share of the last step that is kept. From 0 to below 1. Default: `0.0`.
    pub momentum: f64,
    /// Whether momentum looks ahead (Nesterov). Default: `false`.
    pub nesterov: bool,
    /// This times the parameter is added to its gradient (L2). At least 0. Default: `0.0`.
    pub weight_decay: f64,
}

impl Default for SGD {
    fn default() -> Self {
        Self { learning_rate: 0.01, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

impl Options for SGD {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        let mut options = OptionWriter::new();
        options.put("learning_rate", &self.learning_rate);
        options.put("momentum", &self.momentum);
        options.put("nesterov", &self.nesterov);
        options.put("weight_decay", &self.weight_decay);
        options.finish().map(Cow::Owned)
    }
}

/// Adaptive moment estimation (Kingma and Ba, 2015).
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// The size of a step. At least 0. Default: `0.001`.
    pub learning_rate: f64,
    /// Decay of the mean of the gradient. From 0 to below 1. Default: `0.9`.
    pub beta1: f64,
    /// Decay of the mean of its square. From 0 to below 1. Default: `0.999`.
    pub beta2: f64,
    /// Added to the divisor. From 1e-30 to 1. Default: `1e-7`.
    pub epsilon: f64,
    /// This times the parameter is added to its gradient (L2). At least 0. Default: `0.0`.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 }
    }
}

impl Options for Adam {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        let mut options = OptionWriter::new();
        options.put("learning_rate", &self.learning_rate);
        options.put("beta1", &self.beta1);
        options.put("beta2", &self.beta2);
        options.put("epsilon", &self.epsilon);
        options.put("weight_decay", &self.weight_decay);
        options.finish().map(Cow::Owned)
    }
}

/// One of the optimizers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Optimizer {
    /// Stochastic gradient descent, with momentum.
    SGD(SGD),
    /// Adaptive moment estimation (Kingma and Ba, 2015).
    Adam(Adam),
}

impl Optimizer {
    /// The library's word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Optimizer::SGD(_) => "sgd",
            Optimizer::Adam(_) => "adam",
        }
    }
}

impl Options for Optimizer {
    fn text(&self) -> Result<Cow<'_, str>, Error> {
        match self {
            Optimizer::SGD(optimizer) => optimizer.text(),
            Optimizer::Adam(optimizer) => optimizer.text(),
        }
    }
}

impl From<SGD> for Optimizer {
    fn from(optimizer: SGD) -> Self {
        Optimizer::SGD(optimizer)
    }
}

impl From<Adam> for Optimizer {
    fn from(optimizer: Adam) -> Self {
        Optimizer::Adam(optimizer)
    }
}
