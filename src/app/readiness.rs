//! What `/readyz` says.

use std::sync::Arc;

use serde::Serialize;

use super::App;
use crate::classifier;
use crate::llm::ProviderHealth;

/// Whether local answers can be given, and the state of all else.
#[derive(Debug, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// The local model, which has just read a sentence, or why it could not.
    pub model: Part,
    pub store: Part,
    pub providers: Vec<ProviderHealth>,
    /// What somebody should look at soon.
    pub warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Part {
    pub name: String,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Part {
    fn of<E: ToString>(name: &str, result: Result<(), E>) -> Part {
        let error = result.err().map(|error| error.to_string());
        Part { name: name.to_owned(), ok: error.is_none(), error }
    }
}

impl App {
    pub async fn readiness(&self) -> Readiness {
        let classifier = self.cascade.classifier();
        let read = classifier.read(Arc::from("I like it."), Some("en".into())).await;
        // A full queue is load, not failure: its texts are being answered.
        let read = match read {
            Ok(_) | Err(classifier::Error::Busy(_)) => Ok(()),
            Err(error) => Err(error),
        };
        let model = Part::of(classifier.name(), read);
        let store = Part::of(self.store.kind(), self.store.ping().await);
        let providers = self.cascade.llm().health();
        let warnings =
            providers.iter().flat_map(|provider| provider.warnings.iter().cloned()).collect();
        Readiness { ready: model.ok, model, store, providers, warnings }
    }
}
