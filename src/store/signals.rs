//! What the routing signals of a sample of texts said, so that other thresholds can be tried on them.

use std::time::SystemTime;

use crate::pricing::Usd;

/// A text's signals and what was decided; none of its words. Names are those of the public surface.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedSignals {
    pub at: SystemTime,
    /// How many texts it stands for: sums over rows times their weights are unbiased.
    pub weight: f64,
    pub task: String,
    /// As asked for.
    pub route: String,
    pub text_bytes: u64,
    pub ambiguous: f32,
    pub sarcasm: f32,
    pub multi_aspect: f32,
    pub out_of_domain: f32,
    pub reasons: Vec<String>,
    pub outcome: String,
    /// A provider's answer, not bought for this text.
    pub cached: bool,
    /// A provider was called for this text.
    pub asked: bool,
    /// Of the calls for it; `None` where there were none, and where it is not known.
    pub cost: Option<Usd>,
}
