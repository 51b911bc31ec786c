//! Whether the database's files are still those that were opened. SQLite goes on writing to a file that was
//! deleted, and what is written there is gone once the program ends: a look at the paths, which takes some
//! ten microseconds, comes before every group of commits and every report.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What became of the ledger's files. Shown, it is a sentence after "the store cannot be written: "; the way
/// out is told once, in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Loss {
    #[error("the ledger {0} was removed or moved while the gateway had it open ({LOG_SAYS})")]
    Removed(String),
    #[error(
        "the ledger {0} was replaced by another file while the gateway had it open ({LOG_SAYS})"
    )]
    Replaced(String),
    #[error(
        "the write-ahead log {0} was removed or replaced while the gateway had it open ({LOG_SAYS})"
    )]
    Log(String),
    #[error(
        "the ledger {0} was cut short or overwritten while the gateway had it open ({LOG_SAYS})"
    )]
    Overwritten(String),
    #[error("the ledger {0} cannot be looked at: {1}")]
    Unseen(String, String),
}

const LOG_SAYS: &str = "the gateway's log says how to go on";

impl Loss {
    /// What happened, without the hint at the log.
    pub fn what(&self) -> String {
        self.to_string().replace(&format!(" ({LOG_SAYS})"), "")
    }

    /// What whoever runs the gateway can do.
    pub fn way_out(&self) -> String {
        match self {
            Loss::Removed(_) | Loss::Replaced(_) => "Put the same file back, and calls at LLMs go on by \
                themselves; or restart the gateway with the ledger that shall count. What was written \
                to the lost one is being copied: the next line says where to"
                .to_owned(),
            Loss::Log(_) => "Restart the gateway: what is still in the log is brought to the ledger as \
                it stops. A copy of all that was written is being made as well"
                .to_owned(),
            Loss::Overwritten(ledger) => format!(
                "Stop the gateway, delete {ledger}-wal and {ledger}-shm, restore the ledger from a \
                 backup and start the gateway again"
            ),
            Loss::Unseen(..) => "Let the gateway's user read that folder again".to_owned(),
        }
    }

    /// Whether a copy can be made through what is still open.
    pub fn can_be_rescued(&self) -> bool {
        matches!(self, Loss::Removed(_) | Loss::Replaced(_) | Loss::Log(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Identity {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}

#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    log: PathBuf,
    file: Identity,
    /// `None`: there was none when it was looked for.
    log_file: Option<Identity>,
    overwritten: AtomicBool,
}

impl Watch {
    /// Takes the files that are there for those that were opened: to be called at once after that, and while
    /// a connection is open, so that SQLite itself does not remove the log.
    pub fn begin(path: &Path) -> io::Result<Watch> {
        let log = beside(path, "-wal");
        Ok(Watch {
            file: Identity::from(&std::fs::metadata(path)?),
            log_file: std::fs::metadata(&log).ok().map(|log| Identity::from(&log)),
            path: path.to_owned(),
            log,
            overwritten: AtomicBool::new(false),
        })
    }

    /// How long the file is, if all is as it was.
    pub fn look(&self) -> Result<u64, Loss> {
        let name = || self.path.display().to_string();
        if self.overwritten.load(Ordering::Relaxed) {
            return Err(Loss::Overwritten(name()));
        }
        let file = match std::fs::metadata(&self.path) {
            Ok(file) if Identity::from(&file) == self.file => file,
            Ok(_) => return Err(Loss::Replaced(name())),
            Err(error) if is_missing(&error) => return Err(Loss::Removed(name())),
            Err(error) => return Err(Loss::Unseen(name(), error.to_string())),
        };
        let log = std::fs::metadata(&self.log).ok().map(|log| Identity::from(&log));
        match self.log_file.is_none() || log == self.log_file {
            true => Ok(file.len()),
            false => Err(Loss::Log(self.log.display().to_string())),
        }
    }

    /// From now on the ledger is lost, until the program is started again.
    pub fn overwritten(&self) {
        self.overwritten.store(true, Ordering::Relaxed);
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The file of that ending beside the database, such as `-wal`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
