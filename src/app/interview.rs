//! One model of one provider, asked as the gateway would ask it (`[llm]`), but without cache, fallback
//! and successor. What it answers
//! is on the ledger as any call is, and kept, so that no evaluation pays for it twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::kept_verdict::KeptVerdict;
use super::{App, CallEstimate, Config, ledgered_llm};
use crate::llm::{
    self, Company, Estimator, FailureKind, Hint, Limits, Llm, ProviderName, Question,
};
use crate::pricing::{Caller, Usd};
use crate::sentiment::{Category, Task, Verdict};
use crate::store::{self, Interview, KeptAnswer, KeptContent, Store};

/// A model that can be asked, or of which it can be said what asking would cost.
pub struct Interviewer {
    /// The program's own, with this provider alone.
    config: Config,
    provider: ProviderName,
    llm: Arc<Llm>,
    estimator: Estimator,
    categories: Arc<[Category]>,
    company: Option<Arc<Company>>,
    store: Store,
    calls: TaskTracker,
}

/// An answer, bought now or before.
#[derive(Clone, Debug)]
pub struct BoughtAnswer {
    /// Why there is no verdict, where the model itself had none.
    pub verdict: Result<Verdict, FailureKind>,
    pub model_served: String,
    /// `None`: not known.
    pub cost: Option<Usd>,
    pub latency: Duration,
    /// No other call of the same evaluation was in the air.
    pub alone: bool,
}

/// No answer, for a reason that says nothing of the model, and what that cost.
#[derive(Clone, Copy, Debug)]
pub struct Unanswered {
    pub kind: FailureKind,
    pub cost: Option<Usd>,
}

/// A text, and what the model is told of it.
pub struct Asking<'a> {
    pub task: Task,
    pub text: &'a str,
    pub hint: Option<Hint>,
}

/// What was kept, by the name of its question.
pub type KeptAnswers = HashMap<String, KeptAnswer>;

impl App {
    /// Sets up one model. Without a provider's name the first configured one that has a key is
    /// taken, else the first, behind the cheaper ones of `llm.first`; without a model's name, its
    /// configured model. `None` where no provider is configured.
    ///
    /// # Errors
    /// A key or a configuration that cannot be used.
    pub fn interviewer(
        &self,
        provider: Option<ProviderName>,
        model: Option<&str>,
    ) -> anyhow::Result<Option<Interviewer>> {
        let has_key =
            |name: &&ProviderName| !self.cascade.llm().without_key().contains(&name.name());
        let configured = &self.config.llm.providers;
        let first = || configured.iter().find(has_key).or(configured.first()).copied();
        let is_named = provider.is_some();
        let Some(provider) = provider.or_else(first) else { return Ok(None) };
        let mut config = asking_only(&self.config, provider, model);
        if !is_named {
            config.llm.first.clone_from(&self.config.llm.first);
        }
        let llm = Arc::new(ledgered_llm(&config, &self.prices, &self.ledger)?);
        let categories = Arc::clone(self.cascade.categories());
        Ok(Some(Interviewer {
            estimator: Estimator::new(
                config.providers(),
                Arc::clone(&self.prices),
                Arc::clone(&categories),
            ),
            company: llm.company(),
            llm,
            config,
            provider,
            categories,
            store: self.store.clone(),
            calls: self.interviews.clone(),
        }))
    }
}

/// The configuration with one provider alone, and without those of `llm.first`; without a model's name
/// its configured model is asked.
pub(super) fn asking_only(config: &Config, provider: ProviderName, model: Option<&str>) -> Config {
    let mut config = config.clone();
    config.llm.first.clear();
    config.llm.providers = vec![provider];
    let (name, models) = match provider {
        ProviderName::OpenAi => (&mut config.openai.model, &mut config.openai.models),
        ProviderName::Anthropic => (&mut config.anthropic.model, &mut config.anthropic.models),
    };
    if let Some(model) = model {
        model.clone_into(name);
    }
    // What is measured is the model that is named, or nothing.
    if let Some(abilities) = models.get_mut(name.as_str()) {
        abilities.successor = None;
    }
    config
}

impl Interviewer {
    pub fn provider(&self) -> &'static str {
        self.provider.name()
    }

    pub fn model(&self) -> &str {
        match self.provider {
            ProviderName::OpenAi => &self.config.openai.model,
            ProviderName::Anthropic => &self.config.anthropic.model,
        }
    }

    /// All models that may be asked, in order, with their providers.
    pub fn models(&self) -> String {
        let names = self.config.providers().in_order().into_iter().map(String::from);
        names.collect::<Vec<_>>().join(", ")
    }

    pub fn has_key(&self) -> bool {
        self.llm.is_enabled()
    }

    /// How many texts may be asked about at the same time.
    pub fn max_concurrent(&self) -> usize {
        self.config.llm.texts_at_once()
    }

    pub fn texts_per_call(&self) -> usize {
        self.config.llm.texts_per_call
    }

    /// `None` without a price.
    pub fn estimate(&self, task: Task, text: &str) -> Option<CallEstimate> {
        self.estimator.in_batch(task, text)
    }

    /// The most that one attempt can cost; `None` without a key or a price.
    pub fn worst_attempt(&self, task: Task, text: &str) -> Option<Usd> {
        self.llm.worst_attempt(task, text, &self.categories)
    }

    /// All answers to questions of a task that were bought before and can be read by this version.
    pub async fn kept(&self, task: Task) -> Result<KeptAnswers, store::Error> {
        let answers = self.store.kept_answers(self.about(task)).await?;
        let readable = answers.into_iter().filter(|answer| recall(answer, "").is_some());
        Ok(readable.map(|answer| (answer.question.clone(), answer)).collect())
    }

    /// What a question is kept under.
    pub fn question(&self, asking: &Asking<'_>) -> String {
        llm::question_id(&self.composed(asking))
    }

    /// Asks in a task of its own, which no hurry cancels, and keeps what is answered.
    pub async fn buy(
        &self,
        asking: &Asking<'_>,
        caller: Caller,
        max_cost: Option<Usd>,
        alone: bool,
    ) -> Result<BoughtAnswer, Unanswered> {
        let (llm, store) = (Arc::clone(&self.llm), self.store.clone());
        let (question, about) = (self.composed(asking), self.about(asking.task));
        let limits = Limits { deadline: Instant::now() + self.config.llm.deadline(), max_cost };
        let asked = self.model().to_owned();
        let company = self.company.clone().filter(|_| !alone);
        let bought = self.calls.spawn(async move {
            let sent = Instant::now();
            let (verdict, model_served, cost) =
                match llm.ask(&question, &caller, &limits, company.as_deref()).await {
                    Ok(answered) => (Ok(answered.verdict), answered.model, answered.bill.cost),
                    Err(failure) if failure.kind.is_the_models_own() => {
                        (Err(failure.kind), asked, failure.bill.cost)
                    }
                    Err(failure) => {
                        return Err(Unanswered { kind: failure.kind, cost: failure.bill.cost });
                    }
                };
            // As it is kept, so that it reads the same the next time.
            let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
            let latency = Duration::from_micros(micros);
            let answer = BoughtAnswer { verdict, model_served, cost, latency, alone };
            let kept = keep(&answer, llm::question_id(&question));
            if let Err(error) = store.keep_answer(about, kept).await {
                tracing::warn!(%error, "an answer could not be kept: the next evaluation will buy \
                    it again");
            }
            Ok(answer)
        });
        // Only a panic ends the task early, and what it had sent is then on the ledger as open.
        bought.await.unwrap_or(Err(Unanswered { kind: FailureKind::Lost, cost: None }))
    }

    fn composed(&self, asking: &Asking<'_>) -> Question {
        Question {
            task: asking.task,
            text: asking.text.to_owned(),
            language: None,
            hint: asking.hint.clone().filter(|_| self.config.llm.hint),
            categories: Arc::clone(&self.categories),
        }
    }

    fn about(&self, task: Task) -> Interview {
        Interview {
            provider: self.provider.name().to_owned(),
            model: self.model().to_owned(),
            endpoint: task.name().to_owned(),
            prompt: llm::prompt_id(&self.config.providers(), task, &self.categories),
        }
    }
}

fn keep(answer: &BoughtAnswer, question: String) -> KeptAnswer {
    let content = match &answer.verdict {
        Ok(verdict) => {
            let kept = serde_json::to_string(&KeptVerdict::of(verdict));
            KeptContent::Verdict(kept.expect("numbers, names and lists are JSON"))
        }
        Err(kind) => KeptContent::Failure(kind.name().to_owned()),
    };
    KeptAnswer {
        question,
        model_served: answer.model_served.clone(),
        content,
        cost: answer.cost,
        latency: answer.latency,
        alone: answer.alone,
        bought_at: SystemTime::now(),
    }
}

/// What was kept about that text; `None` for what a later version has written in another form.
pub fn recall(kept: &KeptAnswer, text: &str) -> Option<BoughtAnswer> {
    let verdict = match &kept.content {
        KeptContent::Verdict(json) => {
            Ok(serde_json::from_str::<KeptVerdict>(json).ok()?.verdict(text))
        }
        KeptContent::Failure(word) => {
            let own = [FailureKind::Refused, FailureKind::Truncated, FailureKind::Invalid];
            Err(own.into_iter().find(|kind| kind.name() == word)?)
        }
    };
    Some(BoughtAnswer {
        verdict,
        model_served: kept.model_served.clone(),
        cost: kept.cost,
        latency: kept.latency,
        alone: kept.alone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::{Aspect, Emotion, Emotions, Findings, Label, SarcasmScore, Scores};

    fn answer(findings: Findings) -> BoughtAnswer {
        let scores = Scores::from_weights([0.8, 0.1, 0.1, 0.0]);
        BoughtAnswer {
            verdict: Ok(Verdict { scores, sarcasm: SarcasmScore(0.05), findings }),
            model_served: "m".into(),
            cost: Some(Usd::from_pico(5)),
            latency: Duration::from_millis(800),
            alone: true,
        }
    }

    #[test]
    fn a_verdict_comes_back_as_it_was_and_no_word_of_the_text_is_kept() {
        let text = "Das Küchenmesser ist stumpf.";
        let aspect = Aspect {
            term: "Küchenmesser".into(),
            category: Some("product".into()),
            sentiment: Some(Label::Negative),
            opinion: None,
            confidence: 0.95,
            span: Some((4, 16)),
        };
        let mut scores = [0.02; 28];
        scores[Emotion::Anger as usize] = 0.9;
        for findings in [
            Findings::None,
            Findings::Aspects(vec![aspect]),
            Findings::Emotions(Emotions::new(scores, &[0.5; 28])),
        ] {
            let before = answer(findings);
            let kept = keep(&before, "q".into());
            assert!(!format!("{kept:?}").contains("messer"), "{kept:?}");
            let after = recall(&kept, text).expect("it is of this version");
            assert_eq!(after.verdict, before.verdict);
            assert_eq!((after.cost, after.latency), (before.cost, before.latency));
        }
    }

    #[test]
    fn a_refusal_is_kept_as_one() {
        let before = BoughtAnswer { verdict: Err(FailureKind::Refused), ..answer(Findings::None) };
        let after = recall(&keep(&before, "q".into()), "text").expect("it is of this version");
        assert_eq!(after.verdict, Err(FailureKind::Refused));
    }
}
