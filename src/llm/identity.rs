//! Names for what is asked, by which a kept answer is found again: whatever would change a word that
//! is sent changes one of them.

use serde_json::json;

use super::manner::Manner;
use super::structured::{self, Dialect};
use super::{Configs, Question, prompt};
use crate::sentiment::{Category, Task};

/// A hash of all that is the same for every text of a task: prompt, categories, schema, and the
/// settings of the models that may be asked, up to the first provider's own.
pub fn prompt_id(configs: &Configs, task: Task, categories: &[Category]) -> String {
    let llm = &configs.llm;
    let manner = Manner::of(llm);
    let models = configs.in_order();
    let settings = models.iter().take(llm.first.len() + 1).enumerate().map(|(at, name)| {
        let of = configs.settings(name.provider);
        // The last one's name is asked for beside this.
        let name_of_first = (at < llm.first.len()).then_some(name);
        json!([name_of_first, of.base_url.expose(), of.service_tier, of.models.get(&name.model)])
    });
    let worded = |several| {
        json!([
            prompt::system(task, categories, manner.wording(true, several)),
            structured::schema(task, categories, Dialect::OpenAi, several),
        ])
    };
    let all = json!([
        structured::version(task),
        settings.collect::<Vec<_>>(),
        (!llm.first.is_empty()).then_some(llm.first_confidence),
        llm.max_output_tokens,
        llm.texts_per_call,
        worded(false),
        (llm.texts_per_call > 1).then(|| worded(true)),
    ]);
    blake3::hash(all.to_string().as_bytes()).to_hex().to_string()
}

/// A hash of a text and of what is told of it.
pub fn question_id(question: &Question) -> String {
    blake3::hash(prompt::user(std::slice::from_ref(question)).as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::testing::question;
    use crate::llm::{Hint, ModelName};
    use crate::sentiment::{Label, Scores};

    #[test]
    fn what_is_told_of_a_text_makes_another_question() {
        let plain = question("It broke.");
        let scores = Scores::from_weights([0.7, 0.1, 0.2, 0.0]);
        let hinted = Question { hint: Some(Hint::of(&scores, Vec::new())), ..plain.clone() };
        let guesses = hinted.hint.as_ref().map(|hint| hint.guesses.as_slice());
        let likely = [(Label::Negative, 0.7), (Label::Positive, 0.2), (Label::Neutral, 0.1)];
        assert_eq!(guesses, Some(&likely[..]));
        assert_eq!(question_id(&plain), question_id(&question("It broke.")));
        assert_ne!(question_id(&plain), question_id(&hinted));
        assert_ne!(question_id(&plain), question_id(&question("It broke!")));
    }

    #[test]
    fn every_setting_that_changes_an_answer_makes_another_prompt() {
        let configs = Configs::default();
        let of = |configs: &Configs| prompt_id(configs, Task::Sentiment, &[]);
        assert_eq!(of(&configs), of(&configs.clone()));
        assert_ne!(of(&configs), prompt_id(&configs, Task::Emotions, &[]));
        let first = ["openai/gpt-6-luna", "anthropic/claude-haiku-5-5"]
            .map(|name| ModelName::try_from(name.to_owned()).unwrap());
        let model = configs.openai.model.clone();
        type Change<'a> = &'a dyn Fn(&mut Configs);
        let changes: [Change<'_>; 9] = [
            &|configs| {
                configs.openai.models.entry(model.clone()).or_default().temperature = Some(0.7);
            },
            &|configs| configs.llm.max_output_tokens = 150,
            &|configs| configs.llm.hint = false,
            &|configs| configs.llm.examples = false,
            &|configs| configs.llm.texts_per_call = 4,
            &|configs| configs.llm.texts_per_call = 8,
            &|configs| configs.llm.first = vec![first[0].clone()],
            &|configs| configs.llm.first = first.to_vec(),
            &|configs| {
                configs.llm.first = first.to_vec();
                configs.llm.first_confidence = 0.9;
            },
        ];
        let mut seen = std::collections::HashSet::from([of(&configs)]);
        for (at, change) in changes.iter().enumerate() {
            let mut changed = configs.clone();
            change(&mut changed);
            assert!(seen.insert(of(&changed)), "change {at}");
        }
        let mut alone = configs;
        alone.llm.first_confidence = 0.9;
        assert!(seen.contains(&of(&alone)), "without a cheaper model it says nothing");
    }
}
