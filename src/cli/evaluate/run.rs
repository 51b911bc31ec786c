//! What a strategy makes of the file, and what is known of it afterwards.

use super::buying::{self, Bought, Purse, Wanted};
use super::locally::{self, Locally};
use super::strategies::{Reader, Strategy, folder};
use super::{lexicon, progress};
use crate::app::{BoughtAnswer, CallEstimate, Classifier, Interviewer, SharedApp};
use crate::cli::answers::RecordedAnswers;
use crate::cli::arguments::usage;
use crate::evaluation::{
    Basis, Cost, Dataset, Doubt, Latency, Measured, Prediction, Subject, Timing, per_thousand,
    quality,
};
use crate::pricing::Usd;

/// Texts that wait for each session of a local model: enough that none is ever idle.
const TEXTS_A_SESSION: usize = 4;

/// The file and all that is read only once, whatever the number of strategies.
pub struct Run<'a> {
    pub app: &'a SharedApp,
    pub dataset: &'a Dataset,
    pub purse: &'a Purse,
    /// Those of `--answers`.
    pub answers: Option<&'a RecordedAnswers>,
    /// What the configured model made of it.
    local: Option<Locally>,
}

impl<'a> Run<'a> {
    pub fn new(app: &'a SharedApp, dataset: &'a Dataset, purse: &'a Purse) -> Run<'a> {
        Run { app, dataset, purse, answers: None, local: None }
    }

    pub fn with_answers(self, answers: Option<&'a RecordedAnswers>) -> Run<'a> {
        Run { answers, ..self }
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
            Reader::Cascade { recorded, share } => {
                self.cascade(&strategy.typed, recorded.as_deref(), *share).await
            }
            Reader::Recorded(model) => self.recorded(model),
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

    pub fn of_local(&self, local: &Locally) -> Measured {
        let predictions = self.local_predictions(local);
        let doubt = self.doubt(local, &predictions);
        let predictions: Vec<_> = predictions.into_iter().map(Some).collect();
        Measured {
            doubt,
            latency: local.latency(),
            throughput_per_s: Some(local.speed.texts_per_second),
            compute_per_1k: Some(self.compute(local.speed)),
            ..self.of_predictions(&predictions)
        }
    }

    /// P(wrong) is about the answer to the task: of sarcasm alone the signals say no such thing.
    fn doubt(&self, local: &Locally, predictions: &[Prediction]) -> Option<Doubt> {
        let p_wrong = local.readings.iter().map(|reading| f64::from(reading.signals.ambiguous));
        match self.dataset.subject {
            Subject::Sarcasm => None,
            Subject::Sentiment | Subject::Emotions | Subject::Aspects => {
                Some(Doubt::of(self.dataset, predictions, &p_wrong.collect::<Vec<_>>()))
            }
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

    /// What the configured model made of the file, once it has read it.
    pub fn local(&self) -> Option<&Locally> {
        self.local.as_ref()
    }

    /// What the cascade would escalate of the configured model's readings, once they are there.
    pub fn escalated_texts(&self, share: Option<f64>) -> Vec<Wanted> {
        self.local.as_ref().map(|local| self.wanted(&local.readings, share)).unwrap_or_default()
    }

    pub fn local_predictions(&self, local: &Locally) -> Vec<Prediction> {
        let subject = self.dataset.subject;
        local.readings.iter().map(|reading| Prediction::of(subject, &reading.verdict)).collect()
    }

    /// What is known of a reader of which nothing is known but what it said.
    pub fn of_predictions(&self, predictions: &[Option<Prediction>]) -> Measured {
        Measured {
            quality: quality(self.dataset, predictions),
            band: None,
            texts: predictions.iter().flatten().count(),
            doubt: None,
            parts: None,
            recorded: None,
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
    pub fn cost(
        &self,
        model: &Interviewer,
        bought: &Bought,
        wanted: &[Wanted],
        texts: usize,
    ) -> Cost {
        let (total, known) = bought.cost();
        let of_all = |mean_1k: Usd| share_of(mean_1k, wanted.len() as f64 / texts.max(1) as f64);
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
    pub fn unmeasured(&self, model: &Interviewer, bought: &Bought) -> Vec<String> {
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

/// What a share of so much comes to.
pub fn share_of(amount: Usd, share: f64) -> Usd {
    Usd::from_pico((amount.pico() as f64 * share).round() as i64)
}

pub fn no_provider() -> anyhow::Error {
    usage("--strategies", "llm and cascade need a provider: llm.providers names none")
}
