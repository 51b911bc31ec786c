//! Answers that evaluations bought, kept apart from the gateway's cache for as long as the store is.

use std::time::{Duration, SystemTime};

use crate::pricing::Usd;

/// Who was asked, and how, the same for every text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interview {
    pub provider: String,
    /// As asked.
    pub model: String,
    /// What was asked for, by the name of its endpoint.
    pub endpoint: String,
    /// A hash of the prompt, the schema and the model's settings.
    pub prompt: String,
}

/// An answer that was bought.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAnswer {
    /// A hash of the text and of what was told of it.
    pub question: String,
    pub model_served: String,
    pub content: KeptContent,
    /// `None`: not known.
    pub cost: Option<Usd>,
    /// How long its caller waited.
    pub latency: Duration,
    /// No other call of the same evaluation was in the air.
    pub alone: bool,
    pub bought_at: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptContent {
    /// JSON, in the form of whoever keeps it; without the text.
    Verdict(String),
    /// Why the model's answer was none, in a word.
    Failure(String),
}
