//! The configuration, put together from each module's own section.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::Date;

use super::alerts::AlertsConfig;
use super::drift::DriftConfig;
use super::layers::{self, Layered};
use super::learning::LearningConfig;
use super::server::ServerConfig;
use super::stream::StreamConfig;
use super::telemetry;
use crate::pricing::{Price, PriceBook, Usd};
use crate::sentiment::Category;
use crate::{access, cache, cascade, classifier, llm, store, trends, webhook};

/// A hundred years.
const TTL_LIMIT_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;

/// The most signals that may be logged in a minute.
const LOGGED_SIGNALS_LIMIT: u32 = 10_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: ServerConfig,
    pub classifier: classifier::Config,
    pub cascade: cascade::Config,
    pub aspects: AspectsConfig,
    pub cache: cache::Config,
    pub llm: llm::Config,
    pub openai: llm::OpenAiConfig,
    pub anthropic: llm::AnthropicConfig,
    pub pricing: PricingConfig,
    pub store: store::Config,
    pub access: access::Config,
    pub drift: DriftConfig,
    pub learning: LearningConfig,
    pub stream: StreamConfig,
    pub trends: trends::Config,
    pub alerts: AlertsConfig,
    pub webhooks: webhook::Config,
    pub telemetry: telemetry::Config,
}

/// The section `[aspects]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AspectsConfig {
    pub categories: Vec<Category>,
}

/// The section `[pricing]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricingConfig {
    pub file: PathBuf,
}

/// A configuration that cannot be used; its message names the key and where it was set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the configuration file {} cannot be read: {reason}", file.display())]
    File { file: PathBuf, reason: std::io::Error },
    #[error("the configuration cannot be used: {0}")]
    Value(String),
    #[error("the configuration is not usable:\n- {}", .0.join("\n- "))]
    Values(Vec<String>),
}

impl Config {
    /// Defaults, then the file, then `UNDERTONE_SECTION__KEY` from the environment.
    ///
    /// # Errors
    /// A file that was named and is not there; all keys that are unknown or have a bad value.
    pub fn load(file: Option<&Path>) -> Result<Config, Error> {
        let Layered { config, faults } = Config::examine(file)?;
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(Error::of(faults)),
        }
    }

    /// The same for whoever wants to know of the rest as well, whatever is wrong with a part.
    ///
    /// # Errors
    /// A file that was named and is not there.
    pub fn examine(file: Option<&Path>) -> Result<Layered, Error> {
        let mut layered =
            layers::read(file).map_err(|(file, reason)| Error::File { file, reason })?;
        let meant = layered.config.iter().flat_map(Config::faults);
        layered.faults.extend(meant);
        Ok(layered)
    }

    /// The sections that the providers are set up from.
    pub fn providers(&self) -> llm::Configs {
        llm::Configs {
            llm: self.llm.clone(),
            openai: self.openai.clone(),
            anthropic: self.anthropic.clone(),
        }
    }

    /// Whether the windows of a topic's texts are a gateway's to make.
    pub fn reads_results(&self) -> bool {
        self.stream.is_configured() && self.trends.topic_windows == trends::TopicWindows::Gateway
    }

    /// The model that is asked first.
    pub fn first_model(&self) -> Option<String> {
        Some(self.providers().in_order().into_iter().next()?.model)
    }

    /// What that model costs on a day, as far as can be told before a call.
    pub fn first_price(&self, book: &PriceBook, day: Date) -> Option<Price> {
        let configs = self.providers();
        let first = configs.in_order().into_iter().next()?;
        book.price(&first.model, configs.served(first.provider), day).cloned()
    }

    /// What types alone cannot say: all that is wrong.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let cascade = &self.cascade;
        let shares = [
            ("cascade.ambiguous", cascade.ambiguous),
            ("cascade.sarcasm", cascade.sarcasm),
            ("cascade.multi_aspect", cascade.multi_aspect),
            ("cascade.out_of_domain", cascade.out_of_domain),
            ("cascade.sample_share", Some(cascade.sample_share)),
            ("classifier.shadow_share", Some(self.classifier.shadow_share)),
        ];
        for (key, value) in shares {
            if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
                faults.push(format!("{key} is {value}; it has to be from 0 to 1"));
            }
        }
        let limited = [
            (
                "cascade.logged_signals_per_minute",
                cascade.logged_signals_per_minute.into(),
                LOGGED_SIGNALS_LIMIT.into(),
            ),
            ("cache.ttl_seconds", self.cache.ttl_seconds, TTL_LIMIT_SECONDS),
        ];
        for (key, value, limit) in limited {
            if value > limit {
                faults.push(format!("{key} is {value}; it has to be at most {limit}"));
            }
        }
        for (key, value, limit) in [
            ("tag_sets_per_day", self.store.tag_sets_per_day as u64, 1_000_000),
            ("minute_days", u64::from(self.store.minute_days), 36_500),
        ] {
            if !(1..=limit).contains(&value) {
                faults.push(format!("store.{key} is {value}; 1 to {limit} are allowed"));
            }
        }
        let categories = &self.aspects.categories;
        let names: HashSet<&str> = categories.iter().map(|one| one.name.as_str()).collect();
        if names.len() < categories.len().max(1) || names.iter().any(|name| name.trim().is_empty())
        {
            let fault = "aspects.categories has to name at least one category, each once";
            faults.push(fault.into());
        }
        let amounts = [
            ("cascade.correction_usd", cascade.correction_usd),
            ("classifier.cpu_hour_usd", Some(self.classifier.cpu_hour_usd)),
        ];
        for (key, amount) in amounts {
            if let Some(amount) = amount.filter(|amount| *amount < Usd::ZERO) {
                faults.push(format!("{key} is {amount}; it has to be 0 or more"));
            }
        }
        if self.drift.alarm <= 0.0 {
            faults.push(format!("drift.alarm is {}; it has to be above 0", self.drift.alarm));
        }
        let positive = [
            ("learning.keep_days", self.learning.keep_days as usize),
            ("drift.window_texts", self.drift.window_texts as usize),
            ("drift.baseline_texts", self.drift.baseline_texts as usize),
            ("server.max_body_bytes", self.server.max_body_bytes),
            ("classifier.batch_size", self.classifier.batch_size),
            ("classifier.queue", self.classifier.queue),
            ("classifier.max_wait_ms", self.classifier.max_wait_ms as usize),
            ("classifier.max_tokens", self.classifier.max_tokens),
        ];
        for (key, value) in positive {
            if value == 0 {
                faults.push(format!("{key} is 0; it has to be at least 1"));
            }
        }
        faults.extend(self.server.check().err());
        faults.extend(self.stream.faults());
        faults.extend(self.alerts.faults(self.stream.window_seconds));
        faults.extend(self.trends.faults());
        faults.extend(self.access.check().err().map(|error| error.to_string()));
        faults.extend(self.providers().faults().iter().map(ToString::to_string));
        faults
    }
}

impl Error {
    /// Of at least one fault.
    pub fn of(faults: Vec<String>) -> Error {
        match <[String; 1]>::try_from(faults) {
            Ok([fault]) => Error::Value(fault),
            Err(faults) => Error::Values(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_holds_every_key() {
        let config: Config = toml::from_str(layers::DEFAULTS).expect("complete");
        assert_eq!(config.faults(), Vec::<String>::new());
    }
}
