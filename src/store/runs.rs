//! What a run over a file has bought, row by row: its attempts name it and their row.

use uuid::Uuid;

use super::corrections::COST_BY_NOW;
use super::{Error, Store};
use crate::pricing::Usd;

/// An attempt of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunAttempt {
    pub row: u64,
    /// Several rows may share a call: it names the first to come.
    pub texts: u64,
    /// What it cost, or what is reserved for it while that is not known.
    pub amount: Usd,
}

/// How far apart rows can be that share a call.
const REACH: u64 = 4_096;

impl Store {
    /// The attempts that were made under the request ids `RUN-ROW`, of rows from `first` on; of open
    /// calls that several rows share, those of the rows shortly before it too.
    pub async fn run_attempts(&self, run: Uuid, first: u64) -> Result<Vec<RunAttempt>, Error> {
        let first = i64::try_from(first).unwrap_or(i64::MAX);
        match self {
            Store::Sqlite(sqlite) => sqlite.run_attempts(run, first).await,
            Store::Postgres(postgres) => postgres.run_attempts(run, first).await,
        }
    }
}

/// When the earliest of its attempts can have been reserved, in milliseconds: a run's id tells its time,
/// and a clock may have been set back since.
pub(super) fn since(run: Uuid) -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    let seconds = run.get_timestamp().map_or(0, |at| at.to_unix().0);
    i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000).saturating_sub(HOUR_MS)
}

/// Row, texts and picodollars of the attempts since `$1` whose ids begin with `$2`, of rows from `$3` on.
pub(super) fn attempts_sql() -> String {
    format!(
        "SELECT CAST(substr(a.request_id, 38) AS BIGINT), a.texts,
            CASE WHEN a.state = 'settled' OR a.corrected_at IS NOT NULL THEN {COST_BY_NOW}
                ELSE coalesce(a.reserved_pico, 0) END
         FROM attempts AS a
            LEFT JOIN corrections AS c ON c.attempt = a.id AND a.corrected_at IS NOT NULL
         WHERE a.reserved_at >= $1 AND CASE WHEN substr(a.request_id, 1, 37) = $2
            THEN CAST(substr(a.request_id, 38) AS BIGINT)
                + CASE WHEN a.texts > 1 AND a.state <> 'settled' THEN {REACH} ELSE 0 END >= $3
            ELSE 0 = 1 END"
    )
}

pub(super) fn attempt<E>(mut number: impl FnMut(usize) -> Result<i64, E>) -> Result<RunAttempt, E> {
    Ok(RunAttempt {
        row: number(0)?.unsigned_abs(),
        texts: number(1)?.unsigned_abs(),
        amount: Usd::from_pico(number(2)?),
    })
}
