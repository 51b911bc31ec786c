//! Asking an LLM: providers, their dialects, retries, fallback, breakers, and what each attempt
//! cost. What to ask about is the cascade's business, where attempts are recorded the store's.
//!
//! In reading order: `ask` holds the decisions of a request, `company` puts several texts into one,
//! `attempt` is one attempt on the record, `lane` what is known of a provider between requests; `provider` is the seam to the two vendors.

mod config;
mod ledger;

mod ask;
mod attempt;
mod bill;
mod company;
mod lane;

mod breaker;
mod estimate;
mod health;
mod identity;
mod key;
mod meters;
mod models;
mod retry;

mod manner;
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
#[cfg(test)]
mod tokens;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use bill::Bill;
pub use breaker::BreakerState;
pub use company::Company;
pub use config::{
    Abilities, AnthropicConfig, Config, Configs, ConfiguredModel, Error, ModelName, OpenAiConfig,
    OutputLimitField, ProviderName,
};
pub use estimate::{CallEstimate, Estimator};
pub use health::{Check, NOTICE, ProviderHealth};
pub use identity::{prompt_id, question_id};
pub use ledger::{AttemptLog, LogDown, NotReserved};
pub use provider::Fault;
pub use structured::schemas;

use self::lane::Lane;
use crate::pricing::{Prices, Refusal, Usd};
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
    /// The likeliest label and those that may be right as well, the likeliest first.
    pub guesses: Vec<(Label, f32)>,
    /// Why the local model is not trusted with the text.
    pub reasons: Vec<Reason>,
}

/// A label below this score is not worth the tokens that say so.
const WORTH_TELLING: f32 = 0.1;

impl Hint {
    /// What the local scores say, and why they are not trusted.
    pub fn of(scores: &Scores, reasons: Vec<Reason>) -> Hint {
        let likeliest = scores.label();
        let mut guesses: Vec<(Label, f32)> =
            Label::ALL.map(|label| (label, scores.of(label))).into();
        guesses.retain(|(label, score)| *label == likeliest || *score >= WORTH_TELLING);
        guesses.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Hint { guesses, reasons }
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
    /// The call that brought it was about other texts too, and any of them may have swayed it.
    pub shared: bool,
    pub bill: Bill,
}

/// No verdict, and what that cost.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: FailureKind,
    pub bill: Bill,
    /// Of [`FailureKind::OverBudget`]: which limit had no room.
    pub refusal: Option<Box<Refusal>>,
}

/// In words, for whoever asked.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.refusal {
            Some(refusal) => refusal.fmt(f),
            None => self.kind.fmt(f),
        }
    }
}

impl Failure {
    /// One for which no provider was called.
    pub fn unasked(kind: FailureKind) -> Failure {
        Failure { kind, bill: Bill::default(), refusal: None }
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
    /// Nothing (more) fits `max_cost` or the caller's budgets, or the model has no price to tell by.
    OverBudget,
    /// The model would not answer.
    Refused,
    /// The answer hit its token limit.
    Truncated,
    /// Twice not what the schema allows.
    Invalid,
    /// Twice a reply that is no completion: no JSON, or JSON of another form.
    Unreadable,
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
            FailureKind::Unreadable => "unreadable",
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
                "every provider failed several times in a row and is not asked for a while"
            }
            FailureKind::StoreDown => "the ledger cannot be written, so nothing was sent",
            FailureKind::Deadline => "the deadline passed (llm.deadline_ms)",
            FailureKind::OverBudget => {
                "the call might cost more than max_cost_usd or a budget leaves, or has no price"
            }
            FailureKind::Refused => "the model refused to answer",
            FailureKind::Truncated => "the answer was cut off at its token limit",
            FailureKind::Invalid => "the answer did not match the schema, twice",
            FailureKind::Unreadable => "the provider's reply could not be read, twice",
            FailureKind::ModelNotFound => {
                "the provider does not know the model; it is asked again after a while"
            }
            FailureKind::Rejected => "the provider rejected the key, the account or the request",
            FailureKind::Unavailable => "the provider reported an error of its own",
            FailureKind::Unreachable => "the provider cannot be reached",
            FailureKind::Lost => "the provider's reply was lost",
        })
    }
}

/// The providers, ready to be asked.
pub struct Llm {
    config: Config,
    /// In the order in which they are asked: the cheaper models, then the providers.
    lanes: Vec<Lane>,
    /// How many of them are asked for a sure answer alone.
    first: usize,
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
        let mut first = 0;
        for (at, name) in configs.in_order().iter().enumerate() {
            match lane::configured(name, configs, http)? {
                Some(lane) => {
                    lanes.push(lane);
                    first += usize::from(at < configs.llm.first.len());
                }
                None if without_key.contains(&name.provider.name()) => {}
                None => without_key.push(name.provider.name()),
            }
        }
        Ok(Llm { without_key, ..Llm::assemble(configs.llm.clone(), lanes, first, prices, log) })
    }

    /// Sets them up and lets them go: all that is wrong with them, and who has no key.
    pub fn rehearse(configs: &Configs) -> (Vec<Error>, Vec<&'static str>) {
        let http = match Llm::http_client(configs) {
            Ok(http) => http,
            Err(error) => return (vec![error], Vec::new()),
        };
        let (mut faults, mut without_key) = (Vec::<Error>::new(), Vec::new());
        for name in configs.in_order() {
            match lane::configured(&name, configs, &http) {
                Ok(Some(_)) => {}
                Ok(None) if without_key.contains(&name.provider.name()) => {}
                Ok(None) => without_key.push(name.provider.name()),
                // Two models of a provider have one key.
                Err(error) if faults.iter().any(|one| one.to_string() == error.to_string()) => {}
                Err(error) => faults.push(error),
            }
        }
        (faults, without_key)
    }

    fn assemble(
        config: Config,
        lanes: Vec<Lane>,
        first: usize,
        prices: Arc<Prices>,
        log: Arc<dyn AttemptLog>,
    ) -> Llm {
        let permits = Semaphore::new(config.max_concurrent.min(Semaphore::MAX_PERMITS));
        Llm { config, lanes, first, without_key: Vec::new(), prices, log, permits }
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
            .any(|base_url| base_url.expose().starts_with("http://"));
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

    /// What a model is told of the local verdict, where it is told of it at all.
    pub fn hint(&self, scores: &Scores, reasons: &[Reason]) -> Option<Hint> {
        self.config.hint.then(|| Hint::of(scores, reasons.to_vec()))
    }

    /// Changes with whatever an answer depends on but the question: the configured models, their
    /// settings and order, the prompts with their categories, the schemas. Part of a cache's key.
    pub fn fingerprint(&self, task: Task, categories: &Arc<[Category]>) -> String {
        let categories = Arc::clone(categories);
        let blank = Question { task, text: String::new(), language: None, hint: None, categories };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&structured::version(task).to_le_bytes());
        let Config { first_confidence, hint, texts_per_call, .. } = &self.config;
        let order = format!("{} {first_confidence} {hint} {texts_per_call}", self.first);
        hasher.update(order.as_bytes()).update(&[0]);
        let blanks = vec![blank; *texts_per_call];
        for lane in &self.lanes {
            let model = lane.models.configured();
            hasher.update(lane.name().as_bytes()).update(&[0]);
            for questions in [&blanks[..1], &blanks] {
                hasher.update(lane.compose(model, questions).as_bytes()).update(&[0]);
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The day (UTC) whose prices hold.
pub fn today() -> time::Date {
    time::OffsetDateTime::now_utc().date()
}
