//! Raw declarations of `nnkit.h`, the C interface of NNKit: every function, type and constant under its C name.
//!
//! The header is the manual; what is said here is its first line. Use the crate `nnkit` unless you need a call that it
//! does not make for you.
//!
//! Without features the library is linked: the build script looks into `NNKIT_LIB_DIR`, then asks pkg-config. With the
//! feature `dlopen` the same functions are found in a library that is loaded while the program runs, by `load` or when
//! the first one is called.
#![deny(missing_docs)]
#![allow(non_camel_case_types)]

#[macro_use]
mod linkage;
mod constants;
mod functions;
mod types;

pub use constants::*;
pub use functions::*;
#[cfg(feature = "dlopen")]
pub use linkage::{load, LoadError};
pub use types::*;
