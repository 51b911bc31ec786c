//! The store: the ledger of attempts at providers, counts of the texts that needed none, the answers
//! that evaluations bought, and a sample of the signals by which texts were routed.
//! It owns the tables, the transactions and the sums over them. What an attempt costs is computed
//! by whoever made it; which texts are counted as what is the application's business.

mod answers;
mod counts;
mod report;
mod signals;
mod sqlite;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use answers::{Interview, KeptAnswer, KeptContent};
pub use counts::{CountKey, Counts, Minute, VerdictBy};
pub use report::{
    CostQuery, CostReport, CostRow, Figures, GroupBy, OpenAttempt, OpenState, ParseGroupByError,
    month_of,
};

pub use signals::LoggedSignals;

use crate::pricing::{AttemptId, Reservation, Settlement};

/// Where the store is and what it withstands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite://PATH`; a relative path starts at the working directory.
    pub url: String,
    pub durability: Durability,
}

/// What outlives what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Each group of commits is synced to disk before its callers are answered.
    Disk,
    /// Commits outlive the process; a power cut may lose the last second.
    Process,
}

/// Why the store cannot be opened, written or read. Cloneable, because callers whose records are
/// committed together also fail together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("store.url must be sqlite://PATH, the path of a file; it is \"{0}\"")]
    Url(String),
    #[error("the store {path} cannot be opened: {reason}")]
    Open { path: PathBuf, reason: String },
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
    #[error("the ledger refuses a record that contradicts itself or another: {0}")]
    Refused(String),
}

/// A handle on the store, cheap to clone. Each write returns once it is committed.
#[derive(Clone, Debug)]
pub enum Store {
    Sqlite(sqlite::Sqlite),
}

impl Store {
    /// Opens the store, creates it where there is none, and brings its tables up to date.
    pub async fn open(config: &Config) -> Result<Store, Error> {
        let path = match config.url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && path != ":memory:" => PathBuf::from(path),
            _ => return Err(Error::Url(config.url.clone())),
        };
        Ok(Store::Sqlite(sqlite::Sqlite::open(path, config.durability).await?))
    }

    /// Writes an attempt down before it is sent. After an error, or if this is dropped unanswered,
    /// the ledger does not count the attempt: it must not be sent.
    pub async fn reserve(&self, reservation: Reservation) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.reserve(reservation).await,
        }
    }

    /// Completes an attempt, however late; of two settlements the first counts. Goes on when this
    /// is dropped.
    pub async fn settle(&self, id: AttemptId, settlement: Settlement) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.settle(id, settlement).await,
        }
    }

    /// Adds to the counts of texts: all of these or, after an error, none.
    pub async fn add_counts(&self, counts: Vec<(CountKey, Counts)>) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.add_counts(counts).await,
        }
    }

    /// Sums up a period: one consistent state, of all processes that share the store.
    pub async fn costs(&self, query: CostQuery, now: SystemTime) -> Result<CostReport, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.costs(query, now).await,
        }
    }

    /// The attempts in flight, unresolved or unpriced, the oldest first.
    pub async fn open_attempts(&self, now: SystemTime) -> Result<Vec<OpenAttempt>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.open_attempts(now).await,
        }
    }

    /// Keeps an answer that was bought; of two to the same question the first stays.
    pub async fn keep_answer(&self, interview: Interview, kept: KeptAnswer) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.keep_answer(interview, kept).await,
        }
    }

    /// All that was kept of such an interview.
    pub async fn kept_answers(&self, interview: Interview) -> Result<Vec<KeptAnswer>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.kept_answers(interview).await,
        }
    }

    /// Adds to the logged signals, and lets go of those from before `forget`.
    pub async fn log_signals(
        &self,
        rows: Vec<LoggedSignals>,
        forget: SystemTime,
    ) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.log_signals(rows, forget).await,
        }
    }

    /// Folds the signals that were logged from `from` on and before `to`, in the order of time; however
    /// many there are, one is in memory at a time.
    pub async fn fold_signals<T: Send + 'static>(
        &self,
        from: SystemTime,
        to: SystemTime,
        folded: T,
        fold: impl FnMut(&mut T, LoggedSignals) + Send + 'static,
    ) -> Result<T, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.fold_signals(from, to, folded, fold).await,
        }
    }

    /// Whether the store can be written now, found out by a write; quick to answer either way.
    pub async fn ping(&self) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.ping().await,
        }
    }

    /// Commits what waits and closes the store, for every handle on it.
    pub async fn close(self) {
        match self {
            Store::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}

/// Milliseconds since the epoch; the epoch for any time before it.
fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
