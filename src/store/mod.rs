//! The store: the ledger of attempts at providers, counts of the texts that needed none, the answers
//! that evaluations bought, a sample of the signals by which texts were routed, what may be learnt
//! from, and windows of verdicts.
//! It owns the tables, the transactions and the sums over them. What an attempt costs is computed
//! by whoever made it; which texts are counted as what is the application's business.

mod access;
mod alerts;
mod answers;
mod config;
mod corrections;
mod counts;
mod error;
mod journal;
mod learning;
mod marker;
mod open;
mod postgres;
mod probe;
mod queue;
mod report;
mod runs;
mod settled;
mod signals;
mod sqlite;
mod sums;
mod trends;
mod url;
mod version;

#[cfg(test)]
#[path = "../../tests/support/postgres.rs"]
mod postgres_server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

pub use access::{AccessState, Budget, BudgetState, Period, StoredKey, Subject};
pub use alerts::{AlertOutcome, DueAlert, FiredAlert, Looked};
pub use answers::{Interview, KeptAnswer, KeptContent};
pub use config::{Config, Durability, WhenDown};
pub use corrections::{Charge, Correction, CorrectionKind, DayUsage, NotOpen};
pub use counts::{CountKey, Counts, Minute, VerdictBy};
pub use error::Error;
pub use journal::Journal;
pub use learning::{Asker, Baseline, KeptRow, KeptText, Owner, Said};
pub use probe::Probe;
use report::Listed;
pub use report::{
    CostQuery, CostReport, CostRow, Figures, GroupBy, OpenAttempt, OpenState, ParseGroupByError,
    month_of,
};
pub use runs::RunAttempt;
pub use signals::LoggedSignals;
pub use trends::{Advance, Changes, PartitionAdvance, Position, WindowQuery, WindowsFold};
pub use url::StoreUrl;

use crate::pricing::{AttemptId, Reservation, Settlement, Usd};

/// A handle on the store, cheap to clone. Each write returns once it is committed.
#[derive(Clone, Debug)]
pub enum Store {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Store {
    /// The kind of database, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Store::Sqlite(_) => "sqlite",
            Store::Postgres(_) => "postgres",
        }
    }

    /// Writes an attempt down before it is sent, and sets its worst case aside in the budgets that
    /// bind it. After an error, [`Error::OverBudget`] among them, or if this is dropped unanswered,
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
        self.settle_at(id, settlement, SystemTime::now()).await
    }

    async fn settle_at(
        &self,
        id: AttemptId,
        settlement: Settlement,
        at: SystemTime,
    ) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.settle(id, settlement, at).await,
            Store::Postgres(postgres) => postgres.settle(id, settlement, at).await,
        }
    }

    /// Writes an attempt down that was sent while the store was not there, unless it is there
    /// already: past any budget, since it cannot be called back.
    async fn replay(&self, reservation: Reservation) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.replay(reservation).await,
            Store::Postgres(postgres) => postgres.replay(reservation).await,
        }
    }

    /// Takes back a reservation on whose strength nothing was sent.
    async fn withdraw(&self, id: AttemptId) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.withdraw(id).await,
            Store::Postgres(postgres) => postgres.withdraw(id).await,
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
        self.attempts(Listed::Open, now).await
    }

    /// The attempts that settled above what was reserved for them, the oldest first.
    pub async fn attempts_over_reservation(&self) -> Result<Vec<OpenAttempt>, Error> {
        self.attempts(Listed::OverReservation, SystemTime::now()).await
    }

    async fn attempts(&self, which: Listed, now: SystemTime) -> Result<Vec<OpenAttempt>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.attempts(which, now).await,
            Store::Postgres(postgres) => postgres.attempts(which, now).await,
        }
    }

    /// Closes open attempts, and corrects settled ones where a person says so: all of these or, after
    /// an error, none. What is in flight or corrected already is refused.
    pub async fn correct(
        &self,
        corrections: Vec<Correction>,
        now: SystemTime,
    ) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.correct(corrections, now).await,
            Store::Postgres(postgres) => postgres.correct(corrections, now).await,
        }
    }

    /// What was charged in a period, `to` not included, as a bill lists it. It sums to the
    /// `cost_usd` of the report.
    pub async fn charges(
        &self,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> Result<Vec<Charge>, Error> {
        let (from, to) = (millis(from.into()), millis(to.into()));
        match self {
            Store::Sqlite(sqlite) => sqlite.charges(from, to).await,
            Store::Postgres(postgres) => postgres.charges(from, to).await,
        }
    }

    /// What was used at a provider in a period, `to` not included, by the day and the model of the
    /// attempts.
    pub async fn usage(
        &self,
        provider: String,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> Result<Vec<DayUsage>, Error> {
        let (from, to) = (millis(from.into()), millis(to.into()));
        match self {
            Store::Sqlite(sqlite) => sqlite.usage(provider, from, to).await,
            Store::Postgres(postgres) => postgres.usage(provider, from, to).await,
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

    /// Writes a new key down.
    pub async fn add_key(&self, key: StoredKey) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.add_key(key).await,
            Store::Postgres(postgres) => postgres.add_key(key).await,
        }
    }

    /// Revokes a key, once; `false` where there is none of that id.
    pub async fn revoke_key(&self, id: String, at: OffsetDateTime) -> Result<bool, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.revoke_key(id, at).await,
            Store::Postgres(postgres) => postgres.revoke_key(id, at).await,
        }
    }

    /// Every key that there ever was, the oldest first.
    pub async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.keys().await,
            Store::Postgres(postgres) => postgres.keys().await,
        }
    }

    /// What a gateway keeps in mind of keys and budgets.
    pub async fn access_state(&self, now: OffsetDateTime) -> Result<AccessState, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.access_state(now).await,
            Store::Postgres(postgres) => postgres.access_state(now).await,
        }
    }

    /// Sets a budget, hard where the flag is set, or lifts it where it is `None`. What has gone of it
    /// in this period is counted from the ledger.
    pub async fn set_budget(
        &self,
        subject: Subject,
        period: Period,
        limit: Option<(Usd, bool)>,
        now: SystemTime,
    ) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.set_budget(subject, period, limit, now).await,
            Store::Postgres(postgres) => postgres.set_budget(subject, period, limit, now).await,
        }
    }

    /// Every budget with what has gone of it in the period around `now`.
    pub async fn budgets(&self, now: SystemTime) -> Result<Vec<BudgetState>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.budgets(now).await,
            Store::Postgres(postgres) => postgres.budgets(now).await,
        }
    }

    /// Takes it upon this gateway to warn of a budget until then; `false` where it was warned of, or
    /// another gateway is at it.
    pub async fn claim_warning(
        &self,
        of: BudgetState,
        percent: u32,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<bool, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.claim_warning(of, percent, now, until).await,
            Store::Postgres(postgres) => postgres.claim_warning(of, percent, now, until).await,
        }
    }

    /// Writes down that somebody was warned of a budget.
    pub async fn warned(&self, of: BudgetState, percent: u32) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.warned(of, percent).await,
            Store::Postgres(postgres) => postgres.warned(of, percent).await,
        }
    }

    /// Adds to the logged signals, and lets go of those from before `forget`, a part at a time where
    /// they are many.
    pub async fn log_signals(
        &self,
        rows: Vec<LoggedSignals>,
        forget: SystemTime,
    ) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.log_signals(rows, forget).await,
            Store::Postgres(postgres) => postgres.log_signals(rows, forget).await,
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
            Store::Postgres(postgres) => postgres.fold_signals(from, to, folded, fold).await,
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

fn from_millis(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// More tokens than any call has, and few enough that sums of them stay far from the limit of a
/// database's integers: what a provider reports is not ours to trust.
const MOST_TOKENS: u64 = 1 << 40;

fn count(number: u64) -> i64 {
    number.min(MOST_TOKENS).cast_signed()
}

/// Why a ledger that another version has brought up to date cannot be opened by this one.
fn newer_ledger(newest: Option<i64>, ours: &[refinery::Migration]) -> Option<String> {
    let known = ours.iter().map(|one| i64::from(one.version())).max().unwrap_or_default();
    let newest = newest.filter(|newest| *newest > known)?;
    Some(format!(
        "its tables are those of a newer Undertone (version {newest}; this one knows {known})"
    ))
}

fn json(tags: &BTreeMap<String, String>) -> String {
    serde_json::to_string(tags).expect("a map of strings has a JSON form")
}
