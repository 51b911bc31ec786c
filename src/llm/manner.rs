//! How providers are asked, whoever is asked: the part of the configuration that changes what is said.

use super::Question;
use super::config::Config;
use super::models::Model;
use super::prompt::{self, Wording};
use super::structured::{self, Dialect};
use crate::sentiment::{Category, Task};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    max_output_tokens: u32,
    hint: bool,
    examples: bool,
}

impl Manner {
    pub fn of(config: &Config) -> Manner {
        let Config { max_output_tokens, hint, examples, .. } = *config;
        Manner { max_output_tokens, hint, examples }
    }

    /// The system prompt of a request about these texts.
    pub fn system(self, model: &Model, questions: &[Question]) -> String {
        let (task, categories) = about(questions);
        let form = !model.abilities.structured_output;
        prompt::system(task, categories, self.wording(form, questions.len() > 1))
    }

    /// The schema of its answer, where the model can be held to one.
    pub fn schema(
        self,
        model: &Model,
        questions: &[Question],
        dialect: Dialect,
    ) -> Option<serde_json::Value> {
        let (task, categories) = about(questions);
        let schema = || structured::schema(task, categories, dialect, questions.len() > 1);
        model.abilities.structured_output.then(schema)
    }

    /// The most tokens of its answer.
    pub fn output_limit(self, questions: &[Question]) -> u32 {
        structured::output_limit(about(questions).0, self.max_output_tokens, questions.len())
    }

    pub fn wording(self, form: bool, several: bool) -> Wording {
        Wording { hint: self.hint, examples: self.examples, form, several }
    }
}

/// What all texts of a request are asked for.
fn about(questions: &[Question]) -> (Task, &[Category]) {
    let first = questions.first().expect("a request asks about at least one text");
    (first.task, &first.categories)
}
