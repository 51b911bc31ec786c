//! Strategies whose answers somebody else has recorded: as readers of their own, and as the upper tier
//! of the cascade. Nobody is asked and nothing is bought.

use super::buying::Wanted;
use super::cascade::{Said, UpperTier};
use super::run::{Run, share_of};
use crate::cli::answers::{Bill, ModelAnswers, RecordedAnswers};
use crate::evaluation::{Cost, Latency, Measured, Prediction, Recorded, Timing, per_thousand};
use crate::pricing::Usd;

impl Run<'_> {
    /// As a reader of its own: a text without an answer counts as wrong.
    pub fn recorded(&self, model: &str) -> anyhow::Result<Measured> {
        let (_, answers) = self.answers_of(model)?;
        let places: Vec<usize> = (0..self.dataset.examples.len()).collect();
        let said = answers.answers.iter().map(|answer| {
            Some(answer.as_ref().map_or(Prediction::Nothing, |answer| answer.said.clone()))
        });
        let recorded = self.recorded_at(model, &places)?;
        let mut notes = vec![from(&recorded)];
        if recorded.answered < places.len() {
            notes.push(format!(
                "{}, of {} texts; they count as wrong",
                unanswered(&recorded),
                places.len()
            ));
        }
        let milliseconds: Vec<Option<f64>> =
            places.iter().map(|at| answers.answers[*at].as_ref()?.milliseconds).collect();
        let (cost, more) = self.bill(answers, &places);
        notes.extend(more);
        notes.extend(timed(&milliseconds));
        Ok(Measured {
            escalated: 1.0,
            latency: Latency::of(milliseconds.into_iter().flatten().map(Timing::of).collect()),
            cost,
            compute_per_1k: Some(Usd::ZERO),
            recorded: Some(recorded),
            notes,
            ..self.of_predictions(&said.collect::<Vec<_>>())
        })
    }

    /// As what the cascade escalates to: a text without an answer has the local verdict.
    pub fn recorded_tier(&self, model: &str, wanted: &[Wanted]) -> anyhow::Result<UpperTier> {
        let (_, answers) = self.answers_of(model)?;
        let places: Vec<usize> = wanted.iter().map(|wanted| wanted.at).collect();
        let of = |at: &usize| answers.answers[*at].as_ref();
        let said = places.iter().map(|at| match of(at).map(|answer| &answer.said) {
            None | Some(Prediction::Nothing) => Said::Nothing,
            Some(said) => Said::Answer(said.clone()),
        });
        let recorded = self.recorded_at(model, &places)?;
        let mut notes = vec![from(&recorded)];
        if recorded.answered < places.len() {
            notes.push(format!(
                "{}, of {} escalated ones; the local verdict stands, as at the gateway",
                unanswered(&recorded),
                places.len()
            ));
        }
        let milliseconds: Vec<Option<f64>> = places.iter().map(|at| of(at)?.milliseconds).collect();
        let (cost, more) = self.bill(answers, &places);
        notes.extend(more);
        notes.extend(timed(&milliseconds));
        Ok(UpperTier {
            said: said.collect(),
            milliseconds,
            texts_per_second: None,
            cost,
            bought: 0,
            reused: 0,
            recorded: Some(recorded),
            notes,
            is_partial: false,
        })
    }

    pub fn recorded_at(&self, model: &str, places: &[usize]) -> anyhow::Result<Recorded> {
        let (all, answers) = self.answers_of(model)?;
        Ok(answers.recorded(&all.about, places))
    }

    fn answers_of(&self, model: &str) -> anyhow::Result<(&RecordedAnswers, &ModelAnswers)> {
        let all = self.answers.expect("a strategy with recorded answers has the file");
        Ok((all, all.of(model, "--strategies")?))
    }

    /// What the answers to the texts at these places cost for a thousand of all texts, the mean of those
    /// that there are standing for the others; and how that is known.
    fn bill(&self, answers: &ModelAnswers, places: &[usize]) -> (Cost, Vec<String>) {
        let given: Vec<usize> =
            places.iter().copied().filter(|at| answers.answers[*at].is_some()).collect();
        let bill = Bill::of(self.app, self.dataset, answers, &given);
        let (total, known) = bill.total();
        let share = places.len() as f64 / self.dataset.examples.len().max(1) as f64;
        let per_1k = per_thousand(total, known).map(|mean| share_of(mean, share));
        (Cost { per_1k, basis: bill.basis() }, bill.notes())
    }
}

/// Where the answers come from.
fn from(recorded: &Recorded) -> String {
    let Recorded { model, file, .. } = recorded;
    format!("the answers of {model} are recorded ones, from {file}; nobody was asked")
}

/// How many texts have no usable answer, and why.
fn unanswered(recorded: &Recorded) -> String {
    let Recorded { missing, unusable, .. } = recorded;
    format!("texts without a recorded answer: {missing}, with an empty one: {unusable}")
}

/// Where only some of the answers were timed.
fn timed(milliseconds: &[Option<f64>]) -> Option<String> {
    let known = milliseconds.iter().flatten().count();
    (known > 0 && known < milliseconds.len())
        .then(|| format!("the latency is that of the {known} answers for which it is recorded"))
}
