//! Arrays: owned ones, and checked views of anybody's memory.

use crate::options::list;
use crate::{Error, ErrorKind, Result};
use nnkit_sys as sys;
use std::fmt;
use std::marker::PhantomData;
use std::os::raw::c_void;

/// The most axes that a tensor may have.
pub const MAX_RANK: usize = 8;

/// What the elements of a tensor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// `f32`.
    F32,
    /// `i32`.
    I32,
    /// `i64`: taken where `I32` is, if every value fits into 32 bits.
    I64,
}

impl DType {
    pub(crate) fn raw(self) -> sys::nnk_dtype {
        match self {
            DType::F32 => sys::NNK_FLOAT32,
            DType::I32 => sys::NNK_INT32,
            DType::I64 => sys::NNK_INT64,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "float32",
            DType::I32 => "int32",
            DType::I64 => "int64",
        })
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i32 {}
    impl Sealed for i64 {}
}

/// What can be an element of a tensor: `f32`, `i32` and `i64`.
pub trait Element: sealed::Sealed + Copy + Default + Send + Sync + fmt::Debug + 'static {
    /// The type's name at run time.
    const DTYPE: DType;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
}
impl Element for i32 {
    const DTYPE: DType = DType::I32;
}
impl Element for i64 {
    const DTYPE: DType = DType::I64;
}

/// A shape that was checked, as the library takes it.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    rank: i32,
    sizes: [i64; MAX_RANK],
}

impl Sizes {
    fn new(shape: &[usize]) -> Result<Sizes> {
        let mut sizes = [0; MAX_RANK];
        if shape.len() > MAX_RANK {
            let message = format!("the shape [{}] has rank {}; expected at most {MAX_RANK}", list(shape), shape.len());
            return Err(Error::new(ErrorKind::Shape, message));
        }
        for (size, given) in sizes.iter_mut().zip(shape) {
            *size = i64::try_from(*given)
                .map_err(|_| Error::new(ErrorKind::Shape, format!("the size {given} has more than 63 bits")))?;
        }
        Ok(Sizes { rank: shape.len() as i32, sizes })
    }

    fn as_slice(&self) -> &[i64] {
        &self.sizes[..self.rank as usize]
    }
}

/// How many elements a shape has.
fn count(shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
        .ok_or_else(|| Error::new(ErrorKind::Shape, format!("the shape [{}] has too many elements", list(shape))))
}

fn require_fit(shape: &[usize], elements: usize) -> Result<()> {
    let expected = count(shape)?;
    if expected == elements {
        return Ok(());
    }
    let message = format!("the shape [{}] has {expected} elements, but there are {elements}", list(shape));
    Err(Error::new(ErrorKind::Shape, message))
}

/// A dense array that owns its memory: the last axis is fastest.
///
/// ```
/// use nnkit::Tensor;
///
/// let labels = Tensor::from(vec![3, 1, 2]);
/// let mut images = Tensor::<f32>::zeros(&[3, 28, 28, 1])?;
/// images.as_mut_slice()[0] = 1.0;
/// assert_eq!(images.shape(), [3, 28, 28, 1]);
/// assert!(Tensor::new(&[2, 2], vec![1.0, 2.0, 3.0]).is_err());
/// # let _: Tensor<i32> = labels;
/// # Ok::<(), nnkit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor<T> {
    shape: Vec<usize>,
    data: Vec<T>,
}

impl<T: Element> Tensor<T> {
    /// Takes `data`, whose length must be the product of `shape`; else the error is [`ErrorKind::Shape`].
    pub fn new(shape: &[usize], data: Vec<T>) -> Result<Tensor<T>> {
        Sizes::new(shape)?;
        require_fit(shape, data.len())?;
        Ok(Tensor { shape: shape.to_vec(), data })
    }

    /// Zeros. Memory that cannot be had is [`ErrorKind::OutOfMemory`].
    pub fn zeros(shape: &[usize]) -> Result<Tensor<T>> {
        let elements = count(shape)?;
        let mut data = Vec::new();
        data.try_reserve_exact(elements).map_err(|_| {
            Error::new(ErrorKind::OutOfMemory, format!("there is no memory for the shape [{}]", list(shape)))
        })?;
        data.resize(elements, T::default());
        Tensor::new(shape, data)
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// The elements, to be written to.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The elements, without the shape.
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }

    /// A view of it.
    pub fn view(&self) -> TensorView<'_> {
        TensorView::dense(&self.data, checked(&self.shape))
    }

    /// A view that can be written to.
    pub fn view_mut(&mut self) -> TensorViewMut<'_> {
        TensorViewMut::dense(&mut self.data, checked(&self.shape))
    }
}

fn checked(shape: &[usize]) -> Sizes {
    Sizes::new(shape).expect("a tensor's shape was checked when it was made")
}

/// One axis.
impl<T: Element> From<Vec<T>> for Tensor<T> {
    fn from(data: Vec<T>) -> Self {
        Tensor { shape: vec![data.len()], data }
    }
}

/// A tensor of any type of elements.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AnyTensor {
    /// `f32`.
    F32(Tensor<f32>),
    /// `i32`.
    I32(Tensor<i32>),
    /// `i64`.
    I64(Tensor<i64>),
}

impl AnyTensor {
    /// A view of it.
    pub fn view(&self) -> TensorView<'_> {
        match self {
            AnyTensor::F32(tensor) => tensor.view(),
            AnyTensor::I32(tensor) => tensor.view(),
            AnyTensor::I64(tensor) => tensor.view(),
        }
    }
}

impl From<Tensor<f32>> for AnyTensor {
    fn from(tensor: Tensor<f32>) -> Self {
        AnyTensor::F32(tensor)
    }
}
impl From<Tensor<i32>> for AnyTensor {
    fn from(tensor: Tensor<i32>) -> Self {
        AnyTensor::I32(tensor)
    }
}
impl From<Tensor<i64>> for AnyTensor {
    fn from(tensor: Tensor<i64>) -> Self {
        AnyTensor::I64(tensor)
    }
}

/// A view of elements that live elsewhere, with a shape that was checked against them.
///
/// ```
/// use nnkit::TensorView;
///
/// let values = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let rows = TensorView::new(&values, &[3, 2])?;
/// let every_other = TensorView::strided(&values, &[3], &[2])?;
/// let one_row_many_times = TensorView::strided(&values, &[1_000_000, 2], &[0, 1])?;
/// assert!(TensorView::strided(&values, &[4], &[2]).is_err());
/// # let _ = (rows, every_other, one_row_many_times);
/// # Ok::<(), nnkit::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    data: *const c_void,
    dtype: DType,
    sizes: Sizes,
    strides: Option<[i64; MAX_RANK]>,
    elements: PhantomData<&'a [f32]>,
}

// Safety: it is a &[T] of an Element, which is Send and Sync, and a shape.
unsafe impl Send for TensorView<'_> {}
// Safety: as above.
unsafe impl Sync for TensorView<'_> {}

impl<'a> TensorView<'a> {
    /// A dense view of `data`, whose length must be the product of `shape`; else the error is [`ErrorKind::Shape`].
    pub fn new<T: Element>(data: &'a [T], shape: &[usize]) -> Result<TensorView<'a>> {
        let sizes = Sizes::new(shape)?;
        require_fit(shape, data.len())?;
        Ok(TensorView::dense(data, sizes))
    }

    /// A view with a stride for each axis, in elements. A stride of 0 shows the same elements again and again. The last
    /// element that is reached must lie in `data`; else the error is [`ErrorKind::Shape`].
    pub fn strided<T: Element>(data: &'a [T], shape: &[usize], strides: &[usize]) -> Result<TensorView<'a>> {
        let sizes = Sizes::new(shape)?;
        if strides.len() != shape.len() {
            let message = format!("there are {} strides for {} axes", strides.len(), shape.len());
            return Err(Error::new(ErrorKind::Shape, message));
        }
        let empty = shape.contains(&0);
        let last = shape.iter().zip(strides).try_fold(0_usize, |last, (size, stride)| {
            size.saturating_sub(1).checked_mul(*stride).and_then(|steps| last.checked_add(steps))
        });
        match last {
            Some(last) if empty || last < data.len() => {}
            _ => {
                let message = format!(
                    "the shape [{}] with strides [{}] reaches behind the {} elements that there are",
                    list(shape),
                    list(strides),
                    data.len()
                );
                return Err(Error::new(ErrorKind::Shape, message));
            }
        }
        let strides = Sizes::new(strides)?.sizes;
        Ok(TensorView { strides: Some(strides), ..TensorView::dense(data, sizes) })
    }

    /// What stands for a tensor that is not given, where one may be left out: see
    /// [`Trainer::backward`](crate::Trainer::backward).
    pub fn absent() -> TensorView<'static> {
        let sizes = Sizes { rank: 0, sizes: [0; MAX_RANK] };
        TensorView { data: std::ptr::null(), dtype: DType::F32, sizes, strides: None, elements: PhantomData }
    }

    fn dense<T: Element>(data: &'a [T], sizes: Sizes) -> TensorView<'a> {
        TensorView { data: data.as_ptr().cast(), dtype: T::DTYPE, sizes, strides: None, elements: PhantomData }
    }

    /// What the elements are.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> Vec<usize> {
        self.sizes.as_slice().iter().map(|size| *size as usize).collect()
    }

    /// The C view, which points into this one. The library must have been loaded.
    fn raw(&self) -> sys::nnk_tensor {
        // Safety: the function computes a struct from its arguments. That the elements of a shared view are not written
        // to is for the caller to see to: as inputs they are only read.
        let mut raw = unsafe {
            sys::nnk_tensor_view(self.data as *mut c_void, self.dtype.raw(), self.sizes.sizes.as_ptr(), self.sizes.rank)
        };
        if let Some(strides) = &self.strides {
            raw.strides = strides.as_ptr() as *mut i64;
        }
        raw
    }
}

impl<'a, T: Element> From<&'a Tensor<T>> for TensorView<'a> {
    fn from(tensor: &'a Tensor<T>) -> Self {
        tensor.view()
    }
}

impl<'a> From<&'a AnyTensor> for TensorView<'a> {
    fn from(tensor: &'a AnyTensor) -> Self {
        tensor.view()
    }
}

/// A dense view of elements that may be written to.
#[derive(Debug)]
pub struct TensorViewMut<'a> {
    view: TensorView<'a>,
    exclusive: PhantomData<&'a mut [f32]>,
}

impl<'a> TensorViewMut<'a> {
    /// A dense view of `data`, whose length must be the product of `shape`; else the error is [`ErrorKind::Shape`].
    pub fn new<T: Element>(data: &'a mut [T], shape: &[usize]) -> Result<TensorViewMut<'a>> {
        let sizes = Sizes::new(shape)?;
        require_fit(shape, data.len())?;
        Ok(TensorViewMut::dense(data, sizes))
    }

    /// What stands for a tensor that is not wanted: see [`Trainer::backward`](crate::Trainer::backward).
    pub fn absent() -> TensorViewMut<'static> {
        TensorViewMut { view: TensorView::absent(), exclusive: PhantomData }
    }

    fn dense<T: Element>(data: &'a mut [T], sizes: Sizes) -> TensorViewMut<'a> {
        let data: *mut c_void = data.as_mut_ptr().cast();
        let view = TensorView { data, dtype: T::DTYPE, sizes, strides: None, elements: PhantomData };
        TensorViewMut { view, exclusive: PhantomData }
    }

    /// The same, for as long as this one is not used.
    pub fn reborrow(&mut self) -> TensorViewMut<'_> {
        TensorViewMut { view: self.view, exclusive: PhantomData }
    }
}

impl<'a, T: Element> From<&'a mut Tensor<T>> for TensorViewMut<'a> {
    fn from(tensor: &'a mut Tensor<T>) -> Self {
        tensor.view_mut()
    }
}

/// How many views a call takes without allocating.
const FEW: usize = 8;

const NO_TENSOR: sys::nnk_tensor = sys::nnk_tensor {
    data: std::ptr::null_mut(),
    device: sys::nnk_tensor_device { device_type: 1, device_id: 0 },
    ndim: 0,
    dtype: sys::nnk_tensor_dtype { code: 0, bits: 0, lanes: 0 },
    shape: std::ptr::null_mut(),
    strides: std::ptr::null_mut(),
    byte_offset: 0,
};

/// Calls `body` with C views of `views`, which stay during the call.
pub(crate) fn with_raw<R>(views: &[TensorView<'_>], body: impl FnOnce(*const sys::nnk_tensor, i32) -> R) -> R {
    with_raw_of(views, |view| view.raw(), |tensors, n| body(tensors, n))
}

/// The same for views that are written to.
pub(crate) fn with_raw_mut<R>(views: &mut [TensorViewMut<'_>], body: impl FnOnce(*mut sys::nnk_tensor, i32) -> R) -> R {
    with_raw_of(views, |view| view.view.raw(), body)
}

fn with_raw_of<V, R>(
    views: &[V],
    raw: impl Fn(&V) -> sys::nnk_tensor,
    body: impl FnOnce(*mut sys::nnk_tensor, i32) -> R,
) -> R {
    let n = i32::try_from(views.len()).unwrap_or(i32::MAX);
    if views.len() <= FEW {
        let mut tensors = [NO_TENSOR; FEW];
        for (tensor, view) in tensors.iter_mut().zip(views) {
            *tensor = raw(view);
        }
        body(tensors.as_mut_ptr(), n)
    } else {
        let mut tensors: Vec<_> = views.iter().map(raw).collect();
        body(tensors.as_mut_ptr(), n)
    }
}
