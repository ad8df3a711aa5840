//! A checked graph with its parameters.

use crate::access::{Access, InUse, Use};
use crate::callback::write_through;
use crate::error::check;
use crate::library::{c_string, created, ready, written_text};
use crate::options::c_options;
use crate::parameters::{buffer, Layout, Parameters, ParametersMut};
use crate::{ModelInfo, Options, Result, Runtime};
use nnkit_sys as sys;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

/// A checked graph with its parameters. Trainers, sessions and streams made from it keep what they need of it alive: a
/// model may be dropped before them.
///
/// ```
/// use nnkit::{DType, Graph, Model};
///
/// let mut g = Graph::new();
/// let x = g.input("x", DType::F32, &[4]);
/// let y = g.add("dense", "units=3", x);
/// g.output("y", y);
/// let model = g.build("seed=7")?;
/// let bytes = model.to_bytes()?;
/// let copy = Model::read(&bytes)?; // a model of its own, with the same parameters
/// assert_eq!(*model.parameters()?, *copy.parameters()?);
/// assert_eq!(model.parameters()?.get("dense/kernel").unwrap().len(), 12);
/// # Ok::<(), nnkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    shared: Arc<Shared>,
}

/// The handle, and what everything made from the model shares with it.
#[derive(Debug)]
pub(crate) struct Shared {
    raw: NonNull<sys::nnk_model>,
    access: Access,
    layout: Mutex<Option<Arc<Layout>>>,
}

// Safety: "one model may be used by any number of sessions at once", and "while a model is being trained, its sessions
// run and files are saved all the same": the library orders the calls of one model. What it does not order, slices of
// the parameters, `access` does.
unsafe impl Send for Shared {}
// Safety: as above.
unsafe impl Sync for Shared {}

impl Drop for Shared {
    fn drop(&mut self) {
        // Safety: the handle is this model's own.
        unsafe { sys::nnk_model_destroy(self.raw.as_ptr()) }
    }
}

impl Shared {
    pub(crate) fn begin(&self, kind: Use) -> Result<InUse<'_>> {
        self.access.begin(kind)
    }

    pub(crate) fn pointer(&self) -> *mut sys::nnk_model {
        self.raw.as_ptr()
    }

    /// Where each parameter is; read once.
    pub(crate) fn layout(&self) -> Result<Arc<Layout>> {
        let mut layout = self.layout.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(layout) = &*layout {
            return Ok(layout.clone());
        }
        let new = Arc::new(Layout::new(ModelInfo::parse(&self.info_json()?)?.parameters));
        *layout = Some(new.clone());
        Ok(new)
    }

    fn info_json(&self) -> Result<String> {
        // Safety: the handle lives.
        written_text(|out| unsafe { sys::nnk_model_info_json(self.pointer(), out) })
    }
}

impl Model {
    fn new(raw: NonNull<sys::nnk_model>) -> Model {
        Model { shared: Arc::new(Shared { raw, access: Access::default(), layout: Mutex::new(None) }) }
    }

    pub(crate) fn create(
        runtime: Option<&Runtime>,
        graph: NonNull<sys::nnk_graph>,
        options: &impl Options,
    ) -> Result<Model> {
        let options = c_options(options)?;
        // Safety: both handles live; the options stay during the call.
        created(|out| unsafe {
            sys::nnk_model_create(Runtime::pointer(runtime), graph.as_ptr(), options.as_ptr(), out)
        })
        .map(Model::new)
    }

    /// Reads a file that [`save`](Model::save) wrote. A model file is data: no code runs, no other file is opened.
    pub fn load(path: impl AsRef<Path>) -> Result<Model> {
        Model::load_with(None, path.as_ref())
    }

    /// The same, on threads of its own.
    pub fn load_on(runtime: &Runtime, path: impl AsRef<Path>) -> Result<Model> {
        Model::load_with(Some(runtime), path.as_ref())
    }

    fn load_with(runtime: Option<&Runtime>, path: &Path) -> Result<Model> {
        ready()?;
        let path = c_string(path.as_os_str().as_bytes(), "the path")?;
        // Safety: the path stays during the call.
        created(|out| unsafe { sys::nnk_model_load(Runtime::pointer(runtime), path.as_ptr(), out) }).map(Model::new)
    }

    /// The model in the bytes of a file, or in those of a trainer's [`state`](crate::Trainer::state).
    pub fn read(bytes: &[u8]) -> Result<Model> {
        Model::read_with(None, bytes)
    }

    /// The same, on threads of its own.
    pub fn read_on(runtime: &Runtime, bytes: &[u8]) -> Result<Model> {
        Model::read_with(Some(runtime), bytes)
    }

    fn read_with(runtime: Option<&Runtime>, bytes: &[u8]) -> Result<Model> {
        ready()?;
        let (data, count) = (bytes.as_ptr().cast(), bytes.len() as i64);
        // Safety: `count` bytes are there during the call.
        created(|out| unsafe { sys::nnk_model_read(Runtime::pointer(runtime), data, count, out) }).map(Model::new)
    }

    /// Writes the model to a file, which is also a valid safetensors file. Atomic: on any error a file that was there
    /// before is still there, whole. While the model is being trained, the file has the parameters as they are between
    /// two steps.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_string(path.as_ref().as_os_str().as_bytes(), "the path")?;
        let _in_use = self.shared.begin(Use::Call)?;
        // Safety: the handle lives; the path stays during the call.
        check(unsafe { sys::nnk_model_save(self.shared.pointer(), path.as_ptr()) })
    }

    /// Gives `writer` the bytes that [`save`](Model::save) would write, a piece at a time. Where the writer fails, that
    /// is the error's source.
    pub fn write(&self, writer: impl Write) -> Result<()> {
        let _in_use = self.shared.begin(Use::Call)?;
        // Safety: the handle lives; the callback and its data are those that `write_through` made.
        write_through(writer, |callback, user| unsafe { sys::nnk_model_write(self.shared.pointer(), callback, user) })
    }

    /// The bytes that [`save`](Model::save) would write. Works at any time, in the callback of a fit too: so
    /// `Model::read(&model.to_bytes()?)` is a copy of the model as it is now.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(bytes)
    }

    /// What it is made of. Its text is a table of the layers.
    pub fn info(&self) -> Result<ModelInfo> {
        ModelInfo::parse(&self.shared.info_json()?)
    }

    /// What it is made of, as JSON.
    pub fn info_json(&self) -> Result<String> {
        self.shared.info_json()
    }

    /// All parameters, to read. While the result lives, trainers of the model refuse their calls, and so does this
    /// function while a trainer is in one: [`ErrorKind::Busy`](crate::ErrorKind::Busy).
    ///
    /// The model cannot go before:
    ///
    /// ```compile_fail,E0505
    /// # use nnkit::Graph;
    /// let model = Graph::new().build("")?;
    /// let parameters = model.parameters()?;
    /// drop(model);
    /// println!("{}", parameters[0]);
    /// # Ok::<(), nnkit::Error>(())
    /// ```
    pub fn parameters(&self) -> Result<Parameters<'_>> {
        let in_use = self.shared.begin(Use::Loan)?;
        let (data, count) = self.view()?;
        // Safety: the memory "stays until the model and every object made from it are destroyed", and `self` is
        // borrowed; `in_use` keeps out whoever would write.
        let values = unsafe { std::slice::from_raw_parts(data, count) };
        Ok(Parameters::new(values, self.shared.layout()?, in_use))
    }

    /// All parameters, to write. While the result lives, every other use of the model, of its trainers and of its
    /// sessions is refused, and so is this function while one is under way:
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy).
    pub fn parameters_mut(&self) -> Result<ParametersMut<'_>> {
        let in_use = self.shared.begin(Use::ExclusiveLoan)?;
        let (data, count) = self.view()?;
        // Safety: as above, and `in_use` keeps out everybody else.
        let values = unsafe { std::slice::from_raw_parts_mut(data, count) };
        Ok(ParametersMut::new(values, self.shared.layout()?, &self.shared, in_use))
    }

    fn view(&self) -> Result<(*mut f32, usize)> {
        // Safety: the handle lives.
        buffer(|out| unsafe { sys::nnk_model_parameters_view(self.shared.pointer(), out) })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}
