//! Samples: inputs and, for training, targets.

use crate::library::{created, ready};
use crate::tensor::{with_raw, AnyTensor, TensorView};
use crate::views::Views;
use crate::Result;
use nnkit_sys as sys;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

/// Samples: inputs and, for training, targets. It borrows the arrays, for `'a`, or owns them.
///
/// ```
/// use nnkit::{Dataset, Tensor, TensorView};
///
/// let (images, labels) = (vec![0.0_f32; 100 * 64], vec![0_i32; 100]);
/// let borrowed = Dataset::from_arrays(TensorView::new(&images, &[100, 8, 8, 1])?, TensorView::new(&labels, &[100])?)?;
/// let owned = Dataset::from_owned(Tensor::new(&[100, 8, 8, 1], images.clone())?, Tensor::from(labels.clone()))?;
/// # let _ = (borrowed, owned);
/// # Ok::<(), nnkit::Error>(())
/// ```
///
/// Arrays cannot go while a dataset reads them:
///
/// ```compile_fail,E0505
/// # use nnkit::{Dataset, Tensor};
/// let images = Tensor::<f32>::zeros(&[10, 4])?;
/// let dataset = Dataset::from_arrays(&images, ())?;
/// drop(images);
/// drop(dataset);
/// # Ok::<(), nnkit::Error>(())
/// ```
///
/// nor change:
///
/// ```compile_fail,E0502
/// # use nnkit::{Dataset, Tensor};
/// let mut images = Tensor::<f32>::zeros(&[10, 4])?;
/// let dataset = Dataset::from_arrays(&images, ())?;
/// images.as_mut_slice()[0] = 1.0;
/// drop(dataset);
/// # Ok::<(), nnkit::Error>(())
/// ```
///
/// nor end before it:
///
/// ```compile_fail,E0597
/// # use nnkit::{Dataset, Tensor};
/// let dataset = {
///     let images = Tensor::<f32>::zeros(&[10, 4])?;
///     Dataset::from_arrays(&images, ())?
/// };
/// # Ok::<(), nnkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Dataset<'a> {
    raw: NonNull<sys::nnk_dataset>,
    /// The arrays of a dataset that owns them. A trainer that validates with the dataset keeps them, too.
    owned: Option<Arc<Owned>>,
    arrays: PhantomData<&'a [f32]>,
}

#[derive(Debug)]
pub(crate) struct Owned {
    inputs: Vec<AnyTensor>,
    targets: Vec<AnyTensor>,
}

// Safety: the library only reads the arrays, which are slices of plain numbers, and the handle belongs to no thread.
unsafe impl Send for Dataset<'_> {}
// Safety: as above; several calls may be given one dataset at the same time.
unsafe impl Sync for Dataset<'_> {}

impl Drop for Dataset<'_> {
    fn drop(&mut self) {
        // Safety: the handle is this dataset's own. No call that was given it is running, as it would borrow it; a
        // trainer that keeps it in use has its arrays for long enough (`Trainer::set_validation`).
        unsafe { sys::nnk_dataset_destroy(self.raw.as_ptr()) }
    }
}

impl<'a> Dataset<'a> {
    /// A dataset over arrays whose first axis is the sample: inputs and targets in the order of the model's inputs and
    /// outputs. Targets may be `()`.
    pub fn from_arrays(inputs: impl Views<'a>, targets: impl Views<'a>) -> Result<Dataset<'a>> {
        inputs.with_views(|inputs| targets.with_views(|targets| Dataset::create(inputs, targets, None)))
    }

    fn create(inputs: &[TensorView<'_>], targets: &[TensorView<'_>], owned: Option<Arc<Owned>>) -> Result<Dataset<'a>> {
        ready()?;
        let raw = with_raw(inputs, |inputs, n_inputs| {
            with_raw(targets, |targets, n_targets| {
                // Safety: the views' elements are borrowed for `'a`, or owned by `owned`; their shapes stay during the
                // call, and are not kept.
                created(|out| unsafe { sys::nnk_dataset_create_from_arrays(inputs, n_inputs, targets, n_targets, out) })
            })
        })?;
        Ok(Dataset { raw, owned, arrays: PhantomData })
    }

    pub(crate) fn pointer(&self) -> *mut sys::nnk_dataset {
        self.raw.as_ptr()
    }

    pub(crate) fn owned(&self) -> Option<Arc<Owned>> {
        self.owned.clone()
    }
}

impl Dataset<'static> {
    /// A dataset that owns its arrays: one tensor, several in a tuple, or a `Vec<AnyTensor>`; targets may be `()`.
    pub fn from_owned(inputs: impl Into<Tensors>, targets: impl Into<Tensors>) -> Result<Dataset<'static>> {
        // The elements stay where they are when the Arc moves, and nobody writes to them.
        let owned = Arc::new(Owned { inputs: inputs.into().0, targets: targets.into().0 });
        let inputs: Vec<_> = owned.inputs.iter().map(AnyTensor::view).collect();
        let targets: Vec<_> = owned.targets.iter().map(AnyTensor::view).collect();
        Dataset::create(&inputs, &targets, Some(owned.clone()))
    }
}

/// Tensors that are given away: see [`Dataset::from_owned`].
#[derive(Clone, Debug, PartialEq)]
pub struct Tensors(Vec<AnyTensor>);

impl From<()> for Tensors {
    fn from((): ()) -> Self {
        Tensors(Vec::new())
    }
}

impl From<Vec<AnyTensor>> for Tensors {
    fn from(tensors: Vec<AnyTensor>) -> Self {
        Tensors(tensors)
    }
}

impl<T: Into<AnyTensor>> From<T> for Tensors {
    fn from(tensor: T) -> Self {
        Tensors(vec![tensor.into()])
    }
}

macro_rules! tuples {
    ($(($($name:ident $value:ident),+))*) => {$(
        impl<$($name: Into<AnyTensor>),+> From<($($name,)+)> for Tensors {
            fn from(($($value,)+): ($($name,)+)) -> Self {
                Tensors(vec![$($value.into()),+])
            }
        }
    )*};
}

tuples! { (A a, B b) (A a, B b, C c) (A a, B b, C c, D d) }
