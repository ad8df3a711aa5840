//! One tensor or several, as arguments.

use crate::tensor::{AnyTensor, Element, Tensor, TensorView, TensorViewMut};

/// Tensors to read: `&Tensor` or a [`TensorView`]; an array or `Vec` of them; a reference to a slice, array or `Vec` of
/// them or of `Tensor`; a tuple of different ones (`(&tokens, &lengths)`); or `()` for none. `&AnyTensor` is as good as
/// `&Tensor`.
pub trait Views<'a> {
    /// Calls `body` with the views.
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R;
}

impl<'a> Views<'a> for () {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        body(&[])
    }
}

impl<'a> Views<'a> for TensorView<'a> {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        body(&[self])
    }
}

impl<'a, T: Element> Views<'a> for &'a Tensor<T> {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        body(&[self.view()])
    }
}

impl<'a> Views<'a> for &'a AnyTensor {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        body(&[self.view()])
    }
}

impl<'a, V: Into<TensorView<'a>>, const N: usize> Views<'a> for [V; N] {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        body(&self.map(Into::into))
    }
}

impl<'a, V: Into<TensorView<'a>>> Views<'a> for Vec<V> {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        body(&self.into_iter().map(Into::into).collect::<Vec<_>>())
    }
}

impl<'a, V: Viewed<'a>> Views<'a> for &[V] {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        V::with_slice(self, body)
    }
}

impl<'a, V: Viewed<'a>> Views<'a> for &Vec<V> {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        V::with_slice(self, body)
    }
}

impl<'a, V: Viewed<'a>, const N: usize> Views<'a> for &[V; N] {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        V::with_slice(self, body)
    }
}

macro_rules! slices_of_tensors {
    ($([$($parameter:tt)*] $kind:ty, $slice:ty;)*) => {$(
        impl<'a, $($parameter)*> Views<'a> for &'a $slice {
            fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
                body(&self.iter().map(<$kind>::view).collect::<Vec<_>>())
            }
        }
    )*};
}

slices_of_tensors! {
    [T: Element] Tensor<T>, [Tensor<T>];
    [T: Element] Tensor<T>, Vec<Tensor<T>>;
    [T: Element, const N: usize] Tensor<T>, [Tensor<T>; N];
    [] AnyTensor, [AnyTensor];
    [] AnyTensor, Vec<AnyTensor>;
    [const N: usize] AnyTensor, [AnyTensor; N];
}

/// Tensors to write: `&mut Tensor` or a [`TensorViewMut`]; an array or `Vec` of them; a mutable reference to a slice,
/// array or `Vec` of them or of `Tensor`; a tuple of different ones; or `()` for none.
pub trait ViewsMut<'a> {
    /// Calls `body` with the views.
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R;
}

impl<'a> ViewsMut<'a> for () {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        body(&mut [])
    }
}

impl<'a> ViewsMut<'a> for TensorViewMut<'a> {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        body(&mut [self])
    }
}

impl<'a, T: Element> ViewsMut<'a> for &'a mut Tensor<T> {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        body(&mut [self.view_mut()])
    }
}

impl<'a, V: Into<TensorViewMut<'a>>, const N: usize> ViewsMut<'a> for [V; N] {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        body(&mut self.map(Into::into))
    }
}

impl<'a, V: Into<TensorViewMut<'a>>> ViewsMut<'a> for Vec<V> {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        body(&mut self.into_iter().map(Into::into).collect::<Vec<_>>())
    }
}

impl<'a> ViewsMut<'a> for &mut [TensorViewMut<'a>] {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        body(self)
    }
}

impl<'a> ViewsMut<'a> for &mut Vec<TensorViewMut<'a>> {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        body(self)
    }
}

impl<'a, const N: usize> ViewsMut<'a> for &mut [TensorViewMut<'a>; N] {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        body(self)
    }
}

impl<'a, V: ViewedMut<'a>> ViewsMut<'a> for &'a mut [V] {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        V::with_slice_mut(self, body)
    }
}

impl<'a, V: ViewedMut<'a>> ViewsMut<'a> for &'a mut Vec<V> {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        V::with_slice_mut(self, body)
    }
}

impl<'a, V: ViewedMut<'a>, const N: usize> ViewsMut<'a> for &'a mut [V; N] {
    fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
        V::with_slice_mut(self, body)
    }
}

macro_rules! tuples {
    ($(($($name:ident $value:ident),+))*) => {$(
        impl<'a, $($name: Into<TensorView<'a>>),+> Views<'a> for ($($name,)+) {
            fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
                let ($($value,)+) = self;
                body(&[$($value.into()),+])
            }
        }

        impl<'a, $($name: Into<TensorViewMut<'a>>),+> ViewsMut<'a> for ($($name,)+) {
            fn with_views_mut<R>(self, body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
                let ($($value,)+) = self;
                body(&mut [$($value.into()),+])
            }
        }
    )*};
}

tuples! { (A a) (A a, B b) (A a, B b, C c) (A a, B b, C c, D d) }

mod viewed {
    use super::*;

    /// What a slice of tensors to read may hold, besides tensors: what can be copied out of it.
    pub trait Viewed<'a>: Sized {
        fn with_slice<R>(slice: &[Self], body: impl FnOnce(&[TensorView<'a>]) -> R) -> R;
    }

    impl<'a> Viewed<'a> for TensorView<'a> {
        fn with_slice<R>(slice: &[Self], body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
            body(slice)
        }
    }

    impl<'a, T: Element> Viewed<'a> for &'a Tensor<T> {
        fn with_slice<R>(slice: &[Self], body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
            body(&slice.iter().map(|tensor| tensor.view()).collect::<Vec<_>>())
        }
    }

    impl<'a> Viewed<'a> for &'a AnyTensor {
        fn with_slice<R>(slice: &[Self], body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
            body(&slice.iter().map(|tensor| tensor.view()).collect::<Vec<_>>())
        }
    }

    /// What a slice of tensors to write may hold, besides views.
    pub trait ViewedMut<'a>: Sized {
        fn with_slice_mut<R>(slice: &'a mut [Self], body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R;
    }

    impl<'a, T: Element> ViewedMut<'a> for Tensor<T> {
        fn with_slice_mut<R>(slice: &'a mut [Self], body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
            body(&mut slice.iter_mut().map(Tensor::view_mut).collect::<Vec<_>>())
        }
    }

    impl<'a, T: Element> ViewedMut<'a> for &mut Tensor<T> {
        fn with_slice_mut<R>(slice: &'a mut [Self], body: impl FnOnce(&mut [TensorViewMut<'a>]) -> R) -> R {
            body(&mut slice.iter_mut().map(|tensor| tensor.view_mut()).collect::<Vec<_>>())
        }
    }
}

use viewed::{Viewed, ViewedMut};
