//! What callers get.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::app::{Analysis, Sentence};
use crate::sentiment::{Label, Outcome, Reason, Scores, Thresholds};

/// The verdict on a text.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SentimentResponse {
    pub id: String,
    /// `negative`, `neutral`, `positive` or `mixed`.
    #[schemars(with = "String")]
    pub label: Label,
    /// A probability for each label; they sum to 1.
    #[schemars(with = "std::collections::BTreeMap<String, f32>")]
    pub scores: Scores,
    /// The label's score.
    pub confidence: f32,
    pub sarcasm: SarcasmResponse,
    pub language: LanguageResponse,
    /// Whose verdict it is: `local` or `llm`.
    pub route: &'static str,
    /// An LLM's verdict that this request did not pay for.
    pub cached: bool,
    /// The model that gave the verdict.
    pub model: String,
    pub escalation: EscalationResponse,
    /// What the request cost, as a decimal string; `null` while it isn't known.
    pub cost_usd: Option<String>,
    pub usage: UsageResponse,
    pub timing: TimingResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentences: Option<Vec<SentenceResponse>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<Vec<SignalResponse>>,
}

/// A sentence as the local model reads it alone.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SentenceResponse {
    pub span: SpanResponse,
    #[schemars(with = "String")]
    pub label: Label,
    #[schemars(with = "std::collections::BTreeMap<String, f32>")]
    pub scores: Scores,
}

/// Code points of the text: `start` is included, `end` is not.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SpanResponse {
    pub start: usize,
    pub end: usize,
}

impl From<Sentence> for SentenceResponse {
    fn from(Sentence { span: (start, end), scores }: Sentence) -> SentenceResponse {
        SentenceResponse { span: SpanResponse { start, end }, label: scores.label(), scores }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct SarcasmResponse {
    pub detected: bool,
    pub score: f32,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct LanguageResponse {
    /// BCP 47.
    pub code: String,
    /// Whether the local model reads it.
    pub supported: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct EscalationResponse {
    /// Any of `sarcasm`, `ambiguous`, `multi_aspect`, `out_of_domain`, `requested`, `sampled`.
    #[schemars(with = "Vec<String>")]
    pub reasons: Vec<Reason>,
    /// `not_needed`, `answered`, `unavailable`, `over_budget` or `disabled`.
    #[schemars(with = "String")]
    pub outcome: Outcome,
}

/// Tokens of all attempts of the request, in buckets that do not overlap.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageResponse {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
}

/// Milliseconds; 0 for what was not done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TimingResponse {
    pub total_ms: f64,
    pub local_ms: f64,
    pub llm_ms: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct SignalResponse {
    pub name: &'static str,
    pub value: f32,
    /// From this value on it calls for an LLM.
    pub threshold: f32,
}

impl SentimentResponse {
    pub fn new(
        id: String,
        analysis: Analysis,
        total: Duration,
        thresholds: Option<&Thresholds>,
    ) -> SentimentResponse {
        let verdict = analysis.verdict;
        let usage = analysis.bill.usage;
        let signals = thresholds.map(|thresholds| {
            let by_name = analysis.signals.named(thresholds).into_iter();
            by_name.map(|(name, value, threshold)| SignalResponse { name, value, threshold })
        });
        SentimentResponse {
            id,
            label: verdict.scores.label(),
            scores: verdict.scores,
            confidence: verdict.scores.confidence(),
            sarcasm: SarcasmResponse {
                detected: verdict.sarcasm.detected(),
                score: verdict.sarcasm.0,
            },
            language: LanguageResponse {
                code: analysis.language.code.into_owned(),
                supported: analysis.language.supported,
            },
            route: if analysis.outcome == Outcome::Answered { "llm" } else { "local" },
            cached: analysis.cached,
            model: analysis.model,
            escalation: EscalationResponse { reasons: analysis.reasons, outcome: analysis.outcome },
            cost_usd: analysis.bill.cost.map(|cost| cost.to_string()),
            usage: UsageResponse {
                input_tokens: usage.input,
                output_tokens: usage.output,
                cache_read_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write_5m + usage.cache_write_1h,
            },
            timing: TimingResponse {
                total_ms: milliseconds(total),
                local_ms: milliseconds(analysis.local),
                llm_ms: milliseconds(analysis.llm),
            },
            sentences: None,
            signals: signals.map(Iterator::collect),
        }
    }
}

/// Milliseconds to the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
