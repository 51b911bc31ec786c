//! `models/models.lock`: which commit each pulled model is, and what its files are.
//!
//! A model's entry is written at its first pull, from what the hub listed and what was then checked
//! on the disk; later pulls of the same name have to bring the same bytes.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

pub const LOCK_FILE: &str = "models.lock";
const FORMAT: u32 = 1;
const HEADER: &str = "\
# Written by `undertone models pull`: the commit that each model was pulled from, and its files.
# `listed` is the hash in the hub's own listing of that commit (large files: sha256 of the content;
# others: git's sha1 of the blob). `sha256` was computed from the bytes that matched it.
";

/// The lock file, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    format: u32,
    #[serde(default, rename = "model")]
    models: Vec<LockedModel>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedModel {
    /// The folder's name.
    pub name: String,
    pub repo: String,
    /// What was asked for: a branch, a tag or a commit.
    pub revision: String,
    /// What that was then, and what later pulls ask for.
    pub commit: String,
    /// The hub whose listing the hashes are from.
    pub endpoint: String,
    /// Sorted by name.
    #[serde(rename = "file")]
    pub files: Vec<LockedFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedFile {
    /// The name in the folder.
    pub name: String,
    /// The path on the hub.
    pub path: String,
    pub size: u64,
    pub sha256: String,
    /// The listing's hash, with its algorithm: `sha256:…` or `git-blob-sha1:…`.
    pub listed: String,
}

impl Lock {
    /// The lock file of a models folder; without one, nothing is locked.
    pub fn read(models_dir: &Path) -> anyhow::Result<Lock> {
        let path = models_dir.join(LOCK_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Lock { format: FORMAT, models: Vec::new() });
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let lock: Lock = toml::from_str(&text).with_context(|| {
            format!("{} does not parse; without it, every model is pulled anew", path.display())
        })?;
        ensure!(
            lock.format == FORMAT,
            "{} has format {}, and this program reads {FORMAT}",
            path.display(),
            lock.format
        );
        Ok(lock)
    }

    pub fn models(&self) -> &[LockedModel] {
        &self.models
    }

    pub fn model(&self, name: &str) -> Option<&LockedModel> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Adds a model, in the place of one of the same name.
    pub fn put(&mut self, model: LockedModel) {
        self.models.retain(|other| other.name != model.name);
        self.models.push(model);
        self.models.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Writes the file whole: a reader sees the old one or the new one.
    pub fn write(&self, models_dir: &Path) -> anyhow::Result<()> {
        let path = models_dir.join(LOCK_FILE);
        let fresh = models_dir.join(format!(".{LOCK_FILE}.new"));
        let text = format!("{HEADER}{}", toml::to_string(self).context("the lock file as TOML")?);
        let written = std::fs::File::create(&fresh)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&fresh, &path));
        written
            .inspect_err(|_| drop(std::fs::remove_file(&fresh)))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, commit: char) -> LockedModel {
        LockedModel {
            name: name.to_owned(),
            repo: format!("someone/{name}"),
            revision: "main".to_owned(),
            commit: commit.to_string().repeat(40),
            endpoint: "https://hub.example".to_owned(),
            files: vec![LockedFile {
                name: "model.onnx".to_owned(),
                path: "onnx/model.onnx".to_owned(),
                size: 3,
                sha256: "a".repeat(64),
                listed: format!("sha256:{}", "a".repeat(64)),
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_sorted_and_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = Lock::read(folder.path()).unwrap();
        lock.put(model("b", '1'));
        lock.put(model("a", '1'));
        lock.put(model("b", '2'));
        lock.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join(LOCK_FILE)).unwrap();
        assert!(text.starts_with("# Written by"), "{text}");

        let read = Lock::read(folder.path()).unwrap();
        assert_eq!(read, lock);
        assert_eq!(read.models().iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read.model("b").unwrap().commit, "2".repeat(40));
        read.write(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join(LOCK_FILE)).unwrap(), text);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_file_of_another_format_or_of_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (text, part) in [("format = 2", "format 2"), ("format =", "does not parse")] {
            std::fs::write(folder.path().join(LOCK_FILE), text).unwrap();
            let error = Lock::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
