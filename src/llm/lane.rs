//! What is known between requests of one provider and the model that it is asked for: who follows the
//! model, the breaker, the last fault.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Question;
use super::anthropic::Anthropic;
use super::breaker::{Breaker, BreakerState};
use super::config::{Config, Configs, Error, ModelName, ProviderName};
use super::key::api_key;
use super::manner::Manner;
use super::models::{Model, Succession};
use super::openai::OpenAi;
use super::provider::{Fault, Provider};
use super::template::Templates;

pub(super) struct Lane {
    pub provider: Box<dyn Provider>,
    pub models: Succession,
    templates: Templates,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    /// What is wrong with the provider, unless it has answered since.
    fault: Option<Fault>,
}

/// The provider as configured, with that model; `None` without a key.
pub(super) fn configured(
    name: &ModelName,
    configs: &Configs,
    http: &reqwest::Client,
) -> Result<Option<Lane>, Error> {
    let manner = Manner::of(&configs.llm);
    let provider: Box<dyn Provider> = match name.provider {
        ProviderName::OpenAi => {
            let config = &configs.openai;
            let file = &config.api_key_file;
            let Some(key) = api_key("OPENAI_API_KEY", "openai.api_key_file", file)? else {
                return Ok(None);
            };
            Box::new(OpenAi::new(config, manner, key, http.clone())?)
        }
        ProviderName::Anthropic => {
            let config = &configs.anthropic;
            let file = &config.api_key_file;
            let Some(key) = api_key("ANTHROPIC_API_KEY", "anthropic.api_key_file", file)? else {
                return Ok(None);
            };
            Box::new(Anthropic::new(config, manner, key, http.clone())?)
        }
    };
    configs.check_privacy(name.provider)?;
    let table = configs.settings(name.provider).models;
    let cooldown = configs.llm.breaker_cooldown();
    let models = Succession::new(name.provider.name(), &name.model, table, cooldown)?;
    Ok(Some(Lane::new(provider, models, &configs.llm)))
}

impl Lane {
    pub fn new(provider: Box<dyn Provider>, models: Succession, config: &Config) -> Lane {
        let breaker = Breaker::new(config.breaker_failures, config.breaker_cooldown());
        let state = Mutex::new(State { breaker, fault: None });
        Lane { provider, models, templates: Templates::default(), state }
    }

    pub fn name(&self) -> &'static str {
        self.provider.name()
    }

    /// The body of a request, exactly as it will be sent.
    pub fn compose(&self, model: &Model, questions: &[Question]) -> String {
        self.templates.fill(self.provider.as_ref(), model, questions)
    }

    /// Whether the breaker lets a call through. Whoever is let through reports how it ended.
    pub fn admit(&self) -> bool {
        self.state().breaker.admit(Instant::now())
    }

    /// An attempt's end, and what it says against the provider. One that turns one request or a model
    /// down is there for the next request, or the model's successor; one that turns down the key or the
    /// account, or whose replies hold no answer, fails all.
    pub fn report(&self, model: &Model, fault: Option<Fault>) {
        match fault {
            Some(Fault::ModelNotFound) => self.models.not_found(model),
            None => self.models.found(model),
            Some(_) => {}
        }
        let now = Instant::now();
        let mut state = self.state();
        let before = state.breaker.state(now);
        match fault {
            None | Some(Fault::Rejected | Fault::ModelNotFound) => state.breaker.succeeded(),
            Some(_) => state.breaker.failed(now),
        }
        if fault != Some(Fault::Passing) {
            state.fault = fault;
        }
        let after = state.breaker.state(now);
        drop(state);
        self.tell_of_breaker(before, after, fault);
    }

    fn tell_of_breaker(&self, before: BreakerState, after: BreakerState, fault: Option<Fault>) {
        let (provider, open) = (self.name(), after == BreakerState::Open);
        let model = &self.models.configured().id;
        let labels = [("provider", provider.to_owned()), ("model", model.clone())];
        metrics::gauge!("undertone_llm_breaker_open", &labels).set(f64::from(u8::from(open)));
        match (before, after) {
            (BreakerState::Closed, BreakerState::Open) => {
                let fault = fault.map(Fault::name);
                tracing::warn!(
                    provider, %model, fault,
                    "the provider failed several times in a row: it is left alone, and tried again from time to time"
                );
            }
            (BreakerState::Open | BreakerState::HalfOpen, BreakerState::Closed) => {
                tracing::info!(provider, %model, "the provider answers again");
            }
            _ => {}
        }
    }

    /// Who was let through sent nothing, which says nothing of the provider.
    pub fn pass(&self) {
        self.state().breaker.pass(Instant::now());
    }

    pub fn breaker_state(&self) -> BreakerState {
        self.state().breaker.state(Instant::now())
    }

    pub fn fault(&self) -> Option<Fault> {
        self.state().fault
    }

    /// No code that holds the lock can panic halfway through a change, so a poisoned one is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
