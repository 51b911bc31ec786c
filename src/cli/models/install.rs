//! The moment in which a model appears: a folder that is filled out of sight, and takes its name at
//! once, together with its entry in the lock file.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Sole use of a models folder, for as long as it lives. The operating system ends it with the
/// process, whatever happens.
pub struct Claim {
    _folder: File,
}

impl Claim {
    /// Creates the folder if need be.
    pub fn of(models_dir: &Path) -> anyhow::Result<Claim> {
        std::fs::create_dir_all(models_dir)
            .with_context(|| format!("cannot create {}", models_dir.display()))?;
        let folder = File::open(models_dir)
            .with_context(|| format!("cannot open {}", models_dir.display()))?;
        if let Err(TryLockError::WouldBlock) = folder.try_lock() {
            bail!("another `undertone models pull` is at work in {}", models_dir.display());
        }
        // Other errors: a file system that cannot lock. There, two pulls at once are the user's
        // to avoid; each file is checked all the same.
        Ok(Claim { _folder: folder })
    }
}

/// A model on its way in.
pub struct Staging {
    folder: PathBuf,
    partial: PathBuf,
    old: PathBuf,
}

impl Staging {
    /// Goes on with what an earlier pull of the name left behind.
    pub fn of(models_dir: &Path, name: &str) -> anyhow::Result<Staging> {
        let staging = Staging {
            folder: models_dir.join(name),
            partial: models_dir.join(format!(".{name}.partial")),
            old: models_dir.join(format!(".{name}.old")),
        };
        staging.settle()?;
        Ok(staging)
    }

    /// The model's folder, once it is there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The end of a replacement: after [`Staging::install`], or after a power cut within it.
    fn settle(&self) -> anyhow::Result<()> {
        if !self.old.exists() {
            return Ok(());
        }
        if self.folder.exists() { remove(&self.old) } else { rename(&self.old, &self.folder) }
    }

    pub fn open(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.partial)
            .with_context(|| format!("cannot create {}", self.partial.display()))
    }

    /// Where a file is gathered. Its content is in its name, so that what is there already is the
    /// beginning of the right file whatever commit is pulled now.
    pub fn part(&self, name: &str, digits: &str) -> PathBuf {
        self.partial.join(format!("{name}.{digits}.part"))
    }

    /// Installs the finished parts, `(part, name)`, and `record`s that. If anything fails, the folder
    /// and its name are as they were, and what was gathered is gone.
    pub fn install(
        &self,
        finished: &[(PathBuf, String)],
        record: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let replaces = self.folder.exists();
        let installed = self.take_names(finished).and_then(|()| {
            if replaces {
                rename(&self.folder, &self.old)?;
            }
            rename(&self.partial, &self.folder)?;
            record().inspect_err(|_| drop(std::fs::rename(&self.folder, &self.partial)))
        });
        if installed.is_err() {
            remove(&self.partial)?;
        }
        // The old folder goes, or takes its name again: which, shows in whether there is a new one.
        self.settle()?;
        installed
    }

    fn take_names(&self, finished: &[(PathBuf, String)]) -> anyhow::Result<()> {
        for (part, name) in finished {
            rename(part, &self.partial.join(name))?;
        }
        self.keep_only(&finished.iter().map(|(_, name)| name.as_str()).collect())
    }

    /// Parts of other commits have no place in the model's folder.
    fn keep_only(&self, names: &BTreeSet<&str>) -> anyhow::Result<()> {
        let cannot_read = || format!("cannot read {}", self.partial.display());
        for entry in std::fs::read_dir(&self.partial).with_context(cannot_read)? {
            let entry = entry.with_context(cannot_read)?;
            if !entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// After a failure: parts are for the next pull, an empty folder is no use to anybody. Whether
    /// there are parts.
    pub fn sweep(&self) -> bool {
        // Fails where parts are left, and that is the point.
        std::fs::remove_dir(&self.partial).is_err()
    }
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::rename(from, to)
        .with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}
