//! Finds libnnkit.so: in `NNKIT_LIB_DIR`, else by pkg-config. With the feature `dlopen` there is nothing to find.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{exit, Command};

const LIBRARY: &str = "libnnkit.so";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for variable in ["NNKIT_LIB_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    if env::var_os("CARGO_FEATURE_DLOPEN").is_some() {
        return;
    }
    let folder = find().unwrap_or_else(|reason| {
        eprintln!(
            "nnkit-sys: {LIBRARY} was not found: {reason}.\n\
             Set NNKIT_LIB_DIR to the folder that holds it (`make lib` puts it into dist/lib), or install NNKit so that \
             `pkg-config --libs nnkit` answers (PKG_CONFIG_PATH names the folder of nnkit.pc), or use the feature \
             `dlopen`, which needs no library while building."
        );
        exit(1)
    });
    println!("cargo:rustc-link-lib=dylib=nnkit");
    println!("cargo:rustc-link-search=native={}", run_folder(&folder).display());
    println!("cargo:rerun-if-changed={}", folder.join(LIBRARY).display());
}

fn find() -> Result<PathBuf, String> {
    let (folder, source) = match env::var_os("NNKIT_LIB_DIR") {
        Some(folder) => (PathBuf::from(folder), "NNKIT_LIB_DIR"),
        None => (pkg_config().map_err(|reason| format!("NNKIT_LIB_DIR is not set, and {reason}"))?, "pkg-config"),
    };
    // Cargo runs this in the package's folder, so that a relative path would mean another place than where it was set.
    if !folder.is_absolute() {
        return Err(format!("{source} says {folder:?}; expected an absolute path"));
    }
    match folder.join(LIBRARY).exists() {
        true => Ok(folder),
        false => Err(format!("{source} says {folder:?}, where it is not")),
    }
}

fn pkg_config() -> Result<PathBuf, String> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(&program)
        .args(["--print-errors", "--variable=libdir", "nnkit"])
        .output()
        .map_err(|error| format!("{program:?} could not be run: {error}"))?;
    let answer = String::from_utf8_lossy(&output.stdout).trim().to_string();
    if output.status.success() && !answer.is_empty() {
        return Ok(answer.into());
    }
    let errors = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
    Err(format!("{program:?} does not know nnkit: {errors}"))
}

/// A folder of Cargo's with links to the library. Cargo lets programs that it runs (`cargo run`, `cargo test`) find
/// shared libraries there and nowhere else.
fn run_folder(folder: &Path) -> PathBuf {
    let links = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR")).join("lib");
    let linked = (|| {
        let _ = std::fs::remove_dir_all(&links);
        std::fs::create_dir_all(&links)?;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(LIBRARY) {
                std::os::unix::fs::symlink(entry.path(), links.join(entry.file_name()))?;
            }
        }
        std::io::Result::Ok(())
    })();
    match linked {
        Ok(()) => links,
        Err(_) => folder.to_path_buf(),
    }
}
