//! The options that are one word of several.
//!
//! Made from the library's catalogue by `python3 bindings/rust/generator`.

use crate::options::OptionValue;
use std::fmt;

/// The function applied to the result: leaky_relu has the slope 0.01, elu alpha 1; gelu is the form with tanh, x
/// sigmoid(1.5958 (x + 0.044715 x^3)); hard_sigmoid is x / 6 + 1/2 within 0 to 1, hard_swish x times that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// `linear`.
    Linear,
    /// `relu`.
    Relu,
    /// `leaky_relu`.
    LeakyRelu,
    /// `elu`.
    Elu,
    /// `selu`.
    Selu,
    /// `gelu`.
    Gelu,
    /// `silu`.
    Silu,
    /// `sigmoid`.
    Sigmoid,
    /// `tanh`.
    Tanh,
    /// `softplus`.
    Softplus,
    /// `hard_sigmoid`.
    HardSigmoid,
    /// `hard_swish`.
    HardSwish,
}

impl Activation {
    /// All of them.
    pub const ALL: &'static [Activation] = &[
        Activation::Linear,
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Elu,
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Softplus,
        Activation::HardSigmoid,
        Activation::HardSwish,
    ];

    /// The library's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::LeakyRelu => "leaky_relu",
            Activation::Elu => "elu",
            Activation::Selu => "selu",
            Activation::Gelu => "gelu",
            Activation::Silu => "silu",
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
            Activation::Softplus => "softplus",
            Activation::HardSigmoid => "hard_sigmoid",
            Activation::HardSwish => "hard_swish",
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl OptionValue for Activation {
    fn value(&self) -> Option<String> {
        Some(self.word().to_string())
    }
}

/// How the first values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Initializer {
    /// `zeros`.
    Zeros,
    /// `ones`.
    Ones,
    /// `glorot_uniform`.
    GlorotUniform,
    /// `glorot_normal`.
    GlorotNormal,
    /// `he_uniform`.
    HeUniform,
    /// `he_normal`.
    HeNormal,
    /// `orthogonal`.
    Orthogonal,
}

impl Initializer {
    /// All of them.
    pub const ALL: &'static [Initializer] = &[
        Initializer::Zeros,
        Initializer::Ones,
        Initializer::GlorotUniform,
        Initializer::GlorotNormal,
        Initializer::HeUniform,
        Initializer::HeNormal,
        Initializer::Orthogonal,
    ];

    /// The library's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Initializer::Zeros => "zeros",
            Initializer::Ones => "ones",
            Initializer::GlorotUniform => "glorot_uniform",
            Initializer::GlorotNormal => "glorot_normal",
            Initializer::HeUniform => "he_uniform",
            Initializer::HeNormal => "he_normal",
            Initializer::Orthogonal => "orthogonal",
        }
    }
}

impl fmt::Display for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl OptionValue for Initializer {
    fn value(&self) -> Option<String> {
        Some(self.word().to_string())
    }
}

/// What is minimised; none: the gradients of the outputs come from the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// `softmax_cross_entropy`: -log softmax(prediction)\[target\], mean over the rows, of sequences with lengths over
    /// those of real steps; int32 targets, one for each row of logits.
    SoftmaxCrossEntropy,
    /// `mean_squared_error`: (prediction - target)², mean over all elements, of sequences with lengths over those of
    /// real steps.
    MeanSquaredError,
    /// `none`.
    None,
}

impl Loss {
    /// All of them.
    pub const ALL: &'static [Loss] = &[Loss::SoftmaxCrossEntropy, Loss::MeanSquaredError, Loss::None];

    /// The library's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Loss::SoftmaxCrossEntropy => "softmax_cross_entropy",
            Loss::MeanSquaredError => "mean_squared_error",
            Loss::None => "none",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl OptionValue for Loss {
    fn value(&self) -> Option<String> {
        Some(self.word().to_string())
    }
}

/// What is measured besides the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// `accuracy`: the share of rows whose largest logit is the target's; of sequences with lengths, of rows of real
    /// steps.
    Accuracy,
}

impl Metric {
    /// All of them.
    pub const ALL: &'static [Metric] = &[Metric::Accuracy];

    /// The library's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl OptionValue for Metric {
    fn value(&self) -> Option<String> {
        Some(self.word().to_string())
    }
}

/// How often the callback is called: after each epoch, step, or step and batch of the validation samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Report {
    /// `epoch`.
    Epoch,
    /// `step`.
    Step,
    /// `batch`.
    Batch,
}

impl Report {
    /// All of them.
    pub const ALL: &'static [Report] = &[Report::Epoch, Report::Step, Report::Batch];

    /// The library's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Report::Epoch => "epoch",
            Report::Step => "step",
            Report::Batch => "batch",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl OptionValue for Report {
    fn value(&self) -> Option<String> {
        Some(self.word().to_string())
    }
}

/// Of the catalogue that all this was made from: FNV-1a with 64 bits.
#[cfg(test)]
pub(crate) const CATALOG_FINGERPRINT: u64 = 0x11c12fea74be51c2;
