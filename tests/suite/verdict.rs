//! How a verdict is read, and what holds for every one.

use serde_json::Value;

const LABELS: [&str; 4] = ["negative", "neutral", "positive", "mixed"];
const REASONS: [&str; 6] =
    ["sarcasm", "ambiguous", "multi_aspect", "out_of_domain", "requested", "sampled"];
const BUCKETS: [&str; 4] =
    ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"];
const FIELDS: [&str; 14] = [
    "id",
    "label",
    "scores",
    "confidence",
    "sarcasm",
    "language",
    "route",
    "cached",
    "model",
    "escalation",
    "cost_usd",
    "usage",
    "timing",
    "signals",
];

/// The tokens in the order input, output, cache read, cache write; also of a row of costs.
#[track_caller]
pub fn usage(of: &Value) -> [u64; 4] {
    BUCKETS
        .map(|bucket| of[bucket].as_u64().unwrap_or_else(|| panic!("{bucket} is no count in {of}")))
}

pub fn scores(verdict: &Value) -> [f64; 4] {
    LABELS.map(|label| verdict["scores"][label].as_f64().expect("each label has a score"))
}

pub fn reasons(verdict: &Value) -> Vec<&str> {
    let reasons = verdict["escalation"]["reasons"].as_array().expect("reasons are a list");
    reasons.iter().map(|reason| reason.as_str().expect("a reason is a name")).collect()
}

pub fn outcome(verdict: &Value) -> &str {
    verdict["escalation"]["outcome"].as_str().expect("the outcome is a name")
}

/// Checks what the contract says of every verdict of `/v1/sentiment`.
#[track_caller]
pub fn check_shape(verdict: &Value) {
    let object = verdict.as_object().expect("a verdict is an object");
    for field in FIELDS.iter().filter(|field| **field != "signals") {
        assert!(object.contains_key(*field), "{field} is missing in {verdict}");
    }
    for field in object.keys().filter(|field| *field != "sentences") {
        assert!(FIELDS.contains(&field.as_str()), "{field} is not in the contract: {verdict}");
    }
    let id = verdict["id"].as_str().unwrap_or_default();
    assert!(uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 7), "{id}");
    check_scores(verdict);
    let sarcasm = &verdict["sarcasm"];
    assert!(sarcasm["detected"].is_boolean(), "{sarcasm}");
    let follows = &sarcasm["label_follows"];
    let expected = match (&sarcasm["detected"], &verdict["route"], &verdict["label"]) {
        (Value::Bool(false), ..) => Value::Null,
        (_, route, label) if route == "llm" || label == "negative" => "meaning".into(),
        _ => "words".into(),
    };
    assert_eq!(
        (follows, sarcasm.as_object().map(|of| of.len())),
        (&expected, Some(3)),
        "{verdict}"
    );
    assert!((0.0..=1.0).contains(&sarcasm["score"].as_f64().unwrap_or(-1.0)), "{sarcasm}");
    assert!(verdict["language"]["code"].is_string(), "{verdict}");
    assert!(verdict["language"]["supported"].is_boolean(), "{verdict}");
    assert!(verdict["cached"].is_boolean(), "{verdict}");
    assert!(verdict["model"].as_str().is_some_and(|model| !model.is_empty()), "{verdict}");
    for reason in reasons(verdict) {
        assert!(REASONS.contains(&reason), "{reason} is no reason: {verdict}");
    }
    let answered = outcome(verdict) == "answered";
    assert!(
        ["not_needed", "answered", "unavailable", "over_budget", "disabled"]
            .contains(&outcome(verdict)),
        "{verdict}"
    );
    assert_eq!(verdict["route"], if answered { "llm" } else { "local" }, "{verdict}");
    assert!(answered || verdict["cached"] == false, "only an LLM's verdict is cached: {verdict}");
    assert_eq!(outcome(verdict) == "not_needed", reasons(verdict).is_empty(), "{verdict}");
    assert!(verdict["cost_usd"].is_string() || verdict["cost_usd"].is_null(), "{verdict}");
    usage(&verdict["usage"]);
    let timing = &verdict["timing"];
    assert!(timing["total_ms"].as_f64().is_some_and(|total| total > 0.0), "{timing}");
    for part in ["local_ms", "llm_ms"] {
        let part = &timing[part];
        assert!(part.is_null() || part.as_f64().is_some_and(|part| part >= 0.0), "{timing}");
    }
}

/// Scores sum to 1; the label is the likeliest; the confidence is its score.
#[track_caller]
pub fn check_scores(verdict: &Value) {
    let all = scores(verdict);
    assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{verdict}");
    assert!(all.iter().all(|score| (0.0..=1.0).contains(score)), "{verdict}");
    let label = LABELS.iter().position(|label| verdict["label"] == *label).expect("a known label");
    let top = all.iter().copied().fold(0.0, f64::max);
    assert_eq!(all[label], top, "the label is the likeliest: {verdict}");
    if let Some(confidence) = verdict.get("confidence") {
        assert!((confidence.as_f64().expect("a number") - top).abs() < 1e-6, "{verdict}");
    }
}
