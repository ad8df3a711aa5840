//! A model being described.

use crate::error::{check, Error, ErrorKind};
use crate::library::{c_string, ready};
use crate::{DType, Model, Options, Result, Runtime};
use nnkit_sys as sys;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// In the shape of an input: a time dimension whose size each batch chooses.
pub const OPEN: i64 = -1;

/// The library's limit of a call's values.
const MOST_OUTPUTS: usize = 4096;

/// A layer, described by a struct: those in [`layers`](crate::layers) are made from the library's catalogue.
pub trait Layer {
    /// The library's name for it, such as "conv2d".
    fn kind(&self) -> &str;

    /// Its options as the library reads them: "filters=8 kernel=3,3". Fails where a value cannot be written so.
    fn options(&self) -> Result<String>;
}

impl<L: Layer + ?Sized> Layer for &L {
    fn kind(&self) -> &str {
        (**self).kind()
    }

    fn options(&self) -> Result<String> {
        (**self).options()
    }
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    fn kind(&self) -> &str {
        (**self).kind()
    }

    fn options(&self) -> Result<String> {
        (**self).options()
    }
}

/// A value in a graph: the output of a layer, or an input. Means something to the graph that returned it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    graph: u64,
    index: sys::nnk_value,
}

impl Value {
    /// Stands for an optional input that a layer is not given, in any graph.
    pub const ABSENT: Value = Value { graph: 0, index: sys::NNK_ABSENT };
}

impl AsRef<[Value]> for Value {
    fn as_ref(&self) -> &[Value] {
        std::slice::from_ref(self)
    }
}

/// A model being described. It remembers its first error, so that code which describes one reads as a list of layers;
/// [`build`](Graph::build) reports it.
///
/// ```
/// use nnkit::layers::{Conv2D, Dense, Flatten};
/// use nnkit::{Activation, DType, Graph, Padding};
///
/// let mut g = Graph::new();
/// let x = g.input("image", DType::F32, &[28, 28, 1]);
/// let conv = Conv2D { padding: Padding::Same, activation: Activation::Relu, ..Conv2D::new(8, [3, 3]) };
/// let x = g.layer(conv, x);
/// let x = g.add("maxpool2d", "size=2", x); // the same, without a type
/// let x = g.layer(Flatten::default(), x);
/// let x = g.layer(Dense { units: 10, ..Default::default() }, x);
/// g.output("logits", x);
/// assert_eq!(g.shape(x)?, [10]);
/// let model = g.build("seed=7")?;
/// # let _ = model;
/// # Ok::<(), nnkit::Error>(())
/// ```
///
/// One graph is not described or built in two threads at once:
///
/// ```compile_fail,E0277
/// let graph = nnkit::Graph::new();
/// std::thread::scope(|scope| {
///     scope.spawn(|| graph.build(""));
/// });
/// ```
#[derive(Debug)]
pub struct Graph {
    raw: Option<NonNull<sys::nnk_graph>>,
    id: u64,
    /// The first error, where it was found in this crate and not by the library.
    error: Option<Error>,
    /// Whether the library's graph remembers an error, which is then the first.
    failed: Cell<bool>,
}

// Safety: "Different handles may be used from different threads at the same time", and a handle belongs to no thread.
// Not Sync: nothing is said of one graph in two calls at once, and `shape` and `build` take it shared.
unsafe impl Send for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Some(raw) = self.raw {
            // Safety: the handle is this graph's own.
            unsafe { sys::nnk_graph_destroy(raw.as_ptr()) }
        }
    }
}

impl Default for Graph {
    fn default() -> Self {
        Graph::new()
    }
}

impl Graph {
    /// An empty graph. Where there is no library or no memory, that is its first error.
    pub fn new() -> Graph {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let created = ready().and_then(|()| {
            // Safety: no arguments.
            NonNull::new(unsafe { sys::nnk_graph_create() }).ok_or_else(|| Error::last(sys::NNK_ERROR_OUT_OF_MEMORY))
        });
        let (raw, error) = match created {
            Ok(raw) => (Some(raw), None),
            Err(error) => (None, Some(error)),
        };
        Graph { raw, id: NEXT.fetch_add(1, Ordering::Relaxed), error, failed: Cell::new(false) }
    }

    /// Adds an input. `shape` leaves out the batch; a size of [`OPEN`] is a time dimension that is left open. `dtype`
    /// is [`DType::F32`] or [`DType::I32`].
    pub fn input(&mut self, name: &str, dtype: DType, shape: &[i64]) -> Value {
        self.attempt(|graph, raw| {
            let name = c_string(name, "the input's name")?;
            let rank = i32::try_from(shape.len()).unwrap_or(i32::MAX);
            // Safety: `raw` is this graph's; the name and `rank` sizes stay during the call.
            let index = unsafe { sys::nnk_graph_input(raw, name.as_ptr(), dtype.raw(), shape.as_ptr(), rank) };
            Ok(graph.value(index))
        })
    }

    /// Adds a layer with one output. Most take one value; a layer with several inputs takes them as an array, in the
    /// order in which its documentation names them.
    ///
    /// ```
    /// use nnkit::layers::{Dense, LSTM};
    /// use nnkit::{DType, Graph, OPEN};
    ///
    /// let mut g = Graph::new();
    /// let x = g.input("x", DType::F32, &[OPEN, 4]);
    /// let lengths = g.input("lengths", DType::I32, &[]);
    /// let x = g.layer(LSTM::new(16), [x, lengths]);
    /// let x = g.layer(Dense::new(1), x);
    /// g.output("y", x);
    /// g.build("")?;
    /// # Ok::<(), nnkit::Error>(())
    /// ```
    pub fn layer(&mut self, layer: impl Layer, inputs: impl AsRef<[Value]>) -> Value {
        match layer.options() {
            Ok(options) => self.add(layer.kind(), &options, inputs),
            Err(error) => self.attempt(|_, _| Err(error)),
        }
    }

    /// Adds a layer that has several outputs, such as [`Split`](crate::layers::Split), and returns these.
    ///
    /// ```
    /// use nnkit::layers::{Concat, Split};
    /// use nnkit::{DType, Graph};
    ///
    /// let mut g = Graph::new();
    /// let x = g.input("x", DType::F32, &[8]);
    /// let parts = g.layer_multi(Split::new(vec![3, 5]), x, 2);
    /// let joined = g.layer(Concat::default(), [parts[1], parts[0]]);
    /// g.output("y", joined);
    /// assert_eq!(g.shape(parts[1])?, [5]);
    /// g.build("")?;
    /// # Ok::<(), nnkit::Error>(())
    /// ```
    pub fn layer_multi(&mut self, layer: impl Layer, inputs: impl AsRef<[Value]>, outputs: usize) -> Vec<Value> {
        match layer.options() {
            Ok(options) => self.add_multi(layer.kind(), &options, inputs, outputs),
            Err(error) => {
                self.attempt(|_, _| Err(error));
                vec![self.no_value(); outputs.min(MOST_OUTPUTS)]
            }
        }
    }

    /// Adds a layer by its kind and options, as [`catalog_json`](crate::catalog_json) lists them.
    pub fn add(&mut self, kind: &str, options: &str, inputs: impl AsRef<[Value]>) -> Value {
        match inputs.as_ref() {
            [input] => self.attempt(|graph, raw| {
                let (kind, options) = (c_string(kind, "the layer's kind")?, c_string(options, "the layer's options")?);
                let input = graph.index(*input)?;
                // Safety: `raw` is this graph's; the strings stay during the call.
                Ok(graph.value(unsafe { sys::nnk_graph_layer(raw, kind.as_ptr(), options.as_ptr(), input) }))
            }),
            inputs => self.add_multi(kind, options, inputs, 1)[0],
        }
    }

    /// Adds a layer with any number of inputs and outputs. An error is remembered, as ever; no values are given for
    /// more outputs than a layer may have.
    pub fn add_multi(&mut self, kind: &str, options: &str, inputs: impl AsRef<[Value]>, outputs: usize) -> Vec<Value> {
        let inputs = inputs.as_ref();
        if outputs > MOST_OUTPUTS {
            let message = format!("{outputs} outputs of one layer were asked for; expected at most {MOST_OUTPUTS}");
            self.attempt(|_, _| Err(Error::new(ErrorKind::InvalidArgument, message)));
            return Vec::new();
        }
        let mut values: Vec<sys::nnk_value> = vec![-1; outputs];
        self.attempt(|graph, raw| {
            let (kind, options) = (c_string(kind, "the layer's kind")?, c_string(options, "the layer's options")?);
            let indices = inputs.iter().map(|input| graph.index(*input)).collect::<Result<Vec<_>>>()?;
            let counts = [indices.len(), outputs].map(|n| i32::try_from(n).unwrap_or(i32::MAX));
            // Safety: `raw` is this graph's; the strings and arrays have the lengths that are given, and stay.
            let status = unsafe {
                let (inputs, outputs) = (indices.as_ptr(), values.as_mut_ptr());
                sys::nnk_graph_layer_multi(raw, kind.as_ptr(), options.as_ptr(), inputs, counts[0], outputs, counts[1])
            };
            Ok(graph.value(if status == sys::NNK_OK { 0 } else { -1 }))
        });
        values.into_iter().map(|index| Value { graph: self.id, index }).collect()
    }

    /// Declares `value` an output of the model. Outputs have the order of these calls.
    pub fn output(&mut self, name: &str, value: Value) {
        self.attempt(|graph, raw| {
            let name = c_string(name, "the output's name")?;
            let index = graph.index(value)?;
            // Safety: `raw` is this graph's; the name stays during the call.
            let status = unsafe { sys::nnk_graph_output(raw, name.as_ptr(), index) };
            Ok(graph.value(if status == sys::NNK_OK { 0 } else { -1 }))
        });
    }

    /// The shape of a value without the batch, open dimensions as [`OPEN`]. Reports the graph's first error.
    pub fn shape(&self, value: Value) -> Result<Vec<i64>> {
        let raw = self.usable()?;
        let index = self.index(value)?;
        let mut sizes = [0; crate::MAX_RANK];
        let mut rank = sizes.len() as i32;
        // Safety: there is room for `rank` sizes.
        check(unsafe { sys::nnk_graph_shape(raw.as_ptr(), index, sizes.as_mut_ptr(), &mut rank) })?;
        Ok(sizes[..rank as usize].to_vec())
    }

    /// Makes a model and initialises its parameters; reports the graph's first error. The graph is copied: it may be
    /// extended and built again. Options: [`ModelOptions`](crate::settings::ModelOptions).
    pub fn build(&self, options: impl Options) -> Result<Model> {
        Model::create(None, self.usable()?, &options)
    }

    /// The same, on threads of its own.
    pub fn build_on(&self, runtime: &Runtime, options: impl Options) -> Result<Model> {
        Model::create(Some(runtime), self.usable()?, &options)
    }

    fn usable(&self) -> Result<NonNull<sys::nnk_graph>> {
        match (&self.error, self.raw) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(raw)) => Ok(raw),
            (None, None) => Err(Error::new(ErrorKind::Internal, "a graph without a handle has no error")),
        }
    }

    /// Does something to the graph unless it has an error of this crate's, and remembers the error if it is the first.
    fn attempt(&mut self, body: impl FnOnce(&Graph, *mut sys::nnk_graph) -> Result<Value>) -> Value {
        let result = match (&self.error, self.raw) {
            (None, Some(raw)) => body(self, raw.as_ptr()),
            _ => return self.no_value(),
        };
        result.unwrap_or_else(|error| {
            if !self.failed.get() {
                self.error = Some(error);
            }
            self.no_value()
        })
    }

    fn value(&self, index: sys::nnk_value) -> Value {
        if index < 0 {
            self.failed.set(true);
        }
        Value { graph: self.id, index }
    }

    fn no_value(&self) -> Value {
        Value { graph: self.id, index: -1 }
    }

    fn index(&self, value: Value) -> Result<sys::nnk_value> {
        match value.graph == self.id || value == Value::ABSENT {
            true => Ok(value.index),
            false => Err(Error::new(ErrorKind::InvalidArgument, "the value belongs to another graph")),
        }
    }
}
