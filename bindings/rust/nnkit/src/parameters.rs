//! Parameters and gradients: one buffer each, with a name for each part.

use crate::access::InUse;
use crate::error::{check, Error, ErrorKind};
use crate::model::Shared;
use crate::{ParameterInfo, Result};
use nnkit_sys as sys;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

/// Where each parameter is.
#[derive(Debug)]
pub(crate) struct Layout {
    parameters: Vec<ParameterInfo>,
    places: HashMap<String, usize>,
}

impl Layout {
    pub(crate) fn new(parameters: Vec<ParameterInfo>) -> Layout {
        let places = parameters.iter().enumerate().map(|(place, each)| (each.name.clone(), place)).collect();
        Layout { parameters, places }
    }

    fn range(&self, name: &str) -> Option<Range<usize>> {
        let info = &self.parameters[*self.places.get(name)?];
        Some(info.offset..info.offset.checked_add(info.count)?)
    }
}

/// The address and length of a float32 buffer that a function describes.
pub(crate) fn buffer(describe: impl FnOnce(*mut sys::nnk_tensor) -> sys::nnk_status) -> Result<(*mut f32, usize)> {
    let mut tensor = MaybeUninit::uninit();
    check(describe(tensor.as_mut_ptr()))?;
    // Safety: the function succeeded, so it filled the tensor, of rank 1.
    let (data, count) = unsafe {
        let tensor: sys::nnk_tensor = tensor.assume_init();
        (tensor.data.cast::<u8>().add(tensor.byte_offset as usize).cast::<f32>(), *tensor.shape)
    };
    match usize::try_from(count) {
        // A model without parameters has no buffer.
        Ok(0) => Ok((std::ptr::NonNull::dangling().as_ptr(), 0)),
        Ok(count) if !data.is_null() => Ok((data, count)),
        _ => Err(Error::new(ErrorKind::Internal, "the view of a buffer makes no sense")),
    }
}

macro_rules! named_slices {
    ($name:ident) => {
        impl $name<'_> {
            /// One of them by name, such as "dense/kernel"; `None` if there is none of this name.
            pub fn get(&self, name: &str) -> Option<&[f32]> {
                self.layout.range(name).and_then(|range| self.values.get(range))
            }

            /// The names, shapes and places, in order.
            pub fn infos(&self) -> &[ParameterInfo] {
                &self.layout.parameters
            }
        }

        /// All of them, one after the other; the gaps between them are zero and mean nothing.
        impl Deref for $name<'_> {
            type Target = [f32];

            fn deref(&self) -> &[f32] {
                self.values
            }
        }
    };
}

macro_rules! named_mutable_slices {
    ($name:ident) => {
        named_slices! { $name }

        impl $name<'_> {
            /// One of them by name, to be written to.
            pub fn get_mut(&mut self, name: &str) -> Option<&mut [f32]> {
                self.layout.range(name).and_then(|range| self.values.get_mut(range))
            }
        }

        impl DerefMut for $name<'_> {
            fn deref_mut(&mut self) -> &mut [f32] {
                self.values
            }
        }
    };
}

/// A model's parameters, borrowed: one slice of all, or each by name.
#[derive(Debug)]
pub struct Parameters<'m> {
    values: &'m [f32],
    layout: Arc<Layout>,
    _in_use: InUse<'m>,
}

impl<'m> Parameters<'m> {
    pub(crate) fn new(values: &'m [f32], layout: Arc<Layout>, in_use: InUse<'m>) -> Parameters<'m> {
        Parameters { values, layout, _in_use: in_use }
    }
}

named_slices! { Parameters }

/// A model's parameters, borrowed mutably. When it is dropped, the model's sessions take the new values.
#[derive(Debug)]
pub struct ParametersMut<'m> {
    values: &'m mut [f32],
    layout: Arc<Layout>,
    model: &'m Shared,
    // Dropped last: until then nobody else may use the model.
    _in_use: InUse<'m>,
}

impl<'m> ParametersMut<'m> {
    pub(crate) fn new(
        values: &'m mut [f32],
        layout: Arc<Layout>,
        model: &'m Shared,
        in_use: InUse<'m>,
    ) -> ParametersMut<'m> {
        ParametersMut { values, layout, model, _in_use: in_use }
    }
}

named_mutable_slices! { ParametersMut }

impl Drop for ParametersMut<'_> {
    fn drop(&mut self) {
        // Safety: the handle lives. It can only fail for a handle that does not.
        unsafe { sys::nnk_model_parameters_changed(self.model.pointer()) };
    }
}

/// A trainer's gradients, laid out as the parameters are. In the place of a parameter that is not trainable is its next
/// value, which [`Trainer::apply`](crate::Trainer::apply) copies.
#[derive(Debug)]
pub struct Gradients<'t> {
    values: &'t mut [f32],
    layout: Arc<Layout>,
}

impl<'t> Gradients<'t> {
    pub(crate) fn new(values: &'t mut [f32], layout: Arc<Layout>) -> Gradients<'t> {
        Gradients { values, layout }
    }
}

named_mutable_slices! { Gradients }
