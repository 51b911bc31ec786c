//! What a model answers: the type, the schemas that hold each provider to it, and the verdict made
//! of it. Words instead of numbers: they cost fewer tokens, every strict dialect can hold a model to
//! an enum but none to a bound, and a model's "0.87" claims a precision that it does not have.

mod answers;
mod dialect;

use serde_json::{Value, json};

use answers::{AspectsAnswer, EmotionsAnswer, SentimentAnswer};
pub use dialect::Dialect;

use super::Question;
use crate::sentiment::{Category, Task, Verdict};

/// Raise it when an answer means something else than before, so that cached ones are not reused.
pub(super) const VERSION: u32 = 1;

/// The verdict in a model's answer; `None` for anything but what the schema allows.
pub(super) fn read(question: &Question, answer: &str) -> Option<Verdict> {
    // serde would take a list's items for a struct's fields, one after the other.
    if !answer.trim_start().starts_with('{') {
        return None;
    }
    match question.task {
        Task::Sentiment => {
            serde_json::from_str(answer).ok().map(|answer: SentimentAnswer| answer.verdict())
        }
        Task::Emotions => {
            serde_json::from_str(answer).ok().map(|answer: EmotionsAnswer| answer.verdict())
        }
        Task::Aspects => {
            let answer: AspectsAnswer = serde_json::from_str(answer).ok()?;
            let (verdict, dropped) = answer.verdict(&question.text, &question.categories)?;
            metrics::counter!("undertone_llm_terms_dropped_total").increment(dropped as u64);
            Some(verdict)
        }
    }
}

/// The most tokens of a task's answer, `configured` being those of a sentiment's: aspects come one
/// after the other, about 25 tokens each.
pub fn output_limit(task: Task, configured: u32) -> u32 {
    match task {
        Task::Sentiment | Task::Emotions => configured,
        Task::Aspects => configured.saturating_mul(4),
    }
}

/// The schema of a task's answer as the Rust type has it, with the categories that it may name.
fn source(task: Task, categories: &[Category]) -> Value {
    let mut schema: Value = match task {
        Task::Sentiment => schemars::schema_for!(SentimentAnswer).into(),
        Task::Emotions => schemars::schema_for!(EmotionsAnswer).into(),
        Task::Aspects => schemars::schema_for!(AspectsAnswer).into(),
    };
    if let Some(category) = schema.pointer_mut(AspectsAnswer::CATEGORY) {
        let names: Vec<&str> = categories.iter().map(|one| one.name.as_str()).collect();
        category["enum"] = json!(names);
    }
    schema
}

/// The schema of a task's answer in a provider's dialect.
pub(super) fn schema(task: Task, categories: &[Category], dialect: Dialect) -> Value {
    dialect
        .compile(&source(task, categories))
        .expect("a test compiles every task's schema in every dialect")
}

/// Every schema, by its path below `schemas/`, for these categories.
pub fn schemas(categories: &[Category]) -> Vec<(String, Value)> {
    Task::ALL
        .into_iter()
        .flat_map(|task| {
            let file = |folder: &str| format!("{folder}{}.json", task.name());
            [
                (file(""), source(task, categories)),
                (file("openai/"), schema(task, categories, Dialect::OpenAi)),
                (file("anthropic/"), schema(task, categories, Dialect::Anthropic)),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::testing::question;
    use crate::sentiment::{Emotion, Findings, Label, SarcasmScore};

    /// The categories that are configured by default.
    fn categories() -> std::sync::Arc<[Category]> {
        let shipped: toml::Table =
            include_str!("../../../config/undertone.toml").parse().expect("it is TOML");
        let listed = shipped["aspects"]["categories"].clone();
        listed.try_into::<Vec<Category>>().expect("it is complete").into()
    }

    fn read_as(task: Task, text: &str, answer: &str) -> Option<Verdict> {
        read(&Question { task, categories: categories(), ..question(text) }, answer)
    }

    #[test]
    fn the_files_in_schemas_are_what_the_types_give() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        for (path, schema) in schemas(&categories()) {
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
            let verdict = read_as(Task::Sentiment, "", answer).unwrap();
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
            assert!(read_as(Task::Sentiment, "", answer).is_none(), "{answer}");
        }
    }

    #[test]
    fn aspects_are_placed_in_the_text_and_what_it_does_not_hold_is_dropped() {
        let text = "😀 The product is great but shipping was terrible";
        let answer = r#"{"sarcasm":"no","aspects":[
            {"term":"Shipping","category":"delivery","sentiment":"negative","opinion":"terrible"},
            {"term":"product","category":"product","sentiment":"positive","opinion":"so fine"},
            {"term":"price","category":"price","sentiment":"negative","opinion":null}],
            "label":"mixed","certainty":"likely"}"#;
        let verdict = read_as(Task::Aspects, text, answer).unwrap();
        assert_eq!(verdict.scores.label(), Label::Mixed);
        let Findings::Aspects(aspects) = verdict.findings else { panic!("no aspects") };
        let found: Vec<_> = aspects
            .iter()
            .map(|one| (one.term.as_str(), one.span, one.opinion.as_deref()))
            .collect();
        assert_eq!(
            found,
            [("product", Some((6, 13)), None), ("shipping", Some((27, 35)), Some("terrible"))]
        );
        let unknown = answer.replace("\"delivery\"", "\"logistics\"");
        assert!(read_as(Task::Aspects, text, &unknown).is_none());
    }

    #[test]
    fn named_emotions_are_the_detected_ones() {
        let check = |listed: &str, expected: &[Emotion]| {
            let answer = format!(
                r#"{{"sarcasm":"no","emotions":[{listed}],"label":"neutral","certainty":"likely"}}"#
            );
            let verdict = read_as(Task::Emotions, "", &answer).unwrap();
            let Findings::Emotions(emotions) = verdict.findings else { panic!("no emotions") };
            let detected: Vec<Emotion> = emotions
                .sorted()
                .into_iter()
                .filter_map(|(emotion, _, detected)| detected.then_some(emotion))
                .collect();
            assert_eq!(detected, expected);
        };
        check("", &[Emotion::Neutral]);
        check(
            r#"{"label":"joy","strength":"weak"},{"label":"relief","strength":"strong"}"#,
            &[Emotion::Relief, Emotion::Joy],
        );
    }

    #[test]
    fn the_prompts_show_answers_that_can_be_read() {
        for task in Task::ALL {
            let prompt = super::super::prompt::system(task, &categories());
            let examples: Vec<(&str, &str)> = prompt
                .lines()
                .zip(prompt.lines().skip(1))
                .filter(|(text, answer)| {
                    text.starts_with("{\"text\"") && answer.starts_with("{\"sarcasm\"")
                })
                .collect();
            assert!(examples.len() >= 3, "{task:?}");
            for (text, answer) in examples {
                assert!(read_as(task, text, answer).is_some(), "{answer}");
            }
        }
    }
}
