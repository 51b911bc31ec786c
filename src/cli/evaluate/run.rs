//! What a strategy makes of the file, and what is known of it afterwards.

use super::buying::{self, Bought, Purse, Wanted};
use super::locally::{self, Locally};
use super::strategies::{Reader, Strategy, folder};
use super::{lexicon, progress};
use crate::app::{BoughtAnswer, CallEstimate, Classifier, Hint, Interviewer, SharedApp};
use crate::cli::arguments::usage;
use crate::evaluation::{
    Basis, Cost, Dataset, Latency, Measured, Prediction, Subject, Timing, per_thousand, quality,
};
use crate::pricing::Usd;

/// Texts that wait for each session of a local model: enough that none is ever idle.
const TEXTS_A_SESSION: usize = 4;

/// The file and all that is read only once, whatever the number of strategies.
pub struct Run<'a> {
    pub app: &'a SharedApp,
    pub dataset: &'a Dataset,
    pub purse: &'a Purse,
    /// What the configured model made of it.
    local: Option<Locally>,
}

impl<'a> Run<'a> {
    pub fn new(app: &'a SharedApp, dataset: &'a Dataset, purse: &'a Purse) -> Run<'a> {
        Run { app, dataset, purse, local: None }
    }

    pub async fn measure(&mut self, strategy: &Strategy) -> anyhow::Result<Measured> {
        match &strategy.reader {
            Reader::Lexicon => Ok(self.lexicon(&strategy.typed)),
            Reader::Local(None) => {
                self.read_locally(&strategy.typed).await?;
                let local = self.local.as_ref().expect("it has just been read");
                Ok(self.of_local(local))
            }
            Reader::Local(Some(name)) => {
                let model = self.app.open_model(&folder(name, self.app.config())?).await?;
                Ok(self.of_local(&self.read(&model, &strategy.typed).await?))
            }
            Reader::Cascade => self.cascade(&strategy.typed).await,
            Reader::Llm { provider, model } => {
                let model = self.app.interviewer(*provider, model.as_deref())?;
                let model = model.ok_or_else(no_provider)?;
                self.llm(&strategy.typed, &model).await
            }
        }
    }

    fn lexicon(&self, typed: &str) -> Measured {
        let bar = progress::bar(typed, self.dataset.examples.len());
        let read = lexicon::read(self.dataset, self.app.config().classifier.sessions(), &bar);
        bar.finish_and_clear();
        let predictions: Vec<_> = read.predictions.into_iter().map(Some).collect();
        Measured {
            latency: read.latency,
            throughput_per_s: Some(read.speed.texts_per_second),
            compute_per_1k: Some(self.compute(read.speed)),
            ..self.of_predictions(&predictions)
        }
    }

    /// The configured model's readings, which `local` and `cascade` share.
    pub async fn read_locally(&mut self, typed: &str) -> anyhow::Result<()> {
        if self.local.is_none() {
            self.local = Some(self.read(self.app.classifier(), typed).await?);
        }
        Ok(())
    }

    async fn read(&self, model: &Classifier, typed: &str) -> anyhow::Result<Locally> {
        let bar = progress::bar(typed, self.dataset.examples.len());
        let read = locally::read(model, self.dataset, self.at_once(), &bar).await;
        bar.finish_and_clear();
        read
    }

    /// How many texts may wait for a local model.
    pub fn at_once(&self) -> usize {
        let config = &self.app.config().classifier;
        (config.sessions() * TEXTS_A_SESSION).min(config.queue)
    }

    fn of_local(&self, local: &Locally) -> Measured {
        let predictions: Vec<_> = self.local_predictions(local).into_iter().map(Some).collect();
        Measured {
            latency: local.latency(),
            throughput_per_s: Some(local.speed.texts_per_second),
            compute_per_1k: Some(self.compute(local.speed)),
            ..self.of_predictions(&predictions)
        }
    }

    async fn llm(&self, typed: &str, model: &Interviewer) -> anyhow::Result<Measured> {
        let texts = self.dataset.examples.len();
        let wanted: Vec<Wanted> = (0..texts).map(|at| Wanted { at, hint: None }).collect();
        let bar = progress::bar(typed, texts);
        let bought = buying::ask_all(model, self.dataset, &wanted, self.purse, &bar).await;
        bar.finish_and_clear();
        let bought = bought?;
        let predictions = answers(self.dataset.subject, &bought);
        let mut notes = self.unmeasured(model, &bought);
        let missed = bought.missed();
        if missed > 0 && missed < texts {
            let measured = texts - missed;
            notes.push(format!(
                "the quality is that of the {measured} texts which were answered, not of all {texts}"
            ));
        }
        Ok(Measured {
            escalated: 1.0,
            latency: Latency::of(bought.alone().map(Timing::of).collect()),
            throughput_per_s: bought.texts_per_second,
            cost: self.cost(model, &bought, &wanted, texts),
            // An LLM's own is in its price, and what a call takes here is next to nothing.
            compute_per_1k: Some(Usd::ZERO),
            bought: bought.bought,
            reused: bought.reused,
            notes,
            is_partial: missed > 0 && model.has_key(),
            ..self.of_predictions(&predictions)
        })
    }

    async fn cascade(&mut self, typed: &str) -> anyhow::Result<Measured> {
        self.read_locally(typed).await?;
        let local = self.local.as_ref().expect("it has just been read");
        let own = self.local_predictions(local);
        let wanted = self.escalated(local);
        let plain = self.of_local(local);
        if wanted.is_empty() {
            return Ok(Measured { notes: vec!["no text is escalated".into()], ..plain });
        }
        let Some(model) = self.app.interviewer(None, None)? else { return Err(no_provider()) };
        let bar = progress::bar(typed, wanted.len());
        let bought = buying::ask_all(&model, self.dataset, &wanted, self.purse, &bar).await;
        bar.finish_and_clear();
        let bought = bought?;

        // Where nobody answered, the worst and the best that somebody could have.
        let (mut lower, mut upper) = (own.clone(), own);
        for (wanted, answer) in wanted.iter().zip(&bought.answers) {
            let at = wanted.at;
            match answer.as_ref().map(|answer| &answer.verdict) {
                Some(Ok(verdict)) => {
                    lower[at] = Prediction::of(self.dataset.subject, verdict);
                    upper[at] = lower[at].clone();
                }
                // The gateway then gives the local verdict.
                Some(Err(_)) => {}
                None => upper[at] = Prediction::right(&self.dataset.examples[at].truth),
            }
        }
        let all = |predictions: Vec<Prediction>| -> Vec<Option<Prediction>> {
            predictions.into_iter().map(Some).collect()
        };
        let missed = bought.missed();
        let measured = self.of_predictions(&all(lower.clone()));
        let band = match missed {
            0 => None,
            _ => quality(self.dataset, &all(lower)).zip(quality(self.dataset, &all(upper))),
        };
        let share = wanted.len() as f64 / self.dataset.examples.len() as f64;
        let mut notes = self.unmeasured(&model, &bought);
        if missed > 0 {
            notes.push(format!(
                "the quality lies between that with an LLM no better than the local model on the \
                 {missed} texts without an answer and that with one that is always right"
            ));
        }
        Ok(Measured {
            quality: measured.quality.filter(|_| missed == 0),
            band,
            texts: self.dataset.examples.len() - missed,
            escalated: share,
            latency: mixed_latency(local, &wanted, &bought),
            throughput_per_s: bought.texts_per_second.map(|llm| {
                // Both parts work at once: the slower one sets the pace.
                local.speed.texts_per_second.min(llm / share)
            }),
            cost: self.cost(&model, &bought, &wanted, self.dataset.examples.len()),
            compute_per_1k: plain.compute_per_1k,
            bought: bought.bought,
            reused: bought.reused,
            notes,
            is_partial: missed > 0 && model.has_key(),
        })
    }

    /// The texts that the gateway would ask an LLM about, with what it would tell.
    fn escalated(&self, local: &Locally) -> Vec<Wanted> {
        let wanted = local.readings.iter().enumerate().filter_map(|(at, reading)| {
            let text = &self.dataset.examples[at].text;
            let task = self.dataset.subject.task();
            let reasons = self.app.reasons(task, text, &reading.signals);
            let is_asked = !reasons.is_empty();
            is_asked.then(|| Wanted { at, hint: Some(Hint::of(&reading.verdict.scores, reasons)) })
        });
        wanted.collect()
    }

    /// The same of the configured model's readings, once they are there.
    pub fn escalated_texts(&self) -> Vec<Wanted> {
        self.local.as_ref().map(|local| self.escalated(local)).unwrap_or_default()
    }

    fn local_predictions(&self, local: &Locally) -> Vec<Prediction> {
        let subject = self.dataset.subject;
        local.readings.iter().map(|reading| Prediction::of(subject, &reading.verdict)).collect()
    }

    /// What is known of a reader of which nothing is known but what it said.
    fn of_predictions(&self, predictions: &[Option<Prediction>]) -> Measured {
        Measured {
            quality: quality(self.dataset, predictions),
            band: None,
            texts: predictions.iter().flatten().count(),
            escalated: 0.0,
            latency: None,
            throughput_per_s: None,
            cost: Cost::NONE,
            compute_per_1k: None,
            bought: 0,
            reused: 0,
            notes: Vec::new(),
            is_partial: false,
        }
    }

    fn compute(&self, speed: locally::Speed) -> Usd {
        speed.compute_per_1k(self.app.config().classifier.cpu_hour_usd)
    }

    /// What the calls for `wanted` cost for a thousand of all texts: the mean of the answers, else
    /// that of the estimates.
    fn cost(&self, model: &Interviewer, bought: &Bought, wanted: &[Wanted], texts: usize) -> Cost {
        let (total, known) = bought.cost();
        let of_all = |mean_1k: Usd| {
            let share = wanted.len() as f64 / texts.max(1) as f64;
            Usd::from_pico((mean_1k.pico() as f64 * share).round() as i64)
        };
        if known > 0 {
            return Cost { per_1k: per_thousand(total, known).map(of_all), basis: Basis::Measured };
        }
        let projected = projected(model, self.dataset, wanted)
            .and_then(|estimate| per_thousand(estimate.likely, texts));
        match projected {
            Some(per_1k) => Cost { per_1k: Some(per_1k), basis: Basis::Projected },
            None => Cost::UNKNOWN,
        }
    }

    /// Says whether the LLM's part is measured, and how sure it is.
    fn unmeasured(&self, model: &Interviewer, bought: &Bought) -> Vec<String> {
        let (provider, name) = (model.provider(), model.model());
        let mut notes = Vec::new();
        if bought.missed() > 0 && !model.has_key() {
            notes.push(format!(
                "{name} is not measured: {provider} has no key; its cost is projected from counted \
                 tokens"
            ));
        }
        notes.extend(bought.notes(model));
        notes
    }
}

/// What an LLM said of each text; `None` where it gave no answer.
pub fn answers(subject: Subject, bought: &Bought) -> Vec<Option<Prediction>> {
    let said = |answer: &Option<BoughtAnswer>| {
        Some(match &answer.as_ref()?.verdict {
            Ok(verdict) => Prediction::of(subject, verdict),
            Err(_) => Prediction::Nothing,
        })
    };
    bought.answers.iter().map(said).collect()
}

/// What all calls for these texts would cost; `None` without a price.
pub fn projected(
    model: &Interviewer,
    dataset: &Dataset,
    wanted: &[Wanted],
) -> Option<CallEstimate> {
    let task = dataset.subject.task();
    wanted.iter().map(|wanted| model.estimate(task, &dataset.examples[wanted.at].text)).sum()
}

/// Texts of both kinds in their true proportion: of the escalated ones only those that had the line
/// to themselves were timed, and stand for all of them.
fn mixed_latency(local: &Locally, wanted: &[Wanted], bought: &Bought) -> Option<Latency> {
    let is_alone = |answer: &&BoughtAnswer| answer.alone;
    let alone = bought.answers.iter().flatten().filter(is_alone).count();
    if alone == 0 {
        return None;
    }
    let weight = wanted.len() as f64 / alone as f64;
    let mut timings: Vec<Timing> = local.milliseconds.iter().copied().map(Timing::of).collect();
    for (wanted, answer) in wanted.iter().zip(&bought.answers) {
        let timing = &mut timings[wanted.at];
        match answer.as_ref().filter(is_alone) {
            Some(answer) => {
                timing.milliseconds += answer.latency.as_secs_f64() * 1e3;
                timing.weight = weight;
            }
            None => timing.weight = 0.0,
        }
    }
    Latency::of(timings)
}

pub fn no_provider() -> anyhow::Error {
    usage("--strategies", "llm and cascade need a provider: llm.providers names none")
}
