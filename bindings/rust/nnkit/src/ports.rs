//! What a model takes and gives.

use crate::error::{check, text};
use crate::{DType, Error, ErrorKind, Model, Result, MAX_RANK};
use nnkit_sys as sys;
use std::os::raw::c_char;

/// An input or an output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What its elements are.
    pub dtype: DType,
    /// Its shape without the batch; a time dimension that is open is [`OPEN`](crate::OPEN).
    pub shape: Vec<i64>,
}

type Describe =
    fn(*mut sys::nnk_model, i32, *mut *const c_char, *mut sys::nnk_dtype, *mut i64, *mut i32) -> sys::nnk_status;

/// ```
/// use nnkit::{DType, Graph};
///
/// let mut g = Graph::new();
/// let x = g.input("image", DType::F32, &[8, 8, 3]);
/// let y = g.add("flatten", "", x);
/// g.output("pixels", y);
/// let model = g.build("")?;
/// assert_eq!(model.inputs()?[0].shape, [8, 8, 3]);
/// assert_eq!((&model.outputs()?[0].name[..], &model.outputs()?[0].shape[..]), ("pixels", &[192][..]));
/// # Ok::<(), nnkit::Error>(())
/// ```
impl Model {
    /// What a run reads, in order.
    pub fn inputs(&self) -> Result<Vec<Port>> {
        let [inputs, _] = self.counts()?;
        // Safety: `port` gives what the header asks for.
        let describe: Describe = |model, index, name, dtype, shape, rank| unsafe {
            sys::nnk_model_input(model, index, name, dtype, shape, rank)
        };
        (0..inputs).map(|index| self.port(index, describe)).collect()
    }

    /// What a run writes, in order.
    pub fn outputs(&self) -> Result<Vec<Port>> {
        let [_, outputs] = self.counts()?;
        // Safety: as above.
        let describe: Describe = |model, index, name, dtype, shape, rank| unsafe {
            sys::nnk_model_output(model, index, name, dtype, shape, rank)
        };
        (0..outputs).map(|index| self.port(index, describe)).collect()
    }

    fn counts(&self) -> Result<[i32; 2]> {
        let [mut inputs, mut outputs] = [0, 0];
        // Safety: the handle lives.
        check(unsafe { sys::nnk_model_counts(self.shared().pointer(), &mut inputs, &mut outputs) })?;
        Ok([inputs, outputs])
    }

    fn port(&self, index: i32, describe: Describe) -> Result<Port> {
        let (mut name, mut dtype) = (std::ptr::null(), 0);
        let mut shape = [0_i64; MAX_RANK];
        let mut rank = MAX_RANK as i32;
        check(describe(self.shared().pointer(), index, &mut name, &mut dtype, shape.as_mut_ptr(), &mut rank))?;
        let dtype = match dtype {
            sys::NNK_FLOAT32 => DType::F32,
            sys::NNK_INT32 => DType::I32,
            other => return Err(Error::new(ErrorKind::Internal, format!("the element type {other} is unknown"))),
        };
        // Safety: the name stays as long as the model, and is copied.
        let name = unsafe { text(name) }.unwrap_or("").to_string();
        Ok(Port { name, dtype, shape: shape[..rank as usize].to_vec() })
    }
}
