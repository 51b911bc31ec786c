//! Counts of texts, the local and the cached ones beside those that a provider was called for.
//! Callers fold them in memory and hand them over about once a second.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::SystemTime;

use super::queue::Op;
use super::{Error, Store, millis};
use crate::pricing::Usd;

/// A minute of UTC: texts are counted by the minute, so that a month of them stays small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(i64);

impl Minute {
    const MS: i64 = 60_000;

    /// The minute in which `at` lies.
    pub fn of(at: SystemTime) -> Minute {
        Minute::of_ms(millis(at))
    }

    /// The first minute of its hour.
    #[must_use]
    pub fn of_its_hour(self) -> Minute {
        Minute(self.0 - self.0.rem_euclid(60))
    }

    pub(super) fn of_ms(ms: i64) -> Minute {
        Minute(ms.div_euclid(Minute::MS))
    }

    /// Its first millisecond since the epoch.
    pub(super) fn start_ms(self) -> i64 {
        self.0 * Minute::MS
    }
}

/// How much is added up at once, so that nobody waits long for the store.
const ADDED_UP_MS: i64 = 10 * Minute::MS;

impl Store {
    /// Adds the counts of minutes before that moment up by the day, a part at a time, the oldest first.
    /// `false`: there are none left.
    pub async fn add_up_days(&self, before: SystemTime) -> Result<bool, Error> {
        let before = millis(before);
        let oldest = match self {
            Store::Sqlite(sqlite) => sqlite.oldest_minute(before).await?,
            Store::Postgres(postgres) => postgres.oldest_minute(before).await?,
        };
        let Some(from) = oldest else { return Ok(false) };
        let op = Op::AddUpDays { from, to: before.min(from.saturating_add(ADDED_UP_MS)) };
        match self {
            Store::Sqlite(sqlite) => sqlite.write(op).await?,
            Store::Postgres(postgres) => postgres.write(op).await?,
        }
        Ok(true)
    }
}

/// Whose verdict a caller got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictBy {
    Local,
    Llm,
}

impl VerdictBy {
    pub fn name(self) -> &'static str {
        match self {
            VerdictBy::Local => "local",
            VerdictBy::Llm => "llm",
        }
    }
}

/// What reports can tell apart of a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountKey {
    pub minute: Minute,
    pub team: Option<String>,
    pub key_id: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub endpoint: &'static str,
    pub route: VerdictBy,
    /// The model whose verdict it was.
    pub model: Option<String>,
}

/// Texts of one [`CountKey`]; each text counts in exactly one of the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Read locally, no provider called.
    pub local: u64,
    /// Answered from the cache, or by waiting on another's call.
    pub cached: u64,
    /// A provider was called.
    pub escalated: u64,
    /// UTF-8 bytes of the `local` ones.
    pub local_bytes: u64,
    /// What the calls cost that the `cached` ones did not make again.
    pub saved: Usd,
    /// Those of the `cached` ones whose call's cost is not known.
    pub saved_unknown: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.local += other.local;
        self.cached += other.cached;
        self.escalated += other.escalated;
        self.local_bytes += other.local_bytes;
        self.saved = self.saved + other.saved;
        self.saved_unknown += other.saved_unknown;
    }
}
