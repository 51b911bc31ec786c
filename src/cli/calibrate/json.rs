//! What came of it as one object, for scripts.

use serde_json::{Map, Value, json};

use super::cases::Answerer;
use super::written::goal;
use super::{Destinations, Outcome};
use crate::app::named;
use crate::cli::evaluate::recorded_json as recorded;
use crate::evaluation::{CurvePoint, Refused};

pub fn outcome(outcome: &Outcome, destinations: &Destinations) -> Value {
    let has_price = outcome.answerer.has_price;
    let calibration = &outcome.calibration;
    let chosen = calibration.chosen.as_ref().ok().map(|chosen| {
        let mut object = point(&calibration.curve[chosen.at], has_price);
        object["accuracy_at_least"] = short(chosen.accuracy_at_least);
        object["cost_per_1k_at_most_usd"] = json!(has_price.then_some(chosen.cost_per_1k_at_most));
        object
    });
    let certifiable = calibration.chosen.as_ref().err().map(|refused| match refused {
        Refused::Accuracy { certifiable, cost_per_1k } => json!({
            "accuracy_at_least": short(*certifiable),
            "cost_per_1k_usd": has_price.then_some(cost_per_1k),
        }),
        Refused::Cost { certifiable } => json!({"cost_per_1k_at_most_usd": certifiable}),
    });
    let written = |destination: Option<&super::Destination>| {
        let destination = destination.filter(|_| chosen.is_some())?;
        Some(destination.path().display().to_string())
    };
    let thresholds = written(destinations.thresholds.as_ref());
    json!({
        "data": {
            "file": outcome.about.file,
            "texts": outcome.texts,
            "sha256": outcome.about.sha256,
            "task": outcome.subject.name(),
            "choosing": outcome.texts - outcome.certifying,
            "certifying": outcome.certifying,
        },
        "goal": goal(outcome.goal),
        "confidence": outcome.confidence,
        "llm": llm(&outcome.answerer, outcome.texts),
        "curve": calibration.curve.iter().map(|one| point(one, has_price)).collect::<Vec<_>>(),
        "chosen": chosen,
        "certifiable": certifiable,
        "applied": thresholds.is_some(),
        "thresholds": thresholds,
        "report": written(Some(&destinations.report)),
    })
}

/// Who answers, and how far that is known.
pub fn llm(answerer: &Answerer, texts: usize) -> Value {
    let assumed = texts - answerer.measured;
    json!({
        "model": answerer.model,
        "recorded": answerer.recorded.as_ref().map(recorded),
        "cost_basis": answerer.cost_basis.name(),
        "measured_texts": answerer.measured,
        "measured_accuracy": answerer.measured_accuracy().map(short),
        "assumed_texts": assumed,
        "assumed_accuracy": (assumed > 0).then_some(answerer.assumed_accuracy),
    })
}

fn point(point: &CurvePoint, has_price: bool) -> Value {
    let thresholds: Map<String, Value> = named(&point.thresholds)
        .map(|(name, value)| (name.to_owned(), short(f64::from(value))))
        .collect();
    json!({
        "thresholds": thresholds,
        "escalated": short(point.escalated),
        "cost_per_1k_usd": has_price.then_some(point.cost_per_1k),
        "accuracy": short(point.accuracy),
        "accuracy_at_least": short(point.at_least),
        "accuracy_at_most": short(point.at_most),
        "margin_only": short(point.margin_only),
        "random": short(point.random),
        "oracle": short(point.oracle),
    })
}

/// To six digits after the point: no file has enough texts for more.
pub fn short(value: f64) -> Value {
    json!((value * 1e6).round() / 1e6)
}
