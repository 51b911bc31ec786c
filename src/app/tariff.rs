//! What answers cost that somebody else has recorded, as far as the price book can tell.

use std::sync::Arc;

use super::App;
use super::interview::asking_only;
use crate::llm::{Estimator, ProviderName};
use crate::pricing::{Price, Usage, Usd};
use crate::sentiment::Task;

/// Stands between a model's name and that of a prompt which is not the gateway's: `gpt-4o+cot`.
const PROMPT_MARK: char = '+';

/// The price of a model today, and what the gateway would say to it.
pub struct Tariff {
    estimator: Estimator,
    price: Price,
    /// The answers were given to another prompt, whose length is not known.
    is_other_prompt: bool,
}

impl App {
    /// `None`: the price book has no price for the model at the service that is configured.
    pub fn tariff(&self, recorded: &str) -> Option<Tariff> {
        let (model, is_other_prompt) = match recorded.split_once(PROMPT_MARK) {
            Some((model, _)) => (model, true),
            None => (recorded, false),
        };
        let book = self.prices.current();
        let vendor = &book.model(model)?.provider;
        let mut known = [ProviderName::OpenAi, ProviderName::Anthropic].into_iter();
        let provider = known.find(|known| known.name() == vendor)?;
        let configs = asking_only(&self.config, provider, Some(model)).providers();
        let today = time::OffsetDateTime::now_utc().date();
        let price = book.price(model, configs.served(provider), today)?.clone();
        let categories = Arc::clone(self.cascade.categories());
        let estimator = Estimator::new(configs, Arc::clone(&self.prices), categories);
        Some(Tariff { estimator, price, is_other_prompt })
    }
}

impl Tariff {
    /// What so many tokens cost.
    pub fn of_tokens(&self, usage: &Usage) -> Option<Usd> {
        self.price.cost(usage)
    }

    /// What the gateway's own request about that text would cost, with a usual answer. `None` where
    /// the answer was given to another prompt.
    pub fn of_request(&self, task: Task, text: &str) -> Option<Usd> {
        if self.is_other_prompt {
            return None;
        }
        Some(self.estimator.in_batch(task, text)?.likely)
    }

    /// How requests are counted, in a few words.
    pub fn counting(&self, task: Task) -> String {
        self.estimator.counting(task)
    }
}
