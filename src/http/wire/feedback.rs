//! What people send who know better than a verdict.

use schemars::JsonSchema;
use serde::Deserialize;

use super::request::{TERM_LENGTH_LIMIT, TERMS_LIMIT, TaskName};
use crate::app::{ID_LIMIT, SaidAspect, Word};
use crate::http::Problem;
use crate::http::problem::FieldError;
use crate::sentiment::{Emotion, Label, Task};

/// What a person says of a verdict: by the task `label`, `emotions` or `aspects`, and only that one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackRequest {
    /// The verdict's `id`; of a batch item with an id of its own, that one.
    #[schemars(length(min = 1, max = 128))]
    id: String,
    #[schemars(with = "TaskName")]
    task: Task,
    /// For `sentiment`: `negative`, `neutral`, `positive` or `mixed`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    label: Option<Label>,
    /// For `emotions`: those that the text shows, by GoEmotions' names; `["neutral"]` where none does.
    #[serde(default)]
    emotions: Option<Vec<Emotion>>,
    /// For `aspects`: the terms that the text judges; an empty list where it judges none.
    #[serde(default)]
    aspects: Option<Vec<FeedbackAspect>>,
}

/// An aspect as an answer holds it, corrected; `category`, `opinion` and `confidence` may stay and are
/// not learnt from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "an answer's aspect has these fields, and can be sent back whole")]
struct FeedbackAspect {
    /// As the text writes it.
    #[schemars(length(min = 1, max = 100))]
    term: String,
    /// `negative`, `neutral`, `positive` or `mixed`.
    #[schemars(with = "String")]
    sentiment: Label,
    /// Where it stands; without it, the first place of the term in the text.
    #[serde(default)]
    span: Option<FeedbackSpan>,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    opinion: Option<String>,
    #[serde(default)]
    confidence: Option<f32>,
}

/// Code points of the text: `start` is included, `end` is not.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FeedbackSpan {
    start: usize,
    end: usize,
}

impl FeedbackRequest {
    /// Checks every field and says all that is wrong at once.
    pub fn into_word(self) -> Result<(String, Task, Word), Problem> {
        let errors = self.faults();
        if !errors.is_empty() {
            return Err(Problem::fields(errors));
        }
        let said = |aspect: FeedbackAspect| SaidAspect {
            span: aspect.span.map(|span| (span.start, span.end)),
            term: aspect.term,
            sentiment: aspect.sentiment,
        };
        let word = match (self.task, self.label, self.emotions, self.aspects) {
            (Task::Sentiment, Some(label), ..) => Word::Label(label),
            (Task::Emotions, _, Some(emotions), _) => Word::Emotions(emotions),
            (Task::Aspects, .., Some(aspects)) => {
                Word::Aspects(aspects.into_iter().map(said).collect())
            }
            (task, ..) => return Err(Problem::field(field(task), missing(task))),
        };
        Ok((self.id, self.task, word))
    }

    fn faults(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut fault = |field: &str, message: String| {
            errors.push(FieldError { field: field.to_owned(), message });
        };
        if !(1..=ID_LIMIT).contains(&self.id.len()) {
            let message = format!("has {} bytes; 1 to {ID_LIMIT} are allowed", self.id.len());
            fault("id", message);
        }
        let given = [
            (Task::Sentiment, self.label.is_some()),
            (Task::Emotions, self.emotions.is_some()),
            (Task::Aspects, self.aspects.is_some()),
        ];
        for (task, is_given) in given {
            if is_given && task != self.task {
                let message =
                    format!("is for the task {}; this is {}", task.name(), self.task.name());
                fault(field(task), message);
            }
            if !is_given && task == self.task {
                fault(field(task), missing(task));
            }
        }
        if let Some(emotions) = &self.emotions {
            if emotions.is_empty() {
                fault("emotions", "is empty; a text without emotion is [\"neutral\"]".into());
            }
            let repeated = |at: &usize| emotions[..*at].contains(&emotions[*at]);
            if let Some(at) = (0..emotions.len()).find(repeated) {
                fault(&format!("emotions[{at}]"), "is listed twice".into());
            }
        }
        let aspects = self.aspects.as_deref().unwrap_or_default();
        if aspects.len() > TERMS_LIMIT {
            let message = format!("holds {}; at most {TERMS_LIMIT} are allowed", aspects.len());
            fault("aspects", message);
        }
        for (index, aspect) in aspects.iter().enumerate() {
            let length = aspect.term.chars().count();
            if aspect.term.trim().is_empty() || length > TERM_LENGTH_LIMIT {
                let message = format!("is blank or longer than {TERM_LENGTH_LIMIT} characters");
                fault(&format!("aspects[{index}].term"), message);
            }
            if let Some(FeedbackSpan { start, end }) = aspect.span
                && (end <= start || end - start != length)
            {
                let message =
                    format!("from {start} to {end} does not hold the {length} of the term");
                fault(&format!("aspects[{index}].span"), message);
            }
        }
        errors
    }
}

/// The field that says what is true for a task.
fn field(task: Task) -> &'static str {
    match task {
        Task::Sentiment => "label",
        Task::Emotions => "emotions",
        Task::Aspects => "aspects",
    }
}

fn missing(task: Task) -> String {
    format!("is missing; feedback for the task {} needs it", task.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> FeedbackRequest {
        serde_json::from_str(json).expect("well formed")
    }

    #[test]
    fn each_task_has_its_own_field_and_each_fault_is_named() {
        for (json, fields) in [
            (r#"{"id": "a", "task": "sentiment", "label": "mixed"}"#, &[][..]),
            (r#"{"id": "a", "task": "aspects", "aspects": []}"#, &[]),
            (r#"{"id": "", "task": "sentiment", "label": "mixed"}"#, &["id"]),
            (r#"{"id": "a", "task": "sentiment"}"#, &["label"]),
            (r#"{"id": "a", "task": "sentiment", "emotions": ["joy"]}"#, &["label", "emotions"]),
            (r#"{"id": "a", "task": "emotions", "emotions": []}"#, &["emotions"]),
            (r#"{"id": "a", "task": "emotions", "emotions": ["joy", "joy"]}"#, &["emotions[1]"]),
            (
                r#"{"id": "a", "task": "aspects", "aspects": [
                    {"term": "lid", "sentiment": "negative", "span": {"start": 4, "end": 8}},
                    {"term": " ", "sentiment": "negative"}]}"#,
                &["aspects[0].span", "aspects[1].term"],
            ),
        ] {
            let faults = parsed(json).faults();
            let named: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(named, fields, "{json}");
            assert_eq!(parsed(json).into_word().is_ok(), fields.is_empty(), "{json}");
        }
    }

    #[test]
    fn an_answers_aspect_can_be_sent_back() {
        let json = r#"{"id": "a", "task": "aspects", "aspects": [{"term": "lid", "category": "quality",
            "sentiment": "negative", "opinion": null, "confidence": 0.9, "span": {"start": 4, "end": 7}}]}"#;
        let (_, _, word) = parsed(json).into_word().expect("sound");
        let aspect =
            SaidAspect { term: "lid".into(), sentiment: Label::Negative, span: Some((4, 7)) };
        assert_eq!(word, Word::Aspects(vec![aspect]));
    }
}
