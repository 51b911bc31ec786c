//! What callers get.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::app::{Analysis, Sentence};
use crate::pricing::Refusal;
use crate::sentiment::{
    Aspect, Emotion, Findings, Label, Outcome, Reason, Scores, Thresholds, Verdict, wanted,
};

/// The verdict on a text: of every task the sentiment, and of the other two what they add.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AnalysisResponse {
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
    #[serde(flatten)]
    pub findings: FindingsResponse,
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

/// What a task adds to the sentiment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum FindingsResponse {
    Aspects {
        /// In the order of the text, or of the terms that the request names.
        aspects: Vec<AspectResponse>,
        /// The label of the whole text.
        #[schemars(with = "String")]
        overall: Label,
    },
    Emotions {
        /// All 28, the highest score first.
        emotions: Vec<EmotionResponse>,
        /// The first one's label.
        dominant: Emotion,
        /// Ekman's basic emotion that it belongs to: one of six, or `neutral`.
        ekman: &'static str,
    },
    None {},
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct AspectResponse {
    /// As the text writes it, or as the request names it.
    pub term: String,
    /// One of the configured names; `null` where the text says nothing of the term.
    pub category: Option<String>,
    /// A label; `null` where the text says nothing of the term.
    #[schemars(with = "Option<String>")]
    pub sentiment: Option<Label>,
    /// The words of the text that judge it, where the reader can tell them.
    pub opinion: Option<String>,
    pub confidence: f32,
    pub span: Option<SpanResponse>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct EmotionResponse {
    pub label: Emotion,
    pub score: f32,
    /// Whether the score passes the emotion's own threshold.
    pub detected: bool,
}

impl FindingsResponse {
    fn new(findings: Findings, overall: Label, terms: Option<&[String]>) -> FindingsResponse {
        match findings {
            Findings::None => FindingsResponse::None {},
            Findings::Aspects(found) => {
                let aspects = match terms {
                    Some(terms) => wanted(terms, &found),
                    None => found,
                };
                let aspects = aspects.into_iter().map(Into::into).collect();
                FindingsResponse::Aspects { aspects, overall }
            }
            Findings::Emotions(emotions) => {
                let sorted = emotions.sorted();
                let dominant = sorted[0].0;
                let emotions = sorted
                    .into_iter()
                    .map(|(label, score, detected)| EmotionResponse { label, score, detected })
                    .collect();
                FindingsResponse::Emotions { emotions, dominant, ekman: dominant.ekman() }
            }
        }
    }
}

impl From<Aspect> for AspectResponse {
    fn from(aspect: Aspect) -> AspectResponse {
        AspectResponse {
            term: aspect.term,
            category: aspect.category,
            sentiment: aspect.sentiment,
            opinion: aspect.opinion,
            confidence: aspect.confidence,
            span: aspect.span.map(|(start, end)| SpanResponse { start, end }),
        }
    }
}

/// A sentence as the local model reads it alone.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SentenceResponse {
    pub span: SpanResponse,
    #[schemars(with = "String")]
    pub label: Label,
    #[schemars(with = "std::collections::BTreeMap<String, f32>")]
    pub scores: Scores,
    /// `true` where the sentence is a greeting, a sign-off, a signature, a footer, a quoted reply or a reference number: it counts
    /// for no verdict and isn't read, so its label is `neutral` with the score 1. Of other sentences the field is absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub boilerplate: bool,
}

/// Code points of the text: `start` is included, `end` is not.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SpanResponse {
    pub start: usize,
    pub end: usize,
}

impl From<Sentence> for SentenceResponse {
    fn from(Sentence { span: (start, end), scores, boilerplate }: Sentence) -> SentenceResponse {
        let span = SpanResponse { start, end };
        SentenceResponse { span, label: scores.label(), scores, boilerplate }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct SarcasmResponse {
    pub detected: bool,
    pub score: f32,
    /// Where sarcasm is detected, what the label follows: the `meaning`, or the `words`, which say the opposite;
    /// else `null`.
    pub label_follows: Option<LabelFollows>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelFollows {
    Words,
    Meaning,
}

impl SarcasmResponse {
    /// An LLM is asked for what is meant. The local model reads words, and where it finds a sarcastic text
    /// negative it has seen through them.
    fn of(verdict: &Verdict, is_llms: bool) -> SarcasmResponse {
        let detected = verdict.sarcasm.detected();
        let sees_through = is_llms || verdict.scores.label() == Label::Negative;
        let label_follows = detected.then_some(match sees_through {
            true => LabelFollows::Meaning,
            false => LabelFollows::Words,
        });
        SarcasmResponse { detected, score: verdict.sarcasm.0, label_follows }
    }
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
    /// Where the outcome is `over_budget`: which limit had no room, and the amounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OverBudget>")]
    pub over_budget: Option<Box<Refusal>>,
}

/// A limit that had no room for a call; amounts are decimal strings of US dollars.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "it says the form of a refusal, which serialises itself")]
pub struct OverBudget {
    /// `key`, `team`, or `request` for `max_cost_usd`.
    limit_of: String,
    team: Option<String>,
    key_id: Option<String>,
    /// `day` or `month`; `null` for `request`.
    period: Option<String>,
    limit_usd: String,
    spent_usd: String,
    /// For calls in flight, unresolved or unpriced.
    reserved_usd: String,
    /// What the call may cost at most; `null` where its model has no price.
    asked_usd: Option<String>,
    resets_at: Option<String>,
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

impl AnalysisResponse {
    /// `terms` are the aspects that the request names, if it does.
    pub fn new(
        id: String,
        analysis: Analysis,
        total: Duration,
        thresholds: Option<&Thresholds>,
        terms: Option<&[String]>,
    ) -> AnalysisResponse {
        let verdict = analysis.verdict;
        let usage = analysis.bill.usage;
        let is_llms = analysis.outcome == Outcome::Answered;
        let signals = thresholds.map(|thresholds| {
            let by_name = analysis.signals.named(thresholds).into_iter();
            by_name.map(|(name, value, threshold)| SignalResponse { name, value, threshold })
        });
        AnalysisResponse {
            id,
            label: verdict.scores.label(),
            scores: verdict.scores,
            confidence: verdict.scores.confidence(),
            sarcasm: SarcasmResponse::of(&verdict, is_llms),
            findings: FindingsResponse::new(verdict.findings, verdict.scores.label(), terms),
            language: LanguageResponse {
                code: analysis.language.code.into_owned(),
                supported: analysis.language.supported,
            },
            route: if is_llms { "llm" } else { "local" },
            cached: analysis.cached,
            model: analysis.model,
            escalation: EscalationResponse {
                reasons: analysis.reasons,
                outcome: analysis.outcome,
                over_budget: analysis.refusal,
            },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::SarcasmScore;

    #[test]
    fn a_sarcastic_texts_label_says_whether_it_follows_the_words_or_the_meaning() {
        use LabelFollows::{Meaning, Words};
        for (weights, sarcasm, is_llms, expected) in [
            ([0.1, 0.1, 0.7, 0.1], 0.2, false, None),
            ([0.1, 0.1, 0.7, 0.1], 0.9, false, Some(Words)),
            ([0.1, 0.7, 0.1, 0.1], 0.9, false, Some(Words)),
            ([0.1, 0.1, 0.1, 0.7], 0.9, false, Some(Words)),
            ([0.7, 0.1, 0.1, 0.1], 0.9, false, Some(Meaning)),
            ([0.1, 0.1, 0.7, 0.1], 0.9, true, Some(Meaning)),
            ([0.7, 0.1, 0.1, 0.1], 0.2, true, None),
        ] {
            let scores = Scores::from_weights(weights);
            let sarcasm = SarcasmScore(sarcasm);
            let verdict = Verdict { scores, sarcasm, findings: Findings::None };
            let told = SarcasmResponse::of(&verdict, is_llms).label_follows;
            assert_eq!(told, expected, "{weights:?}, {sarcasm:?}, {is_llms}");
        }
    }
}
