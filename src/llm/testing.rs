//! Doubles for this module's tests: a scripted provider, a ledger in memory, a small price book.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::config::{Abilities, AnthropicConfig, Config, Configs, OpenAiConfig};
use super::lane::Lane;
use super::manner::Manner;
use super::models::{Model, Succession};
use super::prompt::Wording;
use super::provider::{Completion, Content, ErrorReply, Fault, Provider, Reply};
use super::retry::RetryAdvice;
use super::{Answered, AttemptLog, Failure, Limits, Llm, LogDown, NotReserved, Question};
use crate::pricing::{AttemptId, Caller, PriceBook, Prices, Reservation, Settlement, Usage, Usd};
use crate::sentiment::Task;

/// All of a prompt about one text.
pub(super) const WORDING: Wording =
    Wording { hint: true, examples: true, form: true, several: false };

pub(super) const ANSWER: &str = r#"{"sarcasm":"yes","label":"negative","certainty":"certain"}"#;

pub(super) fn question(text: &str) -> Question {
    Question {
        task: Task::Sentiment,
        text: text.into(),
        language: None,
        hint: None,
        categories: Arc::default(),
    }
}

pub(super) fn caller() -> Caller {
    Caller { request_id: "r".into(), key_id: None, team: None, tags: BTreeMap::new() }
}

pub(super) fn model(id: &str, models: &BTreeMap<String, Abilities>) -> Model {
    Model { id: id.into(), abilities: models.get(id).cloned().unwrap_or_default() }
}

pub(super) fn manner() -> Manner {
    Manner::of(&Config::default())
}

pub(super) fn http() -> reqwest::Client {
    Llm::http_client(&super::Configs::default()).unwrap()
}

/// A dollar for an input token and ten for one of output, so that costs can be read off; `old` has
/// retired, `new` has a price, `unknown` has none.
pub(super) fn book() -> PriceBook {
    let models: String = [("m", ""), ("n", ""), ("old", "retires = 2020-01-01"), ("new", "")]
        .into_iter()
        .map(|(id, retires)| {
            format!(
                "[[model]]\nid = \"{id}\"\nprovider = \"p\"\n{retires}\n[[model.price]]\n\
                 from = 2020-01-01\ntiers = [\"default\"]\ninput = \"1000000\"\noutput = \"1000000\"\n"
            )
        })
        .collect();
    PriceBook::parse(&models).unwrap()
}

pub(super) fn dollars(dollars: i64) -> Usd {
    Usd::from_pico(dollars * 1_000_000_000_000)
}

/// What happened, in order, across providers and ledger.
#[derive(Clone, Default)]
pub(super) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// One line of a provider's script.
pub(super) enum Act {
    Reply(Reply),
    /// Replies after so long.
    Slow(Duration, Reply),
    /// Says nothing until the attempt's deadline.
    Hang,
}

/// A provider that follows a script, and fails the test past its end.
pub(super) struct Scripted {
    pub name: &'static str,
    pub script: Mutex<VecDeque<Act>>,
    pub diary: Diary,
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tier(&self) -> &str {
        "default"
    }

    fn region(&self) -> &str {
        ""
    }

    /// Ten bytes, so that the worst case is ten input tokens; of several texts, that they are.
    fn compose(&self, model: &Model, questions: &[Question]) -> Value {
        match questions.len() {
            1 => json!(format!("{:8.8}", model.id)),
            texts => json!(format!("{:5.5} {texts:2}", model.id)),
        }
    }

    async fn send(&self, body: String, deadline: Instant) -> Reply {
        self.diary.note(format!("{} asks {}", self.name, body.trim_matches('"').trim()));
        let act = self.script.lock().unwrap().pop_front();
        match act.expect("the script has no further line") {
            Act::Reply(reply) => reply,
            Act::Slow(after, reply) => {
                tokio::time::sleep(after).await;
                reply
            }
            Act::Hang => {
                sleep_until(deadline).await;
                Reply::Lost
            }
        }
    }
}

/// A ledger in memory that can be made to fail.
#[derive(Default)]
pub(super) struct Ledger {
    pub diary: Diary,
    pub reservations: Mutex<Vec<Reservation>>,
    pub settlements: Mutex<Vec<Settlement>>,
    pub reserve_fails: bool,
    pub settle_fails: bool,
}

#[async_trait]
impl AttemptLog for Ledger {
    async fn reserve(&self, reservation: Reservation) -> Result<AttemptId, NotReserved> {
        if self.reserve_fails {
            return Err(NotReserved::Down(LogDown("full".into())));
        }
        self.diary.note("reserved");
        let id = reservation.id;
        self.reservations.lock().unwrap().push(reservation);
        Ok(id)
    }

    async fn settle(&self, id: AttemptId, settlement: Settlement) -> Result<(), LogDown> {
        if self.settle_fails {
            return Err(LogDown("full".into()));
        }
        let reserved = self.reservations.lock().unwrap().iter().any(|each| each.id == id);
        assert!(reserved, "settled under another id than reserved");
        self.diary.note(format!("{:?}", settlement.state));
        self.settlements.lock().unwrap().push(settlement);
        Ok(())
    }
}

/// An [`Llm`] over scripts, and all that happened in it.
pub(super) struct Stage {
    pub llm: Arc<Llm>,
    pub ledger: Arc<Ledger>,
    pub diary: Diary,
}

impl Stage {
    /// One provider, `p`, asked for model `m`.
    pub fn new(script: impl IntoIterator<Item = Act>) -> Stage {
        Stage::with(
            Config::default(),
            Ledger::default(),
            vec![("p", "m", script.into_iter().collect())],
        )
    }

    /// Providers by name, model and script.
    pub fn with(
        config: Config,
        ledger: Ledger,
        providers: Vec<(&'static str, &str, Vec<Act>)>,
    ) -> Stage {
        let diary = ledger.diary.clone();
        let models = toml::from_str("[old]\nsuccessor = 'new'").unwrap();
        let lanes = providers
            .into_iter()
            .map(|(name, model, script)| {
                let script = Mutex::new(script.into());
                let provider = Scripted { name, script, diary: diary.clone() };
                let models =
                    Succession::new(name, model, &models, config.breaker_cooldown()).unwrap();
                Lane::new(Box::new(provider), models, &config)
            })
            .collect();
        let ledger = Arc::new(ledger);
        let first = config.first.len();
        let prices = Arc::new(Prices::new(book()));
        let llm = Llm::assemble(config, lanes, first, prices, ledger.clone());
        Stage { llm: Arc::new(llm), ledger, diary }
    }

    pub async fn ask(&self) -> Result<Answered, Failure> {
        self.ask_within(Duration::from_secs(20), None).await
    }

    pub async fn ask_within(
        &self,
        time: Duration,
        max_cost: Option<Usd>,
    ) -> Result<Answered, Failure> {
        let limits = Limits { deadline: Instant::now() + time, max_cost };
        self.llm.ask(&question("a text"), &caller(), &limits, None).await
    }
}

pub(super) fn usage() -> Usage {
    Usage { input: 3, output: 4, ..Usage::default() }
}

/// A reply of 7 dollars with that content.
pub(super) fn completion(content: Content) -> Completion {
    Completion {
        model: Some("m".into()),
        tier: Some("default".into()),
        region: None,
        usage: Some(usage()),
        content,
    }
}

pub(super) fn answer() -> Act {
    Act::Reply(Reply::Read(completion(Content::Text(ANSWER.into()))))
}

pub(super) fn error(status: u16) -> Act {
    error_with(status, Fault::of_status(status), RetryAdvice::default())
}

pub(super) fn error_with(status: u16, fault: Fault, advice: RetryAdvice) -> Act {
    Act::Reply(Reply::Error(ErrorReply { status, fault, advice }))
}

/// The configuration as shipped, which is where the defaults stand.
pub const SHIPPED: &str = include_str!("../../config/undertone.toml");

fn section<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let mut all: toml::Table = SHIPPED.parse().expect("it is TOML");
    all.remove(name).expect("it is there").try_into().expect("it is complete")
}

impl Default for Config {
    fn default() -> Config {
        section("llm")
    }
}

impl Default for OpenAiConfig {
    fn default() -> OpenAiConfig {
        section("openai")
    }
}

impl Default for AnthropicConfig {
    fn default() -> AnthropicConfig {
        section("anthropic")
    }
}

impl Default for Configs {
    fn default() -> Configs {
        let (llm, openai, anthropic) = Default::default();
        Configs { llm, openai, anthropic }
    }
}
