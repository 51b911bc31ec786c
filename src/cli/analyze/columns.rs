//! What a verdict adds to a row: the columns of each task, and those that all tasks share.

use serde_json::{Map, Value, json};

use crate::app::Analysis;
use crate::pricing::Usd;
use crate::sentiment::{Aspect, Findings, Label, Outcome, Task};

pub const LABEL: &str = "undertone_label";
pub const CONFIDENCE: &str = "undertone_confidence";
pub const SCORES: &str = "undertone_scores";
pub const SARCASM: &str = "undertone_sarcasm";
pub const ROUTE: &str = "undertone_route";
pub const REASONS: &str = "undertone_reasons";
pub const COST: &str = "undertone_cost_usd";
pub const ASPECTS: &str = "undertone_aspects";
pub const EMOTION: &str = "undertone_emotion";
pub const ERROR: &str = "undertone_error";

/// The columns of a row that have a value, by name.
pub type Answer = Map<String, Value>;

/// A column, and what of an analysis stands in it.
type Column = (&'static str, fn(&Analysis) -> Value);

/// All columns there can be, in the order in which they are added.
const ORDER: [&str; 10] =
    [LABEL, CONFIDENCE, SCORES, SARCASM, ROUTE, REASONS, COST, ASPECTS, EMOTION, ERROR];

/// The place where a task's verdict becomes columns.
fn of_task(task: Task) -> &'static [Column] {
    match task {
        Task::Sentiment => &[
            (LABEL, |analysis| json!(analysis.verdict.scores.label())),
            (CONFIDENCE, |analysis| number(analysis.verdict.scores.confidence())),
            (SCORES, |analysis| {
                let scores = analysis.verdict.scores;
                let named = |label: Label| (label.name().to_owned(), number(scores.of(label)));
                Value::Object(Label::ALL.into_iter().map(named).collect())
            }),
            (SARCASM, |analysis| number(analysis.verdict.sarcasm.0)),
        ],
        Task::Aspects => &[(ASPECTS, |analysis| match &analysis.verdict.findings {
            Findings::Aspects(found) => found.iter().cloned().map(aspect).collect(),
            _ => Value::Null,
        })],
        Task::Emotions => &[(EMOTION, |analysis| match &analysis.verdict.findings {
            Findings::Emotions(emotions) => json!(emotions.dominant()),
            _ => Value::Null,
        })],
    }
}

/// The columns that these tasks add, in order.
pub fn of(tasks: &[Task]) -> Vec<&'static str> {
    let is_added = |column: &&str| {
        let mut own = tasks.iter().flat_map(|task| of_task(*task));
        [ROUTE, REASONS, COST, ERROR].contains(column) || own.any(|(name, _)| name == column)
    };
    ORDER.into_iter().filter(is_added).collect()
}

/// The answer to a row, out of each task's.
pub fn answer(analyses: &[(Task, Analysis)]) -> Answer {
    let mut answer = Answer::new();
    let mut reasons: Vec<&str> = Vec::new();
    for (task, analysis) in analyses {
        for (name, read) in of_task(*task) {
            answer.insert((*name).to_owned(), read(analysis));
        }
        for reason in &analysis.reasons {
            if !reasons.contains(&reason.name()) {
                reasons.push(reason.name());
            }
        }
    }
    let by_llm = analyses.iter().any(|(_, analysis)| analysis.outcome == Outcome::Answered);
    answer.insert(ROUTE.to_owned(), json!(if by_llm { "llm" } else { "local" }));
    answer.insert(REASONS.to_owned(), json!(reasons));
    let costs = analyses.iter().map(|(_, analysis)| analysis.bill.cost);
    answer.insert(COST.to_owned(), cost(costs.sum()));
    answer
}

/// The answer to a row that has none, and what trying to get one cost.
pub fn failure(error: &str, spent: Option<Usd>) -> Answer {
    let mut answer = Answer::new();
    answer.insert(COST.to_owned(), cost(spent));
    answer.insert(ERROR.to_owned(), json!(error));
    answer
}

/// A column's value as it stands in CSV: words joined, anything that has parts as JSON.
pub fn cell(column: &str, value: Option<&Value>) -> String {
    match value {
        Some(aspects @ Value::Array(_)) if column == ASPECTS => aspects.to_string(),
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(words)) if words.iter().all(Value::is_string) => {
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";")
        }
        Some(other) => other.to_string(),
    }
}

/// What [`cell`] made text of, read back; none where the column has no value.
pub fn value(column: &str, cell: &[u8]) -> Option<Value> {
    if cell.is_empty() && column != REASONS {
        return None;
    }
    match column {
        CONFIDENCE | SCORES | SARCASM | ASPECTS => serde_json::from_slice(cell).ok(),
        REASONS => {
            let reasons = String::from_utf8_lossy(cell);
            Some(reasons.split(';').filter(|reason| !reason.is_empty()).collect())
        }
        _ => Some(String::from_utf8_lossy(cell).into()),
    }
}

fn cost(amount: Option<Usd>) -> Value {
    amount.map_or(Value::Null, |amount| json!(amount))
}

/// As `/v1/aspects` writes it.
fn aspect(found: Aspect) -> Value {
    json!({
        "term": found.term,
        "category": found.category,
        "sentiment": found.sentiment,
        "opinion": found.opinion,
        "confidence": number(found.confidence),
        "span": found.span.map(|(start, end)| json!({"start": start, "end": end})),
    })
}

/// In as few digits as tell it from its neighbours, as the gateway writes it.
fn number(value: f32) -> Value {
    json!(value.to_string().parse::<f64>().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_back_as_they_were_written() {
        for (column, written) in [
            (LABEL, json!("positive")),
            (CONFIDENCE, json!(0.854)),
            (SCORES, json!({"negative": 0.25, "positive": 0.75})),
            (REASONS, json!(["sarcasm", "ambiguous"])),
            (REASONS, json!([])),
            (COST, json!("0.0016075")),
            (ASPECTS, json!([])),
            (ASPECTS, json!([{"term": "a;b", "span": null}])),
            (ERROR, json!("line 3: the text is blank")),
        ] {
            let cell = cell(column, Some(&written));
            assert_eq!(value(column, cell.as_bytes()), Some(written), "{column}");
        }
        assert_eq!(value(COST, cell(COST, Some(&Value::Null)).as_bytes()), None);
    }
}
