//! An instance of a JSON Schema: what a model under structured output would say.

use serde_json::{Map, Value, json};

/// The labels that a schema may know.
pub const LABELS: [&str; 4] = ["negative", "neutral", "positive", "mixed"];

/// What the answer is to say, wherever the schema has a place for it.
pub struct Answer<'a> {
    pub label: &'a str,
    pub sarcasm: f64,
    /// Says a label that the schema does not know.
    pub astray: bool,
    /// Is not sure of it, as far as the schema lets it say so.
    pub unsure: bool,
}

/// The same for each of several texts, in a list of answers that bear the indexes of the texts; `None`
/// where the schema has no such list.
pub fn instances<'a>(schema: &Value, answers: &[(Value, Answer<'a>)]) -> Option<Value> {
    let items = schema.pointer("/properties/answers/items")?;
    let one = |(index, answer): &(Value, Answer<'a>)| {
        let mut one = at(items, schema, "", answer);
        one["index"] = index.clone();
        one
    };
    Some(json!({"answers": answers.iter().map(one).collect::<Vec<_>>()}))
}

/// The keys in the schema's order; enums that hold the label say it; numbers named after labels are
/// high for that label and low for the others.
pub fn instance(schema: &Value, answer: &Answer<'_>) -> Value {
    at(schema, schema, "", answer)
}

fn at(schema: &Value, root: &Value, name: &str, answer: &Answer<'_>) -> Value {
    let nested = |schema: &Value, name: &str| at(schema, root, name, answer);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(target.trim_start_matches('#')).expect("the dialect checked it");
        return nested(target, name);
    }
    if let Some(value) = schema.get("const") {
        return if answer.astray && is_label(value) { json!("furious") } else { value.clone() };
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let wanted = values.iter().find(|value| *value == answer.label);
        let unsure = values.iter().find(|value| answer.unsure && *value == "unsure");
        return match wanted.or(unsure) {
            Some(_) if answer.astray => json!("furious"),
            Some(label) => label.clone(),
            None => values.first().cloned().unwrap_or(Value::Null),
        };
    }
    for list in ["anyOf", "allOf"] {
        if let Some(branches) = schema.get(list).and_then(Value::as_array) {
            let wanted = branches
                .iter()
                .find(|branch| branch.get("const").is_some_and(|value| value == answer.label));
            let branch = wanted.or(branches.first()).expect("a union has branches");
            return nested(branch, name);
        }
    }
    match kind(schema) {
        "object" => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let entries = properties.into_iter().flatten();
            Value::Object(
                entries.map(|(key, of)| (key.clone(), nested(of, key))).collect::<Map<_, _>>(),
            )
        }
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            (0..least).map(|_| nested(&schema["items"], name)).collect()
        }
        "number" => json!(number(schema, name, answer, 1.0)),
        "integer" => json!(number(schema, name, answer, 100.0).round() as i64),
        "boolean" => json!(name.contains("sarcas") && answer.sarcasm >= 0.5),
        "string" => json!("as the text says"),
        _ => Value::Null,
    }
}

fn number(schema: &Value, name: &str, answer: &Answer<'_>, usual: f64) -> f64 {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let (low, high) = (bound("minimum").unwrap_or(0.0), bound("maximum").unwrap_or(usual));
    let share = match name {
        name if name.contains("sarcas") => answer.sarcasm,
        name if name == answer.label => 0.91,
        name if LABELS.contains(&name) => 0.03,
        _ => 0.9,
    };
    low + share * (high - low)
}

fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => kinds.iter().find_map(Value::as_str).unwrap_or("null"),
        _ => "null",
    }
}

fn is_label(value: &Value) -> bool {
    LABELS.iter().any(|label| value == label)
}
