//! Options, as text or as the structs that are made from the catalogue.

use crate::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::fmt::Display;

/// Options of a function: text such as `"epochs=5 batch_size=64"`, or a struct such as
/// [`FitOptions`](crate::settings::FitOptions) that becomes it.
///
/// ```
/// use nnkit::settings::FitOptions;
/// use nnkit::Options;
///
/// let options = FitOptions { epochs: 5, ..Default::default() };
/// assert_eq!(options.text()?, "epochs=5 batch_size=32 shuffle=true validation_split=0.0 report=epoch");
/// assert_eq!("epochs=5".text()?, "epochs=5");
/// # Ok::<(), nnkit::Error>(())
/// ```
pub trait Options {
    /// The text that the library reads. Fails where a value cannot be written as an option.
    fn text(&self) -> Result<Cow<'_, str>>;
}

impl Options for str {
    fn text(&self) -> Result<Cow<'_, str>> {
        Ok(Cow::Borrowed(self))
    }
}

impl Options for String {
    fn text(&self) -> Result<Cow<'_, str>> {
        Ok(Cow::Borrowed(self))
    }
}

impl<O: Options + ?Sized> Options for &O {
    fn text(&self) -> Result<Cow<'_, str>> {
        (**self).text()
    }
}

/// How an image is padded before a window slides over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Padding {
    /// None.
    Valid,
    /// As much as makes the output as large as the input, divided by the stride.
    Same,
    /// The same number of places on all four sides.
    All(usize),
    /// Above and below, and to the left and to the right.
    Axes(usize, usize),
    /// Each side by itself.
    Sides {
        /// Rows above.
        top: usize,
        /// Rows below.
        bottom: usize,
        /// Columns to the left.
        left: usize,
        /// Columns to the right.
        right: usize,
    },
}

/// A value of an option as the library reads it; `None` where the option is not given.
pub(crate) trait OptionValue {
    fn value(&self) -> Option<String>;
}

macro_rules! displayed {
    ($($type:ty)*) => {$(
        impl OptionValue for $type {
            fn value(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

displayed! { usize u64 isize bool String }

impl OptionValue for f64 {
    fn value(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl<const N: usize> OptionValue for [usize; N] {
    fn value(&self) -> Option<String> {
        Some(self.map(|size| size.to_string()).join(","))
    }
}

impl<T: Display> OptionValue for Vec<T> {
    fn value(&self) -> Option<String> {
        Some(self.iter().map(T::to_string).collect::<Vec<_>>().join(","))
    }
}

impl OptionValue for Padding {
    fn value(&self) -> Option<String> {
        match *self {
            Padding::Valid => Some("valid".to_string()),
            Padding::Same => Some("same".to_string()),
            Padding::All(places) => places.value(),
            Padding::Axes(vertical, horizontal) => [vertical, horizontal].value(),
            Padding::Sides { top, bottom, left, right } => [top, bottom, left, right].value(),
        }
    }
}

impl<T: OptionValue> OptionValue for Option<T> {
    fn value(&self) -> Option<String> {
        self.as_ref().and_then(OptionValue::value)
    }
}

/// Collects options, and the first error.
pub(crate) struct OptionWriter {
    text: String,
    error: Option<Error>,
}

impl OptionWriter {
    pub(crate) fn new() -> OptionWriter {
        OptionWriter { text: String::new(), error: None }
    }

    pub(crate) fn put(&mut self, name: &str, value: &impl OptionValue) {
        if let Some(value) = value.value() {
            self.put_word(name, &value);
        }
    }

    pub(crate) fn put_word(&mut self, name: &str, value: &str) {
        if value.is_empty() || value.contains(char::is_whitespace) {
            // Else it would be read as further options.
            let message = format!("{name}={value:?} cannot be an option: the value is empty or contains white space");
            self.fail(Error::new(ErrorKind::InvalidArgument, message));
        }
        self.append(&[name, "=", value]);
    }

    pub(crate) fn put_all(&mut self, options: &impl crate::Options) {
        match options.text() {
            Ok(text) => self.append(&[&text]),
            Err(error) => self.fail(error),
        }
    }

    pub(crate) fn finish(self) -> Result<String> {
        self.error.map_or(Ok(self.text), Err)
    }

    fn append(&mut self, parts: &[&str]) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        parts.iter().for_each(|part| self.text.push_str(part));
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }
}

/// Options as the library takes them.
pub(crate) fn c_options(options: &(impl Options + ?Sized)) -> Result<std::ffi::CString> {
    crate::library::c_string(options.text()?.as_ref(), "options")
}

/// A list for a message: "3, 4".
pub(crate) fn list<T: Display>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
