//! What `/readyz` says.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::App;
use crate::classifier;
use crate::llm::{BreakerState, Fault, ProviderHealth};
use crate::sentiment::Task;

/// How long a probe waits for the local model before it takes it for busy.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long what a probe found is told to all who ask: anybody may, and none may make the model read or the
/// store write as often as they like.
const FRESH: Duration = Duration::from_secs(1);

/// What the last probe found. Whoever asks while one is under way waits for it.
pub(super) type LastProbe = Arc<Mutex<Option<(Instant, Probed)>>>;

#[derive(Clone)]
pub(super) struct Probed {
    model: Part,
    store: Part,
}

/// Whether local answers can be given, and the state of all else.
#[derive(Debug, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// The local model, which has just read a sentence, or why it could not.
    pub model: Part,
    pub store: Part,
    pub providers: Vec<ProviderState>,
    /// What somebody should look at soon.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Part {
    pub name: String,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A provider as seen without calling it.
#[derive(Debug, Serialize)]
pub struct ProviderState {
    pub name: &'static str,
    /// The model that the next call asks.
    pub model: String,
    pub ok: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl From<&ProviderHealth> for ProviderState {
    fn from(health: &ProviderHealth) -> ProviderState {
        let error = trouble(health);
        let model = health.model.clone();
        ProviderState { name: health.provider, ok: error.is_none(), model, error }
    }
}

/// Why a provider is not well, in a sentence.
fn trouble(health: &ProviderHealth) -> Option<String> {
    let is_left_alone = health.breaker != BreakerState::Closed;
    let trouble = match health.fault {
        Some(Fault::Key) => "it refuses the API key, or may not serve this account or region",
        Some(Fault::Quota) => "its account is out of money",
        Some(Fault::ModelNotFound) => "it does not know the model",
        Some(Fault::Rejected) => "it turned down the last request",
        // One such reply may be a text's.
        Some(Fault::Unreadable) if is_left_alone => "its replies hold no answer that can be read",
        Some(Fault::Unreadable | Fault::Passing) | None if is_left_alone => {
            "it failed several times in a row"
        }
        Some(Fault::Unreadable | Fault::Passing) | None => return None,
    };
    let name = health.fault.map(|fault| format!(" ({})", fault.name())).unwrap_or_default();
    let pause = if is_left_alone {
        "; it is left alone, and tried again by a request from time to time"
    } else {
        ""
    };
    Some(format!("{trouble}{name}{pause}"))
}

/// The models that a provider does not know, while another one is asked in their stead.
fn unknown_models(health: &ProviderHealth) -> Option<String> {
    let unknown: Vec<&str> = health.unknown_models.iter().map(String::as_str).collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "{} does not know the model {}: it is left out, and asked for again from time to time",
            health.provider,
            unknown.join(", ")
        )
    })
}

/// What a coming retirement means for whoever runs the gateway.
fn retirement(health: &ProviderHealth) -> Option<String> {
    let (model, date) = (&health.model, health.retires?);
    Some(format!("{model} of {} retires on {date}", health.provider))
}

impl Part {
    fn of<E: ToString>(name: &str, result: Result<(), E>) -> Part {
        let error = result.err().map(|error| error.to_string());
        Part { name: name.to_owned(), ok: error.is_none(), error }
    }
}

impl App {
    /// How it stands with the results topic: why it is not read, or that it is.
    pub fn results_are(&self, unread: Option<String>) {
        self.unread_results.store(unread.map(Arc::new));
    }

    /// Whether the model reads and the store writes, found out a second ago at most.
    async fn probed(self: &Arc<App>) -> Probed {
        let mut last = Arc::clone(&self.last_probe).lock_owned().await;
        if let Some((at, probed)) = &*last
            && at.elapsed() < FRESH
        {
            return probed.clone();
        }
        // In a task of its own: who hangs up leaves what it finds to the next one.
        let app = Arc::clone(self);
        let probing = tokio::spawn(async move {
            let probed = app.probe().await;
            *last = Some((Instant::now(), probed.clone()));
            probed
        });
        probing.await.unwrap_or_else(|_| {
            let failed = |name: &str| Part::of(name, Err("the probe broke off"));
            Probed { model: failed(self.local_model()), store: failed(self.store.kind()) }
        })
    }

    async fn probe(&self) -> Probed {
        let classifier = self.cascade.classifier();
        let read = classifier.read(Task::Sentiment, Arc::from("I like it."), Some("en".into()));
        let (read, pong) = tokio::join!(tokio::time::timeout(PATIENCE, read), self.store.ping());
        // A long queue is load, not failure: its texts are being answered.
        let read = match read {
            Err(_) | Ok(Ok(_) | Err(classifier::Error::Busy { .. })) => Ok(()),
            Ok(Err(error)) => Err(error),
        };
        metrics::gauge!("undertone_store_up").set(f64::from(u8::from(pong.is_ok())));
        Probed {
            model: Part::of(classifier.name(), read),
            store: Part::of(self.store.kind(), pong),
        }
    }

    pub async fn readiness(self: &Arc<App>) -> Readiness {
        let Probed { model, store } = self.probed().await;
        let health = self.cascade.llm().health();
        let refused = self.refused_prices.load_full();
        let refused = refused.map(|reason| {
            let version = self.prices.current().version().to_owned();
            format!("the new price book is refused and version {version} stays in force: {reason}")
        });
        let unknown = health.iter().filter_map(unknown_models);
        let warnings = health.iter().filter_map(retirement).chain(unknown).chain(refused);
        let waiting = Some(self.trends.waiting_texts()).filter(|_| !store.ok);
        let waiting = waiting.filter(|texts| *texts > 0);
        let waiting = waiting.map(|texts| match texts {
            1 => "the windows of 1 text cannot be written until the store answers".to_owned(),
            _ => format!("the windows of {texts} texts cannot be written until the store answers"),
        });
        let unread = self.unread_results.load_full();
        let unread = unread.map(|reason| format!("the results topic is not read: {reason}"));
        let warnings = warnings.chain(self.drift.warnings()).chain(waiting).chain(unread);
        let warnings = warnings.chain(self.ledger.warnings()).collect();
        let providers = health.iter().map(ProviderState::from).collect();
        Readiness { ready: model.ok, model, store, providers, warnings }
    }
}
