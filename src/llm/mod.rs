//! Asking an LLM: providers, their dialects, retries, fallback, breakers, and what each attempt
//! cost. What to ask about is the cascade's business, where attempts are recorded the store's.
//!
//! In reading order: `ask` holds the decisions of a request, `attempt` one attempt on the record,
//! `lane` what is known of a provider between requests; `provider` is the seam to the two vendors.

mod config;
mod ledger;

mod ask;
mod attempt;
mod bill;
mod lane;

mod bounds;
mod breaker;
mod health;
mod identity;
mod models;
mod retry;

mod prompt;
mod structured;
mod template;

mod anthropic;
mod openai;
mod provider;
mod wire;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use bill::Bill;
pub use bounds::request_bytes;
pub use breaker::BreakerState;
pub use config::{
    Abilities, AnthropicConfig, Config, Configs, ConfiguredModel, Error, OpenAiConfig,
    OutputLimitField, ProviderName,
};
pub use health::{Check, NOTICE, ProviderHealth};
pub use identity::{prompt_id, question_id};
pub use ledger::{AttemptLog, LogDown};
pub use provider::Fault;
pub use structured::{output_limit, schemas};

use self::lane::Lane;
use crate::pricing::{Prices, Usd};
use crate::sentiment::{Category, Label, Reason, Scores, Task, Verdict};

/// What varies from one call to the next.
// Without `Debug`, so that no log can hold its text.
#[derive(Clone)]
pub struct Question {
    pub task: Task,
    /// Whole: nothing of it is cut or changed.
    pub text: String,
    /// BCP 47, where known.
    pub language: Option<String>,
    pub hint: Option<Hint>,
    /// What aspects may belong to: the same for every text.
    pub categories: Arc<[Category]>,
}

/// The local verdict, told to the model: small models' guesses make large ones better.
#[derive(Clone, Debug)]
pub struct Hint {
    pub label: Label,
    pub confidence: f32,
    /// Why the local model is not trusted with the text.
    pub reasons: Vec<Reason>,
}

impl Hint {
    /// What the local scores say, and why they are not trusted.
    pub fn of(scores: &Scores, reasons: Vec<Reason>) -> Hint {
        Hint { label: scores.label(), confidence: scores.confidence(), reasons }
    }
}

/// What a request may take, retries and fallbacks included.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub deadline: Instant,
    pub max_cost: Option<Usd>,
}

/// A provider's verdict.
#[derive(Clone, Debug)]
pub struct Answered {
    pub verdict: Verdict,
    /// As the response names it.
    pub model: String,
    pub bill: Bill,
}

/// No verdict, and what that cost.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: FailureKind,
    pub bill: Bill,
}

impl Failure {
    /// One for which no provider was called.
    pub fn unasked(kind: FailureKind) -> Failure {
        Failure { kind, bill: Bill::default() }
    }
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// None is configured, or none has a key.
    NoProvider,
    /// Every provider is being left alone.
    BreakerOpen,
    /// The ledger cannot be written, so nothing was sent.
    StoreDown,
    Deadline,
    /// Nothing (more) fits `max_cost`, or the model has no price to tell by.
    OverBudget,
    /// The model would not answer.
    Refused,
    /// The answer hit its token limit.
    Truncated,
    /// Twice not what the schema allows.
    Invalid,
    /// The provider knows neither the model nor a successor.
    ModelNotFound,
    /// The key, the account or the request was turned down.
    Rejected,
    /// It kept answering with trouble that may pass.
    Unavailable,
    /// No connection.
    Unreachable,
    /// The request left and no reply came back.
    Lost,
}

impl FailureKind {
    /// Whether a model read the text and failed at it: asked again, it would do no better.
    pub fn is_the_models_own(self) -> bool {
        matches!(self, FailureKind::Refused | FailureKind::Truncated | FailureKind::Invalid)
    }

    pub fn name(self) -> &'static str {
        match self {
            FailureKind::NoProvider => "no_provider",
            FailureKind::BreakerOpen => "breaker_open",
            FailureKind::StoreDown => "store_down",
            FailureKind::Deadline => "deadline",
            FailureKind::OverBudget => "over_budget",
            FailureKind::Refused => "refused",
            FailureKind::Truncated => "truncated",
            FailureKind::Invalid => "invalid",
            FailureKind::ModelNotFound => "model_not_found",
            FailureKind::Rejected => "rejected",
            FailureKind::Unavailable => "unavailable",
            FailureKind::Unreachable => "unreachable",
            FailureKind::Lost => "lost",
        }
    }
}

/// In words, for whoever asked.
impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FailureKind::NoProvider => "no provider has a key",
            FailureKind::BreakerOpen => {
                "every provider failed several times in a row and is left alone"
            }
            FailureKind::StoreDown => "the ledger cannot be written, so nothing was sent",
            FailureKind::Deadline => "the deadline passed (llm.deadline_ms)",
            FailureKind::OverBudget => {
                "the call might cost more than max_cost_usd, or has no price"
            }
            FailureKind::Refused => "the model refused",
            FailureKind::Truncated => "the answer was cut off at its token limit",
            FailureKind::Invalid => "the answer was not of the schema, twice",
            FailureKind::ModelNotFound => "the provider does not know the model",
            FailureKind::Rejected => "the provider turned the key, the account or the request down",
            FailureKind::Unavailable => "the provider has trouble",
            FailureKind::Unreachable => "the provider cannot be reached",
            FailureKind::Lost => "the provider's reply was lost",
        })
    }
}

/// The providers, ready to be asked.
pub struct Llm {
    config: Config,
    /// In order of fallback.
    lanes: Vec<Lane>,
    without_key: Vec<&'static str>,
    prices: Arc<Prices>,
    log: Arc<dyn AttemptLog>,
    /// One for each call in the air.
    permits: Semaphore,
}

impl Llm {
    /// Sets up the configured providers; those without an API key are left out. `http` comes from
    /// [`Llm::http_client`].
    ///
    /// # Errors
    /// A value of the configuration with which no call could be made, and a key that cannot be read.
    pub fn new(
        configs: &Configs,
        prices: Arc<Prices>,
        log: Arc<dyn AttemptLog>,
        http: &reqwest::Client,
    ) -> Result<Llm, Error> {
        configs.check()?;
        let mut lanes = Vec::new();
        let mut without_key = Vec::new();
        for provider in &configs.llm.providers {
            match lane::configured(*provider, configs, http)? {
                Some(lane) => lanes.push(lane),
                None => without_key.push(provider.name()),
            }
        }
        Ok(Llm { without_key, ..Llm::assemble(configs.llm.clone(), lanes, prices, log) })
    }

    fn assemble(
        config: Config,
        lanes: Vec<Lane>,
        prices: Arc<Prices>,
        log: Arc<dyn AttemptLog>,
    ) -> Llm {
        let permits = Semaphore::new(config.max_concurrent.min(Semaphore::MAX_PERMITS));
        Llm { config, lanes, without_key: Vec::new(), prices, log, permits }
    }

    /// A client for the providers: no redirects, which would carry a key elsewhere, and no time-out
    /// but for connecting, since each attempt has its own. TLS alone, unless a `base_url` says http.
    ///
    /// # Errors
    /// An unusable proxy or certificate store of this machine.
    pub fn http_client(configs: &Configs) -> Result<reqwest::Client, Error> {
        // Whoever was first has installed it; all of this program's parts choose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = [&configs.openai.base_url, &configs.anthropic.base_url]
            .into_iter()
            .any(|base_url| base_url.starts_with("http://"));
        let client = reqwest::Client::builder()
            .user_agent(concat!("undertone/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(std::time::Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!plain)
            .build()?;
        Ok(client)
    }

    /// Whether there is anybody to ask.
    pub fn is_enabled(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// The configured providers that are left out for want of an API key.
    pub fn without_key(&self) -> &[&'static str] {
        &self.without_key
    }

    /// Changes with whatever an answer depends on but the question: the configured models, their
    /// settings, the prompt with its categories, the schema. Part of a cache's key.
    pub fn fingerprint(&self, task: Task, categories: &Arc<[Category]>) -> String {
        let categories = Arc::clone(categories);
        let blank = Question { task, text: String::new(), language: None, hint: None, categories };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&structured::VERSION.to_le_bytes());
        for lane in &self.lanes {
            let request = lane.compose(lane.models.configured(), &blank);
            hasher
                .update(lane.name().as_bytes())
                .update(&[0])
                .update(request.as_bytes())
                .update(&[0]);
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The day (UTC) whose prices hold.
pub fn today() -> time::Date {
    time::OffsetDateTime::now_utc().date()
}
