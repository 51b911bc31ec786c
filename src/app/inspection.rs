//! `undertone config check`: whatever a start would find out, found out without starting. All of it is
//! looked at, whatever is wrong with a part; nothing is created, written or sent.

use std::path::Path;
use std::sync::Arc;

use super::{Config, ThresholdsFile, price_book, price_status, telemetry, unread_variables};
use crate::classifier::Classifier;
use crate::llm;
use crate::mask::plain_host;
use crate::sentiment::Task;
use crate::store::Store;

/// What was found, a sentence each.
#[derive(Debug, Default)]
pub struct Findings {
    /// What a start would fail at, or calls at an LLM.
    pub errors: Vec<String>,
    /// What is likely not meant.
    pub warnings: Vec<String>,
    /// What is good to know.
    pub notes: Vec<String>,
    /// The local model that was loaded.
    pub model: Option<String>,
    /// Whether a key was ever created; `None` where the store cannot be read.
    pub any_key: Option<bool>,
}

/// Looks at all that a configuration names beside its own values.
pub async fn inspect(config: &Config) -> Findings {
    let mut findings = Findings { warnings: warnings(config), ..Findings::default() };
    let errors = &mut findings.errors;
    errors.extend(telemetry::filter(&config.telemetry).err().map(|error| format!("{error:#}")));
    errors.extend(config.webhooks.secret().err().map(|error| format!("{error:#}")));
    findings.prices(config);
    findings.providers(config);
    findings.models(config).await;
    findings.store(config).await;
    findings
}

/// What a start tells in its log and goes on.
pub fn warnings(config: &Config) -> Vec<String> {
    [unread_variables(), telemetry::filter_warnings(&config.telemetry), plain_webhooks(config)]
        .concat()
}

/// Webhooks are told of budgets and alerts, in the clear where their address is one of plain http.
fn plain_webhooks(config: &Config) -> Vec<String> {
    let webhooks = [
        ("access.budget_webhook", &config.access.budget_webhook),
        ("alerts.webhook", &config.alerts.webhook),
    ];
    let plain = webhooks.iter().filter_map(|(key, url)| Some((key, plain_host(url.expose())?)));
    plain
        .map(|(key, host)| {
            format!(
                "{key} leads to {host} over plain http: whoever is on the way can read what it is told, \
                 and the secret in its address if there is one. Use an https:// address."
            )
        })
        .collect()
}

impl Findings {
    fn prices(&mut self, config: &Config) {
        let book = match price_book(config) {
            Ok(book) => book,
            Err(error) => return self.errors.push(format!("{error:#}")),
        };
        for status in price_status(config, &book, llm::today()) {
            let (provider, model) = (status.provider, &status.model);
            if !status.is_priced() {
                let tiers = match status.missing().join(", ") {
                    tiers if tiers.is_empty() => String::new(),
                    tiers => format!(" at the service tier {tiers}"),
                };
                let region = match status.region.as_str() {
                    "" => String::new(),
                    region => format!(" in the region {region}"),
                };
                self.errors.push(format!(
                    "The price book {} has no price for {model} of {provider}{tiers}{region}: its calls \
                     would be recorded at an unknown cost, and none is made under max_cost_usd or a hard \
                     budget. Add its price (`undertone prices import`), or configure another model.",
                    book.version()
                ));
            }
            if let Some(date) = status.retires_soon {
                self.warnings.push(format!("The model {model} of {provider} retires on {date}."));
            }
        }
    }

    fn providers(&mut self, config: &Config) {
        let (faults, without_key) = llm::Llm::rehearse(&config.providers());
        self.errors.extend(faults.iter().map(ToString::to_string));
        if faults.is_empty() && without_key.len() == config.llm.providers.len() {
            self.notes.push(
                "No provider has a key, so that every answer is local: OPENAI_API_KEY or \
                 ANTHROPIC_API_KEY gives one."
                    .into(),
            );
        } else {
            self.notes.extend(
                without_key
                    .iter()
                    .map(|provider| format!("The provider {provider} has no key and is left out.")),
            );
        }
    }

    /// Loads what would be served and lets it read a sentence.
    async fn models(&mut self, config: &Config) {
        let thresholds = ThresholdsFile::of_model(&config.classifier);
        self.errors.extend(thresholds.err().map(|error| format!("{error:#}")));
        match try_model(config, &config.classifier.model).await {
            Ok(name) => self.model = Some(name),
            Err(error) => self.errors.push(format!("classifier.model: {error:#}")),
        }
        if let Some(shadow) = config.classifier.shadow()
            && let Err(error) = try_model(config, shadow).await
        {
            self.errors.push(format!("classifier.shadow: {error:#}"));
        }
    }

    async fn store(&mut self, config: &Config) {
        match Store::probe(&config.store).await {
            Ok(probe) => {
                self.any_key = Some(probe.any_key);
                if !probe.exists {
                    let url = &config.store.url;
                    self.notes.push(format!("There is no ledger at {url} yet: a start makes one."));
                }
            }
            Err(error) => self.errors.push(error.to_string()),
        }
    }
}

async fn try_model(config: &Config, folder: &Path) -> anyhow::Result<String> {
    let mut own = config.classifier.clone();
    (own.model, own.threads) = (folder.to_owned(), 1);
    let categories = config.aspects.categories.clone();
    let load = move || Classifier::start(&own, &categories);
    let classifier = tokio::task::spawn_blocking(load).await??;
    classifier.read(Task::Sentiment, Arc::from("I like it."), Some("en".into())).await?;
    Ok(classifier.name().to_owned())
}
