//! What a model answers: the type, the schemas that hold each provider to it, and the verdict made
//! of it. Words instead of numbers: they cost fewer tokens, every strict dialect can hold a model to
//! an enum but none to a bound, and a model's "0.87" claims a precision that it does not have.

mod dialect;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

pub use dialect::Dialect;

use crate::sentiment::{Label, SarcasmScore, Scores, Task, Verdict};

/// Raise it when an answer means something else than before, so that cached ones are not reused.
pub(super) const VERSION: u32 = 1;

/// The sentiment of one text.
// A model writes the fields in this order: what it said of sarcasm is before it when it chooses the
// label.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SentimentAnswer {
    sarcasm: Sarcasm,
    label: AnswerLabel,
    certainty: Certainty,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sarcasm {
    No,
    Unsure,
    Yes,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AnswerLabel {
    Positive,
    Negative,
    Neutral,
    Mixed,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Certainty {
    Certain,
    Likely,
    Unsure,
}

impl From<SentimentAnswer> for Verdict {
    /// The label scores 0.95, 0.8 or 0.6 by its certainty, and the other three share the rest
    /// evenly; sarcasm scores 0.05, 0.5 or 0.95. The figures are a convention: monotonous, never
    /// 0 or 1, and each label's score above the others'.
    fn from(answer: SentimentAnswer) -> Verdict {
        let label = match answer.label {
            AnswerLabel::Positive => Label::Positive,
            AnswerLabel::Negative => Label::Negative,
            AnswerLabel::Neutral => Label::Neutral,
            AnswerLabel::Mixed => Label::Mixed,
        };
        let score: f32 = match answer.certainty {
            Certainty::Certain => 0.95,
            Certainty::Likely => 0.8,
            Certainty::Unsure => 0.6,
        };
        let mut weights = [(1.0 - score) / 3.0; 4];
        weights[label as usize] = score;
        let sarcasm = SarcasmScore(match answer.sarcasm {
            Sarcasm::No => 0.05,
            Sarcasm::Unsure => 0.5,
            Sarcasm::Yes => 0.95,
        });
        Verdict { scores: Scores::from_weights(weights), sarcasm }
    }
}

/// The verdict in a model's answer; `None` for anything but what the schema allows.
pub(super) fn read(task: Task, answer: &str) -> Option<Verdict> {
    // serde would take a list's items for a struct's fields, one after the other.
    if !answer.trim_start().starts_with('{') {
        return None;
    }
    match task {
        Task::Sentiment => serde_json::from_str::<SentimentAnswer>(answer).ok().map(Verdict::from),
    }
}

/// The schema of a task's answer as the Rust type has it.
fn source(task: Task) -> Value {
    match task {
        Task::Sentiment => schemars::schema_for!(SentimentAnswer).into(),
    }
}

/// The schema of a task's answer in a provider's dialect.
pub(super) fn schema(task: Task, dialect: Dialect) -> Value {
    dialect.compile(&source(task)).expect("a test compiles every task's schema in every dialect")
}

/// Every schema, by its path below `schemas/`.
pub fn schemas() -> Vec<(String, Value)> {
    Task::ALL
        .into_iter()
        .flat_map(|task| {
            let file = |folder: &str| format!("{folder}{}.json", task.name());
            [
                (file(""), source(task)),
                (file("openai/"), schema(task, Dialect::OpenAi)),
                (file("anthropic/"), schema(task, Dialect::Anthropic)),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_schemas_are_what_the_types_give() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        for (path, schema) in schemas() {
            let file = folder.join(&path);
            let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
            if std::env::var_os("UPDATE_SCHEMAS").is_some() {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, &text).unwrap();
            }
            let written = std::fs::read_to_string(&file).unwrap_or_default();
            let remedy = "run: UPDATE_SCHEMAS=1 cargo test --lib llm::structured";
            assert!(written == text, "schemas/{path} is not what the types give; {remedy}");
        }
    }

    #[test]
    fn words_become_scores() {
        let check = |answer: &str, scores: [f32; 4], sarcasm: f32| {
            let verdict = read(Task::Sentiment, answer).unwrap();
            for (score, expected) in verdict.scores.as_array().into_iter().zip(scores) {
                assert!((score - expected).abs() < 1e-6, "{answer}: {:?}", verdict.scores);
            }
            assert_eq!(verdict.sarcasm, SarcasmScore(sarcasm), "{answer}");
        };
        let rest = |score: f32| (1.0 - score) / 3.0;
        check(
            r#"{"sarcasm":"no","label":"negative","certainty":"certain"}"#,
            [0.95, rest(0.95), rest(0.95), rest(0.95)],
            0.05,
        );
        check(
            r#" {"label": "mixed", "certainty": "likely", "sarcasm": "unsure"} "#,
            [rest(0.8), rest(0.8), rest(0.8), 0.8],
            0.5,
        );
        check(
            r#"{"sarcasm":"yes","label":"positive","certainty":"unsure"}"#,
            [rest(0.6), rest(0.6), 0.6, rest(0.6)],
            0.95,
        );
    }

    #[test]
    fn an_answer_outside_the_schema_is_none() {
        for answer in [
            "",
            "positive",
            "{}",
            r#"{"sarcasm":"no","label":"happy","certainty":"certain"}"#,
            r#"{"sarcasm":"no","label":"positive"}"#,
            r#"{"sarcasm":"no","label":"positive","certainty":"certain","why":"so"}"#,
            r#"{"sarcasm":"no","label":"positive","certainty":"certain"} so"#,
            "```json\n{\"sarcasm\":\"no\",\"label\":\"positive\",\"certainty\":\"certain\"}\n```",
        ] {
            assert!(read(Task::Sentiment, answer).is_none(), "{answer}");
        }
    }

    #[test]
    fn the_prompt_shows_answers_that_can_be_read() {
        let prompt = super::super::prompt::system(Task::Sentiment);
        let shown: Vec<&str> = prompt
            .lines()
            .filter(|line| line.starts_with("{\"sarcasm\"") && !line.contains('|'))
            .collect();
        assert!(shown.len() >= 5);
        for answer in shown {
            assert!(read(Task::Sentiment, answer).is_some(), "{answer}");
        }
    }
}
