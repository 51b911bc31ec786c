//! What calls would cost, without making any.

use std::sync::Arc;

use serde_json::json;

use super::structured::Dialect;
use super::{Hint, Llm, Question, prompt, structured, today};
use crate::pricing::Usd;
use crate::sentiment::{Category, Label, Reason, Task};

/// What a request holds beside its prompt, its text and its schema: the names of its fields, the
/// model, the limits.
const FRAME_BYTES: usize = 320;

impl Llm {
    /// The most that one attempt to ask about that text can cost, whoever is asked; `None` where no
    /// provider's model has a price.
    pub fn worst_attempt(
        &self,
        task: Task,
        text: &str,
        categories: &Arc<[Category]>,
    ) -> Option<Usd> {
        let question = widest(task, text, categories);
        let worst = self.lanes.iter().filter_map(|lane| {
            let model = lane.models.in_force(&self.prices.current(), today())?;
            self.worst_case(lane, model, task, &lane.compose(model, &question))
        });
        worst.max()
    }
}

/// About how many bytes a request has that asks about a text; no provider has to be set up.
pub fn request_bytes(task: Task, text: &str, categories: &Arc<[Category]>) -> u64 {
    let request = json!([
        prompt::system(task, categories),
        prompt::user(&widest(task, text, categories)),
        structured::schema(task, categories, Dialect::OpenAi),
    ]);
    (request.to_string().len() + FRAME_BYTES) as u64
}

/// A question as long as the local model's hint can make it.
fn widest(task: Task, text: &str, categories: &Arc<[Category]>) -> Question {
    let reasons = vec![
        Reason::Requested,
        Reason::Sarcasm,
        Reason::Ambiguous,
        Reason::MultiAspect,
        Reason::OutOfDomain,
        Reason::Sampled,
    ];
    let hint = Hint { label: Label::Negative, confidence: 0.99, reasons };
    let categories = Arc::clone(categories);
    Question { task, text: text.to_owned(), language: None, hint: Some(hint), categories }
}
