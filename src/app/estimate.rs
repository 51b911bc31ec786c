//! What calls would cost, for those who want to know before.

use super::App;
use crate::llm::CallEstimate;
use crate::pricing::Usd;
use crate::sentiment::{Reason, Signals, Task};

impl App {
    /// The most that one attempt about that text can cost at any provider that has a key; `None`
    /// where none of their models has a price.
    pub fn worst_attempt(&self, task: Task, text: &str) -> Option<Usd> {
        self.cascade.llm().worst_attempt(task, text, self.cascade.categories())
    }

    /// The model that is asked first, whether or not its provider has a key.
    pub fn first_model(&self) -> Option<String> {
        self.config.first_model()
    }

    /// The models of the providers that have a key, in the order in which they are asked.
    pub fn llm_models(&self) -> Vec<String> {
        let without_key = self.cascade.llm().without_key();
        let models = self.config.providers().in_order().into_iter();
        models
            .filter(|name| !without_key.contains(&name.provider.name()))
            .map(|name| name.model)
            .collect()
    }

    /// What asking about a text of a batch would cost; `None` without a provider in the
    /// configuration, or without a price.
    pub fn estimate_call(&self, task: Task, text: &str) -> Option<CallEstimate> {
        self.estimator.in_batch(task, text)
    }

    /// How that is estimated.
    pub fn estimate_basis(&self) -> String {
        self.estimator.basis()
    }

    /// Why the gateway would ask an LLM about a text of its own accord, if there were one.
    pub fn reasons(&self, task: Task, text: &str, signals: &Signals) -> Vec<Reason> {
        self.cascade.reasons(task, text, signals)
    }
}
