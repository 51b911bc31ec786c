//! Answers of an LLM to the texts of a file: those that earlier evaluations bought, and those that
//! are missing, bought within the run's ceiling.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures::{StreamExt, stream};
use indicatif::ProgressBar;

use crate::app::{Asking, BoughtAnswer, FailureKind, Hint, Interviewer, KeptAnswers, recall};
use crate::cli::ceiling::Ceiling;
use crate::evaluation::Dataset;
use crate::pricing::{Caller, Usd};

/// The most calls that are made one at a time, to see how long one takes that has the line to itself;
/// never more than half, so that the rest shows how many go at once.
const MOST_ALONE: usize = 50;

/// However many calls may be in the air.
const AT_ONCE_LIMIT: usize = 64;

/// What a run may spend, and on whose behalf.
pub struct Purse {
    pub ceiling: Option<Ceiling>,
    /// Names the run on the ledger.
    pub run: String,
    pub team: Option<String>,
    spent: Mutex<Usd>,
}

/// A text that an LLM is to be asked about, by its place in the file.
pub struct Wanted {
    pub at: usize,
    pub hint: Option<Hint>,
}

/// What became of those that were wanted.
pub struct Bought {
    /// In their order; `None`: nobody answered.
    pub answers: Vec<Option<BoughtAnswer>>,
    /// Calls that brought an answer in this run.
    pub bought: usize,
    /// Texts whose answer an earlier call had brought.
    pub reused: usize,
    /// Of the calls that were made at once.
    pub texts_per_second: Option<f64>,
    /// Texts for which the ceiling left nothing.
    pub over_ceiling: usize,
    /// Texts that nobody answered for another reason.
    pub troubles: BTreeMap<&'static str, usize>,
}

/// Why a text has no answer.
enum Missed {
    OverCeiling,
    Trouble(FailureKind),
}

impl Purse {
    pub fn new(limit: Option<Usd>, team: Option<String>) -> Purse {
        Purse {
            ceiling: limit.map(|limit| Ceiling::new(limit, Usd::ZERO)),
            run: uuid::Uuid::now_v7().to_string(),
            team,
            spent: Mutex::new(Usd::ZERO),
        }
    }

    /// What is known to have been spent in this run.
    pub fn spent(&self) -> Usd {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pay(&self, cost: Option<Usd>) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        *spent = *spent + cost.unwrap_or_default();
    }

    fn caller(&self, at: usize) -> Caller {
        let mut tags = BTreeMap::from([("command".to_owned(), "evaluate".to_owned())]);
        tags.extend(self.team.iter().map(|team| ("team".to_owned(), team.clone())));
        Caller {
            request_id: format!("{}-{at}", self.run),
            key_id: None,
            team: self.team.clone(),
            tags,
        }
    }
}

/// Puts together what was kept and buys what is missing. Texts are asked about in the order of their
/// hashes: a file may be sorted by label, and what a ceiling leaves out should be nothing of a kind.
pub async fn ask_all(
    model: &Interviewer,
    dataset: &Dataset,
    wanted: &[Wanted],
    purse: &Purse,
    bar: &ProgressBar,
) -> anyhow::Result<Bought> {
    let task = dataset.subject.task();
    let asking = |wanted: &Wanted| Asking {
        task,
        text: &dataset.examples[wanted.at].text,
        hint: wanted.hint.clone(),
    };
    let kept = model.kept(task).await?;
    let questions: Vec<String> =
        wanted.iter().map(|wanted| model.question(&asking(wanted))).collect();
    // Equal texts are one question.
    let missing: BTreeMap<&str, &Wanted> = questions
        .iter()
        .zip(wanted)
        .filter(|(question, _)| !kept.contains_key(*question))
        .map(|(question, wanted)| (question.as_str(), wanted))
        .collect();
    let missing: Vec<(&str, &Wanted)> = match model.has_key() {
        true => missing.into_iter().collect(),
        false => Vec::new(),
    };
    bar.set_length((wanted.len() + missing.len()) as u64);
    let buy = async |question: &str, wanted: &Wanted, alone: bool| {
        let result = one(model, &asking(wanted), purse, purse.caller(wanted.at), alone).await;
        bar.set_message(format!("${}", purse.spent()));
        bar.inc(1);
        (question.to_owned(), result)
    };
    // Where texts share calls, none is asked about alone: it is the shared answers that are measured.
    let most_alone = if model.texts_per_call() > 1 { 0 } else { MOST_ALONE };
    let (alone, together) = missing.split_at(missing.len().div_ceil(2).min(most_alone));
    let mut results = Vec::with_capacity(missing.len());
    for (question, wanted) in alone {
        results.push(buy(question, wanted, true).await);
    }
    let at_once = model.max_concurrent().min(AT_ONCE_LIMIT * model.texts_per_call());
    let started = Instant::now();
    let quick: Vec<_> = stream::iter(together)
        .map(|(question, wanted)| buy(question, wanted, false))
        .buffer_unordered(at_once)
        .collect()
        .await;
    let answered = quick.iter().filter(|(_, result)| result.is_ok()).count();
    let texts_per_second =
        (answered > 0).then(|| answered as f64 / started.elapsed().as_secs_f64().max(1e-9));
    results.extend(quick);
    let results = results.into_iter().collect();
    let bought = put_together(dataset, wanted, &questions, &kept, results, bar);
    Ok(Bought { texts_per_second, ..bought })
}

/// One call, for which money is set aside first where there is a ceiling.
async fn one(
    model: &Interviewer,
    asking: &Asking<'_>,
    purse: &Purse,
    caller: Caller,
    alone: bool,
) -> Result<BoughtAnswer, Missed> {
    let allowed = match &purse.ceiling {
        Some(ceiling) => match ceiling.allow(model.worst_attempt(asking.task, asking.text)).await {
            Usd::ZERO => return Err(Missed::OverCeiling),
            allowed => Some(allowed),
        },
        None => None,
    };
    let result = model.buy(asking, caller, allowed, alone).await;
    let cost = match &result {
        Ok(answer) => answer.cost,
        Err(unanswered) => unanswered.cost,
    };
    if let (Some(ceiling), Some(allowed)) = (&purse.ceiling, allowed) {
        ceiling.settle(allowed, cost);
    }
    purse.pay(cost);
    result.map_err(|unanswered| match unanswered.kind {
        FailureKind::OverBudget => Missed::OverCeiling,
        kind => Missed::Trouble(kind),
    })
}

fn put_together(
    dataset: &Dataset,
    wanted: &[Wanted],
    questions: &[String],
    kept: &KeptAnswers,
    results: BTreeMap<String, Result<BoughtAnswer, Missed>>,
    bar: &ProgressBar,
) -> Bought {
    let mut bought = Bought {
        answers: Vec::with_capacity(wanted.len()),
        bought: results.values().filter(|result| result.is_ok()).count(),
        reused: 0,
        texts_per_second: None,
        over_ceiling: 0,
        troubles: BTreeMap::new(),
    };
    for (question, wanted) in questions.iter().zip(wanted) {
        let text = &dataset.examples[wanted.at].text;
        let kept = kept.get(question).and_then(|kept| recall(kept, text));
        bought.reused += usize::from(kept.is_some());
        let answer = kept.or_else(|| match results.get(question)? {
            Ok(answer) => Some(answer.clone()),
            Err(Missed::OverCeiling) => {
                bought.over_ceiling += 1;
                None
            }
            Err(Missed::Trouble(kind)) => {
                *bought.troubles.entry(kind.name()).or_default() += 1;
                None
            }
        });
        bought.answers.push(answer);
        bar.inc(1);
    }
    bought
}

impl Bought {
    /// Texts without an answer.
    pub fn missed(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_none()).count()
    }

    /// What the answers cost whose cost is known, and how many those are.
    pub fn cost(&self) -> (Usd, usize) {
        let known: Vec<Usd> =
            self.answers.iter().flatten().filter_map(|answer| answer.cost).collect();
        (known.iter().copied().sum(), known.len())
    }

    /// Milliseconds of the calls that had the line to themselves.
    pub fn alone(&self) -> impl Iterator<Item = f64> {
        let alone = self.answers.iter().flatten().filter(|answer| answer.alone);
        alone.map(|answer| answer.latency.as_secs_f64() * 1e3)
    }

    /// What is to be known of these answers.
    pub fn notes(&self, model: &Interviewer) -> Vec<String> {
        let mut notes = Vec::new();
        let (asked, missed) = (self.answers.len(), self.missed());
        if missed > 0 && model.has_key() {
            let mut reasons: Vec<String> =
                self.troubles.iter().map(|(name, count)| format!("{count} {name}")).collect();
            if self.over_ceiling > 0 {
                reasons
                    .push(format!("{} over --max-cost-usd, or without a price", self.over_ceiling));
            }
            notes.push(format!(
                "{missed} of {asked} texts have no answer of {}: {}",
                model.model(),
                reasons.join(", ")
            ));
        }
        let failed = self.answers.iter().flatten().filter(|answer| answer.verdict.is_err()).count();
        if failed > 0 {
            notes.push(format!("{failed} answers were refusals, cut off or of another form"));
        }
        let unpriced = asked - missed - self.cost().1;
        if unpriced > 0 {
            notes.push(format!(
                "what {unpriced} answers cost is not known (`undertone costs open`): the cost is the \
                 mean of the others"
            ));
        }
        if model.texts_per_call() > 1 {
            notes.push(format!(
                "up to {} texts share a call (llm.texts_per_call): how long one takes by itself is not \
                 measured",
                model.texts_per_call()
            ));
        }
        if self.reused > 0 {
            notes.push(format!(
                "{} answers of {} were bought by earlier evaluations: cost and latency are as they \
                 were then",
                self.reused,
                model.model()
            ));
        }
        notes
    }
}
