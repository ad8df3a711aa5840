//! Threads and instruction set.

use crate::json::Json;
use crate::library::{created, ready, written_text};
use crate::options::c_options;
use crate::{Options, Result};
use nnkit_sys as sys;
use std::ptr::{self, NonNull};

/// Threads that models compute on. Without one, models share the default runtime.
///
/// ```
/// use nnkit::{DType, Graph, Runtime};
///
/// let runtime = Runtime::new("threads=1")?;
/// assert_eq!(runtime.info()?.threads, 1);
/// let mut g = Graph::new();
/// let x = g.input("x", DType::F32, &[4]);
/// g.output("y", x);
/// let model = g.build_on(&runtime, "")?;
/// drop(runtime); // the model keeps its threads
/// # let _ = model;
/// # Ok::<(), nnkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    raw: NonNull<sys::nnk_runtime>,
}

// Safety: a handle belongs to no thread, and models that share a runtime "may be used from different threads at the
// same time", as those do that share the default one.
unsafe impl Send for Runtime {}
// Safety: as above.
unsafe impl Sync for Runtime {}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Safety: the handle is this runtime's own; its threads end when the last model that uses them is gone.
        unsafe { sys::nnk_runtime_destroy(self.raw.as_ptr()) }
    }
}

impl Runtime {
    /// A runtime. Options: [`RuntimeOptions`](crate::settings::RuntimeOptions).
    pub fn new(options: impl Options) -> Result<Runtime> {
        ready()?;
        let options = c_options(&options)?;
        // Safety: the options stay during the call.
        let raw = created(|out| unsafe { sys::nnk_runtime_create(options.as_ptr(), out) })?;
        Ok(Runtime { raw })
    }

    /// What it runs on.
    pub fn info(&self) -> Result<RuntimeInfo> {
        RuntimeInfo::of(Some(self))
    }

    /// The handle, or NULL for the default runtime.
    pub(crate) fn pointer(runtime: Option<&Runtime>) -> *mut sys::nnk_runtime {
        runtime.map_or(ptr::null_mut(), |runtime| runtime.raw.as_ptr())
    }
}

/// What a runtime runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeInfo {
    /// The instruction-set level: "baseline", "avx2" or "avx512".
    pub isa: String,
    /// How many threads compute.
    pub threads: usize,
    /// The library's version.
    pub version: String,
}

impl RuntimeInfo {
    fn of(runtime: Option<&Runtime>) -> Result<RuntimeInfo> {
        // Safety: NULL or a handle that lives.
        let text = written_text(|out| unsafe { sys::nnk_runtime_info_json(Runtime::pointer(runtime), out) })?;
        let json = Json::parse(&text)?;
        Ok(RuntimeInfo {
            isa: json.get("isa")?.string()?,
            threads: json.get("threads")?.size()?,
            version: json.get("version")?.string()?,
        })
    }
}

/// What the default runtime runs on.
pub fn default_runtime_info() -> Result<RuntimeInfo> {
    ready()?;
    RuntimeInfo::of(None)
}
