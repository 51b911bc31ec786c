//! What can go wrong with the store.

use std::time::Duration;

use super::NotOpen;
use crate::pricing::{AttemptId, Refusal};

/// Why the store cannot be opened, written or read. Cloneable, because callers whose records are
/// committed together also fail together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "store.url must be sqlite://PATH, the path of a file, or \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE; it is \"{0}\""
    )]
    Url(String),
    #[error("store.url: {0}; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    PostgresUrl(String),
    #[error("the store {store} cannot be opened: {reason}")]
    Open { store: String, reason: String },
    /// A command that does not make one found none.
    #[error(
        "there is no ledger at {store}. `undertone serve` makes one where store.url says; a relative \
         path there starts at the folder in which the program runs. Run this command in the \
         gateway's folder, or set store.url (UNDERTONE_STORE__URL) to the gateway's"
    )]
    NoLedger { store: String },
    #[error(
        "the ledger at {store} was written by an earlier version of Undertone, and this command only \
         reads. Start `undertone serve` of this version once: it brings the ledger up to date"
    )]
    OlderLedger { store: String },
    #[error(
        "the ledger at {store} was written by a later version of Undertone: run the command of that \
         version"
    )]
    NewerLedger { store: String },
    #[error("the store cannot be written: {0}")]
    Write(String),
    #[error("the store cannot be read: {0}")]
    Read(String),
    #[error("the store gave no answer within {} ms", .0.as_millis())]
    Slow(Duration),
    #[error("the store is closed")]
    Closed,
    #[error("the ledger has no attempt {0}")]
    UnknownAttempt(AttemptId),
    #[error("attempt {0} {1}")]
    NotOpen(AttemptId, NotOpen),
    #[error("{0}")]
    OverBudget(Box<Refusal>),
    /// Somebody else has folded on.
    #[error(
        "partition {partition} of the topic {topic} is folded up to {}, not where this goes on",
        stored.map_or_else(|| "no offset yet".to_owned(), |offset| offset.to_string())
    )]
    Moved { topic: String, partition: i32, stored: Option<i64> },
    #[error("the ledger refuses a record that contradicts itself or another: {0}")]
    Refused(String),
}

/// What SQLite, PostgreSQL and the system say where there is no room left.
const FULL: [&str; 3] = ["disk is full", "No space left on device", "could not extend file"];

/// The same where somebody else holds a lock.
const BUSY: [&str; 2] = ["is locked", "is busy"];

impl Error {
    /// Counts a failure of the store itself, for `/metrics`; a record that it refuses is none.
    pub fn count(&self) {
        if let Some(kind) = self.kind() {
            metrics::counter!("undertone_store_failures_total", "kind" => kind).increment(1);
        }
    }

    fn kind(&self) -> Option<&'static str> {
        let says = |words: &[&str], reason: &str| words.iter().any(|word| reason.contains(word));
        Some(match self {
            Error::Write(reason) if says(&FULL, reason) => "full",
            Error::Write(reason) if says(&BUSY, reason) => "busy",
            Error::Write(_) => "write",
            Error::Read(_) => "read",
            Error::Slow(_) => "slow",
            Error::Closed => "closed",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_lock_and_from_a_refusal() {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let full = rusqlite::Error::SqliteFailure(full, None).to_string();
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let busy = rusqlite::Error::SqliteFailure(busy, None).to_string();
        let no_space = std::io::Error::from_raw_os_error(28).to_string();
        for (error, kind) in [
            (Error::Write(full), Some("full")),
            (Error::Write(format!("journal: {no_space}")), Some("full")),
            (Error::Write(busy), Some("busy")),
            (Error::Write("database is locked".into()), Some("busy")),
            (Error::Write("attempt to write a readonly database".into()), Some("write")),
            (Error::Slow(Duration::from_secs(2)), Some("slow")),
            (Error::Refused("twice".into()), None),
            (Error::UnknownAttempt(AttemptId::nil()), None),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
