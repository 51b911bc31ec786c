//! ONNX Runtime's shared library: where it is, and loading it once.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;

use super::{Error, manifest};

static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();

const NAMES: [&str; 2] = ["libonnxruntime.so", "libonnxruntime.dylib"];

/// Loads the library, the first time, from `configured` (`classifier.onnxruntime`), else
/// `ORT_DYLIB_PATH`, else beside the executable, else `vendor/onnxruntime` as `make vendor` fills it.
///
/// # Errors
/// [`Error::Library`] names every place that was looked at.
pub fn start_runtime(configured: &Path) -> Result<&'static Environment, Error> {
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let candidates = candidates(configured);
    let looked_at = || {
        let paths: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        paths.join(", ")
    };
    let fail = |reason: String| Error::Library { looked_at: looked_at(), reason };
    let library = candidates
        .iter()
        .find(|path| path.is_file())
        .ok_or_else(|| fail("there is no such file".into()))?;
    let environment = ort::init_from(library)
        .map_err(|error| fail(error.to_string()))?
        .with_name("undertone")
        .with_telemetry(false)
        .build()
        .map_err(|error| fail(error.to_string()))?;
    Ok(ENVIRONMENT.get_or_init(|| environment))
}

/// Which build of the library is loaded: the commit that it was made from.
pub fn runtime_build() -> &'static str {
    let named =
        ort::info().split(&[' ', ','][..]).find_map(|part| part.strip_prefix("git-commit-id="));
    named.unwrap_or("unknown")
}

/// Gives back to the system what ONNX Runtime took for reading graphs and has freed since: glibc
/// would keep it, more than a model weighs.
pub fn return_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "Rust takes every function of C for unsafe")]
    // SAFETY: it may be called at any time, by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

fn candidates(configured: &Path) -> Vec<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return vec![configured.to_owned()];
    }
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return vec![path.into()];
    }
    let executable = std::env::current_exe().unwrap_or_default();
    let beside = executable.parent().unwrap_or(Path::new("")).to_owned();
    let vendored = manifest::resolve(Path::new("vendor/onnxruntime"));
    NAMES
        .iter()
        .map(|name| beside.join(name))
        .chain(NAMES.iter().map(|name| vendored.join(name)))
        .collect()
}
