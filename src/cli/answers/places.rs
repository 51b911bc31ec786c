//! Which labelled text a row of answers is about: the one of its `id`, where the labelled file has ids,
//! else the ones that read the same to the letter.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::cli::evaluate::data::Labelled;

pub struct Places<'a> {
    labelled: &'a Labelled,
    by_text: HashMap<&'a str, Vec<usize>>,
    by_id: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Places<'a> {
    pub fn of(labelled: &'a Labelled) -> Places<'a> {
        let (mut by_text, mut by_id) = (HashMap::new(), HashMap::new());
        for (at, example) in labelled.dataset.examples.iter().enumerate() {
            by_text.entry(&*example.text).or_insert_with(Vec::new).push(at);
            if let Some(id) = &labelled.ids[at] {
                by_id.entry(id.as_str()).or_insert_with(Vec::new).push(at);
            }
        }
        Places { labelled, by_text, by_id }
    }

    /// Nowhere where the labelled file does not hold the text.
    ///
    /// # Errors
    /// A row that names no text, or whose id does not say which.
    pub fn of_row(&self, row: &Map<String, Value>) -> Result<Vec<usize>, String> {
        let text = match row.get("text") {
            Some(Value::String(text)) => Some(text.as_str()),
            Some(Value::Null) | None => None,
            Some(_) => return Err("the field \"text\" is not a string".into()),
        };
        let id = row.get("id").and_then(id);
        let of_id = id.as_deref().and_then(|id| self.by_id.get(id));
        match (of_id.map(Vec::as_slice), text) {
            (Some([at]), Some(text)) if self.text(*at) != text => {
                Err("the labelled file has another text under its id".into())
            }
            (Some([at]), _) => Ok(vec![*at]),
            (Some(several), _) => Err(format!(
                "its id is that of {} labelled texts; expected one text an id",
                several.len()
            )),
            (None, Some(text)) => Ok(self.by_text.get(text).cloned().unwrap_or_default()),
            (None, None) if id.is_some() && !self.by_id.is_empty() => Ok(Vec::new()),
            (None, None) if id.is_some() => {
                Err("it has an id and no text, and the labelled file has no ids".into())
            }
            (None, None) => {
                Err("the fields \"text\" and \"id\" are missing; expected one of them".into())
            }
        }
    }

    fn text(&self, at: usize) -> &str {
        let text: &Arc<str> = &self.labelled.dataset.examples[at].text;
        text
    }
}

/// A string or a number, as text.
pub fn id(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(id) => Some(id.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::evaluate::data::About;
    use crate::evaluation::{Dataset, Example, Subject, Truth};
    use crate::sentiment::Label;

    fn labelled(rows: &[(Option<&str>, &str)]) -> Labelled {
        let example = |(_, text): &(Option<&str>, &str)| Example {
            text: (*text).into(),
            truth: Truth::Sentiment(Label::Neutral),
        };
        Labelled {
            dataset: Dataset {
                subject: Subject::Sentiment,
                examples: rows.iter().map(example).collect(),
            },
            ids: rows.iter().map(|(id, _)| id.map(str::to_owned)).collect(),
            about: About { file: "in.csv".into(), sha256: String::new() },
        }
    }

    #[test]
    fn an_id_goes_before_a_text_and_a_text_may_stand_twice() {
        let labelled = labelled(&[
            (Some("1"), "same"),
            (Some("2"), "same"),
            (None, "other"),
            (Some("4"), "third"),
            (Some("4"), "fourth"),
        ]);
        let places = Places::of(&labelled);
        let find = |row: &str| places.of_row(&serde_json::from_str(row).expect("an object"));
        assert_eq!(find(r#"{"id": 2}"#), Ok(vec![1]));
        assert_eq!(find(r#"{"id": "2", "text": "same"}"#), Ok(vec![1]));
        assert_eq!(find(r#"{"text": "same"}"#), Ok(vec![0, 1]));
        assert_eq!(find(r#"{"id": "of the vendor", "text": "other"}"#), Ok(vec![2]));
        assert_eq!(find(r#"{"text": "Same"}"#), Ok(vec![]), "to the letter");
        assert_eq!(find(r#"{"id": 9}"#), Ok(vec![]));
        for (row, told) in [
            (r#"{"id": 1, "text": "other"}"#, "another text under its id"),
            (r#"{"id": 4}"#, "that of 2 labelled texts"),
            (r#"{"model": "m"}"#, "\"text\" and \"id\" are missing"),
            (r#"{"text": 3}"#, "\"text\" is not a string"),
        ] {
            assert!(find(row).expect_err(row).contains(told), "{row}");
        }
    }

    #[test]
    fn an_id_alone_is_no_use_where_the_labelled_file_has_none() {
        let labelled = labelled(&[(None, "a")]);
        let row = serde_json::from_str(r#"{"id": 1}"#).expect("an object");
        let fault = Places::of(&labelled).of_row(&row).expect_err("no text is named");
        assert!(fault.contains("has no ids"), "{fault}");
    }
}
