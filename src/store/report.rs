//! The finance report: what can be asked, what is answered, and how the answer is put together
//! from the sums that a database finds.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, Time};

use super::settled::{self, Span};
use super::{Counts, millis};
use crate::pricing::{AttemptId, Price, Usage, Usd};

/// What a report's rows tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    Day,
    Month,
    Team,
    Key,
    Model,
    Endpoint,
    Route,
    Tag(String),
}

/// A word that names nothing to group by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot group by \"{0}\": expected day, month, team, key, model, endpoint, route or tag:NAME"
)]
pub struct ParseGroupByError(String);

impl FromStr for GroupBy {
    type Err = ParseGroupByError;

    fn from_str(text: &str) -> Result<GroupBy, ParseGroupByError> {
        Ok(match text {
            "day" => GroupBy::Day,
            "month" => GroupBy::Month,
            "team" => GroupBy::Team,
            "key" => GroupBy::Key,
            "model" => GroupBy::Model,
            "endpoint" => GroupBy::Endpoint,
            "route" => GroupBy::Route,
            _ => match text.strip_prefix("tag:") {
                Some(name) if !name.is_empty() => GroupBy::Tag(name.to_owned()),
                _ => return Err(ParseGroupByError(text.to_owned())),
            },
        })
    }
}

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GroupBy::Day => "day",
            GroupBy::Month => "month",
            GroupBy::Team => "team",
            GroupBy::Key => "key",
            GroupBy::Model => "model",
            GroupBy::Endpoint => "endpoint",
            GroupBy::Route => "route",
            GroupBy::Tag(name) => return write!(f, "tag:{name}"),
        })
    }
}

impl Serialize for GroupBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which attempts and texts to report, and how.
#[derive(Clone, Debug)]
pub struct CostQuery {
    /// Included. Texts are counted by the minute: those of its whole minute are.
    pub from: OffsetDateTime,
    /// Not included.
    pub to: OffsetDateTime,
    /// Empty: no rows, only the total.
    pub group_by: Vec<GroupBy>,
    /// The price that local texts are compared with: the first configured model's.
    pub price: Option<Price>,
}

/// The first moment of the month (UTC) in which `now` lies, and of the next: the default period.
pub fn month_of(now: SystemTime) -> (OffsetDateTime, OffsetDateTime) {
    let today = OffsetDateTime::from(now).date();
    let first = today.replace_day(1).expect("every month has a first day");
    let days = i64::from(first.month().length(first.year()));
    let from = first.with_time(Time::MIDNIGHT).assume_utc();
    (from, from + time::Duration::days(days))
}

/// The answer to a [`CostQuery`], as `/v1/costs` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostReport {
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub to: OffsetDateTime,
    pub group_by: Vec<GroupBy>,
    pub total: Figures,
    /// Sorted by their groups, none before any.
    pub rows: Vec<CostRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostRow {
    /// A value for each of the query's `group_by`, in its order; `None` where there is none.
    #[serde(serialize_with = "as_map")]
    pub group: Vec<(GroupBy, Option<String>)>,
    #[serde(flatten)]
    pub figures: Figures,
}

fn as_map<S: Serializer>(
    group: &[(GroupBy, Option<String>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(group.iter().map(|(by, value)| (by.to_string(), value)))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Texts: the sum of the next three.
    pub requests: u64,
    pub local: u64,
    pub cached: u64,
    pub escalated: u64,
    /// Attempts at a provider.
    pub calls: u64,
    pub unpriced: u64,
    /// Attempts in flight, and those whose reply was lost.
    pub unresolved: u64,
    pub unresolved_usd: Usd,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    /// What is settled and priced.
    pub cost_usd: Usd,
    /// What cached and local texts would have cost; `None` where too little is known to say.
    pub saved_usd: Option<Usd>,
}

/// An attempt that finance still waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenAttempt {
    pub id: AttemptId,
    pub state: OpenState,
    #[serde(with = "time::serde::rfc3339")]
    pub reserved_at: OffsetDateTime,
    pub request_id: String,
    pub team: Option<String>,
    pub key_id: Option<String>,
    pub endpoint: String,
    pub provider: String,
    /// As served, else as asked.
    pub model: String,
    pub reserved_usd: Option<Usd>,
    /// What a settled one is recorded at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    pub error: Option<String>,
    /// What the reply named, where it was read.
    #[serde(skip)]
    pub model_served: Option<String>,
    #[serde(skip)]
    pub tier: Option<String>,
    #[serde(skip)]
    pub region: Option<String>,
    #[serde(skip)]
    pub usage: Usage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenState {
    InFlight,
    Unresolved,
    Unpriced,
    /// Not open: listed for those who look for what was recorded too high.
    Settled,
}

/// Which attempts a list is of.
#[derive(Clone, Copy, Debug)]
pub enum Listed {
    Open,
    /// Settled above what was reserved for them, and not corrected.
    OverReservation,
}

impl Listed {
    /// The condition, in the words of both databases.
    pub fn condition(self) -> &'static str {
        match self {
            Listed::Open => "state <> 'settled' AND corrected_at IS NULL",
            Listed::OverReservation => {
                "state = 'settled' AND corrected_at IS NULL AND cost_pico > reserved_pico"
            }
        }
    }
}

impl OpenState {
    pub(super) fn of(state: &str, expires_at: i64, now: i64) -> OpenState {
        match state {
            "settled" => OpenState::Settled,
            "unpriced" => OpenState::Unpriced,
            "reserved" if expires_at > now => OpenState::InFlight,
            _ => OpenState::Unresolved,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            OpenState::InFlight => "in_flight",
            OpenState::Unresolved => "unresolved",
            OpenState::Unpriced => "unpriced",
            OpenState::Settled => "settled",
        }
    }
}

/// The values of a row's group, in the order of the query's `group_by`.
pub(super) type Group = Vec<Option<String>>;

/// What a database sums up for a query.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Attempts by group: the figures that concern calls.
    pub calls: Vec<(Group, Figures)>,
    /// Texts by group and endpoint.
    pub texts: Vec<(Group, String, Counts)>,
    /// By endpoint, over [`mean_period`].
    pub means: BTreeMap<String, Means>,
}

/// Settled calls of one endpoint, from which the cost of a call not made is estimated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Means {
    pub calls: u64,
    /// Several may share a call.
    pub texts: u64,
    pub text_bytes: u64,
    pub prompt_tokens: u64,
    pub output_tokens: u64,
}

/// Fewer settled calls than this say too little of what one costs.
const CALLS_FOR_A_MEAN: u64 = 100;

/// The 30 days whose calls an estimate rests on, the first of them whole. They end with the reported
/// period, so that what a past month saved does not change as time goes on; one that is not over ends
/// with today, of which nothing is left out.
pub(super) fn mean_period(query: &CostQuery, now: SystemTime) -> Span {
    const DAYS_30: i64 = 30 * 24 * 60 * 60 * 1000;
    let (now, to) = (millis(now), millis(query.to.into()));
    let end = if to > now { settled::day_after(now) } else { to };
    Span::new(settled::day_of(now.min(to) - DAYS_30), end)
}

/// Figures in the making: what a text saved is estimated by its endpoint.
#[derive(Default)]
struct Row {
    figures: Figures,
    texts: BTreeMap<String, Counts>,
}

impl CostReport {
    pub(super) fn assemble(query: CostQuery, sums: Sums) -> CostReport {
        let mut total = Row::default();
        let mut rows: BTreeMap<Group, Row> = BTreeMap::new();
        for (group, figures) in sums.calls {
            total.figures += figures;
            rows.entry(group).or_default().figures += figures;
        }
        for (group, endpoint, counts) in sums.texts {
            *total.texts.entry(endpoint.clone()).or_default() += counts;
            *rows.entry(group).or_default().texts.entry(endpoint).or_default() += counts;
        }
        let finish = |row: Row| row.finish(&sums.means, query.price.as_ref());
        let row = |(group, row): (Group, Row)| CostRow {
            group: query.group_by.iter().cloned().zip(group).collect(),
            figures: finish(row),
        };
        let total = finish(total);
        let rows = match query.group_by.as_slice() {
            [] => Vec::new(),
            _ => rows.into_iter().map(row).collect(),
        };
        let CostQuery { from, to, group_by, .. } = query;
        CostReport { from, to, group_by, total, rows }
    }
}

impl Row {
    fn finish(self, means: &BTreeMap<String, Means>, price: Option<&Price>) -> Figures {
        let mut figures = self.figures;
        for counts in self.texts.values() {
            figures.local += counts.local;
            figures.cached += counts.cached;
            figures.escalated += counts.escalated;
        }
        figures.requests = figures.local + figures.cached + figures.escalated;
        let settled: u64 = means.values().map(|means| means.calls).sum();
        if settled >= CALLS_FOR_A_MEAN {
            figures.saved_usd = self.texts.iter().try_fold(Usd::ZERO, |sum, (endpoint, counts)| {
                Some(sum + saved(counts, means.get(endpoint), price)?)
            });
        }
        figures
    }
}

/// For cached texts what the cached calls cost; for local ones their bytes at the mean tokens a
/// byte and the mean output of their endpoint's texts, all of it uncached.
fn saved(counts: &Counts, means: Option<&Means>, price: Option<&Price>) -> Option<Usd> {
    if counts.saved_unknown > 0 {
        return None;
    }
    if counts.local == 0 {
        return Some(counts.saved);
    }
    let means = means.filter(|means| means.calls >= CALLS_FOR_A_MEAN)?;
    let scaled = |many: u64, by: u64, over: u64| {
        u64::try_from((u128::from(many) * u128::from(by)).checked_div(over.into())?).ok()
    };
    let would_be = Usage {
        input: scaled(counts.local_bytes, means.prompt_tokens, means.text_bytes)?,
        output: scaled(counts.local, means.output_tokens, means.texts)?,
        ..Usage::default()
    };
    Some(counts.saved + price?.cost_of_calls(counts.local, &would_be)?)
}

impl AddAssign for Figures {
    /// Adds what concerns calls; texts are added up by endpoint.
    fn add_assign(&mut self, other: Figures) {
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.unpriced, other.unpriced),
            (&mut self.unresolved, other.unresolved),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cache_read_tokens, other.cache_read_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.unresolved_usd = self.unresolved_usd + other.unresolved_usd;
        self.cost_usd = self.cost_usd + other.cost_usd;
    }
}
