//! The library as a whole, and what every call needs.

use crate::error::{text, Error, ErrorKind};
use crate::Result;
use nnkit_sys as sys;
use std::ffi::CString;
use std::os::raw::c_char;
#[cfg(feature = "dlopen")]
use std::path::Path;
use std::ptr::NonNull;

/// Loads the library from `path`, once for the process. Without this call the first use of the crate loads it, from the
/// path in the environment's `NNKIT_LIBRARY`, or by the system's search. Only with the feature `dlopen`.
///
/// Fails with [`ErrorKind::NotLoaded`] where `path` is no NNKit library that fits, or another one is in use already.
#[cfg(feature = "dlopen")]
pub fn load(path: impl AsRef<Path>) -> Result<()> {
    sys::load(Some(path.as_ref())).map_err(|error| Error::new(ErrorKind::NotLoaded, error.to_string()))
}

/// Makes sure that the library can be called. Every way to a first handle begins here.
pub(crate) fn ready() -> Result<()> {
    #[cfg(feature = "dlopen")]
    sys::load(None).map_err(|error| Error::new(ErrorKind::NotLoaded, error.to_string()))?;
    // Safety: no arguments.
    let version = unsafe { sys::nnk_abi_version() };
    if version < sys::NNK_ABI_VERSION {
        let expected = sys::NNK_ABI_VERSION;
        let message = format!("the NNKit library has ABI version {version}; this crate needs {expected} or later");
        return Err(Error::new(ErrorKind::NotLoaded, message));
    }
    Ok(())
}

/// The library's version, "major.minor.patch".
pub fn version() -> Result<&'static str> {
    ready()?;
    // Safety: the string stays until the process ends.
    Ok(unsafe { text(sys::nnk_version()) }.unwrap_or(""))
}

/// The ABI version of the library: grows whenever something is added to it.
pub fn abi_version() -> Result<u32> {
    ready()?;
    // Safety: no arguments.
    Ok(unsafe { sys::nnk_abi_version() })
}

/// Every layer, loss, optimizer and metric, and the options of every function that takes options, each with type,
/// range, default and one line of documentation, as JSON.
pub fn catalog_json() -> Result<&'static str> {
    ready()?;
    // Safety: NULL, or a string that stays until the process ends.
    unsafe { text(sys::nnk_catalog_json()) }.ok_or_else(|| Error::last(sys::NNK_ERROR_OUT_OF_MEMORY))
}

/// Ends the default runtime's worker threads, waiting until they are gone. They start again when they are needed.
pub fn shutdown() -> Result<()> {
    ready()?;
    // Safety: no arguments; safe at any time.
    unsafe { sys::nnk_shutdown() };
    Ok(())
}

/// A zero-terminated copy.
pub(crate) fn c_string(value: impl Into<Vec<u8>>, what: &str) -> Result<CString> {
    CString::new(value).map_err(|error| {
        let place = error.nul_position();
        Error::new(ErrorKind::InvalidArgument, format!("{what}: there is a zero byte at {place}; expected none"))
    })
}

/// What a function that creates a handle wrote.
pub(crate) fn created<T>(create: impl FnOnce(*mut *mut T) -> sys::nnk_status) -> Result<NonNull<T>> {
    let mut out = std::ptr::null_mut();
    crate::error::check(create(&mut out))?;
    NonNull::new(out).ok_or_else(|| Error::new(ErrorKind::Internal, "a function that succeeded gave no handle"))
}

/// A string that a function writes the address of, copied: it stays only until this thread's next such call.
pub(crate) fn written_text(write: impl FnOnce(*mut *const c_char) -> sys::nnk_status) -> Result<String> {
    let mut out = std::ptr::null();
    crate::error::check(write(&mut out))?;
    // Safety: the function succeeded, so the address is that of a string.
    Ok(unsafe { text(out) }.unwrap_or("").to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_generated_files_follow_from_the_catalogue() {
        let catalog = super::catalog_json().unwrap();
        let fingerprint = catalog
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |value, byte| (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(
            fingerprint,
            crate::choices::CATALOG_FINGERPRINT,
            "the library's catalogue is another one: run python3 bindings/rust/generator"
        );
    }
}
