//! What is known of each text: its signals, whether the local verdict is right, whether the LLM's is, and
//! what asking costs.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};

use crate::app::{
    App, Asking, BoughtAnswer, Hint, Interviewer, KeptAnswers, Reading, SharedApp, recall,
};
use crate::cli::answers::{Bill, ModelAnswers, RecordedAnswers};
use crate::cli::evaluate::{progress, unread};
use crate::evaluation::{Basis, Case, Dataset, Prediction, Recorded, margin_doubts, right};
use crate::pricing::Usd;
use crate::sentiment::Reason;

/// Texts that wait for each session, so that none is ever idle.
const TEXTS_A_SESSION: usize = 4;

/// Stands for a call of unknown price: the fewest calls are then the cheapest.
const A_CALL: Usd = Usd::from_pico(1);

/// Who answers what is escalated, and how far that is known.
#[derive(Clone, Debug)]
pub struct Answerer {
    /// `provider/model`, or the model's name alone where its answers are recorded; `None`: no provider is
    /// configured.
    pub model: Option<String>,
    /// Where the answers are recorded ones.
    pub recorded: Option<Recorded>,
    /// How the costs are known, a sentence each, where they are those of recorded answers.
    pub cost_notes: Vec<String>,
    pub cost_basis: Basis,
    /// Texts whose answer was bought before or recorded, and how many of those answers are right; one
    /// that the model refused leaves the local verdict.
    pub measured: usize,
    pub measured_right: usize,
    /// How often it is taken to be right about the others.
    pub assumed_accuracy: f64,
    pub has_price: bool,
}

impl Answerer {
    pub fn measured_accuracy(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.measured_right as f64 / self.measured as f64)
    }
}

/// What the LLM says of each text and what asking costs, as far as either is known.
struct Upper {
    /// Whether it is right; `None`: it was not asked.
    right: Vec<Option<bool>>,
    /// `None` without a price to tell by.
    costs: Option<Vec<Usd>>,
    model: Option<String>,
    recorded: Option<Recorded>,
    cost_notes: Vec<String>,
    cost_basis: Basis,
}

/// `recorded` are the answers to go by, with the model that gave them; without them those that earlier
/// evaluations bought are.
pub async fn of(
    app: &SharedApp,
    dataset: &Dataset,
    recorded: Option<(&RecordedAnswers, &ModelAnswers)>,
    llm_accuracy: f64,
) -> anyhow::Result<(Vec<Case>, Answerer)> {
    let readings = read(app, dataset).await?;
    let predictions: Vec<Prediction> =
        readings.iter().map(|one| Prediction::of(dataset.subject, &one.verdict)).collect();
    let local = right(dataset, &predictions);
    let upper = match recorded {
        Some((all, answers)) => of_recorded(app, dataset, &predictions, all, answers),
        None => of_bought(app, dataset, &predictions, &readings).await?,
    };
    let answerer = Answerer {
        model: upper.model,
        recorded: upper.recorded,
        cost_notes: upper.cost_notes,
        cost_basis: upper.cost_basis,
        measured: upper.right.iter().flatten().count(),
        measured_right: upper.right.iter().flatten().filter(|is| **is).count(),
        assumed_accuracy: llm_accuracy,
        has_price: upper.costs.is_some(),
    };
    let margins = margin_doubts(dataset, &predictions);
    let cases = readings.iter().enumerate().map(|(at, reading)| Case {
        signals: reading.signals,
        doubt: margins.as_ref().map_or(reading.signals.ambiguous, |margins| margins[at] as f32),
        local: local[at],
        llm: upper.right[at].map_or(llm_accuracy, |is| f64::from(u8::from(is))),
        cost: upper.costs.as_ref().map_or(A_CALL, |costs| costs[at]),
    });
    Ok((cases.collect(), answerer))
}

fn of_recorded(
    app: &App,
    dataset: &Dataset,
    local: &[Prediction],
    all: &RecordedAnswers,
    answers: &ModelAnswers,
) -> Upper {
    let places: Vec<usize> = (0..dataset.examples.len()).collect();
    let said: Vec<Option<&Prediction>> =
        answers.answers.iter().map(|answer| answer.as_ref().map(|answer| &answer.said)).collect();
    let last: Vec<Prediction> = said
        .iter()
        .zip(local)
        .map(|(said, local)| match said {
            Some(Prediction::Nothing) | None => local.clone(),
            Some(said) => (*said).clone(),
        })
        .collect();
    let is_right = right(dataset, &last);
    let bill = Bill::of(app, dataset, answers, &places);
    Upper {
        right: said.iter().zip(is_right).map(|(said, is)| said.map(|_| is)).collect(),
        costs: bill.costs.iter().copied().collect(),
        model: Some(answers.model.clone()),
        recorded: Some(answers.recorded(&all.about, &places)),
        cost_notes: bill.notes(),
        cost_basis: bill.basis(),
    }
}

async fn of_bought(
    app: &App,
    dataset: &Dataset,
    local: &[Prediction],
    readings: &[Reading],
) -> anyhow::Result<Upper> {
    let model = app.interviewer(None, None)?;
    let answers = match &model {
        Some(model) => kept(app, model, dataset, readings).await?,
        None => vec![None; readings.len()],
    };
    let costs = costs(model.as_ref(), dataset, &answers);
    let is_paid = |answer: &BoughtAnswer| answer.cost.is_some();
    let all_paid = answers.iter().all(|answer| answer.as_ref().is_some_and(is_paid));
    Ok(Upper {
        right: llm_right(dataset, local, &answers),
        cost_basis: match &costs {
            None => Basis::Unknown,
            Some(_) if all_paid => Basis::Measured,
            Some(_) => Basis::Projected,
        },
        costs,
        model: model.map(|model| format!("{}/{}", model.provider(), model.model())),
        recorded: None,
        cost_notes: Vec::new(),
    })
}

/// Reads all texts, as fast as it goes.
async fn read(app: &App, dataset: &Dataset) -> anyhow::Result<Vec<Reading>> {
    let task = dataset.subject.task();
    let config = &app.config().classifier;
    let at_once = (config.sessions() * TEXTS_A_SESSION).min(config.queue).max(1);
    let bar = progress::bar("reading", dataset.examples.len());
    let read = async |at: usize| {
        let reading = app.read(task, dataset.examples[at].text.clone()).await;
        bar.inc(1);
        reading.with_context(|| unread(at))
    };
    let texts = stream::iter(0..dataset.examples.len());
    let readings: Vec<Reading> = texts.map(read).buffered(at_once).try_collect().await?;
    bar.finish_and_clear();
    Ok(readings)
}

/// The answers that earlier evaluations bought: of those that were told of the local verdict, as the
/// gateway does it, the one with the reasons that now hold; else whatever was told.
async fn kept(
    app: &App,
    model: &Interviewer,
    dataset: &Dataset,
    readings: &[Reading],
) -> anyhow::Result<Vec<Option<BoughtAnswer>>> {
    let task = dataset.subject.task();
    let kept: KeptAnswers = model.kept(task).await?;
    if kept.is_empty() {
        return Ok(vec![None; readings.len()]);
    }
    let thresholds = app.thresholds(task);
    let answer = |(at, reading): (usize, &Reading)| {
        let text = &*dataset.examples[at].text;
        let now = reading.signals.reasons(&thresholds);
        let told = std::iter::once(now).chain(all_reasons());
        let hints = told.map(|reasons| Some(Hint::of(&reading.verdict.scores, reasons)));
        hints.chain([None]).find_map(|hint| {
            let question = model.question(&Asking { task, text, hint });
            recall(kept.get(&question)?, text)
        })
    };
    Ok(readings.iter().enumerate().map(answer).collect())
}

/// Whatever thresholds were in force: each choice of reasons, in the order in which signals give them.
fn all_reasons() -> impl Iterator<Item = Vec<Reason>> {
    const REASONS: [Reason; 4] =
        [Reason::Sarcasm, Reason::Ambiguous, Reason::MultiAspect, Reason::OutOfDomain];
    (1u8..16).map(|chosen| {
        let each = REASONS.into_iter().enumerate();
        each.filter_map(|(bit, reason)| (chosen >> bit & 1 == 1).then_some(reason)).collect()
    })
}

/// Whether the LLM is right, where its answer is known. Where it had none, the local verdict stands.
fn llm_right(
    dataset: &Dataset,
    local: &[Prediction],
    answers: &[Option<BoughtAnswer>],
) -> Vec<Option<bool>> {
    let said = answers.iter().zip(local).map(|(answer, local)| {
        match answer.as_ref().map(|answer| &answer.verdict) {
            Some(Ok(verdict)) => Prediction::of(dataset.subject, verdict),
            _ => local.clone(),
        }
    });
    let is_right = right(dataset, &said.collect::<Vec<_>>());
    answers.iter().zip(is_right).map(|(answer, is)| answer.as_ref().map(|_| is)).collect()
}

/// What asking costs: as it did, else as it is estimated. `None` where there is no price to tell by.
fn costs(
    model: Option<&Interviewer>,
    dataset: &Dataset,
    answers: &[Option<BoughtAnswer>],
) -> Option<Vec<Usd>> {
    let task = dataset.subject.task();
    let texts = dataset.examples.iter().zip(answers);
    let cost = |text: &str, answer: &Option<BoughtAnswer>| {
        let paid = answer.as_ref().and_then(|answer| answer.cost);
        paid.or_else(|| Some(model?.estimate(task, text)?.likely))
    };
    texts.map(|(example, answer)| cost(&example.text, answer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_reasons_is_tried_once() {
        let mut all: Vec<Vec<Reason>> = all_reasons().collect();
        assert_eq!(all.len(), 15);
        assert!(all.contains(&vec![Reason::Sarcasm, Reason::MultiAspect]));
        all.sort_by_key(|reasons| reasons.iter().map(|one| one.name()).collect::<Vec<_>>());
        all.dedup();
        assert_eq!(all.len(), 15);
    }
}
