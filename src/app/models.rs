//! Which local models lie here, by the names that people type.

use std::path::{Path, PathBuf};

use crate::classifier::resolve;

/// Where models are kept.
const FOLDER: &str = "models";

/// The folder of a model: a bare name below `models/`, else a path as it is.
pub fn model_folder(name: &str) -> Option<PathBuf> {
    let below = Path::new(FOLDER).join(name);
    [below.as_path(), Path::new(name)].into_iter().map(resolve).find(|folder| folder.is_dir())
}

/// The folders in `models/`, sorted.
pub fn model_names() -> Vec<String> {
    let entries = std::fs::read_dir(resolve(Path::new(FOLDER)));
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}
