//! Names for what is asked, by which a kept answer is found again: whatever would change a word that
//! is sent changes one of them.

use serde_json::{Value, json};

use super::structured::{self, Dialect};
use super::{Configs, ProviderName, Question, prompt};
use crate::sentiment::{Category, Task};

/// A hash of all that is the same for every text of a task: prompt, categories, schema, and the
/// settings of the first configured provider's model.
pub fn prompt_id(configs: &Configs, task: Task, categories: &[Category]) -> String {
    let settings = match configs.llm.providers.first() {
        Some(ProviderName::OpenAi) => {
            let config = &configs.openai;
            json!([config.base_url, config.service_tier, config.models.get(&config.model)])
        }
        Some(ProviderName::Anthropic) => {
            let config = &configs.anthropic;
            json!([config.base_url, config.service_tier, config.models.get(&config.model)])
        }
        None => Value::Null,
    };
    let all = json!([
        structured::VERSION,
        settings,
        configs.llm.max_output_tokens,
        prompt::system(task, categories),
        structured::schema(task, categories, Dialect::OpenAi),
    ]);
    blake3::hash(all.to_string().as_bytes()).to_hex().to_string()
}

/// A hash of a text and of what is told of it.
pub fn question_id(question: &Question) -> String {
    blake3::hash(prompt::user(question).as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Hint;
    use crate::llm::testing::question;
    use crate::sentiment::{Label, Scores};

    #[test]
    fn what_is_told_of_a_text_makes_another_question() {
        let plain = question("It broke.");
        let scores = Scores::from_weights([0.7, 0.1, 0.2, 0.0]);
        let hinted = Question { hint: Some(Hint::of(&scores, Vec::new())), ..plain.clone() };
        assert_eq!(hinted.hint.as_ref().map(|hint| hint.label), Some(Label::Negative));
        assert_eq!(question_id(&plain), question_id(&question("It broke.")));
        assert_ne!(question_id(&plain), question_id(&hinted));
        assert_ne!(question_id(&plain), question_id(&question("It broke!")));
    }

    #[test]
    fn a_models_settings_make_another_prompt() {
        let configs = Configs::default();
        let mut warmer = configs.clone();
        let model = warmer.openai.model.clone();
        warmer.openai.models.entry(model).or_default().temperature = Some(0.7);
        let of = |configs: &Configs, task| prompt_id(configs, task, &[]);
        assert_eq!(of(&configs, Task::Sentiment), of(&configs.clone(), Task::Sentiment));
        assert_ne!(of(&configs, Task::Sentiment), of(&warmer, Task::Sentiment));
        assert_ne!(of(&configs, Task::Sentiment), of(&configs, Task::Emotions));
    }
}
