//! What callers send.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::app;
use crate::http::Problem;
use crate::http::middleware::RequestId;
use crate::http::problem::FieldError;
use crate::pricing::{Caller, Usd};
use crate::sentiment::{Route, Task};

/// The most characters (Unicode code points) that a text may have.
const TEXT_LIMIT: usize = 20_000;
/// The most characters of a language tag: RFC 5646, section 4.4.1, asks for room for these.
const LANGUAGE_LIMIT: usize = 35;
/// The most tags of a request, and the most characters of a tag's name or value.
const TAGS_LIMIT: usize = 10;
const TAG_LENGTH_LIMIT: usize = 64;
/// The most terms that a request for aspects may name, and the most characters of one.
pub(super) const TERMS_LIMIT: usize = 50;
pub(super) const TERM_LENGTH_LIMIT: usize = 100;

/// A text to analyse. An unknown field is an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalysisRequest {
    /// The text: not blank, at most 20,000 characters and `classifier.max_tokens` tokens (8,192).
    #[schemars(length(min = 1, max = 20_000))]
    pub text: String,
    /// The text's language (BCP 47), detected where it isn't given.
    #[serde(default)]
    pub language: Option<String>,
    /// Who reads it: `auto` (the default), `local` or `llm`.
    #[serde(default)]
    #[schemars(with = "Option<RouteName>")]
    pub route: Route,
    /// The most that all calls for this request may cost together, in US dollars: `"0.02"`.
    #[serde(default, deserialize_with = "decimal_string")]
    #[schemars(with = "Option<String>")]
    pub max_cost_usd: Option<Usd>,
    /// The most milliseconds that the answer may take: shortens the gateway's own limit
    /// (`llm.deadline_ms`).
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub deadline_ms: Option<u64>,
    /// What else the answer holds.
    #[serde(default)]
    pub include: Vec<Include>,
    /// Only for `/v1/aspects`: the terms that are wanted, at most 50. The answer then holds one
    /// entry for each, in this order.
    #[serde(default)]
    pub aspects: Option<Vec<String>>,
    /// At most ten short strings, by which costs can be grouped.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// More that a response can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// Each sentence's span, label and scores, as the local model reads it alone, and whether it is boilerplate.
    Sentences,
    /// Each routing signal's name, value and threshold.
    Signals,
}

/// The names of [`Route`], for the schema.
#[derive(JsonSchema)]
#[schemars(rename = "Route", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: Route itself knows no JSON Schema")]
enum RouteName {
    Auto,
    Local,
    Llm,
}

/// The names of [`Task`], for the schema.
#[derive(JsonSchema)]
#[schemars(rename = "Task", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: Task itself knows no JSON Schema")]
pub(super) enum TaskName {
    Sentiment,
    Aspects,
    Emotions,
}

impl AnalysisRequest {
    pub fn includes(&self, what: Include) -> bool {
        self.include.contains(&what)
    }

    /// Checks every field and says all that is wrong at once.
    pub fn into_request(
        self,
        task: Task,
        id: &RequestId,
        grant: &app::Grant,
        longest: Duration,
    ) -> Result<app::Request, Problem> {
        let errors = self.faults(task, longest);
        if !errors.is_empty() {
            return Err(Problem::fields(errors));
        }
        // A key's team is not for its holder to say.
        let team = grant.team().or(self.tags.get("team").map(String::as_str)).map(str::to_owned);
        let key_id = grant.key_id().map(str::to_owned);
        let caller = Caller { request_id: id.0.clone(), key_id, team, tags: self.tags };
        Ok(app::Request {
            task,
            text: self.text.into(),
            language: self.language,
            route: self.route,
            max_cost: self.max_cost_usd,
            deadline: self.deadline_ms.map(Duration::from_millis),
            caller,
            company: None,
            lane: app::Lane::Single,
        })
    }

    fn faults(&self, task: Task, longest: Duration) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut fault = |field: &str, message: String| {
            errors.push(FieldError { field: field.to_owned(), message });
        };
        for message in text_faults(&self.text) {
            fault("text", message);
        }
        // Private subtags may be of any length, and the tag is told to the LLM.
        if let Some(tag) = &self.language
            && (tag.len() > LANGUAGE_LIMIT || oxilangtag::LanguageTag::parse(tag.as_str()).is_err())
        {
            let message = format!(
                "is not a language tag (BCP 47, at most {LANGUAGE_LIMIT} characters) such as \
                 \"en\" or \"pt-BR\""
            );
            fault("language", message);
        }
        if self.max_cost_usd.is_some_and(|amount| amount < Usd::ZERO) {
            fault("max_cost_usd", "is below 0".into());
        }
        let longest = longest.as_millis();
        if let Some(deadline) = self.deadline_ms
            && !(1..=longest).contains(&u128::from(deadline))
        {
            let message = format!(
                "is {deadline}; it shortens the limit of {longest} ms (llm.deadline_ms): 1 to \
                 {longest} are allowed"
            );
            fault("deadline_ms", message);
        }
        match &self.aspects {
            Some(_) if task != Task::Aspects => {
                let message =
                    format!("is for the task aspects only; this is the task {}", task.name());
                fault("aspects", message);
            }
            Some(terms) if !(1..=TERMS_LIMIT).contains(&terms.len()) => {
                let message =
                    format!("names {} terms; 1 to {TERMS_LIMIT} are allowed", terms.len());
                fault("aspects", message);
            }
            _ => {}
        }
        for (index, term) in self.aspects.iter().flatten().enumerate() {
            let length = term.trim().chars().count();
            if !(1..=TERM_LENGTH_LIMIT).contains(&length) {
                let message =
                    format!("has {length} characters; 1 to {TERM_LENGTH_LIMIT} are allowed");
                fault(&format!("aspects[{index}]"), message);
            }
        }
        if self.tags.len() > TAGS_LIMIT {
            fault("tags", format!("holds {} tags; the limit is {TAGS_LIMIT}", self.tags.len()));
        }
        for (name, value) in &self.tags {
            for (what, string) in [("name", name), ("value", value)] {
                let length = string.chars().count();
                if !(1..=TAG_LENGTH_LIMIT).contains(&length) {
                    let message = format!(
                        "its {what} has {length} characters; 1 to {TAG_LENGTH_LIMIT} are allowed"
                    );
                    let shown: String = name.chars().take(TAG_LENGTH_LIMIT).collect();
                    fault(&format!("tags.{shown}"), message);
                }
            }
        }
        errors
    }
}

/// Money is a decimal string: a JSON number goes through binary fractions on its way.
fn decimal_string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usd>, D::Error> {
    let amount = Option::<serde_json::Value>::deserialize(deserializer)?;
    match amount {
        None => Ok(None),
        Some(serde_json::Value::String(text)) => {
            text.parse().map(Some).map_err(|error| D::Error::custom(format!("{error}")))
        }
        Some(serde_json::Value::Number(number)) => Err(D::Error::custom(format!(
            "is the number {number}; expected US dollars as a decimal string: \"{number}\""
        ))),
        Some(_) => Err(D::Error::custom("expected US dollars as a decimal string: \"0.02\"")),
    }
}

/// What keeps a text from being analysed, by whatever door it came; never with any of it.
pub fn text_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let characters = text.chars().count();
    if characters > TEXT_LIMIT {
        faults.push(format!("has {characters} characters; the limit is {TEXT_LIMIT}"));
    }
    if text.chars().all(|c| c.is_whitespace() || c.is_control()) {
        faults.push("is blank".into());
    }
    faults
}
