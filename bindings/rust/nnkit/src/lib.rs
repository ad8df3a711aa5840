//! NNKit trains and runs convolutional and recurrent neural networks on the CPU, inside the program that loads it.
//!
//! ```
//! use nnkit::layers::{Conv2D, Dense, Flatten};
//! use nnkit::{Activation, Dataset, DType, Graph, Model, Padding, Session, Tensor, Trainer};
//!
//! # fn main() -> nnkit::Result<()> {
//! # let (n, pixels) = (8, vec![0.5_f32; 8 * 28 * 28]);
//! let images = Tensor::new(&[n, 28, 28, 1], pixels)?;
//! let labels = Tensor::from(vec![0, 1, 2, 3, 4, 5, 6, 7]);
//!
//! let mut g = Graph::new();
//! let x = g.input("image", DType::F32, &[28, 28, 1]);
//! let x = g.layer(
//!     Conv2D {
//!         filters: 32,
//!         kernel: [3, 3],
//!         padding: Padding::Same,
//!         activation: Activation::Relu,
//!         ..Default::default()
//!     },
//!     x,
//! );
//! let x = g.layer(Flatten::default(), x);
//! let x = g.layer(Dense { units: 10, ..Default::default() }, x);
//! g.output("logits", x);
//! let model = g.build("seed=7")?;
//! Trainer::new(&model, "loss=softmax_cross_entropy optimizer=adam learning_rate=1e-3")?.fit(
//!     &Dataset::from_arrays(&images, &labels)?,
//!     "epochs=5 batch_size=64",
//!     |p| {
//!         println!("{p}");
//!         true // false stops
//!     },
//! )?;
//! # let path = std::env::temp_dir().join(format!("nnkit-doc-{}.nnkit", std::process::id()));
//! model.save(&path)?;
//!
//! let mut session = Session::new(&Model::load(&path)?, "max_batch=8")?;
//! let mut logits = Tensor::<f32>::zeros(&[8, 10])?;
//! session.run(&images, &mut logits)?;
//! # std::fs::remove_file(path).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! * Tensors are channels-last: images `[N, H, W, C]`, sequences `[N, T, C]`. Shapes in a [`Graph`] leave out the batch
//!   `N`; a time dimension may be left [`OPEN`].
//! * Options are text, `"epochs=5 batch_size=64"`, or structs of [`settings`], [`layers`] and [`optimizers`] that say
//!   the same and are made from the library's catalogue.
//! * Every call that can fail gives a [`Result`]. No argument ends the process; memory that cannot be had is an error.
//! * The same seed and data give the same bits for any number of threads; on another machine too, where the
//!   instruction-set level, the C library and, at avx512, the processor's vendor are the same.
//! * A [`Trainer`], [`Session`] or [`Stream`] keeps its [`Model`] alive. Arrays are borrowed while NNKit reads them.
//!
//! Without features the library is linked, and found as nnkit-sys says: in `NNKIT_LIB_DIR`, or by pkg-config. With the
//! feature `dlopen` it is loaded while the program runs: by `load`, or when it is first used, from `NNKIT_LIBRARY` or
//! by the system's search.
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]

mod access;
mod by_hand;
mod callback;
mod choices;
mod dataset;
mod error;
mod graph;
mod info;
mod json;
pub mod layers;
mod library;
mod model;
pub mod optimizers;
mod options;
mod parameters;
mod ports;
mod progress;
mod runtime;
mod session;
pub mod settings;
mod stream;
mod tensor;
mod trainer;
mod views;

pub use choices::*;
pub use dataset::{Dataset, Tensors};
pub use error::{Error, ErrorKind};
pub use graph::{Graph, Layer, Value, OPEN};
pub use info::{LayerInfo, ModelInfo, ParameterInfo, PortInfo};
#[cfg(feature = "dlopen")]
pub use library::load;
pub use library::{abi_version, catalog_json, shutdown, version};
pub use model::Model;
pub use options::{Options, Padding};
pub use parameters::{Gradients, Parameters, ParametersMut};
pub use ports::Port;
pub use progress::{Event, Progress};
pub use runtime::{default_runtime_info, Runtime, RuntimeInfo};
pub use session::{Canceller, Session};
pub use stream::{Stream, StreamSet};
pub use tensor::{AnyTensor, DType, Element, Tensor, TensorView, TensorViewMut, MAX_RANK};
pub use trainer::{Evaluation, Trainer};
pub use views::{Views, ViewsMut};

/// What a call gives that can fail.
pub type Result<T> = std::result::Result<T, Error>;
