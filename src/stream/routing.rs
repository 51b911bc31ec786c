//! How the texts of a results topic were read: what a gateway's `/metrics`, and so its page, say of the
//! workers' texts. They have names of their own, since a worker's `/metrics` counts its texts too.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::sentiment::{Outcome, Reason};

/// Of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    outcome: Outcome,
    is_cached: bool,
    /// Of all its tasks, each once.
    reasons: Vec<Reason>,
    /// How long it was at the worker.
    took: Duration,
}

/// Of a verdict, what it says of its way.
#[derive(Deserialize)]
pub struct Escalation {
    reasons: Vec<Named<Reason>>,
    outcome: Named<Outcome>,
}

#[derive(Deserialize)]
pub struct Timing {
    total_ms: f64,
}

/// One of our names, or one that another version gave.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named<T> {
    Known(T),
    Unknown(IgnoredAny),
}

impl<T: Copy> Named<T> {
    fn known(&self) -> Option<T> {
        match self {
            Named::Known(name) => Some(*name),
            Named::Unknown(_) => None,
        }
    }
}

impl Routing {
    /// `None` where the outcome or the time makes no sense here.
    pub fn of(is_cached: bool, escalation: &Escalation, timing: &Timing) -> Option<Routing> {
        Some(Routing {
            outcome: escalation.outcome.known()?,
            is_cached,
            reasons: escalation.reasons.iter().filter_map(Named::known).collect(),
            took: Duration::try_from_secs_f64(timing.total_ms / 1e3).ok()?,
        })
    }

    /// A text's, of those of its tasks: the LLM's answer says most of how it was read, else the first.
    pub fn together(tasks: &[Routing]) -> Option<Routing> {
        let answered = |one: &&Routing| one.outcome == Outcome::Answered;
        let telling = tasks.iter().find(answered).or(tasks.first())?;
        let mut reasons: Vec<Reason> = Vec::new();
        for reason in tasks.iter().flat_map(|one| &one.reasons) {
            if !reasons.contains(reason) {
                reasons.push(*reason);
            }
        }
        Some(Routing { reasons, ..telling.clone() })
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

    fn routing(outcome: &str, reasons: &[&str], is_cached: bool, total_ms: f64) -> Option<Routing> {
        let escalation = json!({"reasons": reasons, "outcome": outcome});
        let escalation = serde_json::from_value(escalation).expect("it has the form");
        Routing::of(is_cached, &escalation, &Timing { total_ms })
    }

    #[test]
    fn a_text_counts_by_the_llms_answer_and_each_reason_once() {
        let tasks = [
            routing("not_needed", &[], false, 812.5),
            routing("answered", &["multi_aspect", "ambiguous"], true, 812.5),
            routing("unavailable", &["ambiguous", "sarcasm"], false, 812.5),
        ];
        let expected = Routing {
            outcome: Outcome::Answered,
            is_cached: true,
            reasons: vec![Reason::MultiAspect, Reason::Ambiguous, Reason::Sarcasm],
            took: Duration::from_micros(812_500),
        };
        assert_eq!(Routing::together(&tasks.map(|one| one.expect("all is known"))), Some(expected));
        assert_eq!(Routing::together(&[]), None);
    }

    #[test]
    fn what_another_version_says_is_left_out() {
        let known = routing("answered", &["sarcasm"], false, 1.0);
        assert_eq!(routing("answered", &["a_later_one", "sarcasm"], false, 1.0), known);
        assert_eq!(routing("a_later_one", &["sarcasm"], false, 1.0), None);
        for total_ms in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(routing("answered", &["sarcasm"], false, total_ms), None, "{total_ms}");
        }
    }
}
