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
