//! What other thresholds would have changed, told from logged signals: nobody is called, no text read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use time::OffsetDateTime;

use super::costs::period;
use super::thresholds::named;
use super::{BadParameter, Config, estimate};
use crate::cascade::{Allowance, Decision, decide};
use crate::pricing::{PriceBook, Usd};
use crate::sentiment::{Category, Outcome, Reason, Route, Signals, Task, Thresholds};
use crate::store::{self, LoggedSignals, Store};

/// A period, and the thresholds to try on it.
#[derive(Clone, Debug)]
pub struct ReplayRequest {
    from: OffsetDateTime,
    to: OffsetDateTime,
    thresholds: Thresholds,
}

/// What would change. Texts are estimated from the sample that is logged: each row counts as many as it
/// stands for.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub to: OffsetDateTime,
    pub thresholds: BTreeMap<&'static str, f32>,
    /// Texts whose signals were logged.
    pub logged: u64,
    /// All tasks together.
    pub total: Change,
    pub tasks: BTreeMap<&'static str, Change>,
}

/// What was decided, and what would have been.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Change {
    pub texts: f64,
    /// Texts for which an LLM was wanted.
    pub escalated_now: f64,
    pub escalated_then: f64,
    pub newly_escalated: f64,
    pub no_longer_escalated: f64,
    /// Of those wanted now, the ones that got none: no provider, over budget, no answer.
    pub unanswered_now: f64,
    /// By reason; a text may have several.
    pub reasons: BTreeMap<&'static str, NowAndThen>,
    /// What is known of it.
    pub cost_now_usd: Usd,
    /// Texts whose call's cost is not known.
    pub cost_unknown_now: f64,
    /// `None` where nothing tells what a call costs.
    pub cost_then_usd: Option<Usd>,
    /// Where the cost of newly escalated texts comes from.
    pub cost_basis: CostBasis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct NowAndThen {
    pub now: f64,
    pub then: f64,
}

/// From what newly escalated texts are reckoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// No text is newly escalated.
    #[default]
    Logged,
    /// The mean of the escalations that are logged, those from the cache included.
    LoggedMean,
    /// No escalation of that task is logged with its cost: the first configured model's price.
    Price,
    /// That model has no price either.
    Unknown,
}

impl CostBasis {
    pub fn name(self) -> &'static str {
        match self {
            CostBasis::Logged => "logged",
            CostBasis::LoggedMean => "logged_mean",
            CostBasis::Price => "price",
            CostBasis::Unknown => "unknown",
        }
    }
}

impl ReplayRequest {
    /// `from` is included and defaults to the start of this month, `to` is not and defaults to the start
    /// of the next; both as a date (UTC) or RFC 3339.
    pub fn parse(
        from: Option<&str>,
        to: Option<&str>,
        thresholds: Thresholds,
    ) -> Result<ReplayRequest, BadParameter> {
        let (from, to) = period(from, to)?;
        Ok(ReplayRequest { from, to, thresholds })
    }

    pub async fn run(
        self,
        store: &Store,
        book: &PriceBook,
        config: &Config,
    ) -> Result<ReplayReport, store::Error> {
        let ReplayRequest { from, to, thresholds } = self;
        let fold = move |folded: &mut Folded, row| folded.add(&row, &thresholds);
        let folded = store.fold_signals(from.into(), to.into(), Folded::default(), fold).await?;
        let categories: Arc<[Category]> = config.aspects.categories.as_slice().into();
        let price = |task: Task, bytes: usize| {
            let text = "x".repeat(bytes);
            Some(estimate::call(config, book, &categories, task, &text)?.likely)
        };
        let (logged, tasks) = (folded.rows, folded.finish(price));
        let total = tasks.values().fold(Change::nothing(), Change::and);
        let thresholds = named(&thresholds).collect();
        Ok(ReplayReport { from, to, thresholds, logged, total, tasks })
    }
}

/// Sums over the rows that have been seen.
#[derive(Default)]
struct Folded {
    rows: u64,
    tasks: BTreeMap<&'static str, (Task, Sums)>,
}

#[derive(Default)]
struct Sums {
    change: Change,
    /// In picodollars, weighed: what the log knows, and what of it would not be spent.
    spent: f64,
    spared: f64,
    /// Escalations whose cost is known, those from the cache included.
    priced: f64,
    /// Of the newly escalated texts, to estimate what a call about one costs.
    new_bytes: f64,
}

impl Folded {
    /// What a later version has written under names of its own is left out.
    fn add(&mut self, row: &LoggedSignals, thresholds: &Thresholds) {
        let task = Task::ALL.into_iter().find(|task| task.name() == row.task);
        let route = Route::ALL.into_iter().find(|route| route.name() == row.route);
        let (Some(task), Some(route)) = (task, route) else { return };
        self.rows += 1;
        let (_, sums) = self.tasks.entry(task.name()).or_insert_with(|| (task, Sums::default()));
        sums.add(row, route, &thresholds.of(task));
    }

    fn finish(self, price: impl Fn(Task, usize) -> Option<Usd>) -> BTreeMap<&'static str, Change> {
        let tasks = self.tasks.into_iter();
        tasks.map(|(name, (task, sums))| (name, sums.finish(|bytes| price(task, bytes)))).collect()
    }
}

impl Sums {
    fn add(&mut self, row: &LoggedSignals, route: Route, thresholds: &Thresholds) {
        let change = &mut self.change;
        let weight = row.weight;
        let (now, then) = (row.reasons.as_slice(), reasons_then(row, route, thresholds));
        let (is_now, is_then) = (!now.is_empty(), !then.is_empty());
        let if_so = |is: bool| if is { weight } else { 0.0 };
        change.texts += weight;
        change.escalated_now += if_so(is_now);
        change.escalated_then += if_so(is_then);
        change.newly_escalated += if_so(is_then && !is_now);
        change.no_longer_escalated += if_so(is_now && !is_then);
        let is_answered = row.outcome == Outcome::Answered.name();
        change.unanswered_now += if_so(is_now && !is_answered);
        for reason in REASONS.map(Reason::name) {
            let (was, would) = (now.iter().any(|name| name == reason), then.contains(&reason));
            if was || would {
                let both = change.reasons.entry(reason).or_default();
                both.now += if_so(was);
                both.then += if_so(would);
            }
        }
        let cost = match (row.asked, row.cost) {
            (true, None) => None,
            (_, cost) => Some(cost.unwrap_or_default().pico() as f64 * weight),
        };
        match cost {
            Some(cost) => {
                self.spent += cost;
                self.spared += if is_then { 0.0 } else { cost };
                self.priced += if_so(is_now && (is_answered || row.asked));
            }
            None => change.cost_unknown_now += weight,
        }
        self.new_bytes += if_so(is_then && !is_now) * row.text_bytes as f64;
    }

    fn finish(self, price: impl Fn(usize) -> Option<Usd>) -> Change {
        let Sums { mut change, spent, spared, priced, new_bytes } = self;
        let new = change.newly_escalated;
        let (basis, each) = if new == 0.0 {
            (CostBasis::Logged, Some(0.0))
        } else if priced > 0.0 {
            (CostBasis::LoggedMean, Some(spent / priced))
        } else {
            match price((new_bytes / new).round() as usize) {
                Some(likely) => (CostBasis::Price, Some(likely.pico() as f64)),
                None => (CostBasis::Unknown, None),
            }
        };
        let usd = |pico: f64| Usd::from_pico(pico.round() as i64);
        change.cost_now_usd = usd(spent);
        change.cost_then_usd = each.map(|each| usd(spent - spared + new * each));
        change.cost_basis = basis;
        change
    }
}

const REASONS: [Reason; 6] = [
    Reason::Sarcasm,
    Reason::Ambiguous,
    Reason::MultiAspect,
    Reason::OutOfDomain,
    Reason::Requested,
    Reason::Sampled,
];

/// Why an LLM would be wanted. Whom chance has picked it picks again.
fn reasons_then(row: &LoggedSignals, route: Route, thresholds: &Thresholds) -> Vec<&'static str> {
    let signals = Signals {
        ambiguous: row.ambiguous,
        sarcasm: row.sarcasm,
        multi_aspect: row.multi_aspect,
        out_of_domain: row.out_of_domain,
    };
    let (Decision::Ask { reasons } | Decision::Local { reasons, .. }) =
        decide(route, &signals, thresholds, Allowance::Granted);
    let mut names: Vec<&'static str> = reasons.into_iter().map(Reason::name).collect();
    let sampled = Reason::Sampled.name();
    if row.reasons.iter().any(|name| name == sampled) && !names.contains(&sampled) {
        names.push(sampled);
    }
    names
}

impl Change {
    fn nothing() -> Change {
        Change { cost_then_usd: Some(Usd::ZERO), ..Change::default() }
    }

    fn and(mut self, other: &Change) -> Change {
        self.texts += other.texts;
        self.escalated_now += other.escalated_now;
        self.escalated_then += other.escalated_then;
        self.newly_escalated += other.newly_escalated;
        self.no_longer_escalated += other.no_longer_escalated;
        self.unanswered_now += other.unanswered_now;
        for (reason, both) in &other.reasons {
            let sum = self.reasons.entry(reason).or_default();
            sum.now += both.now;
            sum.then += both.then;
        }
        self.cost_now_usd = self.cost_now_usd + other.cost_now_usd;
        self.cost_unknown_now += other.cost_unknown_now;
        self.cost_then_usd =
            self.cost_then_usd.zip(other.cost_then_usd).map(|(one, other)| one + other);
        // The least known of them.
        self.cost_basis = match (self.cost_basis, other.cost_basis) {
            (CostBasis::Unknown, _) | (_, CostBasis::Unknown) => CostBasis::Unknown,
            (CostBasis::Price, _) | (_, CostBasis::Price) => CostBasis::Price,
            (CostBasis::LoggedMean, _) | (_, CostBasis::LoggedMean) => CostBasis::LoggedMean,
            _ => CostBasis::Logged,
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const THEN: Thresholds = Thresholds {
        sarcasm: 0.5,
        ambiguous: 2.0,
        ambiguous_aspects: None,
        ambiguous_emotions: None,
        multi_aspect: 2.0,
        out_of_domain: 2.0,
    };

    /// Called for an LLM by ambiguity, and was answered for so many picodollars.
    fn bought(sarcasm: f32, pico: Option<i64>, weight: f64) -> LoggedSignals {
        LoggedSignals {
            at: SystemTime::UNIX_EPOCH,
            weight,
            task: "sentiment".into(),
            route: "auto".into(),
            text_bytes: 40,
            ambiguous: 0.9,
            sarcasm,
            multi_aspect: 0.0,
            out_of_domain: 0.0,
            reasons: vec!["ambiguous".into()],
            outcome: "answered".into(),
            cached: false,
            asked: true,
            cost: pico.map(Usd::from_pico),
        }
    }

    fn plain(sarcasm: f32, weight: f64) -> LoggedSignals {
        LoggedSignals {
            reasons: Vec::new(),
            outcome: "not_needed".into(),
            asked: false,
            ..bought(sarcasm, None, weight)
        }
    }

    fn change(rows: &[LoggedSignals], price: Option<i64>) -> Change {
        let mut folded = Folded::default();
        rows.iter().for_each(|row| folded.add(row, &THEN));
        let tasks = folded.finish(|task, bytes| {
            assert_eq!((task, bytes), (Task::Sentiment, 40));
            price.map(Usd::from_pico)
        });
        tasks.values().fold(Change::nothing(), Change::and)
    }

    #[test]
    fn rows_count_as_many_as_they_stand_for() {
        let cached = LoggedSignals { cached: true, asked: false, ..bought(0.1, None, 2.0) };
        let rows = [
            bought(0.9, Some(100), 3.0),
            bought(0.1, Some(40), 1.5),
            cached,
            plain(0.6, 4.0),
            plain(0.2, 8.0),
        ];
        let change = change(&rows, None);
        assert_eq!((change.texts, change.escalated_now, change.escalated_then), (18.5, 6.5, 7.0));
        assert_eq!((change.newly_escalated, change.no_longer_escalated), (4.0, 3.5));
        assert_eq!(change.reasons["sarcasm"], NowAndThen { now: 0.0, then: 7.0 });
        assert_eq!(change.reasons["ambiguous"], NowAndThen { now: 6.5, then: 0.0 });
        // 3 · 100 + 1.5 · 40, over the 6.5 that were escalated, the cached ones included.
        assert_eq!(change.cost_now_usd, Usd::from_pico(360));
        assert_eq!(change.cost_basis, CostBasis::LoggedMean);
        let then = 300.0 + 4.0 * 360.0 / 6.5;
        assert_eq!(change.cost_then_usd, Some(Usd::from_pico(f64::round(then) as i64)));
    }

    #[test]
    fn without_a_known_cost_the_price_counts_and_without_a_price_nothing_is_invented() {
        let rows = [bought(0.9, None, 1.0), plain(0.6, 2.0)];
        let by_price = change(&rows, Some(50));
        assert_eq!(by_price.cost_basis, CostBasis::Price);
        assert_eq!(by_price.cost_then_usd, Some(Usd::from_pico(100)));
        assert_eq!((by_price.cost_now_usd, by_price.cost_unknown_now), (Usd::ZERO, 1.0));
        let unknown = change(&rows, None);
        assert_eq!((unknown.cost_basis, unknown.cost_then_usd), (CostBasis::Unknown, None));
    }

    #[test]
    fn chance_and_callers_ask_as_before_and_names_of_later_versions_are_left_out() {
        let sampled =
            LoggedSignals { reasons: vec!["sampled".into()], ..bought(0.1, Some(1), 1.0) };
        let requested = LoggedSignals {
            route: "llm".into(),
            reasons: vec!["requested".into()],
            ..bought(0.1, Some(1), 1.0)
        };
        let local = LoggedSignals { route: "local".into(), ..plain(0.9, 1.0) };
        let later = LoggedSignals { task: "irony".into(), ..plain(0.9, 1.0) };
        let change = change(&[sampled, requested, local, later], None);
        assert_eq!((change.texts, change.escalated_now, change.escalated_then), (3.0, 2.0, 2.0));
        assert_eq!((change.newly_escalated, change.no_longer_escalated), (0.0, 0.0));
    }
}
