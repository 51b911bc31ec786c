//! A report on its way to disk: it appears whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use maud::Markup;

/// A file that is being made beside the one whose place it takes.
pub struct Draft {
    file: File,
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Made before the work that it reports on begins: a folder that is missing or cannot be
    /// written is found out at once, not hours later.
    pub fn create(path: &Path) -> anyhow::Result<Draft> {
        anyhow::ensure!(!path.is_dir(), "{} is a folder", path.display());
        let name = path.file_name().with_context(|| format!("{} is no file", path.display()))?;
        // Two runs that report to one path do not write into each other's draft.
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.draft", std::process::id()));
        let draft = path.with_file_name(hidden);
        let file = File::create(&draft);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Draft { file, draft, path: path.to_owned() })
    }

    /// Puts the page in its place, over what was there.
    pub fn publish(mut self, page: &Markup) -> anyhow::Result<()> {
        let write = |file: &mut File| {
            file.write_all(page.0.as_bytes())?;
            file.sync_all()?;
            fs::rename(&self.draft, &self.path)
        };
        write(&mut self.file).with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

impl Drop for Draft {
    /// Where it was published there is nothing left to remove.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.draft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_appears_whole_or_not_at_all() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let names = || -> Vec<_> {
            let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name()).collect()
        };
        let path = folder.path().join("report.html");
        drop(Draft::create(&path)?);
        assert!(names().is_empty(), "{:?}", names());
        for content in ["first", "second"] {
            Draft::create(&path)?.publish(&maud::html! { (content) })?;
            assert_eq!(fs::read_to_string(&path)?, content);
        }
        assert_eq!(names(), ["report.html"]);
        for wrong in [folder.path().to_owned(), folder.path().join("nowhere/report.html")] {
            assert!(Draft::create(&wrong).is_err(), "{}", wrong.display());
        }
        Ok(())
    }
}
