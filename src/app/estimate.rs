//! What a call would cost, for those who want to know before.

use std::iter::Sum;
use std::sync::Arc;

use time::OffsetDateTime;

use super::{App, Config};
use crate::llm::{ProviderName, output_limit, request_bytes};
use crate::pricing::{PriceBook, Usage, Usd};
use crate::sentiment::{Category, Task};

/// Of English prose and JSON, in the tokenizers of the providers.
const BYTES_A_TOKEN: u64 = 4;

/// What a usual answer comes to: a few words in a JSON object, two or three aspects, an emotion or
/// two.
fn answer_tokens(task: Task) -> u64 {
    match task {
        Task::Sentiment => 25,
        Task::Aspects => 90,
        Task::Emotions => 45,
    }
}

/// What one call about a text would cost at the first configured model's price.
#[derive(Clone, Copy, Debug)]
pub struct CallEstimate {
    pub likely: Usd,
    /// The worst case, as it is reserved before a call.
    pub at_most: Usd,
}

/// Several calls together.
impl Sum for CallEstimate {
    fn sum<I: Iterator<Item = CallEstimate>>(calls: I) -> CallEstimate {
        let none = CallEstimate { likely: Usd::ZERO, at_most: Usd::ZERO };
        calls.fold(none, |sum, call| CallEstimate {
            likely: sum.likely + call.likely,
            at_most: sum.at_most + call.at_most,
        })
    }
}

impl CallEstimate {
    /// How it is estimated, in a sentence.
    pub fn basis() -> String {
        let answers: Vec<String> =
            Task::ALL.map(|task| format!("{} for {}", answer_tokens(task), task.name())).into();
        format!(
            "the cost takes {BYTES_A_TOKEN} bytes of a request for a token, and for an answer {} \
             tokens, with nothing cached; `at most` is what would be reserved: a token a byte, the \
             longest answer",
            answers.join(", ")
        )
    }
}

impl App {
    /// The most that one attempt about that text can cost at any provider that has a key; `None`
    /// where none of their models has a price.
    pub fn worst_attempt(&self, task: Task, text: &str) -> Option<Usd> {
        self.cascade.llm().worst_attempt(task, text, self.cascade.categories())
    }

    /// The model that is asked first, whether or not its provider has a key.
    pub fn first_model(&self) -> Option<&str> {
        Some(self.config.first_model()?.0)
    }

    /// The models of the providers that have a key, in the order in which they are asked.
    pub fn llm_models(&self) -> Vec<String> {
        let without_key = self.cascade.llm().without_key();
        let providers = self.config.llm.providers.iter();
        providers
            .filter(|provider| !without_key.contains(&provider.name()))
            .map(|provider| match provider {
                ProviderName::OpenAi => self.config.openai.model.clone(),
                ProviderName::Anthropic => self.config.anthropic.model.clone(),
            })
            .collect()
    }

    /// `None` without a provider in the configuration, or without a price.
    pub fn estimate_call(&self, task: Task, text: &str) -> Option<CallEstimate> {
        call(&self.config, &self.prices.current(), self.cascade.categories(), task, text)
    }
}

/// What one call would cost at the price of a configuration's first model.
pub(super) fn call(
    config: &Config,
    book: &PriceBook,
    categories: &Arc<[Category]>,
    task: Task,
    text: &str,
) -> Option<CallEstimate> {
    let (model, tier) = config.first_model()?;
    let (requested, models) = match config.llm.providers.first()? {
        ProviderName::OpenAi => (&config.openai.service_tier, &config.openai.models),
        ProviderName::Anthropic => (&config.anthropic.service_tier, &config.anthropic.models),
    };
    let today = OffsetDateTime::now_utc().date();
    let bytes = request_bytes(task, text, categories);
    let input = bytes.div_ceil(BYTES_A_TOKEN);
    let usage = Usage { input, output: answer_tokens(task), ..Usage::default() };
    let tokens_per_byte = models.get(model).map_or(1.0, |abilities| abilities.tokens_per_byte);
    let most = (bytes as f64 * tokens_per_byte).ceil() as u64;
    let longest = output_limit(task, config.llm.max_output_tokens).into();
    Some(CallEstimate {
        likely: book.price(model, tier, today)?.cost(&usage)?,
        at_most: book.worst_case(model, requested, today, most, longest)?,
    })
}
