//! The configuration's sections `[llm]`, `[openai]` and `[anthropic]`. The keys of the providers never stand in
//! it: see `key`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mask::ServerUrl;
use crate::pricing::Service;

/// The three sections together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configs {
    pub llm: Config,
    pub openai: OpenAiConfig,
    pub anthropic: AnthropicConfig,
}

/// `[llm]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who is asked, in order of fallback.
    pub providers: Vec<ProviderName>,
    /// Cheaper models that are asked before them, one after the other.
    pub first: Vec<ModelName>,
    /// The least confidence with which an answer of one of `first` stands.
    pub first_confidence: f32,
    /// Whether a model is told what the local one makes of the text.
    pub hint: bool,
    /// Whether prompts hold examples.
    pub examples: bool,
    /// The most texts of a batch that share a call.
    pub texts_per_call: usize,
    pub deadline_ms: u64,
    pub attempt_timeout_ms: u64,
    pub max_retries: u32,
    pub max_concurrent: usize,
    pub breaker_failures: u32,
    pub breaker_cooldown_ms: u64,
    pub max_output_tokens: u32,
    /// Whether keys and texts may go to another machine over plain http.
    pub allow_plain_http: bool,
}

/// `[openai]`: OpenAI, or any server that speaks its chat completions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAiConfig {
    pub base_url: ServerUrl,
    pub model: String,
    /// Where `OPENAI_API_KEY` is not set; empty: no file.
    pub api_key_file: PathBuf,
    /// Empty: requests name none, for a server that knows no tiers. What they cost is then unknown.
    pub service_tier: String,
    /// The region whose prices hold at this address; empty: those that hold anywhere.
    pub region: String,
    #[serde(default)]
    pub models: BTreeMap<String, Abilities>,
}

/// `[anthropic]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnthropicConfig {
    pub base_url: ServerUrl,
    pub model: String,
    /// Where `ANTHROPIC_API_KEY` is not set; empty: no file.
    pub api_key_file: PathBuf,
    /// The header `anthropic-version`.
    pub version: String,
    pub service_tier: String,
    /// The `inference_geo` that requests name, whose prices hold; empty: none.
    pub region: String,
    #[serde(default)]
    pub models: BTreeMap<String, Abilities>,
}

/// What a model can do, and who follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Abilities {
    /// The model that takes over at this one's retirement.
    pub successor: Option<String>,
    /// Unset: requests name none, as some models demand.
    pub temperature: Option<f64>,
    pub reasoning_effort: Option<String>,
    /// What OpenAI-compatible servers call the limit of an answer's tokens.
    pub output_limit_field: OutputLimitField,
    /// Whether the model can be held to a schema; if not, the prompt alone asks for the form.
    pub structured_output: bool,
    /// The most input tokens that a byte of the request becomes, for the worst case of an attempt.
    pub tokens_per_byte: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimitField {
    #[default]
    MaxCompletionTokens,
    MaxTokens,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    OpenAi,
    Anthropic,
}

impl ProviderName {
    pub fn name(self) -> &'static str {
        match self {
            ProviderName::OpenAi => "openai",
            ProviderName::Anthropic => "anthropic",
        }
    }
}

/// A model of a provider: `openai/gpt-6-luna`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    pub provider: ProviderName,
    pub model: String,
}

impl TryFrom<String> for ModelName {
    type Error = String;

    fn try_from(text: String) -> Result<ModelName, String> {
        let (provider, model) = text.split_once('/').unwrap_or((&text, ""));
        let provider = [ProviderName::OpenAi, ProviderName::Anthropic]
            .into_iter()
            .find(|known| known.name() == provider && !model.is_empty());
        match provider {
            Some(provider) => Ok(ModelName { provider, model: model.to_owned() }),
            None => Err(format!("{text:?} is not a model such as \"openai/gpt-6-luna\"")),
        }
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> String {
        format!("{}/{}", name.provider.name(), name.model)
    }
}

impl Config {
    /// How long a request may take in all.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// How many texts of batches may be in the air.
    pub fn texts_at_once(&self) -> usize {
        self.max_concurrent.saturating_mul(self.texts_per_call)
    }

    pub(super) fn breaker_cooldown(&self) -> Duration {
        Duration::from_millis(self.breaker_cooldown_ms)
    }

    pub(super) fn attempt_timeout(&self) -> Duration {
        Duration::from_millis(self.attempt_timeout_ms)
    }
}

impl Default for Abilities {
    fn default() -> Abilities {
        Abilities {
            successor: None,
            temperature: None,
            reasoning_effort: None,
            output_limit_field: OutputLimitField::default(),
            structured_output: true,
            tokens_per_byte: 1.0,
        }
    }
}

/// What keeps the providers from being set up; each names the key to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{key} is {value}: {expected}")]
    Value { key: String, value: String, expected: &'static str },
    #[error("{key} names {path}, which cannot be read: {source}")]
    KeyFile { key: &'static str, path: PathBuf, source: std::io::Error },
    /// Never with the key itself.
    #[error("the API key from {source_name} cannot be used: {problem}")]
    Key { source_name: String, problem: &'static str },
    #[error(
        "{section}.base_url is {url}: the key and the texts would go to {host} over plain http, where \
         whoever is on the way can read them. Use an https:// address; for a proxy in your own house set \
         llm.allow_plain_http = true"
    )]
    PlainHttp { section: &'static str, url: ServerUrl, host: String },
    #[error("the HTTP client for the providers cannot be made: {0}")]
    Http(#[from] reqwest::Error),
}

impl Error {
    pub(super) fn value(
        key: impl Into<String>,
        value: impl ToString,
        expected: &'static str,
    ) -> Error {
        Error::Value { key: key.into(), value: value.to_string(), expected }
    }
}

/// A model that may be called as the configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredModel {
    pub provider: &'static str,
    pub id: String,
    /// The service tier that requests name.
    pub tier: String,
    /// Where calls are bound to run; empty: anywhere.
    pub region: String,
    /// The model that it takes over from.
    pub follows: Option<String>,
}

/// The most texts that may be configured to share a call: an answer about more is seldom whole.
const TEXTS_LIMIT: usize = 50;

/// What is configured of a provider beside its models' names.
pub(super) struct Settings<'a> {
    pub base_url: &'a ServerUrl,
    pub model: &'a str,
    pub service_tier: &'a str,
    pub region: &'a str,
    pub models: &'a BTreeMap<String, Abilities>,
}

impl Configs {
    /// The models that are asked, in order, whether or not their providers have keys.
    pub fn in_order(&self) -> Vec<ModelName> {
        let last = self.llm.providers.iter().map(|provider| {
            let model = self.settings(*provider).model.to_owned();
            ModelName { provider: *provider, model }
        });
        self.llm.first.iter().cloned().chain(last).collect()
    }

    /// What a provider's responses are served at, as far as can be told before.
    pub fn served(&self, provider: ProviderName) -> Service<'_> {
        match provider {
            ProviderName::OpenAi => {
                Service { tier: &self.openai.service_tier, region: &self.openai.region }
            }
            ProviderName::Anthropic => Service { tier: "standard", region: &self.anthropic.region },
        }
    }

    pub(super) fn settings(&self, provider: ProviderName) -> Settings<'_> {
        match provider {
            ProviderName::OpenAi => {
                let OpenAiConfig { base_url, model, service_tier, region, models, .. } =
                    &self.openai;
                Settings { base_url, model, service_tier, region, models }
            }
            ProviderName::Anthropic => {
                let AnthropicConfig { base_url, model, service_tier, region, models, .. } =
                    &self.anthropic;
                Settings { base_url, model, service_tier, region, models }
            }
        }
    }

    /// Every model that may be called: the configured ones and those who follow them, in the order in
    /// which they are asked.
    pub fn models(&self) -> Vec<ConfiguredModel> {
        let mut all: Vec<ConfiguredModel> = Vec::new();
        for ModelName { provider, model } in self.in_order() {
            let Settings { service_tier, region, models, .. } = self.settings(provider);
            let (mut next, mut follows) = (Some(model), None);
            while let Some(id) = next {
                let is_there =
                    |one: &ConfiguredModel| one.provider == provider.name() && one.id == id;
                if all.iter().any(is_there) {
                    break;
                }
                next = models.get(&id).and_then(|abilities| abilities.successor.clone());
                let (provider, tier) = (provider.name(), service_tier.to_owned());
                let region = region.to_owned();
                all.push(ConfiguredModel { provider, id: id.clone(), tier, region, follows });
                follows = Some(id);
            }
        }
        all
    }

    /// Refuses values with which no call could be made.
    pub fn check(&self) -> Result<(), Error> {
        self.faults().into_iter().next().map_or(Ok(()), Err)
    }

    /// All such values.
    pub fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        let at_least_one = [
            ("llm.deadline_ms", self.llm.deadline_ms),
            ("llm.attempt_timeout_ms", self.llm.attempt_timeout_ms),
            ("llm.max_concurrent", self.llm.max_concurrent as u64),
            ("llm.breaker_failures", self.llm.breaker_failures.into()),
            ("llm.max_output_tokens", self.llm.max_output_tokens.into()),
        ];
        for (key, value) in at_least_one {
            if value == 0 {
                faults.push(Error::value(key, value, "it must be at least 1"));
            }
        }
        for (n, provider) in self.llm.providers.iter().enumerate() {
            if self.llm.providers[..n].contains(provider) {
                faults.push(Error::value(
                    "llm.providers",
                    provider.name(),
                    "each may be named once",
                ));
            }
        }
        let texts = self.llm.texts_per_call;
        if !(1..=TEXTS_LIMIT).contains(&texts) {
            let expected = "it must be from 1 to 50";
            faults.push(Error::value("llm.texts_per_call", texts, expected));
        }
        let confidence = self.llm.first_confidence;
        if !(0.0..=1.0).contains(&confidence) {
            let expected = "it must be from 0 to 1";
            faults.push(Error::value("llm.first_confidence", confidence, expected));
        }
        let models = self.in_order();
        for (n, name) in self.llm.first.iter().enumerate() {
            if models[n + 1..].contains(name) {
                let expected = "each model may be named once";
                faults.push(Error::value("llm.first", String::from(name.clone()), expected));
            }
        }
        faults.extend(self.settings(ProviderName::OpenAi).faults("openai"));
        faults.extend(self.settings(ProviderName::Anthropic).faults("anthropic"));
        faults
    }
}

impl Settings<'_> {
    fn faults(&self, section: &str) -> Vec<Error> {
        let Settings { base_url, model, region, .. } = *self;
        let mut faults = Vec::new();
        let mut fault = |key: &str, value: &str, expected| {
            faults.push(Error::value(format!("{section}.{key}"), value, expected));
        };
        let url = reqwest::Url::parse(base_url.expose()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            fault("base_url", &base_url.to_string(), "it must be an http:// or https:// address");
        }
        if model.is_empty() {
            fault("model", "empty", "it must name a model");
        }
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.len() > 32 || !region.bytes().all(is_name) {
            let expected = "it must be a region as the price book names it, such as eu, or empty";
            fault("region", region, expected);
        }
        // A regional address with the common prices would be billed above the ledger.
        let host = url.as_ref().and_then(reqwest::Url::host_str);
        let bound = host.and_then(|host| host.strip_suffix(".api.openai.com"));
        if bound.is_some_and(|bound| bound != region) {
            let value = if region.is_empty() { "empty" } else { region };
            let expected = "it must be the region of base_url's address, whose prices hold there";
            fault("region", value, expected);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shipped configuration with some keys changed.
    fn changed(keys: &str) -> Result<Configs, toml::de::Error> {
        let mut all: toml::Table = crate::llm::testing::SHIPPED.parse()?;
        let keys: toml::Table = keys.parse()?;
        for (section, values) in keys {
            let section = all[&section].as_table_mut().unwrap();
            section.extend(values.as_table().unwrap().clone());
        }
        all.retain(|section, _| matches!(section, "llm" | "openai" | "anthropic"));
        all.try_into()
    }

    #[test]
    fn what_is_shipped_can_be_used() {
        changed("").unwrap().check().unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused() {
        for text in [
            "[llm]\nretries = 1",
            "[llm]\nfirst = ['gpt-6-luna']",
            "[llm]\nfirst = ['acme/x']",
            "[openai]\nkey = ''",
            "[openai]\nmodels = { m = { seed = 1 } }",
        ] {
            assert!(changed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_that_allows_no_call_is_named() {
        for (text, named) in [
            ("[llm]\nmax_concurrent = 0", "llm.max_concurrent is 0"),
            ("[llm]\nproviders = ['openai', 'openai']", "llm.providers is openai"),
            ("[openai]\nbase_url = 'localhost:1'", "openai.base_url is localhost:1"),
            ("[anthropic]\nmodel = ''", "anthropic.model is empty"),
            ("[llm]\ntexts_per_call = 0", "llm.texts_per_call is 0"),
            ("[llm]\ntexts_per_call = 51", "llm.texts_per_call is 51"),
            ("[llm]\nfirst_confidence = 70", "llm.first_confidence is 70"),
            (
                "[llm]\nfirst = ['openai/gpt-4o-2024-08-06']",
                "llm.first is openai/gpt-4o-2024-08-06: each model",
            ),
        ] {
            let error = changed(text).unwrap().check().unwrap_err();
            assert!(error.to_string().starts_with(named), "{error}");
        }
    }
}
