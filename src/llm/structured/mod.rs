//! What a model answers: the type, the schemas that hold each provider to it, and the verdict made
//! of it. Words instead of numbers: they cost fewer tokens, every strict dialect can hold a model to
//! an enum but none to a bound, and a model's "0.87" claims a precision that it does not have.

mod answers;
mod dialect;
mod place;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use answers::{AspectsAnswer, EmotionsAnswer, SentimentAnswer};
pub use dialect::Dialect;

use super::Question;
use crate::sentiment::{Category, Task, Verdict};

/// Raise it when an answer to a task means something else than before, so that kept ones are not reused.
pub(super) fn version(task: Task) -> u32 {
    match task {
        Task::Sentiment | Task::Emotions => 2,
        Task::Aspects => 3,
    }
}

/// The verdict on each of the texts in a model's answer; `None` for anything but what the schema
/// allows, and in a text's place where the answer has none for it, or more than one.
pub(super) fn read(questions: &[Question], answer: &str) -> Option<Vec<Option<Verdict>>> {
    let object: Map<String, Value> = serde_json::from_str(answer).ok()?;
    match questions {
        [question] => Some(vec![Some(verdict(question, object)?)]),
        several => several_verdicts(several, object),
    }
}

fn several_verdicts(
    questions: &[Question],
    object: Map<String, Value>,
) -> Option<Vec<Option<Verdict>>> {
    let Several { answers } = serde_json::from_value(object.into()).ok()?;
    let mut verdicts: Vec<Option<Verdict>> = questions.iter().map(|_| None).collect();
    let mut times = vec![0; questions.len()];
    for answer in answers {
        let Value::Object(mut answer) = answer else { continue };
        let index = answer.shift_remove("index").and_then(|index| index.as_u64());
        let place = index.and_then(|index| usize::try_from(index.checked_sub(1)?).ok());
        let Some((at, question)) = place.and_then(|at| Some((at, questions.get(at)?))) else {
            continue;
        };
        times[at] += 1;
        verdicts[at] = verdict(question, answer).filter(|_| times[at] == 1);
    }
    verdicts.iter().any(Option::is_some).then_some(verdicts)
}

/// An answer about several texts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    answers: Vec<Value>,
}

fn verdict(question: &Question, answer: Map<String, Value>) -> Option<Verdict> {
    let answer = Value::Object(answer);
    match question.task {
        Task::Sentiment => {
            serde_json::from_value(answer).ok().map(|answer: SentimentAnswer| answer.verdict())
        }
        Task::Emotions => {
            serde_json::from_value(answer).ok().map(|answer: EmotionsAnswer| answer.verdict())
        }
        Task::Aspects => {
            let answer: AspectsAnswer = serde_json::from_value(answer).ok()?;
            let (verdict, dropped) = answer.verdict(&question.text, &question.categories)?;
            metrics::counter!("undertone_llm_terms_dropped_total").increment(dropped as u64);
            Some(verdict)
        }
    }
}

/// The most tokens of an answer about so many texts, `configured` being those of one sentiment:
/// aspects come one after the other, about 25 tokens each.
pub fn output_limit(task: Task, configured: u32, texts: usize) -> u32 {
    let one = match task {
        Task::Sentiment | Task::Emotions => configured,
        Task::Aspects => configured.saturating_mul(4),
    };
    one.saturating_mul(u32::try_from(texts).unwrap_or(u32::MAX))
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

/// A list of such answers, each with the index of its text.
fn list_of(mut one: Value) -> Value {
    let definitions = one.as_object_mut().and_then(|schema| schema.shift_remove("$defs"));
    let mut properties = Map::from_iter([("index".to_owned(), json!({"type": "integer"}))]);
    if let Some(Value::Object(others)) = one.get_mut("properties").map(Value::take) {
        properties.extend(others);
    }
    let required: Vec<Value> = properties.keys().map(|key| json!(key)).collect();
    one["properties"] = properties.into();
    one["required"] = required.into();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"answers": {"type": "array", "items": one}},
        "required": ["answers"],
        "$defs": definitions,
    })
}

/// The schema of an answer in a provider's dialect.
pub(super) fn schema(
    task: Task,
    categories: &[Category],
    dialect: Dialect,
    several: bool,
) -> Value {
    let source = source(task, categories);
    let source = if several { list_of(source) } else { source };
    dialect.compile(&source).expect("a test compiles every task's schemas in every dialect")
}

/// Every schema, by its path below `schemas/`, for these categories.
pub fn schemas(categories: &[Category]) -> Vec<(String, Value)> {
    Task::ALL
        .into_iter()
        .flat_map(|task| {
            let name = task.name();
            let dialects = [("openai", Dialect::OpenAi), ("anthropic", Dialect::Anthropic)];
            let compiled = dialects.into_iter().flat_map(move |(folder, dialect)| {
                [
                    (format!("{folder}/{name}.json"), false),
                    (format!("{folder}/{name}.several.json"), true),
                ]
                .map(|(file, several)| (file, schema(task, categories, dialect, several)))
            });
            std::iter::once((format!("{name}.json"), source(task, categories))).chain(compiled)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::testing::{WORDING, question};
    use crate::sentiment::{Emotion, Findings, Label, SarcasmScore};

    /// The categories that are configured by default.
    fn categories() -> std::sync::Arc<[Category]> {
        let shipped: toml::Table =
            include_str!("../../../config/undertone.toml").parse().expect("it is TOML");
        let listed = shipped["aspects"]["categories"].clone();
        listed.try_into::<Vec<Category>>().expect("it is complete").into()
    }

    fn read_as(task: Task, text: &str, answer: &str) -> Option<Verdict> {
        let question = Question { task, categories: categories(), ..question(text) };
        read(&[question], answer)?.pop()?
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
                r#"{{"sarcasm":"no","emotions":[{listed}],"strong":1,"label":"neutral","certainty":"likely"}}"#
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
        check(r#""relief","joy""#, &[Emotion::Relief, Emotion::Joy]);
        check(r#""joy","relief","joy""#, &[Emotion::Joy, Emotion::Relief]);
    }

    #[test]
    fn the_prompts_show_answers_that_can_be_read() {
        for task in Task::ALL {
            let prompt = super::super::prompt::system(task, &categories(), WORDING);
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

    #[test]
    fn each_of_several_texts_gets_the_answer_with_its_index_and_only_one() {
        let questions = ["One.", "Two.", "Three."].map(question);
        let labels = |answer: &str| -> Option<Vec<Option<Label>>> {
            let label = |verdict: &Option<Verdict>| Some(verdict.as_ref()?.scores.label());
            Some(read(&questions, answer)?.iter().map(label).collect())
        };
        let one = |index: &str, label: &str| {
            format!(r#"{{"index":{index},"sarcasm":"no","label":"{label}","certainty":"likely"}}"#)
        };
        let (negative, mixed) = (Some(Label::Negative), Some(Label::Mixed));
        for (answers, expected) in [
            (
                vec![one("3", "mixed"), one("1", "negative"), one("2", "mixed")],
                [negative, mixed, mixed],
            ),
            (vec![one("1", "negative"), one("3", "mixed")], [negative, None, mixed]),
            (vec![one("1", "negative"), one("1", "mixed"), one("2", "mixed")], [None, mixed, None]),
            (
                vec![one("1", "mixed"), one("1", "mixed"), one("1", "mixed"), one("2", "mixed")],
                [None, mixed, None],
            ),
            (vec![one("0", "negative"), one("4", "mixed"), one("2", "mixed")], [None, mixed, None]),
            (
                vec![one("1.0", "mixed"), one("\"2\"", "mixed"), one("3", "mixed")],
                [None, None, mixed],
            ),
            (vec![one("1", "glad"), one("2", "mixed"), "7".into()], [None, mixed, None]),
        ] {
            let answer = format!(r#"{{"answers":[{}]}}"#, answers.join(","));
            assert_eq!(labels(&answer), Some(expected.to_vec()), "{answer}");
        }
        for answer in [
            r#"{"answers":[]}"#,
            r#"{"sarcasm":"no","label":"mixed","certainty":"likely"}"#,
            r#"{"answers":[{"index":9,"sarcasm":"no","label":"mixed","certainty":"likely"}]}"#,
            "[]",
        ] {
            assert_eq!(labels(answer), None, "{answer}");
        }
    }
}
