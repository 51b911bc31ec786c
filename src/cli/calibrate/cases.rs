//! What is known of each text: its signals, whether the local verdict is right, whether the LLM's is, and
//! what asking costs.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};

use crate::app::{
    App, Asking, BoughtAnswer, Hint, Interviewer, KeptAnswers, Reading, SharedApp, recall,
};
use crate::cli::evaluate::{progress, unread};
use crate::evaluation::{Case, Dataset, Prediction, Subject, right};
use crate::pricing::Usd;
use crate::sentiment::Reason;

/// Texts that wait for each session, so that none is ever idle.
const TEXTS_A_SESSION: usize = 4;

/// Stands for a call of unknown price: the fewest calls are then the cheapest.
const A_CALL: Usd = Usd::from_pico(1);

/// Who answers what is escalated, and how far that is known.
#[derive(Clone, Debug)]
pub struct Answerer {
    /// `provider/model`; `None`: no provider is configured.
    pub model: Option<String>,
    /// Texts whose answer was bought before, and how many of those answers are right; one that the model
    /// refused leaves the local verdict.
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

pub async fn of(
    app: &SharedApp,
    dataset: &Dataset,
    llm_accuracy: f64,
) -> anyhow::Result<(Vec<Case>, Answerer)> {
    let readings = read(app, dataset).await?;
    let predictions: Vec<Prediction> =
        readings.iter().map(|one| Prediction::of(dataset.subject, &one.verdict)).collect();
    let local = right(dataset, &predictions);
    let model = app.interviewer(None, None)?;
    let answers = match &model {
        Some(model) => kept(app, model, dataset, &readings).await?,
        None => vec![None; readings.len()],
    };
    let llm = llm_right(dataset, &predictions, &answers);
    let costs = costs(model.as_ref(), dataset, &answers);
    let answerer = Answerer {
        model: model.map(|model| format!("{}/{}", model.provider(), model.model())),
        measured: llm.iter().flatten().count(),
        measured_right: llm.iter().flatten().filter(|is| **is).count(),
        assumed_accuracy: llm_accuracy,
        has_price: costs.is_some(),
    };
    let cases = readings.iter().enumerate().map(|(at, reading)| Case {
        signals: reading.signals,
        doubt: doubt(dataset.subject, reading),
        local: local[at],
        llm: llm[at].map_or(llm_accuracy, |is| f64::from(u8::from(is))),
        cost: costs.as_ref().map_or(A_CALL, |costs| costs[at]),
    });
    Ok((cases.collect(), answerer))
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

/// 1 less the margin between the two likeliest answers.
fn doubt(subject: Subject, reading: &Reading) -> f32 {
    match subject {
        Subject::Sentiment => 1.0 - reading.verdict.scores.margin(),
        Subject::Sarcasm => 1.0 - (2.0 * reading.verdict.sarcasm.0 - 1.0).abs(),
        Subject::Emotions | Subject::Aspects => reading.signals.ambiguous,
    }
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
