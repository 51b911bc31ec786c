//! Where a report goes on disk: it appears there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use maud::Markup;

/// A path that a report can be written to.
pub struct Destination {
    path: PathBuf,
    /// Made beside it, then renamed.
    draft: PathBuf,
}

impl Destination {
    /// To be asked before the work that is to be reported begins: a folder that is missing or
    /// cannot be written is found out at once, not hours later.
    pub fn at(path: &Path) -> anyhow::Result<Destination> {
        anyhow::ensure!(!path.is_dir(), "{} is a folder", path.display());
        let name = path.file_name().with_context(|| format!("{} is not a file", path.display()))?;
        // Two runs that report to one path do not write into each other's draft.
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.draft", std::process::id()));
        let destination = Destination { path: path.to_owned(), draft: path.with_file_name(hidden) };
        let tried = File::create(&destination.draft).and_then(|_| destination.discard());
        tried.with_context(|| destination.cannot())?;
        Ok(destination)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the page in its place, over what was there.
    pub fn publish(&self, page: &Markup) -> anyhow::Result<()> {
        self.write(&page.0)
    }

    /// The same of what is no page.
    pub fn write(&self, content: &str) -> anyhow::Result<()> {
        let write = || {
            let mut file = File::create(&self.draft)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            fs::rename(&self.draft, &self.path)
        };
        write().inspect_err(|_| drop(self.discard())).with_context(|| self.cannot())
    }

    fn discard(&self) -> std::io::Result<()> {
        fs::remove_file(&self.draft)
    }

    fn cannot(&self) -> String {
        format!("{} cannot be written", self.path.display())
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
        let destination = Destination::at(&path)?;
        assert!(names().is_empty(), "{:?}", names());
        for content in ["first", "second"] {
            destination.publish(&maud::html! { (content) })?;
            assert_eq!(fs::read_to_string(&path)?, content);
        }
        assert_eq!(names(), ["report.html"]);
        for wrong in [folder.path().to_owned(), folder.path().join("nowhere/report.html")] {
            assert!(Destination::at(&wrong).is_err(), "{}", wrong.display());
        }
        Ok(())
    }
}
