//! Labelled texts: what is true of each, in the words of what is measured.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use crate::sentiment::{Emotion, Label, Task};

/// What the labels of a file are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Sentiment,
    Sarcasm,
    Emotions,
    Aspects,
}

impl Subject {
    pub const ALL: [Subject; 4] =
        [Subject::Sentiment, Subject::Sarcasm, Subject::Emotions, Subject::Aspects];

    pub fn name(self) -> &'static str {
        match self {
            Subject::Sentiment => "sentiment",
            Subject::Sarcasm => "sarcasm",
            Subject::Emotions => "emotions",
            Subject::Aspects => "aspects",
        }
    }

    /// What a reader is asked for it: every verdict says of sarcasm what it thinks.
    pub fn task(self) -> Task {
        match self {
            Subject::Sentiment | Subject::Sarcasm => Task::Sentiment,
            Subject::Emotions => Task::Emotions,
            Subject::Aspects => Task::Aspects,
        }
    }

    /// The field of a row that says what is true.
    pub fn field(self) -> &'static str {
        match self {
            Subject::Sentiment | Subject::Sarcasm => "label",
            Subject::Emotions => "labels",
            Subject::Aspects => "aspects",
        }
    }
}

/// A term that a text judges: the first code point in it, the first that is not, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AspectSpan {
    pub from: usize,
    pub to: usize,
    pub polarity: Label,
}

/// What is true of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    Sentiment(Label),
    Sarcasm(bool),
    /// In the order of [`Emotion::ALL`], each once.
    Emotions(Vec<Emotion>),
    Aspects(BTreeSet<AspectSpan>),
}

impl Truth {
    /// Reads the field of a row, as JSON or as CSV has it.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(subject: Subject, field: &str) -> Result<Truth, String> {
        match subject {
            Subject::Sentiment => Label::named(field.trim())
                .map(Truth::Sentiment)
                .ok_or_else(|| no_label(field, &Label::ALL.map(Label::name))),
            Subject::Sarcasm => match field.trim().to_ascii_lowercase().as_str() {
                "sarcastic" | "ironic" => Ok(Truth::Sarcasm(true)),
                "not_sarcastic" | "not_ironic" => Ok(Truth::Sarcasm(false)),
                _ => Err(no_label(field, &["sarcastic", "not_sarcastic", "ironic", "not_ironic"])),
            },
            Subject::Emotions => emotions(field),
            Subject::Aspects => aspects(field, |_| None),
        }
    }

    /// Reads what a model said, in the same form. An aspect whose term stands nowhere in the text is
    /// one that was said all the same: it has a place where no true one is.
    ///
    /// # Errors
    /// As [`Truth::parse`].
    pub fn parse_said(subject: Subject, field: &str) -> Result<Truth, String> {
        match subject {
            Subject::Aspects => aspects(field, |at| Some((usize::MAX - 1 - at, usize::MAX))),
            _ => Truth::parse(subject, field),
        }
    }
}

/// A text, and what is true of it.
#[derive(Clone, Debug)]
pub struct Example {
    pub text: Arc<str>,
    pub truth: Truth,
}

/// The labelled texts of a file, in its order.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub subject: Subject,
    pub examples: Vec<Example>,
}

/// What stands where a label should. Text that strayed into the column is not repeated.
fn no_label(field: &str, expected: &[&str]) -> String {
    const SHOWN: usize = 24;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let field = field.trim();
    let seen = match field.chars().count() {
        0 => "is empty".to_owned(),
        1..=SHOWN if field.chars().all(is_word) => format!("is \"{field}\""),
        length => format!("has {length} characters, which is not a label"),
    };
    format!("{seen}; expected {}", expected.join(", "))
}

/// A list in JSON, or names with `|`, `,` or `;` between them.
fn emotions(field: &str) -> Result<Truth, String> {
    let names: Vec<String> = match field.trim().starts_with('[') {
        true => serde_json::from_str(field)
            .map_err(|_| "is not a list of strings, such as [\"joy\", \"love\"]".to_owned())?,
        false => field.split(['|', ',', ';']).map(|name| name.trim().to_owned()).collect(),
    };
    let named = |name: &String| {
        Emotion::named(&name.to_ascii_lowercase())
            .ok_or_else(|| no_label(name, &Emotion::ALL.map(Emotion::name)))
    };
    let mut listed = names.iter().map(named).collect::<Result<Vec<Emotion>, String>>()?;
    if listed.is_empty() {
        return Err("is an empty list; a text without emotion is neutral".into());
    }
    listed.sort_by_key(|emotion| *emotion as usize);
    listed.dedup();
    Ok(Truth::Emotions(listed))
}

/// An aspect as a row states it.
#[derive(Deserialize)]
struct Stated {
    term: Option<String>,
    from: Option<usize>,
    to: Option<usize>,
    polarity: Option<String>,
}

/// Null terms are left out, `conflict` is `mixed`. What has no place in the text is refused, or stands
/// where `unplaced` puts it.
fn aspects(field: &str, unplaced: fn(usize) -> Option<(usize, usize)>) -> Result<Truth, String> {
    let form = "is not a list of {\"term\", \"from\", \"to\", \"polarity\"}";
    let stated: Vec<Stated> = serde_json::from_str(field).map_err(|_| form.to_owned())?;
    let mut spans = BTreeSet::new();
    for (at, aspect) in stated.into_iter().enumerate() {
        if aspect.term.is_none() {
            continue;
        }
        let place = match (aspect.from, aspect.to) {
            (None, None) => unplaced(at),
            (from, to) => from.zip(to),
        };
        let (Some((from, to)), Some(polarity)) = (place, aspect.polarity) else {
            return Err(format!("[{at}] lacks one of from, to and polarity"));
        };
        if from >= to {
            return Err(format!("[{at}].to is {to}, which is not after from, {from}"));
        }
        let polarity = match polarity.as_str() {
            "conflict" => Label::Mixed,
            name => Label::named(name).ok_or_else(|| {
                let expected = ["positive", "negative", "neutral", "mixed", "conflict"];
                format!("[{at}].polarity {}", no_label(name, &expected))
            })?,
        };
        spans.insert(AspectSpan { from, to, polarity });
    }
    Ok(Truth::Aspects(spans))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_has_its_own_labels() {
        let read = Truth::parse;
        assert_eq!(read(Subject::Sentiment, " Mixed "), Ok(Truth::Sentiment(Label::Mixed)));
        assert_eq!(read(Subject::Sarcasm, "ironic"), Ok(Truth::Sarcasm(true)));
        assert_eq!(read(Subject::Sarcasm, "not_sarcastic"), Ok(Truth::Sarcasm(false)));
        let joy_and_love = Ok(Truth::Emotions(vec![Emotion::Joy, Emotion::Love]));
        for field in ["love|joy", "joy, love", "[\"love\",\"joy\",\"joy\"]"] {
            assert_eq!(read(Subject::Emotions, field), joy_and_love, "{field}");
        }
        let aspects = r#"[{"term":"bill","from":4,"to":8,"polarity":"conflict"},
            {"term":null,"from":0,"to":0,"polarity":"positive"}]"#;
        let bill = AspectSpan { from: 4, to: 8, polarity: Label::Mixed };
        assert_eq!(read(Subject::Aspects, aspects), Ok(Truth::Aspects([bill].into())));
        assert_eq!(read(Subject::Aspects, "[]"), Ok(Truth::Aspects(BTreeSet::new())));
    }

    #[test]
    fn an_aspect_that_a_model_made_up_counts_as_said() {
        let made_up = r#"[{"term":"lamp","from":null,"to":null,"polarity":"positive"},
            {"term":"bulb","polarity":"positive"}]"#;
        assert!(Truth::parse(Subject::Aspects, made_up).unwrap_err().contains("[0] lacks"));
        let Ok(Truth::Aspects(said)) = Truth::parse_said(Subject::Aspects, made_up) else {
            panic!("it is read")
        };
        assert_eq!(said.len(), 2, "each by itself");
        let half = made_up.replace("\"from\":null", "\"from\":3");
        assert!(Truth::parse_said(Subject::Aspects, &half).unwrap_err().contains("[0] lacks"));
    }

    #[test]
    fn what_is_no_label_is_told_without_repeating_a_text() {
        let check = |subject, field: &str, told: &str| {
            let error = Truth::parse(subject, field).unwrap_err();
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("secret words"), "{error}");
        };
        check(Subject::Sentiment, "happy", "is \"happy\"; expected negative, neutral");
        check(Subject::Sentiment, "secret words", "has 12 characters, which is not a label");
        check(Subject::Sarcasm, "", "is empty; expected sarcastic");
        check(Subject::Emotions, "joy|hunger", "is \"hunger\"");
        check(Subject::Emotions, "[]", "empty list");
        check(Subject::Aspects, "secret words", "is not a list of");
        let backwards = r#"[{"term":"a","from":3,"to":3,"polarity":"positive"}]"#;
        check(Subject::Aspects, backwards, "[0].to is 3");
    }
}
