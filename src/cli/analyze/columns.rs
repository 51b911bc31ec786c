//! What a verdict adds to a row: the columns of each task, and those that all tasks share.

use serde_json::{Map, Value, json};

use crate::app::Analysis;
use crate::pricing::Usd;
use crate::sentiment::{Aspect, Findings, Label, Outcome, Task};

pub const COST: &str = "undertone_cost_usd";
pub const ERROR: &str = "undertone_error";
const ASPECTS: &str = "undertone_aspects";
const ROUTE: &str = "undertone_route";
const REASONS: &str = "undertone_reasons";

/// The columns of a row that have a value, by name.
pub type Answer = Map<String, Value>;

/// A column, and what of an analysis stands in it.
type Column = (&'static str, fn(&Analysis) -> Value);

/// All columns there can be, in the order in which they are added.
const ORDER: [&str; 10] = [
    "undertone_label",
    "undertone_confidence",
    "undertone_scores",
    "undertone_sarcasm",
    ROUTE,
    REASONS,
    COST,
    ASPECTS,
    "undertone_emotion",
    ERROR,
];

/// The place where a task's verdict becomes columns.
fn of_task(task: Task) -> &'static [Column] {
    match task {
        Task::Sentiment => &[
            ("undertone_label", |analysis| json!(analysis.verdict.scores.label())),
            ("undertone_confidence", |analysis| number(analysis.verdict.scores.confidence())),
            ("undertone_scores", |analysis| {
                let scores = analysis.verdict.scores;
                let named = |label: Label| (label.name().to_owned(), number(scores.of(label)));
                Value::Object(Label::ALL.into_iter().map(named).collect())
            }),
            ("undertone_sarcasm", |analysis| number(analysis.verdict.sarcasm.0)),
        ],
        Task::Aspects => &[(ASPECTS, |analysis| match &analysis.verdict.findings {
            Findings::Aspects(found) => found.iter().cloned().map(aspect).collect(),
            _ => Value::Null,
        })],
        Task::Emotions => &[("undertone_emotion", |analysis| match &analysis.verdict.findings {
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
