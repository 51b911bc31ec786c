//! Requests' bodies. All but the last message is the same, byte for byte, for every question of a
//! task, so it is composed once and kept.

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
    before: String,
    after: String,
}

impl Templates {
    /// The body that `provider` would compose of this question.
    pub fn fill(&self, provider: &dyn Provider, model: &Model, question: &Question) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = known.iter().find(|template| template.is_for(model, question)) {
            return template.fill(question);
        }
        drop(known);
        let Some(template) = Template::of(provider, model, question) else {
            return provider.compose(model, question).to_string();
        };
        let body = template.fill(question);
        // Two that make the same at once both keep it; the first is the one that is found.
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(template);
        body
    }
}

impl Template {
    /// None where the provider puts the message elsewhere than into one string.
    fn of(provider: &dyn Provider, model: &Model, question: &Question) -> Option<Template> {
        let blank = Question {
            // Like no word of a prompt or a schema.
            text: "\u{fffc}".to_owned(),
            language: None,
            hint: None,
            task: question.task,
            categories: Arc::clone(&question.categories),
        };
        let body = provider.compose(model, &blank).to_string();
        let (before, after) = body.split_once(&message(&blank))?;
        Some(Template {
            task: question.task,
            model: model.id.clone(),
            categories: blank.categories,
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    fn is_for(&self, model: &Model, question: &Question) -> bool {
        self.task == question.task
            && Arc::ptr_eq(&self.categories, &question.categories)
            && self.model == model.id
    }

    fn fill(&self, question: &Question) -> String {
        [self.before.as_str(), &message(question), &self.after].concat()
    }
}

/// The last message as the string in a body.
fn message(question: &Question) -> String {
    serde_json::to_string(&prompt::user(question)).expect("a string has a JSON form")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::llm::Hint;
    use crate::llm::anthropic::Anthropic;
    use crate::llm::config::{AnthropicConfig, OpenAiConfig};
    use crate::llm::openai::OpenAi;
    use crate::llm::testing::{http, model, question};
    use crate::sentiment::{Label, Reason};

    #[test]
    fn a_filled_template_is_what_the_provider_would_compose() {
        let key = || "sk-secret".into();
        let openai = OpenAi::new(&OpenAiConfig::default(), 200, key(), http()).unwrap();
        let anthropic = Anthropic::new(&AnthropicConfig::default(), 200, key(), http()).unwrap();
        let providers: [&dyn Provider; 2] = [&openai, &anthropic];
        let list = |name: &str| -> Arc<[Category]> {
            Arc::new([Category { name: name.into(), description: "so".into(), words: vec![] }])
        };
        let (rooms, food) = (list("rooms"), list("food"));
        let hint = Hint { label: Label::Mixed, confidence: 0.5, reasons: vec![Reason::Sarcasm] };
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
                    let composed = provider.compose(&model, &question).to_string();
                    assert_eq!(templates.fill(provider, &model, &question), composed);
                }
            }
            // One for each task, model and list of categories.
            assert_eq!(templates.0.read().unwrap().len(), 12);
        }
    }
}
