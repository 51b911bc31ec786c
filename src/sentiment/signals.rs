//! Why a text goes to an LLM, and what came of it.

use serde::{Deserialize, Serialize};

/// What is asked of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    Sentiment,
    Aspects,
    Emotions,
}

impl Task {
    pub const ALL: [Task; 3] = [Task::Sentiment, Task::Aspects, Task::Emotions];

    pub fn name(self) -> &'static str {
        match self {
            Task::Sentiment => "sentiment",
            Task::Aspects => "aspects",
            Task::Emotions => "emotions",
        }
    }
}

/// Which reader a caller asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The local model, and an LLM where the signals call for one.
    #[default]
    Auto,
    /// The local model alone.
    Local,
    /// An LLM, or an error.
    Llm,
}

/// What the local pass says of its own trustworthiness, each 0 to 1, higher is less trustworthy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// How unsure the local answer to the task is. Sentiment: 1 − the margin between the two
    /// likeliest labels, after calibration. Aspects: the same of the tags, and 1 where all terms
    /// contradict the whole. Emotions: 1 where none passes its threshold or they contradict the
    /// label.
    pub ambiguous: f32,
    /// The probability of sarcasm.
    pub sarcasm: f32,
    /// The weaker of the strongest positive and the strongest negative aspect in the text; 0 where
    /// aspects are what is asked for, since there being several is then no difficulty.
    pub multi_aspect: f32,
    /// 1 where the text is in a language that the model does not read.
    pub out_of_domain: f32,
}

/// From which value on a signal calls for an LLM; one for each of [`Signals`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    pub ambiguous: f32,
    pub sarcasm: f32,
    pub multi_aspect: f32,
    pub out_of_domain: f32,
}

/// Why an LLM was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Sarcasm,
    Ambiguous,
    MultiAspect,
    OutOfDomain,
    Requested,
    Sampled,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Sarcasm => "sarcasm",
            Reason::Ambiguous => "ambiguous",
            Reason::MultiAspect => "multi_aspect",
            Reason::OutOfDomain => "out_of_domain",
            Reason::Requested => "requested",
            Reason::Sampled => "sampled",
        }
    }
}

/// What came of wanting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The local verdict was good enough, or the caller wanted no other.
    NotNeeded,
    /// An LLM answered, now or when the same text was asked before.
    Answered,
    /// An LLM was asked, or would have been, and gave no usable answer.
    Unavailable,
    /// The call did not fit the caller's ceiling, or has no price to tell by.
    OverBudget,
    /// No provider is configured.
    Disabled,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::NotNeeded => "not_needed",
            Outcome::Answered => "answered",
            Outcome::Unavailable => "unavailable",
            Outcome::OverBudget => "over_budget",
            Outcome::Disabled => "disabled",
        }
    }
}

impl Signals {
    /// Each signal's name, value and threshold, in a fixed order.
    pub fn named(&self, thresholds: &Thresholds) -> [(&'static str, f32, f32); 4] {
        [
            ("sarcasm", self.sarcasm, thresholds.sarcasm),
            ("ambiguous", self.ambiguous, thresholds.ambiguous),
            ("multi_aspect", self.multi_aspect, thresholds.multi_aspect),
            ("out_of_domain", self.out_of_domain, thresholds.out_of_domain),
        ]
    }

    /// What the signals at or above their thresholds say, in the same order.
    pub fn reasons(&self, thresholds: &Thresholds) -> Vec<Reason> {
        let reasons =
            [Reason::Sarcasm, Reason::Ambiguous, Reason::MultiAspect, Reason::OutOfDomain];
        self.named(thresholds)
            .into_iter()
            .zip(reasons)
            .filter_map(|((_, value, threshold), reason)| (value >= threshold).then_some(reason))
            .collect()
    }
}
