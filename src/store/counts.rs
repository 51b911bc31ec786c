//! Counts of texts, the local and the cached ones beside those that a provider was called for.
//! Callers fold them in memory and hand them over about once a second.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::SystemTime;

use super::millis;
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

    pub(super) fn of_ms(ms: i64) -> Minute {
        Minute(ms.div_euclid(Minute::MS))
    }

    /// Its first millisecond since the epoch.
    pub(super) fn start_ms(self) -> i64 {
        self.0 * Minute::MS
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
