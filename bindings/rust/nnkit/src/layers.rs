//! The layers, one struct for each; see [`Graph::layer`](crate::Graph::layer).
//!
//! Made from the library's catalogue by `python3 bindings/rust/generator`.

use crate::options::OptionWriter;
use crate::{choices, Error, Layer, Padding};

/// 2-D convolution (cross-correlation) over images \[H, W, C\], with bias and activation.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conv2D {
    /// Output channels. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub filters: usize,
    /// Height and width of the window. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub kernel: [usize; 2],
    /// Pixels from one window to the next. From 1 to 16777216. Default: `[1, 1]`.
    pub stride: [usize; 2],
    /// Zeros around the input. Default: `Padding::Valid`.
    pub padding: Padding,
    /// Pixels from one place of the window to the next. From 1 to 16777216. Default: `[1, 1]`.
    pub dilation: [usize; 2],
    /// Groups of channels and filters that see each other alone; as many as channels: depthwise. From 1 to 16777216.
    /// Default: `1`.
    pub groups: usize,
    /// Whether a bias is added. Default: `true`.
    pub bias: bool,
    /// The function applied to the result: leaky_relu has the slope 0.01, elu alpha 1; gelu is the form with tanh, x
    /// sigmoid(1.5958 (x + 0.044715 x^3)); hard_sigmoid is x / 6 + 1/2 within 0 to 1, hard_swish x times that. Default:
    /// `Activation::Linear`.
    pub activation: choices::Activation,
    /// How the first values are drawn. Default: `Initializer::GlorotUniform`.
    pub kernel_initializer: choices::Initializer,
    /// How the first values are drawn. Default: `Initializer::Zeros`.
    pub bias_initializer: choices::Initializer,
    /// Whether 3x3 windows with stride 1 may use Winograd's algorithm, but for the model's own input: faster, rounding
    /// errors up to 2e-6 of the largest input of a tile of 6x6 pixels times the sum of the magnitudes of a filter's
    /// weights, in every output of the tile. Default: `true`.
    pub winograd: bool,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Conv2D {
    /// With what must be given; the rest has its defaults.
    pub fn new(filters: usize, kernel: [usize; 2]) -> Self {
        Self {
            filters,
            kernel,
            stride: [1, 1],
            padding: Padding::Valid,
            dilation: [1, 1],
            groups: 1,
            bias: true,
            activation: choices::Activation::Linear,
            kernel_initializer: choices::Initializer::GlorotUniform,
            bias_initializer: choices::Initializer::Zeros,
            winograd: true,
            name: None,
        }
    }
}

impl Default for Conv2D {
    fn default() -> Self {
        Self {
            filters: 0,
            kernel: [0, 0],
            stride: [1, 1],
            padding: Padding::Valid,
            dilation: [1, 1],
            groups: 1,
            bias: true,
            activation: choices::Activation::Linear,
            kernel_initializer: choices::Initializer::GlorotUniform,
            bias_initializer: choices::Initializer::Zeros,
            winograd: true,
            name: None,
        }
    }
}

impl Layer for Conv2D {
    fn kind(&self) -> &str {
        "conv2d"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("filters", &self.filters);
        options.put("kernel", &self.kernel);
        options.put("stride", &self.stride);
        options.put("padding", &self.padding);
        options.put("dilation", &self.dilation);
        options.put("groups", &self.groups);
        options.put("bias", &self.bias);
        options.put("activation", &self.activation);
        options.put("kernel_initializer", &self.kernel_initializer);
        options.put("bias_initializer", &self.bias_initializer);
        options.put("winograd", &self.winograd);
        options.put("name", &self.name);
        options.finish()
    }
}

/// The largest value of each window of an image \[H, W, C\].
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaxPool2D {
    /// Height and width of the window. From 1 to 16777216. Default: `[2, 2]`.
    pub size: [usize; 2],
    /// Pixels from one window to the next; by default the window's size. From 1 to 16777216.
    pub stride: Option<[usize; 2]>,
    /// Places around the input that belong to no window's maximum or sum. Default: `Padding::Valid`.
    pub padding: Padding,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Default for MaxPool2D {
    fn default() -> Self {
        Self { size: [2, 2], stride: None, padding: Padding::Valid, name: None }
    }
}

impl Layer for MaxPool2D {
    fn kind(&self) -> &str {
        "maxpool2d"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("size", &self.size);
        options.put("stride", &self.stride);
        options.put("padding", &self.padding);
        options.put("name", &self.name);
        options.finish()
    }
}

/// The mean of each window of an image \[H, W, C\].
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AvgPool2D {
    /// Height and width of the window. From 1 to 16777216. Default: `[2, 2]`.
    pub size: [usize; 2],
    /// Pixels from one window to the next; by default the window's size. From 1 to 16777216.
    pub stride: Option<[usize; 2]>,
    /// Places around the input that belong to no window's maximum or sum. Default: `Padding::Valid`.
    pub padding: Padding,
    /// Whether places in the padding count in the divisor. Default: `false`.
    pub count_padding: bool,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Default for AvgPool2D {
    fn default() -> Self {
        Self { size: [2, 2], stride: None, padding: Padding::Valid, count_padding: false, name: None }
    }
}

impl Layer for AvgPool2D {
    fn kind(&self) -> &str {
        "avgpool2d"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("size", &self.size);
        options.put("stride", &self.stride);
        options.put("padding", &self.padding);
        options.put("count_padding", &self.count_padding);
        options.put("name", &self.name);
        options.finish()
    }
}

/// The mean of each channel of an image: \[H, W, C\] becomes \[C\].
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct GlobalAvgPool2D {
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Layer for GlobalAvgPool2D {
    fn kind(&self) -> &str {
        "globalavgpool2d"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("name", &self.name);
        options.finish()
    }
}

/// Makes one axis of all axes; of a sequence with lengths, with zeros behind them.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Flatten {
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Layer for Flatten {
    fn kind(&self) -> &str {
        "flatten"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("name", &self.name);
        options.finish()
    }
}

/// Fully connected layer on the last axis, with bias and activation.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dense {
    /// Outputs. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub units: usize,
    /// Whether a bias is added. Default: `true`.
    pub bias: bool,
    /// The function applied to the result: leaky_relu has the slope 0.01, elu alpha 1; gelu is the form with tanh, x
    /// sigmoid(1.5958 (x + 0.044715 x^3)); hard_sigmoid is x / 6 + 1/2 within 0 to 1, hard_swish x times that. Default:
    /// `Activation::Linear`.
    pub activation: choices::Activation,
    /// How the first values are drawn. Default: `Initializer::GlorotUniform`.
    pub kernel_initializer: choices::Initializer,
    /// How the first values are drawn. Default: `Initializer::Zeros`.
    pub bias_initializer: choices::Initializer,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Dense {
    /// With what must be given; the rest has its defaults.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            bias: true,
            activation: choices::Activation::Linear,
            kernel_initializer: choices::Initializer::GlorotUniform,
            bias_initializer: choices::Initializer::Zeros,
            name: None,
        }
    }
}

impl Default for Dense {
    fn default() -> Self {
        Self {
            units: 0,
            bias: true,
            activation: choices::Activation::Linear,
            kernel_initializer: choices::Initializer::GlorotUniform,
            bias_initializer: choices::Initializer::Zeros,
            name: None,
        }
    }
}

impl Layer for Dense {
    fn kind(&self) -> &str {
        "dense"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("units", &self.units);
        options.put("bias", &self.bias);
        options.put("activation", &self.activation);
        options.put("kernel_initializer", &self.kernel_initializer);
        options.put("bias_initializer", &self.bias_initializer);
        options.put("name", &self.name);
        options.finish()
    }
}

/// Normalises each channel (the last axis) over the batch (its real steps, of sequences with lengths), then scales,
/// shifts and activates it.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// The share of the running statistics that each training step keeps; the running variance is unbiased, while
    /// training normalises with the biased one. From 0 to 1. Default: `0.9`.
    pub momentum: f64,
    /// Added to the variance. From 1e-12 to 1. Default: `1e-5`.
    pub epsilon: f64,
    /// The function applied to the result: leaky_relu has the slope 0.01, elu alpha 1; gelu is the form with tanh, x
    /// sigmoid(1.5958 (x + 0.044715 x^3)); hard_sigmoid is x / 6 + 1/2 within 0 to 1, hard_swish x times that. Default:
    /// `Activation::Linear`.
    pub activation: choices::Activation,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { momentum: 0.9, epsilon: 1e-5, activation: choices::Activation::Linear, name: None }
    }
}

impl Layer for BatchNorm {
    fn kind(&self) -> &str {
        "batchnorm"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("momentum", &self.momentum);
        options.put("epsilon", &self.epsilon);
        options.put("activation", &self.activation);
        options.put("name", &self.name);
        options.finish()
    }
}

/// The sum of two values of one shape, with activation.
///
/// Inputs: x, y.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Add {
    /// The function applied to the result: leaky_relu has the slope 0.01, elu alpha 1; gelu is the form with tanh, x
    /// sigmoid(1.5958 (x + 0.044715 x^3)); hard_sigmoid is x / 6 + 1/2 within 0 to 1, hard_swish x times that. Default:
    /// `Activation::Linear`.
    pub activation: choices::Activation,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Default for Add {
    fn default() -> Self {
        Self { activation: choices::Activation::Linear, name: None }
    }
}

impl Layer for Add {
    fn kind(&self) -> &str {
        "add"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("activation", &self.activation);
        options.put("name", &self.name);
        options.finish()
    }
}

/// An elementwise function.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Activation {
    /// The function applied to the result: leaky_relu has the slope 0.01, elu alpha 1; gelu is the form with tanh, x
    /// sigmoid(1.5958 (x + 0.044715 x^3)); hard_sigmoid is x / 6 + 1/2 within 0 to 1, hard_swish x times that.
    pub function: choices::Activation,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Activation {
    /// With what must be given; the rest has its defaults.
    pub fn new(function: choices::Activation) -> Self {
        Self { function, name: None }
    }
}

impl Layer for Activation {
    fn kind(&self) -> &str {
        "activation"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("function", &self.function);
        options.put("name", &self.name);
        options.finish()
    }
}

/// Softmax over the last axis.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Softmax {
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Layer for Softmax {
    fn kind(&self) -> &str {
        "softmax"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("name", &self.name);
        options.finish()
    }
}

/// The logarithm of softmax over the last axis.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct LogSoftmax {
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Layer for LogSoftmax {
    fn kind(&self) -> &str {
        "log_softmax"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("name", &self.name);
        options.finish()
    }
}

/// In training, sets elements to zero at random (inverted dropout).
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropout {
    /// The probability that an element becomes zero. From 0 to below 1. Default: `0.5`.
    pub rate: f64,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Default for Dropout {
    fn default() -> Self {
        Self { rate: 0.5, name: None }
    }
}

impl Layer for Dropout {
    fn kind(&self) -> &str {
        "dropout"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("rate", &self.rate);
        options.put("name", &self.name);
        options.finish()
    }
}

/// A trainable vector for each index: int32 \[...\] becomes \[..., units\].
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Embedding {
    /// How many indices there are, from 0. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub vocabulary: usize,
    /// Numbers in each vector. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub units: usize,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Embedding {
    /// With what must be given; the rest has its defaults.
    pub fn new(vocabulary: usize, units: usize) -> Self {
        Self { vocabulary, units, name: None }
    }
}

impl Layer for Embedding {
    fn kind(&self) -> &str {
        "embedding"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("vocabulary", &self.vocabulary);
        options.put("units", &self.units);
        options.put("name", &self.name);
        options.finish()
    }
}

/// Long short-term memory over a sequence \[T, I\]: the last state \[U\], or all states \[T, U\]; gates lie in the
/// order i, f, g, o; with lengths, int32 \[\], only the steps before them are data, here and in the layers behind that
/// act step by step.
///
/// Inputs: x, lengths (optional).
#[derive(Clone, Debug, PartialEq)]
pub struct LSTM {
    /// Hidden units. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub units: usize,
    /// Whether every state is returned or the last one only. Default: `false`.
    pub return_sequences: bool,
    /// Whether a bias is added. Default: `true`.
    pub bias: bool,
    /// The forget gates' first bias. From -100 to 100. Default: `1.0`.
    pub forget_bias: f64,
    /// How the first values are drawn. Default: `Initializer::GlorotUniform`.
    pub kernel_initializer: choices::Initializer,
    /// How the first values are drawn. Default: `Initializer::Orthogonal`.
    pub recurrent_initializer: choices::Initializer,
    /// Whether training may compute large products by Winograd's inner product: faster, rounding errors a few times as
    /// large. Default: `true`.
    pub winograd: bool,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl LSTM {
    /// With what must be given; the rest has its defaults.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            return_sequences: false,
            bias: true,
            forget_bias: 1.0,
            kernel_initializer: choices::Initializer::GlorotUniform,
            recurrent_initializer: choices::Initializer::Orthogonal,
            winograd: true,
            name: None,
        }
    }
}

impl Default for LSTM {
    fn default() -> Self {
        Self {
            units: 0,
            return_sequences: false,
            bias: true,
            forget_bias: 1.0,
            kernel_initializer: choices::Initializer::GlorotUniform,
            recurrent_initializer: choices::Initializer::Orthogonal,
            winograd: true,
            name: None,
        }
    }
}

impl Layer for LSTM {
    fn kind(&self) -> &str {
        "lstm"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("units", &self.units);
        options.put("return_sequences", &self.return_sequences);
        options.put("bias", &self.bias);
        options.put("forget_bias", &self.forget_bias);
        options.put("kernel_initializer", &self.kernel_initializer);
        options.put("recurrent_initializer", &self.recurrent_initializer);
        options.put("winograd", &self.winograd);
        options.put("name", &self.name);
        options.finish()
    }
}

/// Gated recurrent unit over a sequence \[T, I\]: the last state \[U\], or all states \[T, U\]; h' = (1 - z) h + z g
/// (PyTorch and Keras call 1 - z their z), gates lie in the order z, r, g; with lengths, int32 \[\], only the steps
/// before them are data, here and in the layers behind that act step by step.
///
/// Inputs: x, lengths (optional).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GRU {
    /// Hidden units. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub units: usize,
    /// Whether every state is returned or the last one only. Default: `false`.
    pub return_sequences: bool,
    /// Whether the reset gate acts behind the recurrent product (PyTorch, Keras) and not before it. Default: `false`.
    pub reset_after: bool,
    /// Whether a bias is added. Default: `true`.
    pub bias: bool,
    /// How the first values are drawn. Default: `Initializer::GlorotUniform`.
    pub kernel_initializer: choices::Initializer,
    /// How the first values are drawn. Default: `Initializer::Orthogonal`.
    pub recurrent_initializer: choices::Initializer,
    /// Whether training may compute large products by Winograd's inner product: faster, rounding errors a few times as
    /// large. Default: `true`.
    pub winograd: bool,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl GRU {
    /// With what must be given; the rest has its defaults.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            return_sequences: false,
            reset_after: false,
            bias: true,
            kernel_initializer: choices::Initializer::GlorotUniform,
            recurrent_initializer: choices::Initializer::Orthogonal,
            winograd: true,
            name: None,
        }
    }
}

impl Default for GRU {
    fn default() -> Self {
        Self {
            units: 0,
            return_sequences: false,
            reset_after: false,
            bias: true,
            kernel_initializer: choices::Initializer::GlorotUniform,
            recurrent_initializer: choices::Initializer::Orthogonal,
            winograd: true,
            name: None,
        }
    }
}

impl Layer for GRU {
    fn kind(&self) -> &str {
        "gru"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("units", &self.units);
        options.put("return_sequences", &self.return_sequences);
        options.put("reset_after", &self.reset_after);
        options.put("bias", &self.bias);
        options.put("kernel_initializer", &self.kernel_initializer);
        options.put("recurrent_initializer", &self.recurrent_initializer);
        options.put("winograd", &self.winograd);
        options.put("name", &self.name);
        options.finish()
    }
}

/// One value of several, side by side along an axis; along all other axes they have the same sizes.
///
/// Inputs: x (one or more).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Concat {
    /// The axis, counted without the batch; negative ones count from the end. From -7 to 6. Default: `-1`.
    pub axis: isize,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Default for Concat {
    fn default() -> Self {
        Self { axis: -1, name: None }
    }
}

impl Layer for Concat {
    fn kind(&self) -> &str {
        "concat"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("axis", &self.axis);
        options.put("name", &self.name);
        options.finish()
    }
}

/// Several values of one, which lie side by side along an axis: one for each size.
///
/// Inputs: x.
/// Outputs: y, as many as `sizes` has numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Split {
    /// The parts' sizes, which add up to the axis's. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub sizes: Vec<usize>,
    /// The axis, counted without the batch; negative ones count from the end. From -7 to 6. Default: `-1`.
    pub axis: isize,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Split {
    /// With what must be given; the rest has its defaults.
    pub fn new(sizes: Vec<usize>) -> Self {
        Self { sizes, axis: -1, name: None }
    }
}

impl Default for Split {
    fn default() -> Self {
        Self { sizes: vec![], axis: -1, name: None }
    }
}

impl Layer for Split {
    fn kind(&self) -> &str {
        "split"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("sizes", &self.sizes);
        options.put("axis", &self.axis);
        options.put("name", &self.name);
        options.finish()
    }
}

/// Some neighbouring elements along an axis: those from start to before stop.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    /// The first element; negative ones count from the end. From -16777216 to 16777216. Default: `0`.
    pub start: isize,
    /// The element behind the last one; negative ones count from the end; without it all elements from start on. From
    /// -16777216 to 16777216.
    pub stop: Option<isize>,
    /// The axis, counted without the batch; negative ones count from the end. From -7 to 6. Default: `-1`.
    pub axis: isize,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Default for Slice {
    fn default() -> Self {
        Self { start: 0, stop: None, axis: -1, name: None }
    }
}

impl Layer for Slice {
    fn kind(&self) -> &str {
        "slice"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("start", &self.start);
        options.put("stop", &self.stop);
        options.put("axis", &self.axis);
        options.put("name", &self.name);
        options.finish()
    }
}

/// The axes in another order: axes=2,0,1 makes \[C, H, W\] of \[H, W, C\].
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Permute {
    /// For each axis of the result, which one of the input it is; counted without the batch, negative ones from the
    /// end. From -7 to 6. Must be given: the 0 of `Default` is refused.
    pub axes: Vec<isize>,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Permute {
    /// With what must be given; the rest has its defaults.
    pub fn new(axes: Vec<isize>) -> Self {
        Self { axes, name: None }
    }
}

impl Layer for Permute {
    fn kind(&self) -> &str {
        "permute"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("axes", &self.axes);
        options.put("name", &self.name);
        options.finish()
    }
}

/// The same elements in the same order under another shape.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Reshape {
    /// The sizes without the batch; one may be -1: what remains, or, of an input with an open axis, that axis. From -1
    /// to 16777216. Must be given: the 0 of `Default` is refused.
    pub shape: Vec<isize>,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Reshape {
    /// With what must be given; the rest has its defaults.
    pub fn new(shape: Vec<isize>) -> Self {
        Self { shape, name: None }
    }
}

impl Layer for Reshape {
    fn kind(&self) -> &str {
        "reshape"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("shape", &self.shape);
        options.put("name", &self.name);
        options.finish()
    }
}

/// A new first axis along which all is equal: \[C\] becomes \[count, C\], a sequence of equal steps.
///
/// Inputs: x.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Repeat {
    /// The size of the new axis. From 1 to 16777216. Must be given: the 0 of `Default` is refused.
    pub count: usize,
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Repeat {
    /// With what must be given; the rest has its defaults.
    pub fn new(count: usize) -> Self {
        Self { count, name: None }
    }
}

impl Layer for Repeat {
    fn kind(&self) -> &str {
        "repeat"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("count", &self.count);
        options.put("name", &self.name);
        options.finish()
    }
}

/// The product of two values, elementwise; axes of size 1, or missing in front, are repeated.
///
/// Inputs: x, y.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Multiply {
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Layer for Multiply {
    fn kind(&self) -> &str {
        "multiply"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("name", &self.name);
        options.finish()
    }
}

/// The difference of two values, x - y, elementwise; axes of size 1, or missing in front, are repeated.
///
/// Inputs: x, y.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Subtract {
    /// The layer's name, unique in the graph; by default the kind and a number.
    pub name: Option<String>,
}

impl Layer for Subtract {
    fn kind(&self) -> &str {
        "subtract"
    }

    fn options(&self) -> Result<String, Error> {
        let mut options = OptionWriter::new();
        options.put("name", &self.name);
        options.finish()
    }
}
