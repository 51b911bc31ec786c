//! What can go wrong with the store.

use std::time::Duration;

use super::{NotOpen, Period, Subject};
use crate::pricing::{AttemptId, Usd};

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
    #[error(
        "the {} budget of {} {} is {limit}, of which {gone} is spent or reserved: no room for {}",
        period.name(), subject.kind(), subject.name(),
        worst_case.map_or_else(|| "a call without a price".to_owned(), |usd| usd.to_string())
    )]
    OverBudget {
        subject: Subject,
        period: Period,
        limit: Usd,
        gone: Usd,
        /// What the call may cost at most; `None`: it has no price.
        worst_case: Option<Usd>,
    },
    /// Somebody else has folded on.
    #[error(
        "partition {partition} of the topic {topic} is folded up to {}, not where this goes on",
        stored.map_or_else(|| "no offset yet".to_owned(), |offset| offset.to_string())
    )]
    Moved { topic: String, partition: i32, stored: Option<i64> },
    #[error("the ledger refuses a record that contradicts itself or another: {0}")]
    Refused(String),
}
