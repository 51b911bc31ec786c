//! Answers of LLMs that somebody has recorded (`--answers FILE`): which labelled text each of them is
//! about, what it says, and what it cost. Nobody is asked.
//!
//! In reading order: `rows` is what a file may hold, `places` finds the labelled text that a row is
//! about, `bill` says what the answers cost.

mod bill;
mod places;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::arguments::usage;
use super::evaluate::data::{About, Labelled, sha256, told, under_own_name};
use super::rows::Objects;
use crate::evaluation::{Prediction, Recorded};
use crate::pricing::{Usage, Usd};

pub use bill::Bill;
use places::Places;

/// The option that names the file.
const OPTION: &str = "--answers";

/// What a file holds about the texts of a labelled one.
#[derive(Debug)]
pub struct RecordedAnswers {
    pub about: About,
    /// By name.
    models: BTreeMap<String, ModelAnswers>,
    /// Answers to texts that the labelled file does not hold.
    pub elsewhere: usize,
}

/// What one model said of the labelled texts.
#[derive(Debug)]
pub struct ModelAnswers {
    pub model: String,
    /// By the texts' places; `None`: there is no answer.
    pub answers: Vec<Option<Answer>>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// On which line of the file it stands.
    line: u64,
    /// [`Prediction::Nothing`] where nothing usable came back.
    pub said: Prediction,
    /// As recorded.
    pub cost: Option<Usd>,
    pub usage: Option<Usage>,
    pub milliseconds: Option<f64>,
}

/// Reads a file about the texts of `labelled`.
///
/// # Errors
/// A file that cannot be read, a row that cannot be, two answers of a model to one text, or not one
/// answer to any of these texts; with the lines.
pub fn read(path: &Path, labelled: &Labelled) -> anyhow::Result<RecordedAnswers> {
    let about = About { file: path.display().to_string(), sha256: sha256(path)? };
    let texts = labelled.dataset.examples.len();
    let (places, subject) = (Places::of(labelled), labelled.dataset.subject);
    let mut found = RecordedAnswers { about, models: BTreeMap::new(), elsewhere: 0 };
    let mut faults = Vec::new();
    let objects = Objects::open(path).map_err(|error| under_own_name(error, OPTION))?;
    for object in objects {
        let object =
            object.with_context(|| format!("the rest of {} cannot be read", path.display()))?;
        let line = object.line;
        let row = object.values.and_then(|row| {
            let (at, answers) = (places.of_row(&row)?, rows::answers(&row, line, subject)?);
            found.add(&at, answers, texts)
        });
        faults.extend(row.err().map(|fault| format!("line {line}: {fault}")));
    }
    if !faults.is_empty() {
        anyhow::bail!("{} has answers that cannot be used:{}", path.display(), told(faults));
    }
    anyhow::ensure!(
        !found.models.is_empty(),
        "{} holds no answers: each row needs a `text` or an `id`, and either `model` and `{}` or \
         `answers`, an object of models",
        path.display(),
        subject.field()
    );
    Ok(found)
}

impl RecordedAnswers {
    fn add(
        &mut self,
        places: &[usize],
        answers: Vec<(String, Answer)>,
        texts: usize,
    ) -> Result<(), String> {
        for (model, answer) in answers {
            let of_model = self.models.entry(model.clone()).or_insert_with(|| ModelAnswers {
                model: model.clone(),
                answers: vec![None; texts],
            });
            self.elsewhere += usize::from(places.is_empty());
            for at in places {
                if let Some(before) = &of_model.answers[*at] {
                    return Err(format!(
                        "{model} has answered this text on line {} already; expected one answer of a \
                         model to a text, and an `id` in both files where texts are equal",
                        before.line
                    ));
                }
                of_model.answers[*at] = Some(answer.clone());
            }
        }
        Ok(())
    }

    pub fn names(&self) -> Vec<&str> {
        self.models.keys().map(String::as_str).collect()
    }

    /// The answers of a model that the option `field` names.
    ///
    /// # Errors
    /// Wrong usage where there are none of it, with the models that there are; a file in which it says
    /// nothing of any labelled text.
    pub fn of(&self, model: &str, field: &'static str) -> anyhow::Result<&ModelAnswers> {
        let file = &self.about.file;
        let answers = self.models.get(model).ok_or_else(|| {
            let there = self.names().join(", ");
            usage(field, format!("{file} holds no answers of {model:?}; expected any of: {there}"))
        })?;
        anyhow::ensure!(
            answers.answers.iter().any(Option::is_some),
            "{file}: no answer of {model} is about a text of the labelled file; a row's `text` has to be \
             the same to the letter, or its `id`"
        );
        Ok(answers)
    }

    /// The only model that there is.
    ///
    /// # Errors
    /// Wrong usage where there are several, with their names and the `remedy`.
    pub fn only(&self, field: &'static str, remedy: &str) -> anyhow::Result<&ModelAnswers> {
        match self.names().as_slice() {
            [model] => self.of(model, field),
            several => {
                let (file, there) = (&self.about.file, several.join(", "));
                let message = format!("{file} holds answers of several models: {there}. {remedy}");
                Err(usage(field, message))
            }
        }
    }
}

impl ModelAnswers {
    /// What is to be known of the answers to these texts, by their places.
    pub fn recorded(&self, about: &About, places: &[usize]) -> Recorded {
        let given: Vec<&Answer> =
            places.iter().filter_map(|at| self.answers[*at].as_ref()).collect();
        let usable = given.iter().filter(|answer| answer.said != Prediction::Nothing).count();
        Recorded {
            model: self.model.clone(),
            file: about.file.clone(),
            sha256: about.sha256.clone(),
            answered: usable,
            unusable: given.len() - usable,
            missing: places.len() - given.len(),
        }
    }
}
