//! The marker: a file outside the database that says in which ledger keys have existed. Where the ledger is
//! lost, the marker keeps the door shut: a new, an empty or another ledger is not taken for one in which
//! there never was a key.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::private;

/// What the first line begins with; the ledger's id follows.
const LEDGER: &str = "ledger ";

/// What a database was found to hold.
pub(super) enum Found {
    Nothing,
    /// A ledger of a version that gave it no id.
    Unnamed,
    Ledger(String),
}

#[derive(Clone, Debug)]
pub(super) struct Marker {
    path: Arc<Path>,
    is_there: Arc<AtomicBool>,
}

impl Marker {
    /// Looks for it.
    pub fn at(path: PathBuf) -> Marker {
        // One that cannot be looked at is taken to be there.
        let is_there = path.try_exists().unwrap_or(true);
        Marker { path: path.into(), is_there: Arc::new(is_there.into()) }
    }

    /// Whether keys have existed.
    pub fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    /// The ledger that it speaks of; `None` as well where it cannot be read.
    pub fn ledger(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let id = text.lines().next()?.strip_prefix(LEDGER)?.trim();
        (!id.is_empty()).then(|| id.to_owned())
    }

    /// Whether what was found may be used as the ledger.
    ///
    /// # Errors
    /// Why not, and the ways out.
    pub fn allows(&self, found: &Found) -> Result<(), String> {
        if !self.is_there() {
            return Ok(());
        }
        let marker = self.path.display();
        let marked = self.ledger();
        let name = marked.as_deref().map_or_else(String::new, |id| format!(" {id}"));
        match (found, marked.as_deref()) {
            (Found::Nothing, _) => Err(format!(
                "it holds no ledger, but keys have existed in the ledger{name} that was here: the file \
                 {marker} says so. Restore the ledger from a backup. If you really want to start anew, \
                 without keys and without the costs so far, delete {marker} first"
            )),
            (Found::Ledger(id), Some(marked)) if id != marked => Err(format!(
                "it holds the ledger {id}, but keys have existed in another one, {marked}, that was \
                 here: the file {marker} says so. Restore that ledger from a backup. If the present one \
                 is really meant to take its place, delete {marker} first"
            )),
            _ => Ok(()),
        }
    }

    /// Writes down that keys exist in that ledger, once.
    pub fn set(&self, ledger: &str) {
        if self.is_there.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.write(ledger) {
            tracing::warn!(
                file = %self.path.display(),
                %error,
                "the file that tells of keys after a loss of the ledger cannot be written: set \
                 access.require_keys = true, so that a lost ledger does not open the gateway"
            );
        }
    }

    fn write(&self, ledger: &str) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            private::create_folder(folder)?;
        }
        let mut file = match private::options().write(true).create_new(true).open(&self.path) {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            file => file?,
        };
        write!(
            file,
            "{LEDGER}{ledger}\n\
             Keys have existed in this ledger of Undertone. While this file is here, no gateway starts\n\
             with another ledger in its place. Keep it; delete it only to start anew on purpose.\n"
        )?;
        file.sync_all()
    }
}
