//! Reading a ledger for a command that only reads: nothing is created or changed, neither the file nor
//! its folder, nor the log that SQLite keeps beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::BUSY_TIMEOUT;
use super::open::{migrate, runner};
use crate::store::{Error, version};

/// Refuses what is no ledger, or one of another version: only those who write bring it up to date.
pub(super) fn check(path: &Path) -> Result<(), Error> {
    if !path.is_file() {
        return Err(Error::NoLedger { store: path.display().to_string() });
    }
    let runner = runner();
    let known = runner.get_migrations().iter().map(|one| one.version()).max();
    let found = read(path, |connection| {
        let is_there = "SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'";
        match connection.query_row(is_there, [], |row| row.get::<_, i64>(0))? {
            0 => Ok(None),
            _ => connection.query_row(
                "SELECT max(version) FROM refinery_schema_history",
                [],
                |row| row.get::<_, Option<i32>>(0),
            ),
        }
    })?;
    version::check(&path.display().to_string(), found, known)
}

/// Reads one consistent state of the file.
pub(super) fn read<T>(
    path: &Path,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, Error> {
    let before = State::of(path);
    let run = || -> rusqlite::Result<T> {
        let mut connection = connect(path, before.has_log)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        read(&snapshot)
    };
    let value = run().map_err(|error| Error::Read(error.to_string()))?;
    if !before.has_log && State::of(path) != before {
        return Err(Error::Read("a gateway started meanwhile; run the command again".into()));
    }
    Ok(value)
}

/// Reads a ledger on which nothing stands yet, in memory alone.
pub(super) fn read_nothing<T>(
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, Error> {
    let mut connection =
        Connection::open_in_memory().map_err(|error| Error::Read(error.to_string()))?;
    migrate(&mut connection).map_err(Error::Read)?;
    read(&connection).map_err(|error| Error::Read(error.to_string()))
}

/// Without a log, nobody has the file open and all that was committed is in it: it is read as a file
/// that does not change, or SQLite would make a log and an index of it.
fn connect(path: &Path, has_log: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match has_log {
        true => Connection::open_with_flags(path, flags),
        false => {
            let url = format!("file:{}?immutable=1", encoded(path));
            Connection::open_with_flags(url, flags | OpenFlags::SQLITE_OPEN_URI)
        }
    }
}

/// As SQLite reads it in a URL.
fn encoded(path: &Path) -> String {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                char::from(*byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// By which it shows that somebody wrote.
#[derive(PartialEq, Eq)]
struct State {
    has_log: bool,
    length: Option<u64>,
    changed: Option<SystemTime>,
}

impl State {
    fn of(path: &Path) -> State {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let file = fs::metadata(path).ok();
        State {
            has_log: PathBuf::from(log).exists(),
            length: file.as_ref().map(fs::Metadata::len),
            changed: file.and_then(|file| file.modified().ok()),
        }
    }
}
