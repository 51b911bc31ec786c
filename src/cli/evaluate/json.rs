//! The comparison as one object, for scripts.

use serde_json::{Map, Value, json};

use super::Comparison;
use super::doubt::{doubt_json, parts_json};
use crate::evaluation::{Classes, LabelFigures, Measured, Quality, Recorded, Spans, Subject, Tags};

/// All that was found out, keyed by the strategies as they were typed.
pub fn comparison(comparison: &Comparison) -> Value {
    let Comparison { about, subject, texts, strategies, .. } = comparison;
    let first = &strategies[0].1;
    let each = strategies.iter().map(|(typed, measured)| {
        (typed.clone(), Value::Object(strategy(*subject, measured, first)))
    });
    json!({
        "data": {
            "file": about.file,
            "texts": texts,
            "sha256": about.sha256,
            "task": subject.name(),
        },
        "answers": comparison.answers.as_ref().map(|answers| json!({
            "file": answers.about.file,
            "sha256": answers.about.sha256,
            "models": answers.models,
            "elsewhere": answers.elsewhere,
        })),
        "strategies": each.collect::<Map<_, _>>(),
        "spent_usd": comparison.spent,
    })
}

fn strategy(subject: Subject, measured: &Measured, first: &Measured) -> Map<String, Value> {
    let mut object = figures(subject, measured.quality.as_ref());
    let rest = json!({
        "band": measured.band.as_ref().map(|(lower, upper)| {
            json!({"lower": summary(lower), "upper": summary(upper)})
        }),
        "measured_texts": measured.texts,
        "recorded": measured.recorded.as_ref().map(recorded),
        "p_wrong": doubt_json(measured.doubt.as_ref()),
        "parts": parts_json(measured.parts.as_ref()),
        "escalated": short(measured.escalated),
        "latency_ms": measured.latency.map_or(
            json!({"p50": null, "p95": null, "p99": null}),
            |latency| json!({
                "p50": short(latency.p50), "p95": short(latency.p95), "p99": short(latency.p99)
            }),
        ),
        "throughput_per_s": measured.throughput_per_s.map(short),
        "cost_per_1k_usd": measured.cost.per_1k,
        "cost_basis": measured.cost.basis.name(),
        "compute_usd_per_1k": measured.compute_per_1k,
        "price_ratio": measured.price_ratio(first).map(short),
        "latency_ratio": measured.latency_ratio(first).map(short),
        "bought": measured.bought,
        "reused": measured.reused,
        "notes": measured.notes,
    });
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
    object
}

/// Whose answers they are that nobody was asked for, and to how many texts there is none.
pub fn recorded(recorded: &Recorded) -> Value {
    let Recorded { model, file, sha256, answered, unusable, missing } = recorded;
    json!({
        "model": model,
        "file": file,
        "sha256": sha256,
        "answered": answered,
        "unusable": unusable,
        "missing": missing,
    })
}

/// The figures of a subject; all `null` where nothing was measured.
fn figures(subject: Subject, quality: Option<&Quality>) -> Map<String, Value> {
    let names: &[&str] = match subject {
        Subject::Sentiment => &CLASSES,
        Subject::Sarcasm => &SARCASM,
        Subject::Emotions => &["macro_f1", "micro_f1", "per_label"],
        Subject::Aspects => &["precision", "recall", "f1"],
    };
    match quality {
        Some(quality) => of_quality(quality),
        None => names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect(),
    }
}

const CLASSES: [&str; 7] =
    ["accuracy", "accuracy_interval", "macro_f1", "per_label", "confusion", "ece", "reliability"];

const SARCASM: [&str; 9] = [
    "accuracy",
    "accuracy_interval",
    "macro_f1",
    "per_label",
    "confusion",
    "ece",
    "reliability",
    "f1",
    "auroc",
];

fn of_quality(quality: &Quality) -> Map<String, Value> {
    let value = match quality {
        Quality::Sentiment(classes) => of_classes(classes),
        Quality::Sarcasm { classes, f1, auroc } => {
            let mut value = of_classes(classes);
            value["f1"] = short(*f1);
            value["auroc"] = json!(auroc.map(short));
            value
        }
        Quality::Emotions(Tags { macro_f1, micro_f1, per_label }) => json!({
            "macro_f1": short(*macro_f1),
            "micro_f1": short(*micro_f1),
            "per_label": labels(per_label),
        }),
        Quality::Aspects(Spans { precision, recall, f1 }) => json!({
            "precision": short(*precision), "recall": short(*recall), "f1": short(*f1),
        }),
    };
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn of_classes(classes: &Classes) -> Value {
    let Classes {
        accuracy,
        accuracy_interval: (low, high),
        macro_f1,
        per_label,
        confusion,
        ece,
        ..
    } = classes;
    let said_nothing = confusion.nothing.iter().any(|count| *count > 0);
    let row = |at: usize| {
        let said = confusion.labels.iter().zip(&confusion.counts[at]);
        let mut row: Map<String, Value> =
            said.map(|(label, count)| ((*label).to_owned(), json!(count))).collect();
        if said_nothing {
            row.insert("none".to_owned(), json!(confusion.nothing[at]));
        }
        Value::Object(row)
    };
    let rows =
        confusion.labels.iter().enumerate().map(|(at, label)| ((*label).to_owned(), row(at)));
    let reliability: Vec<Value> = classes
        .reliability
        .iter()
        .map(|bin| {
            json!({
                "from": short(bin.from), "to": short(bin.to), "texts": bin.texts,
                "confidence": short(bin.confidence), "accuracy": short(bin.accuracy),
            })
        })
        .collect();
    json!({
        "accuracy": short(*accuracy),
        "accuracy_interval": [short(*low), short(*high)],
        "macro_f1": short(*macro_f1),
        "per_label": labels(per_label),
        "confusion": rows.collect::<Map<_, _>>(),
        "ece": short(*ece),
        "reliability": reliability,
    })
}

fn labels(per_label: &[(&'static str, LabelFigures)]) -> Map<String, Value> {
    let figures = |of: &LabelFigures| {
        json!({
            "precision": short(of.precision), "recall": short(of.recall), "f1": short(of.f1),
            "support": of.support,
        })
    };
    per_label.iter().map(|(label, of)| ((*label).to_owned(), figures(of))).collect()
}

/// What a band's ends are compared by.
pub fn summary(quality: &Quality) -> Value {
    match quality {
        Quality::Sentiment(classes) => {
            json!({"accuracy": short(classes.accuracy), "macro_f1": short(classes.macro_f1)})
        }
        Quality::Sarcasm { classes, f1, .. } => {
            json!({"accuracy": short(classes.accuracy), "f1": short(*f1)})
        }
        Quality::Emotions(tags) => {
            json!({"macro_f1": short(tags.macro_f1), "micro_f1": short(tags.micro_f1)})
        }
        Quality::Aspects(spans) => json!({"f1": short(spans.f1)}),
    }
}

/// To six digits after the point: no file has enough texts for more.
pub fn short(value: f64) -> Value {
    json!((value * 1e6).round() / 1e6)
}
