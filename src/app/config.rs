//! The configuration, put together from each module's own section.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::{Deserialize, Serialize};
use time::Date;

use super::alerts::AlertsConfig;
use super::drift::DriftConfig;
use super::learning::LearningConfig;
use super::server::ServerConfig;
use super::stream::StreamConfig;
use super::telemetry;
use crate::pricing::{Price, PriceBook, Usd};
use crate::sentiment::Category;
use crate::{access, cache, cascade, classifier, llm, store, trends, webhook};

/// Every key with its default, and why; a user's file and the environment override it.
const DEFAULTS: &str = include_str!("../../config/undertone.toml");

/// A hundred years.
const TTL_LIMIT_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;

/// The most signals that may be logged in a minute.
const LOGGED_SIGNALS_LIMIT: u32 = 10_000;

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "config/undertone.toml";

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
    #[error("the configuration is not usable: {0}")]
    Value(String),
}

impl Config {
    /// Defaults, then the file, then `UNDERTONE_SECTION__KEY` from the environment.
    ///
    /// # Errors
    /// A file that was named and is not there; a key that is unknown or has a bad value.
    pub fn load(file: Option<&Path>) -> Result<Config, Error> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        let file = match file {
            Some(named) => Some(named),
            None => Some(Path::new(DEFAULT_FILE)).filter(|default| default.exists()),
        };
        if let Some(file) = file {
            std::fs::metadata(file)
                .map_err(|reason| Error::File { file: file.to_owned(), reason })?;
            figment = figment.merge(Toml::file_exact(file));
        }
        let sections = Env::prefixed("UNDERTONE_").filter(|key| key.as_str().contains("__"));
        let config: Config = figment
            .merge(sections.split("__"))
            .extract()
            .map_err(|errors| Error::Value(describe(errors)))?;
        config.check()?;
        Ok(config)
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

    /// What types alone cannot say.
    fn check(&self) -> Result<(), Error> {
        let cascade = &self.cascade;
        let thresholds = [
            ("cascade.ambiguous", cascade.ambiguous),
            ("cascade.sarcasm", cascade.sarcasm),
            ("cascade.multi_aspect", cascade.multi_aspect),
            ("cascade.out_of_domain", cascade.out_of_domain),
            ("cascade.sample_share", Some(cascade.sample_share)),
            ("classifier.shadow_share", Some(self.classifier.shadow_share)),
        ];
        for (key, value) in thresholds {
            if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
                return Err(Error::Value(format!("{key} has to be from 0 to 1")));
            }
        }
        if cascade.logged_signals_per_minute > LOGGED_SIGNALS_LIMIT {
            let message = format!(
                "cascade.logged_signals_per_minute has to be at most {LOGGED_SIGNALS_LIMIT}"
            );
            return Err(Error::Value(message));
        }
        let categories = &self.aspects.categories;
        let names: HashSet<&str> = categories.iter().map(|one| one.name.as_str()).collect();
        if names.len() < categories.len().max(1) || names.iter().any(|name| name.trim().is_empty())
        {
            let message = "aspects.categories has to name at least one category, each once";
            return Err(Error::Value(message.into()));
        }
        if self.cascade.correction_usd.is_some_and(|worth| worth < Usd::ZERO) {
            return Err(Error::Value("cascade.correction_usd has to be 0 or more".into()));
        }
        if self.classifier.cpu_hour_usd < Usd::ZERO {
            return Err(Error::Value("classifier.cpu_hour_usd has to be 0 or more".into()));
        }
        if self.cache.ttl_seconds > TTL_LIMIT_SECONDS {
            let message = format!("cache.ttl_seconds has to be at most {TTL_LIMIT_SECONDS}");
            return Err(Error::Value(message));
        }
        if self.drift.alarm <= 0.0 {
            return Err(Error::Value("drift.alarm has to be above 0".into()));
        }
        let positive = [
            ("learning.keep_days", self.learning.keep_days as usize),
            ("drift.window_texts", self.drift.window_texts as usize),
            ("drift.baseline_texts", self.drift.baseline_texts as usize),
            ("server.max_body_bytes", self.server.max_body_bytes),
            ("classifier.batch_size", self.classifier.batch_size),
            ("classifier.queue", self.classifier.queue),
        ];
        for (key, value) in positive {
            if value == 0 {
                return Err(Error::Value(format!("{key} has to be at least 1")));
            }
        }
        self.server.check().map_err(Error::Value)?;
        self.stream.check()?;
        self.alerts.check(self.stream.window_seconds).map_err(Error::Value)?;
        self.trends.check().map_err(Error::Value)?;
        self.access.check().map_err(|error| Error::Value(error.to_string()))?;
        self.providers().check().map_err(|error| Error::Value(error.to_string()))
    }
}

/// Each fault with the key's full name and its source.
fn describe(errors: figment::Error) -> String {
    let one = |error: figment::Error| {
        let key = error.path.join(".");
        let source = error.metadata.as_ref().map(|metadata| match &metadata.source {
            Some(source) => format!(" in {source}"),
            None => format!(" in {}", metadata.name),
        });
        let at = if key.is_empty() { String::new() } else { format!("{key}: ") };
        format!("{at}{}{}", error.kind, source.unwrap_or_default())
    };
    errors.into_iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_holds_every_key() {
        let config: Config = Figment::from(Toml::string(DEFAULTS)).extract().expect("complete");
        config.check().expect("usable");
    }
}
