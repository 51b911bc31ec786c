//! What closes attempts that stayed open, and the sums that need each attempt's own columns: the rows
//! of a bill, and a provider's usage by day and model.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;

use super::sums;
use crate::pricing::{AttemptId, Usage, Usd};

/// Closes an open attempt, for good: a second one is refused, and a settlement that comes late
/// changes nothing. A person's word may also correct what an attempt has settled at: its row then holds
/// the difference. The money counts in reports from the moment at which the correction is made, in
/// budgets in the attempt's own period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    pub attempt: AttemptId,
    pub kind: CorrectionKind,
    /// What the attempt cost, in the end.
    pub cost: Usd,
    /// The price that a late price was taken from.
    pub price_version: Option<String>,
    /// What it rests on, in a few words.
    pub note: Option<String>,
}

/// What a correction rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CorrectionKind {
    /// A person's word.
    Resolve,
    /// A price that came late.
    Reprice,
    /// The provider's own figures.
    Reconcile,
}

impl CorrectionKind {
    pub fn name(self) -> &'static str {
        match self {
            CorrectionKind::Resolve => "resolve",
            CorrectionKind::Reprice => "reprice",
            CorrectionKind::Reconcile => "reconcile",
        }
    }
}

/// Why an attempt cannot be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOpen {
    InFlight { until: OffsetDateTime },
    Settled(Usd),
    Corrected { at: OffsetDateTime },
}

impl NotOpen {
    /// Why a correction of that kind cannot be; `None`: it can.
    pub(super) fn against(kind: CorrectionKind, found: &Found, now: i64) -> Option<NotOpen> {
        match (&*found.state, found.corrected_at) {
            (_, Some(at)) => Some(NotOpen::Corrected { at: super::from_millis(at) }),
            ("settled", None) if kind == CorrectionKind::Resolve => None,
            ("settled", None) => Some(NotOpen::Settled(found.settled_at())),
            ("reserved", None) if found.expires_at > now => {
                Some(NotOpen::InFlight { until: super::from_millis(found.expires_at) })
            }
            _ => None,
        }
    }
}

/// What an attempt's columns say, in milliseconds and picodollars.
pub(super) struct Found {
    pub state: String,
    pub expires_at: i64,
    pub corrected_at: Option<i64>,
    pub cost: Option<i64>,
}

impl Found {
    /// Its cost so far.
    pub fn settled_at(&self) -> Usd {
        Usd::from_pico(self.cost.unwrap_or(0))
    }

    pub fn is_settled(&self) -> bool {
        self.state == "settled"
    }
}

impl fmt::Display for NotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotOpen::InFlight { until } => {
                write!(f, "is in flight: its reply may still come until {until}")
            }
            NotOpen::Settled(cost) => write!(f, "is settled at {cost} US dollars"),
            NotOpen::Corrected { at } => write!(f, "was corrected on {at}, which stands"),
        }
    }
}

/// What was charged on one day for one kind of call by one caller: attempts that are settled, on the
/// day on which they were reserved, or corrections, on the day on which they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Such as `2026-11-01` (UTC).
    pub day: String,
    pub provider: String,
    /// As served, else as asked.
    pub model: String,
    pub tier: Option<String>,
    pub endpoint: String,
    pub team: Option<String>,
    pub key_id: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// The kind of the corrections; `None`: attempts that were settled themselves.
    pub correction: Option<String>,
    /// The attempts are of an earlier month than their corrections.
    pub late: bool,
    pub calls: u64,
    pub usage: Usage,
    pub cost: Usd,
}

/// Attempts at one provider that were reserved on one day, by model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// Such as `2026-11-01` (UTC).
    pub day: String,
    /// As served, else as asked.
    pub model: String,
    pub calls: u64,
    pub usage: Usage,
    /// What is settled or corrected, however late.
    pub cost: Usd,
}

const TOKENS: [&str; 6] =
    ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"];

/// Sums that both databases cast alike. `counted` says of an attempt whether its call and its tokens
/// count: beside a correction of a settled one they are on another row.
fn sums(counted: &str, cost: &str) -> String {
    let sum = |value: &str| {
        format!("CAST(coalesce(sum(CASE WHEN {counted} THEN {value} ELSE 0 END), 0) AS BIGINT)")
    };
    let columns = TOKENS.map(|column| sum(&format!("a.{column}")));
    format!("{}, {}, {}", sum("1"), columns.join(", "), sums::sum(cost))
}

/// What an attempt cost by now: a correction adds to what it settled at, or stands alone.
pub(super) const COST_BY_NOW: &str = "coalesce(a.cost_pico, 0) + coalesce(c.cost_pico, 0)";

const MODEL: &str = "coalesce(a.model_served, a.model_asked)";

/// The rows of a [`Charge`] between `$1` and `$2`; `day` and `month` write a column of milliseconds
/// as such in the database's own words.
pub(super) fn charges_sql(day: impl Fn(&str) -> String, month: impl Fn(&str) -> String) -> String {
    let whose = format!(
        "a.provider, {MODEL}, a.tier, a.endpoint, nullif(a.team, ''), nullif(a.key_id, ''),
         CAST(a.tags AS TEXT)"
    );
    let groups = "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10";
    format!(
        "SELECT {settled_on}, {whose}, CAST(NULL AS TEXT), 0 = 1, {settled}
         FROM attempts AS a
         WHERE a.reserved_at >= $1 AND a.reserved_at < $2 AND a.state = 'settled' {groups}
         UNION ALL
         SELECT {corrected_on}, {whose}, c.kind, {month_of_attempt} < {month_made}, {corrected}
         FROM corrections AS c JOIN attempts AS a ON a.id = c.attempt
         WHERE c.made_at >= $1 AND c.made_at < $2 {groups}
         ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
        settled_on = day("a.reserved_at"),
        settled = sums("1 = 1", "a.cost_pico"),
        corrected_on = day("c.made_at"),
        month_of_attempt = month("a.reserved_at"),
        month_made = month("c.made_at"),
        corrected = sums("a.state <> 'settled'", "c.cost_pico"),
    )
}

/// The rows of a [`DayUsage`] between `$1` and `$2` at the provider `$3`.
pub(super) fn usage_sql(day: impl Fn(&str) -> String) -> String {
    format!(
        "SELECT {}, {MODEL}, {}
         FROM attempts AS a
            LEFT JOIN corrections AS c ON c.attempt = a.id AND a.corrected_at IS NOT NULL
         WHERE a.reserved_at >= $1 AND a.reserved_at < $2 AND a.provider = $3
         GROUP BY 1, 2 ORDER BY 1, 2",
        day("a.reserved_at"),
        sums("1 = 1", COST_BY_NOW),
    )
}

/// Calls and usage, from seven numbers of a row; the cost follows them.
pub(super) fn summed<E>(
    mut number: impl FnMut(usize) -> Result<i64, E>,
) -> Result<(u64, Usage), E> {
    let mut count = |column| number(column).map(|n| u64::try_from(n).unwrap_or_default());
    let calls = count(0)?;
    let usage = Usage {
        input: count(1)?,
        cache_read: count(2)?,
        cache_write_5m: count(3)?,
        cache_write_1h: count(4)?,
        output: count(5)?,
        reasoning: count(6)?,
    };
    Ok((calls, usage))
}
