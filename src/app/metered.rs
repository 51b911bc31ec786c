//! What `/metrics` counts of texts and their verdicts.

use crate::cascade::Analysis;
use crate::sentiment::Task;

/// Once for a text of one task.
pub(super) fn measure(task: Task, analysis: &Analysis) {
    count_verdict(task, analysis);
    count_text(analysis);
}

/// Once a text.
pub(super) fn count_text(analysis: &Analysis) {
    let outcome = analysis.outcome.name();
    let cached = if analysis.cached { "true" } else { "false" };
    metrics::counter!("undertone_texts_total", "outcome" => outcome, "cached" => cached)
        .increment(1);
    if !analysis.local.is_zero() {
        metrics::histogram!("undertone_local_read_seconds").record(analysis.local);
    }
}

/// Once for each task of a text.
pub(super) fn count_verdict(task: Task, analysis: &Analysis) {
    super::learning::compare(task, analysis);
    for reason in &analysis.reasons {
        metrics::counter!("undertone_escalation_reasons_total", "reason" => reason.name())
            .increment(1);
    }
}
