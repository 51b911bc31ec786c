//! How the texts of a results topic were read: what a gateway's `/metrics`, and so its page, say of the
//! workers' texts. They have names of their own, since a worker's `/metrics` counts its texts too.

use std::time::Duration;

use serde::Deserialize;

use crate::sentiment::{Outcome, Reason};

/// Of one result.
#[derive(Debug, PartialEq)]
pub struct Routing {
    outcome: Outcome,
    is_cached: bool,
    /// Of all its tasks, each once.
    reasons: Vec<Reason>,
    /// How long it was at the worker.
    took: Duration,
}

/// A result, as far as this needs it.
#[derive(Deserialize)]
struct ResultValue {
    sentiment: Option<Verdict>,
    aspects: Option<Verdict>,
    emotions: Option<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    cached: bool,
    escalation: Escalation,
    timing: Timing,
}

#[derive(Deserialize)]
struct Escalation {
    reasons: Vec<Reason>,
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Timing {
    total_ms: f64,
}

impl Routing {
    /// `None` where a result does not say, as one of another version may not: it counts in the windows all
    /// the same.
    pub fn of(value: &[u8]) -> Option<Routing> {
        let ResultValue { sentiment, aspects, emotions } = serde_json::from_slice(value).ok()?;
        let verdicts: Vec<Verdict> = [sentiment, aspects, emotions].into_iter().flatten().collect();
        // An LLM's answer says most of how the text was read.
        let answered = |verdict: &&Verdict| verdict.escalation.outcome == Outcome::Answered;
        let telling = verdicts.iter().find(answered).or(verdicts.first())?;
        let mut reasons: Vec<Reason> = Vec::new();
        for reason in verdicts.iter().flat_map(|verdict| &verdict.escalation.reasons) {
            if !reasons.contains(reason) {
                reasons.push(*reason);
            }
        }
        Some(Routing {
            outcome: telling.escalation.outcome,
            is_cached: telling.cached,
            reasons,
            took: Duration::try_from_secs_f64(telling.timing.total_ms / 1e3).ok()?,
        })
    }

    pub fn count(&self) {
        let cached = if self.is_cached { "true" } else { "false" };
        metrics::counter!(
            "undertone_results_texts_total",
            "outcome" => self.outcome.name(),
            "cached" => cached
        )
        .increment(1);
        for reason in &self.reasons {
            metrics::counter!("undertone_results_reasons_total", "reason" => reason.name())
                .increment(1);
        }
        metrics::histogram!("undertone_results_worker_seconds").record(self.took);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_counts_by_the_llms_answer_and_each_reason_once() {
        let verdict = |outcome: &str, reasons: &[&str], cached: bool| {
            json!({
                "label": "mixed", "cached": cached,
                "escalation": {"reasons": reasons, "outcome": outcome},
                "timing": {"total_ms": 812.5, "local_ms": 1.3, "llm_ms": null}
            })
        };
        let value = json!({
            "input": {}, "key": null,
            "sentiment": verdict("not_needed", &[], false),
            "aspects": verdict("answered", &["multi_aspect", "ambiguous"], true),
            "emotions": verdict("unavailable", &["ambiguous"], false)
        });
        let expected = Routing {
            outcome: Outcome::Answered,
            is_cached: true,
            reasons: vec![Reason::MultiAspect, Reason::Ambiguous],
            took: Duration::from_micros(812_500),
        };
        assert_eq!(Routing::of(value.to_string().as_bytes()), Some(expected));
    }

    #[test]
    fn what_does_not_say_is_not_counted() {
        let unknown = json!({"sentiment": {"cached": false, "timing": {"total_ms": 1.0},
            "escalation": {"reasons": ["a_later_one"], "outcome": "answered"}}});
        for value in [unknown.to_string(), "{}".to_owned(), "not JSON".to_owned()] {
            assert_eq!(Routing::of(value.as_bytes()), None, "{value}");
        }
    }
}
