//! Requests' bodies. All but the last message is the same, byte for byte, for every request about as
//! many texts of a task, so it is composed once and kept.

use std::sync::{Arc, PoisonError, RwLock};

use super::models::Model;
use super::provider::Provider;
use super::{Question, prompt};
use crate::sentiment::{Category, Task};

/// One provider's.
#[derive(Default)]
pub(super) struct Templates(RwLock<Vec<Template>>);

/// A body with a gap where the last message belongs.
struct Template {
    task: Task,
    model: String,
    categories: Arc<[Category]>,
    texts: usize,
    before: String,
    after: String,
}

impl Templates {
    /// The body that `provider` would compose of these questions.
    pub fn fill(&self, provider: &dyn Provider, model: &Model, questions: &[Question]) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = known.iter().find(|template| template.is_for(model, questions)) {
            return template.fill(questions);
        }
        drop(known);
        let Some(template) = Template::of(provider, model, questions) else {
            return provider.compose(model, questions).to_string();
        };
        let body = template.fill(questions);
        // Two that make the same at once both keep it; the first is the one that is found.
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(template);
        body
    }
}

impl Template {
    /// None where the provider puts the message elsewhere than into one string.
    fn of(provider: &dyn Provider, model: &Model, questions: &[Question]) -> Option<Template> {
        let first = questions.first()?;
        let blank = Question {
            // Like no word of a prompt or a schema.
            text: "\u{fffc}".to_owned(),
            language: None,
            hint: None,
            task: first.task,
            categories: Arc::clone(&first.categories),
        };
        let blanks = vec![blank; questions.len()];
        let body = provider.compose(model, &blanks).to_string();
        let (before, after) = body.split_once(&message(&blanks))?;
        Some(Template {
            task: first.task,
            model: model.id.clone(),
            categories: Arc::clone(&first.categories),
            texts: questions.len(),
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    fn is_for(&self, model: &Model, questions: &[Question]) -> bool {
        let is_about = |first: &Question| {
            self.task == first.task && Arc::ptr_eq(&self.categories, &first.categories)
        };
        self.texts == questions.len()
            && questions.first().is_some_and(is_about)
            && self.model == model.id
    }

    fn fill(&self, questions: &[Question]) -> String {
        [self.before.as_str(), &message(questions), &self.after].concat()
    }
}

/// The last message as the string in a body.
fn message(questions: &[Question]) -> String {
    serde_json::to_string(&prompt::user(questions)).expect("a string has a JSON form")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::llm::Hint;
    use crate::llm::anthropic::Anthropic;
    use crate::llm::config::{AnthropicConfig, OpenAiConfig};
    use crate::llm::openai::OpenAi;
    use crate::llm::testing::{http, manner, model, question};
    use crate::sentiment::{Label, Reason};

    #[test]
    fn a_filled_template_is_what_the_provider_would_compose() {
        let key = || "sk-secret".into();
        let openai = OpenAi::new(&OpenAiConfig::default(), manner(), key(), http()).unwrap();
        let anthropic =
            Anthropic::new(&AnthropicConfig::default(), manner(), key(), http()).unwrap();
        let providers: [&dyn Provider; 2] = [&openai, &anthropic];
        let list = |name: &str| -> Arc<[Category]> {
            Arc::new([Category { name: name.into(), description: "so".into(), words: vec![] }])
        };
        let (rooms, food) = (list("rooms"), list("food"));
        let hint = Hint { guesses: vec![(Label::Mixed, 0.5)], reasons: vec![Reason::Sarcasm] };
        for provider in providers {
            let templates = Templates::default();
            for (text, hint, categories) in [
                ("a \"text\"\n", None, &rooms),
                ("\u{fffc} 😀 {\"text\":\"x\"}", Some(hint.clone()), &rooms),
                ("another", None, &food),
            ] {
                for (task, id) in
                    Task::ALL.into_iter().flat_map(|task| [(task, "one"), (task, "two")])
                {
                    let model = model(id, &BTreeMap::new());
                    let categories = Arc::clone(categories);
                    let question =
                        Question { task, hint: hint.clone(), categories, ..question(text) };
                    for questions in [vec![question.clone()], vec![question; 2]] {
                        let composed = provider.compose(&model, &questions).to_string();
                        assert_eq!(templates.fill(provider, &model, &questions), composed);
                    }
                }
            }
            // One for each task, model, list of categories and number of texts.
            assert_eq!(templates.0.read().unwrap().len(), 24);
        }
    }
}
