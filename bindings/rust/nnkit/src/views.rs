//! One tensor or several, as arguments.

use crate::tensor::{AnyTensor, Element, Tensor, TensorView, TensorViewMut};

/// Tensors to read: `&Tensor`, a [`TensorView`], an array, slice or `Vec` of them, a tuple of different ones
/// (`(&tokens, &lengths)`), or `()` for none.
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

impl<'a> Views<'a> for &[TensorView<'a>] {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        body(self)
    }
}

impl<'a> Views<'a> for &Vec<TensorView<'a>> {
    fn with_views<R>(self, body: impl FnOnce(&[TensorView<'a>]) -> R) -> R {
        body(self)
    }
}

/// Tensors to write: `&mut Tensor`, a [`TensorViewMut`], an array, slice or `Vec` of them, a tuple of different ones,
/// or `()` for none.
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
