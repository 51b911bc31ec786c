//! `thresholds.json`, as it is written beside the model.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Outcome;
use super::json::short;
use crate::app::{CalibratedOn, Config, ThresholdsFile, graph_sha256, own_thresholds};
use crate::cli::page::Destination;
use crate::evaluation::Goal;

/// Writes what was chosen; nothing where nothing was.
pub fn write(outcome: &Outcome, config: &Config, to: &Destination) -> anyhow::Result<()> {
    let Ok(chosen) = outcome.calibration.chosen else { return Ok(()) };
    let point = &outcome.calibration.curve[chosen.at];
    // What was calibrated for another task stays.
    let before = match ThresholdsFile::of_model(&config.classifier) {
        Ok(Some(file)) => file.thresholds,
        _ => own_thresholds(config)?,
    };
    let today = OffsetDateTime::now_utc().date();
    let has_price = outcome.answerer.has_price;
    let file = ThresholdsFile {
        format: ThresholdsFile::FORMAT,
        graph_sha256: graph_sha256(&config.classifier)?,
        thresholds: before.with(outcome.subject.task(), point.thresholds),
        data: CalibratedOn {
            file: outcome.about.file.clone(),
            texts: outcome.texts,
            sha256: outcome.about.sha256.clone(),
        },
        date: today.format(format_description!("[year]-[month]-[day]"))?,
        task: outcome.subject.name().to_owned(),
        goal: goal(outcome.goal),
        llm: super::json::llm(&outcome.answerer, outcome.texts),
        bounds: json!({
            "confidence": outcome.confidence,
            "certified_on": outcome.certifying,
            "accuracy": short(point.accuracy),
            "accuracy_at_least": short(chosen.accuracy_at_least),
            "escalated": short(point.escalated),
            "cost_per_1k_usd": has_price.then_some(point.cost_per_1k),
            "cost_per_1k_at_most_usd": has_price.then_some(chosen.cost_per_1k_at_most),
        }),
    };
    to.write(&format!("{}\n", serde_json::to_string_pretty(&file)?))
}

pub fn goal(goal: Goal) -> Value {
    match goal {
        Goal::MinAccuracy(accuracy) => json!({"min_accuracy": accuracy}),
        Goal::MaxCostPer1k(cost) => json!({"max_cost_per_1k_usd": cost}),
    }
}
