//! How a declared function becomes one that can be called: an `extern` block, or, with the feature `dlopen`, a function
//! that calls through a table.

#[cfg(not(feature = "dlopen"))]
macro_rules! functions {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        extern "C" {
            $($(#[$doc])* pub fn $name($($argument: $type),*) $(-> $result)?;)*
        }
    };
}

#[cfg(feature = "dlopen")]
macro_rules! functions {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        /// The address of every function.
        pub(crate) struct Table {
            $($name: unsafe extern "C" fn($($type),*) $(-> $result)?,)*
        }

        impl Table {
            /// Finds every function in a library.
            pub(crate) fn find(library: &crate::linkage::Library) -> Result<Table, String> {
                Ok(Table {
                    // Safety: the symbol is the function of this name, whose declaration is the header's.
                    $($name: unsafe {
                        std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($type),*) $(-> $result)?>(
                            library.symbol(stringify!($name))?,
                        )
                    },)*
                })
            }
        }

        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the header says. Panics where the library cannot be loaded: call `load` first.
            pub unsafe fn $name($($argument: $type),*) $(-> $result)? {
                (crate::linkage::table().$name)($($argument),*)
            }
        )*
    };
}

#[cfg(feature = "dlopen")]
pub use loading::{load, LoadError};
#[cfg(feature = "dlopen")]
pub(crate) use loading::{table, Library};

#[cfg(feature = "dlopen")]
mod loading {
    use crate::functions::Table;
    use crate::NNK_ABI_VERSION;
    use std::env;
    use std::ffi::{CStr, CString, OsStr};
    use std::fmt;
    use std::os::raw::{c_char, c_int, c_void};
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, Ordering};
    use std::sync::Mutex;

    #[link(name = "dl")]
    extern "C" {
        fn dlopen(file: *const c_char, mode: c_int) -> *mut c_void;
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
        fn dlerror() -> *const c_char;
    }

    const RTLD_NOW: c_int = 2;
    /// The names that the system's search looks for.
    const NAMES: [&str; 2] = ["libnnkit.so.0", "libnnkit.so"];

    /// A library that could not be loaded. Its text says which, and what to do.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LoadError(String);

    impl fmt::Display for LoadError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl std::error::Error for LoadError {}

    /// An open library, which stays open until the process ends.
    pub(crate) struct Library(*mut c_void);

    impl Library {
        fn open(path: &OsStr) -> Result<Library, String> {
            let name = CString::new(path.as_bytes()).map_err(|_| format!("{path:?} contains a zero byte"))?;
            // Safety: a zero-terminated name; loading NNKit runs nothing that depends on this program.
            let library = unsafe { dlopen(name.as_ptr(), RTLD_NOW) };
            if library.is_null() {
                return Err(last_error());
            }
            Ok(Library(library))
        }

        pub(crate) fn symbol(&self, name: &str) -> Result<*mut c_void, String> {
            let symbol = CString::new(name).expect("names of functions have no zero byte");
            // Safety: an open library and a zero-terminated name.
            let address = unsafe { dlsym(self.0, symbol.as_ptr()) };
            if address.is_null() {
                return Err(format!("it has no function {name}"));
            }
            Ok(address)
        }
    }

    fn last_error() -> String {
        // Safety: dlerror returns NULL or a string that stays until this thread's next call of these functions.
        unsafe {
            let text = dlerror();
            match text.is_null() {
                true => "dlopen gives no reason".to_string(),
                false => CStr::from_ptr(text).to_string_lossy().into_owned(),
            }
        }
    }

    static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());
    /// Where the library came from, once it is loaded.
    static SOURCE: Mutex<Option<PathBuf>> = Mutex::new(None);

    /// Loads the library, once for the process: from `path`; without one from the path in the environment's
    /// `NNKIT_LIBRARY`; without that by the system's search (`LD_LIBRARY_PATH`, the cache of `ldconfig`).
    ///
    /// Loading again does nothing, but for another path than the first, which is an error. A function of this crate
    /// that is called before does what `load(None)` does.
    pub fn load(path: Option<&Path>) -> Result<(), LoadError> {
        let mut source = SOURCE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(loaded) = &*source {
            return match path {
                Some(path) if path != loaded => Err(LoadError(format!(
                    "{} cannot be loaded: {} is already in use",
                    path.display(),
                    loaded.display()
                ))),
                _ => Ok(()),
            };
        }
        let candidates: Vec<PathBuf> = match (path, env::var_os("NNKIT_LIBRARY")) {
            (Some(path), _) => vec![path.to_path_buf()],
            (None, Some(path)) if !path.is_empty() => vec![path.into()],
            _ => NAMES.iter().map(PathBuf::from).collect(),
        };
        let mut reasons = Vec::new();
        for candidate in candidates {
            match Library::open(candidate.as_os_str()).and_then(|library| checked(&library)) {
                Ok(table) => {
                    TABLE.store(Box::into_raw(Box::new(table)), Ordering::Release);
                    *source = Some(candidate);
                    return Ok(());
                }
                Err(reason) => reasons.push(format!("{}: {reason}", candidate.display())),
            }
        }
        Err(LoadError(format!(
            "the NNKit library could not be loaded: {}. Give its path to load, or in the environment as NNKIT_LIBRARY, \
             or install it where the system looks",
            reasons.join("; ")
        )))
    }

    fn checked(library: &Library) -> Result<Table, String> {
        let address = library.symbol("nnk_abi_version")?;
        // Safety: nnk_abi_version has had this type since the first version.
        let version = unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> u32>(address)() };
        if version < NNK_ABI_VERSION {
            return Err(format!("it has ABI version {version}; expected {NNK_ABI_VERSION} or later"));
        }
        Table::find(library)
    }

    pub(crate) fn table() -> &'static Table {
        let mut table = TABLE.load(Ordering::Acquire);
        if table.is_null() {
            if let Err(error) = load(None) {
                panic!("{error}");
            }
            table = TABLE.load(Ordering::Acquire);
        }
        // Safety: once set, it points to a table that is never freed.
        unsafe { &*table }
    }
}
