//! What calls would cost, without making any.

use std::iter::Sum;
use std::sync::Arc;

use serde_json::json;

use super::config::{Configs, ModelName};
use super::manner::Manner;
use super::structured::{self, Dialect};
use super::{Hint, Llm, Question, prompt, today};
use crate::pricing::{Prices, Service, Usage, Usd};
use crate::sentiment::{Category, Label, Reason, Task};

/// What a request holds beside its prompt, its text and its schema: the names of its fields, the
/// model, the limits.
const FRAME_BYTES: usize = 320;

/// Of English prose and JSON, in the tokenizers of the providers.
const BYTES_A_TOKEN: u64 = 4;

/// What a usual answer comes to: a few words in a JSON object, two or three aspects, an emotion or
/// two.
fn answer_tokens(task: Task) -> u64 {
    match task {
        Task::Sentiment => 20,
        Task::Aspects => 90,
        Task::Emotions => 35,
    }
}

/// What asking about a text would cost.
#[derive(Clone, Copy, Debug)]
pub struct CallEstimate {
    /// Where the model that is asked first answers.
    pub likely: Usd,
    /// The worst case, as it is reserved: of every model that may be asked one after the other for
    /// better answers.
    pub at_most: Usd,
}

/// Several calls together.
impl Sum for CallEstimate {
    fn sum<I: Iterator<Item = CallEstimate>>(calls: I) -> CallEstimate {
        let none = CallEstimate { likely: Usd::ZERO, at_most: Usd::ZERO };
        calls.fold(none, |sum, call| CallEstimate {
            likely: sum.likely + call.likely,
            at_most: sum.at_most + call.at_most,
        })
    }
}

/// Says what calls would cost by the configuration alone: no provider has to have a key.
pub struct Estimator {
    configs: Configs,
    prices: Arc<Prices>,
    categories: Arc<[Category]>,
    /// For each task the bytes of a request beside its texts: about one text, and about as many as
    /// may share a call.
    frames: [(Task, u64, u64); Task::ALL.len()],
}

impl Estimator {
    pub fn new(configs: Configs, prices: Arc<Prices>, categories: Arc<[Category]>) -> Estimator {
        let manner = Manner::of(&configs.llm);
        let frames = Task::ALL.map(|task| {
            let frame = |texts: usize| {
                let questions = vec![widest(task, "", &categories); texts];
                let several = texts > 1;
                let request = json!([
                    prompt::system(task, &categories, manner.wording(false, several)),
                    prompt::user(&questions),
                    structured::schema(task, &categories, Dialect::OpenAi, several),
                ]);
                (request.to_string().len() + FRAME_BYTES) as u64
            };
            (task, frame(1), frame(configs.llm.texts_per_call))
        });
        Estimator { configs, prices, categories, frames }
    }

    /// What aspects may belong to.
    pub fn categories(&self) -> &Arc<[Category]> {
        &self.categories
    }

    /// A text that is asked about by itself; `None` without a provider in the configuration, or
    /// without a price.
    pub fn alone(&self, task: Task, text: &str) -> Option<CallEstimate> {
        self.estimate(task, text, 1)
    }

    /// A text of a batch, in a call that is shared by as many as may.
    pub fn in_batch(&self, task: Task, text: &str) -> Option<CallEstimate> {
        self.estimate(task, text, self.configs.llm.texts_per_call as u64)
    }

    fn estimate(&self, task: Task, text: &str, texts: u64) -> Option<CallEstimate> {
        let (_, alone, shared) = self.frames.iter().find(|(of, ..)| *of == task)?;
        let text = json!(json!(text).to_string()).to_string().len() as u64;
        let (alone, shared) = (alone + text, shared.div_ceil(texts) + text);
        let input = if texts > 1 { shared } else { alone }.div_ceil(BYTES_A_TOKEN);
        let models = self.configs.in_order();
        let asked = models.iter().take(self.configs.llm.first.len() + 1);
        let worst: Option<Usd> = asked.map(|model| self.worst(model, task, alone)).sum();
        Some(CallEstimate { likely: self.likely(models.first()?, task, input)?, at_most: worst? })
    }

    fn likely(&self, name: &ModelName, task: Task, input: u64) -> Option<Usd> {
        let usage = Usage { input, output: answer_tokens(task), ..Usage::default() };
        let served = self.configs.served(name.provider);
        self.prices.current().price(&name.model, served, today())?.cost(&usage)
    }

    fn worst(&self, name: &ModelName, task: Task, bytes: u64) -> Option<Usd> {
        let settings = self.configs.settings(name.provider);
        let bound = settings.models.get(&name.model).map_or(1.0, |model| model.tokens_per_byte);
        let most = (bytes as f64 * bound).ceil() as u64;
        let longest = structured::output_limit(task, self.configs.llm.max_output_tokens, 1).into();
        let asked = Service { tier: settings.service_tier, region: settings.region };
        self.prices.current().worst_case(&name.model, asked, today(), most, longest)
    }

    /// How tokens are counted where nobody has told them.
    pub fn counting(&self, task: Task) -> String {
        format!(
            "{BYTES_A_TOKEN} bytes of instructions, text and schema for a token, {} tokens for an answer",
            answer_tokens(task)
        )
    }

    /// How it is estimated, in a sentence.
    pub fn basis(&self) -> String {
        let answers: Vec<String> =
            Task::ALL.map(|task| format!("{} for {}", answer_tokens(task), task.name())).into();
        let mut basis = format!(
            "the cost takes {BYTES_A_TOKEN} bytes of a request for a token, and for an answer {} \
             tokens, with nothing cached; `at most` is what would be reserved: a token a byte, the \
             longest answer",
            answers.join(", ")
        );
        let texts = self.configs.llm.texts_per_call;
        if texts > 1 {
            basis += &format!("; {texts} texts share a call (llm.texts_per_call)");
        }
        if !self.configs.llm.first.is_empty() {
            basis += "; the model asked first (llm.first) is taken to be sure of every answer";
        }
        basis
    }
}

impl Llm {
    /// The most that one attempt to ask about that text can cost, whoever is asked; `None` where no
    /// provider's model has a price.
    pub fn worst_attempt(
        &self,
        task: Task,
        text: &str,
        categories: &Arc<[Category]>,
    ) -> Option<Usd> {
        let question = [widest(task, text, categories)];
        let worst = self.lanes.iter().filter_map(|lane| {
            let model = lane.models.in_force(&self.prices.current(), today())?;
            self.worst_case(lane, model, &question, &lane.compose(model, &question))
        });
        worst.max()
    }
}

/// A question as long as the local model's hint can make it.
fn widest(task: Task, text: &str, categories: &Arc<[Category]>) -> Question {
    let reasons =
        vec![Reason::Sarcasm, Reason::Ambiguous, Reason::MultiAspect, Reason::OutOfDomain];
    let hint = Hint { guesses: Label::ALL.map(|label| (label, 0.25)).into(), reasons };
    let categories = Arc::clone(categories);
    Question { task, text: text.to_owned(), language: None, hint: Some(hint), categories }
}
