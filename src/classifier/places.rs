//! Where the program finds what came with it, from whatever folder it is started: the bundled model and
//! ONNX Runtime's library.

use std::path::{Path, PathBuf};

#[cfg(target_os = "macos")]
const LIBRARY: &str = "libonnxruntime.dylib";
#[cfg(not(target_os = "macos"))]
const LIBRARY: &str = "libonnxruntime.so";

/// Where `make vendor` puts the library, in a checkout.
const VENDORED: &str = "vendor/onnxruntime";

/// Where a folder named in the configuration is: as given from the working directory, else below the
/// first of the program's own folders that has it.
pub fn resolve(folder: &Path) -> PathBuf {
    if folder.is_absolute() || folder.exists() {
        return folder.to_owned();
    }
    let candidates = homes().into_iter().map(|home| home.join(folder));
    candidates.into_iter().find(|path| path.exists()).unwrap_or_else(|| folder.to_owned())
}

/// Where the library may lie, the likeliest first. Never below the working directory: what lies
/// there may be anybody's, and a library is code.
pub(super) fn libraries() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = installed().iter().map(|home| home.join(LIBRARY)).collect();
    found.extend(homes().iter().map(|home| home.join(VENDORED).join(LIBRARY)));
    found
}

/// The program's own folders, the nearest first: the executable's; `../share/undertone` of an installed
/// archive; those above the executable, as in a checkout; the checkout that it was built from.
pub(super) fn homes() -> Vec<PathBuf> {
    let mut homes = installed();
    homes.extend(executable().ancestors().skip(2).map(Path::to_owned));
    let checkout = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if !homes.contains(&checkout) {
        homes.push(checkout);
    }
    homes
}

fn installed() -> Vec<PathBuf> {
    let executable = executable();
    let beside = executable.parent();
    let share = beside.and_then(Path::parent).map(|above| above.join("share/undertone"));
    beside.map(Path::to_owned).into_iter().chain(share).collect()
}

/// Links to it followed.
fn executable() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    executable.canonicalize().unwrap_or(executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_never_taken_from_the_working_directory() {
        assert!(libraries().iter().all(|path| path.is_absolute()), "{:?}", libraries());
    }

    #[test]
    fn what_came_with_the_program_is_found_from_its_checkout() {
        let model = resolve(Path::new("models/undertone-mini"));
        assert!(model.join("manifest.json").is_file(), "{}", model.display());
        assert_eq!(resolve(Path::new("models/nobody")), Path::new("models/nobody"));
        assert!(homes().iter().any(|home| home.ends_with("share/undertone")));
    }
}
