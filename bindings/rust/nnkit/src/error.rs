//! What can go wrong.

use nnkit_sys as sys;
use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::raw::c_char;
use std::sync::Arc;

/// What kind of thing went wrong: one kind for each status of the C interface, and [`NotLoaded`](Self::NotLoaded).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An unknown option, a value out of range, or nothing where a value is needed.
    InvalidArgument,
    /// A handle that is stale, foreign or of another kind. Safe code cannot have one.
    InvalidHandle,
    /// A shape that does not fit, or whose size overflows.
    Shape,
    /// An element type that does not fit.
    Type,
    /// Memory that cannot be had, or more than `max_bytes` allows.
    OutOfMemory,
    /// A file that cannot be read or written, or a writer that failed.
    Io,
    /// A file that is not a valid model, or bytes that are no valid state.
    Format,
    /// A loss, gradient or update that is not finite: that step changed nothing.
    Numeric,
    /// An object that is already in a call, or parameters that are borrowed.
    Busy,
    /// A valid request that this version or processor cannot serve.
    Unsupported,
    /// A fault of NNKit's own; please report it. Also a status that only a newer library has.
    Internal,
    /// A [`Canceller`](crate::Canceller) ended the call.
    Cancelled,
    /// The library could not be loaded (feature `dlopen`), or is older than this crate.
    NotLoaded,
}

impl ErrorKind {
    /// The name of the C interface's status, such as "NNK_ERROR_SHAPE"; "NOT_LOADED" for what has none.
    pub fn status_name(self) -> &'static str {
        match self.status() {
            // Safety: only a library that answered gives a status; its names stay until the process ends.
            Some(status) => unsafe { text(sys::nnk_status_name(status)) }.unwrap_or("unknown status"),
            None => "NOT_LOADED",
        }
    }

    /// The kinds that have a status, in the order of their codes.
    const WITH_STATUS: [(ErrorKind, sys::nnk_status); 12] = [
        (ErrorKind::InvalidArgument, sys::NNK_ERROR_INVALID_ARGUMENT),
        (ErrorKind::InvalidHandle, sys::NNK_ERROR_INVALID_HANDLE),
        (ErrorKind::Shape, sys::NNK_ERROR_SHAPE),
        (ErrorKind::Type, sys::NNK_ERROR_TYPE),
        (ErrorKind::OutOfMemory, sys::NNK_ERROR_OUT_OF_MEMORY),
        (ErrorKind::Io, sys::NNK_ERROR_IO),
        (ErrorKind::Format, sys::NNK_ERROR_FORMAT),
        (ErrorKind::Numeric, sys::NNK_ERROR_NUMERIC),
        (ErrorKind::Busy, sys::NNK_ERROR_BUSY),
        (ErrorKind::Unsupported, sys::NNK_ERROR_UNSUPPORTED),
        (ErrorKind::Internal, sys::NNK_ERROR_INTERNAL),
        (ErrorKind::Cancelled, sys::NNK_ERROR_CANCELLED),
    ];

    fn status(self) -> Option<sys::nnk_status> {
        Self::WITH_STATUS.iter().find(|(kind, _)| *kind == self).map(|(_, status)| *status)
    }

    fn of_status(status: sys::nnk_status) -> ErrorKind {
        Self::WITH_STATUS.iter().find(|(_, each)| *each == status).map_or(ErrorKind::Internal, |(kind, _)| *kind)
    }
}

/// A call that failed: its [`kind`](Self::kind) is for programs, its text for people. The text says what was wrong,
/// where, what was expected, and what to do.
///
/// ```
/// use nnkit::{DType, ErrorKind, Graph};
///
/// let mut g = Graph::new();
/// let x = g.input("x", DType::F32, &[4]);
/// let y = g.add("dense", "unit=3", x);
/// g.output("y", y);
/// let error = g.build("").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
/// assert!(error.to_string().contains("did you mean units"), "{error}");
/// ```
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<io::Error>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), source: None }
    }

    /// What a writer of the caller's failed with.
    pub(crate) fn of_writer(error: io::Error) -> Error {
        Error { kind: ErrorKind::Io, message: format!("the writer failed: {error}"), source: Some(Arc::new(error)) }
    }

    /// The last failure of this thread, which had this status.
    pub(crate) fn last(status: sys::nnk_status) -> Error {
        // Safety: the string stays until the next failing call of this thread, and is copied before.
        let message = unsafe { text(sys::nnk_last_error()) }.unwrap_or("");
        let kind = ErrorKind::of_status(status);
        if message.is_empty() {
            return Error::new(kind, kind.status_name());
        }
        // "nnk_model_create: layer ..." names a function that the caller never called.
        let message = match message.split_once(": ") {
            Some((name, rest)) if name.starts_with("nnk_") && !name.contains(' ') => rest,
            _ => message,
        };
        Error::new(kind, message)
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// A status as a result.
pub(crate) fn check(status: sys::nnk_status) -> Result<(), Error> {
    match status {
        sys::NNK_OK => Ok(()),
        status => Err(Error::last(status)),
    }
}

/// A string of the library's; `None` for NULL.
///
/// # Safety
/// `address` is NULL or a zero-terminated string that stays for `'a`.
pub(crate) unsafe fn text<'a>(address: *const c_char) -> Option<&'a str> {
    match address.is_null() {
        true => None,
        // Safety: as above. The header promises UTF-8.
        false => Some(unsafe { CStr::from_ptr(address) }.to_str().unwrap_or("(text that is not UTF-8)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// The names and codes of the errors in include/nnkit.h.
    fn statuses_of_header() -> Vec<(&'static str, sys::nnk_status)> {
        include_str!("../../../../include/nnkit.h")
            .lines()
            .filter_map(|line| line.trim().split_once(" = ").filter(|(name, _)| name.starts_with("NNK_ERROR_")))
            .map(|(name, rest)| {
                let code: String = rest.chars().take_while(char::is_ascii_digit).collect();
                (name, code.parse().expect("a code"))
            })
            .collect()
    }

    #[test]
    fn every_status_of_the_header_is_a_kind_of_its_own() {
        let statuses = statuses_of_header();
        assert!(statuses.len() >= 12);
        for (name, status) in &statuses {
            let kind = ErrorKind::of_status(*status);
            assert_eq!((kind.status(), kind.status_name()), (Some(*status), *name));
        }
        let kinds: HashSet<ErrorKind> = statuses.iter().map(|(_, status)| ErrorKind::of_status(*status)).collect();
        assert_eq!(kinds.len(), statuses.len());
        assert_eq!(ErrorKind::WITH_STATUS.len(), statuses.len());
    }

    #[test]
    fn a_status_that_is_not_known_is_an_internal_error() {
        for status in [13, 1000, -1] {
            assert_eq!(ErrorKind::of_status(status), ErrorKind::Internal);
        }
    }
}
