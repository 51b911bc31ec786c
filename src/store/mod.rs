//! The store: the ledger of attempts at providers, counts of the texts that needed none, and the
//! answers that evaluations bought.
//! It owns the tables, the transactions and the sums over them. What an attempt costs is computed
//! by whoever made it; which texts are counted as what is the application's business.

mod answers;
mod counts;
mod postgres;
mod queue;
mod report;
mod sqlite;
mod url;

#[cfg(test)]
#[path = "../../tests/support/postgres.rs"]
mod postgres_server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use answers::{Interview, KeptAnswer, KeptContent};
pub use counts::{CountKey, Counts, Minute, VerdictBy};
pub use report::{
    CostQuery, CostReport, CostRow, Figures, GroupBy, OpenAttempt, OpenState, ParseGroupByError,
    month_of,
};
pub use url::StoreUrl;

use crate::pricing::{AttemptId, Reservation, Settlement};

/// Where the store is and what it withstands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite://PATH`, where a relative path starts at the working directory, or
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: StoreUrl,
    pub durability: Durability,
}

/// What outlives what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Each group of commits is synced to disk before its callers are answered.
    Disk,
    /// Commits outlive the process; a power cut may lose the last second. With PostgreSQL, the
    /// power of the server's machine, or a crash of the server.
    Process,
}

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
    #[error("the ledger refuses a record that contradicts itself or another: {0}")]
    Refused(String),
}

/// A handle on the store, cheap to clone. Each write returns once it is committed.
#[derive(Clone, Debug)]
pub enum Store {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Store {
    /// Opens the store, creates it where there is none, and brings its tables up to date.
    pub async fn open(config: &Config) -> Result<Store, Error> {
        Ok(match config.url.place()? {
            url::Place::Sqlite(path) => {
                Store::Sqlite(sqlite::Sqlite::open(path, config.durability).await?)
            }
            url::Place::Postgres(url) => {
                Store::Postgres(postgres::Postgres::open(&url, config.durability).await?)
            }
        })
    }

    /// The kind of database, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Store::Sqlite(_) => "sqlite",
            Store::Postgres(_) => "postgres",
        }
    }

    /// Writes an attempt down before it is sent. After an error, or if this is dropped unanswered,
    /// the ledger does not count the attempt: it must not be sent.
    pub async fn reserve(&self, reservation: Reservation) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.reserve(reservation).await,
            Store::Postgres(postgres) => postgres.reserve(reservation).await,
        }
    }

    /// Completes an attempt, however late; of two settlements the first counts. Goes on when this
    /// is dropped.
    pub async fn settle(&self, id: AttemptId, settlement: Settlement) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.settle(id, settlement).await,
            Store::Postgres(postgres) => postgres.settle(id, settlement).await,
        }
    }

    /// Adds to the counts of texts: all of these or, after an error, none.
    pub async fn add_counts(&self, counts: Vec<(CountKey, Counts)>) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.add_counts(counts).await,
            Store::Postgres(postgres) => postgres.add_counts(counts).await,
        }
    }

    /// Sums up a period: one consistent state, of all processes that share the store.
    pub async fn costs(&self, query: CostQuery, now: SystemTime) -> Result<CostReport, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.costs(query, now).await,
            Store::Postgres(postgres) => postgres.costs(query, now).await,
        }
    }

    /// The attempts in flight, unresolved or unpriced, the oldest first.
    pub async fn open_attempts(&self, now: SystemTime) -> Result<Vec<OpenAttempt>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.open_attempts(now).await,
            Store::Postgres(postgres) => postgres.open_attempts(now).await,
        }
    }

    /// Keeps an answer that was bought; of two to the same question the first stays.
    pub async fn keep_answer(&self, interview: Interview, kept: KeptAnswer) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.keep_answer(interview, kept).await,
            Store::Postgres(postgres) => postgres.keep_answer(interview, kept).await,
        }
    }

    /// All that was kept of such an interview.
    pub async fn kept_answers(&self, interview: Interview) -> Result<Vec<KeptAnswer>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.kept_answers(interview).await,
            Store::Postgres(postgres) => postgres.kept_answers(interview).await,
        }
    }

    /// Whether the store can be written now, found out by a write; quick to answer either way.
    pub async fn ping(&self) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.ping().await,
            Store::Postgres(postgres) => postgres.ping().await,
        }
    }

    /// Commits what waits and closes the store, for every handle on it.
    pub async fn close(self) {
        match self {
            Store::Sqlite(sqlite) => sqlite.close().await,
            Store::Postgres(postgres) => postgres.close().await,
        }
    }
}

/// Milliseconds since the epoch; the epoch for any time before it.
fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// More tokens than any call has, and few enough that sums of them stay far from the limit of a
/// database's integers: what a provider reports is not ours to trust.
const MOST_TOKENS: u64 = 1 << 40;

fn count(number: u64) -> i64 {
    number.min(MOST_TOKENS).cast_signed()
}

fn json(tags: &BTreeMap<String, String>) -> String {
    serde_json::to_string(tags).expect("a map of strings has a JSON form")
}
