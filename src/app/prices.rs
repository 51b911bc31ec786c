//! The price book as configured, and whether it prices what is configured.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde::{Serialize, Serializer};
use time::Date;
use tokio::task::JoinHandle;

use super::{App, Config};
use crate::json::unmarked_text;
use crate::llm::NOTICE;
use crate::pricing::{PriceBook, Service, Usd};

/// The built-in price book's text.
const BUILT_IN: &str = include_str!("../../config/prices.toml");

/// How often it is looked whether the price book's file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What the book says of a configured model.
#[derive(Clone, Debug, Serialize)]
pub struct PriceStatus {
    pub provider: &'static str,
    pub model: String,
    /// The model that it takes over from, where it is no one's first choice.
    pub follows: Option<String>,
    #[serde(serialize_with = "iso")]
    pub retires: Option<Date>,
    /// The same, where that is within 60 days.
    #[serde(serialize_with = "iso")]
    pub retires_soon: Option<Date>,
    /// Where its calls are bound to run; empty: anywhere.
    pub region: String,
    /// One for each tier that its answers may be served at.
    pub tiers: Vec<TierPrice>,
}

/// A price per million tokens; `None` where there is none.
#[derive(Clone, Debug, Serialize)]
pub struct TierPrice {
    pub tier: String,
    #[serde(serialize_with = "iso")]
    pub from: Option<Date>,
    pub input_usd: Option<Usd>,
    pub output_usd: Option<Usd>,
}

fn iso<S: Serializer>(date: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    date.map(|date| date.to_string()).serialize(serializer)
}

impl PriceStatus {
    pub fn is_priced(&self) -> bool {
        self.tiers.iter().all(|tier| tier.from.is_some())
    }

    /// The tiers without a price.
    pub fn missing(&self) -> Vec<&str> {
        let missing = self.tiers.iter().filter(|tier| tier.from.is_none());
        missing.map(|tier| tier.tier.as_str()).collect()
    }
}

/// Every configured model, in order of fallback.
pub fn price_status(config: &Config, book: &PriceBook, today: Date) -> Vec<PriceStatus> {
    let status = |model: crate::llm::ConfiguredModel| {
        let tiers = book.served(model.provider, &model.tier);
        let tier = |tier: &str| {
            let price = book.price(&model.id, Service { tier, region: &model.region }, today);
            let (input_usd, output_usd) = price.map(|price| price.input_and_output()).unzip();
            TierPrice {
                tier: tier.to_owned(),
                from: price.map(|p| p.from()),
                input_usd,
                output_usd,
            }
        };
        let tiers = tiers.into_iter().map(tier).collect();
        let retires = book.retires(&model.id);
        PriceStatus {
            provider: model.provider,
            follows: model.follows,
            retires,
            retires_soon: retires.filter(|date| *date <= today.saturating_add(NOTICE)),
            region: model.region,
            tiers,
            model: model.id,
        }
    };
    config.providers().models().into_iter().map(status).collect()
}

/// The price book as configured, else the built-in one.
pub fn price_book(config: &Config) -> anyhow::Result<PriceBook> {
    let book = PriceBook::parse(&price_book_text(config)?);
    match config.pricing.file.as_os_str().is_empty() {
        true => Ok(book?),
        false => book.with_context(|| format!("pricing.file: {}", config.pricing.file.display())),
    }
}

pub fn price_book_text(config: &Config) -> anyhow::Result<String> {
    let file = &config.pricing.file;
    if file.as_os_str().is_empty() {
        return Ok(BUILT_IN.to_owned());
    }
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("pricing.file: {} cannot be read", file.display()))?;
    Ok(unmarked_text(&text).to_owned())
}

/// Refuses a book that has no price for a configured model which the one in force prices: calls
/// would go on and their costs be unknown.
pub fn replaceable(config: &Config, old: &PriceBook, new: &PriceBook) -> anyhow::Result<()> {
    let today = crate::llm::today();
    let before = price_status(config, old, today);
    let after = price_status(config, new, today);
    let dropped: Vec<&str> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before.is_priced() && !after.is_priced())
        .map(|(before, _)| before.model.as_str())
        .collect();
    anyhow::ensure!(
        dropped.is_empty(),
        "the new price book has no price for a model in use: {}",
        dropped.join(", ")
    );
    Ok(())
}

impl App {
    /// Takes over the price book's file whenever it changes, until the task is aborted. A new one that
    /// cannot be used is refused, and the old one stays.
    pub fn spawn_price_watch(self: &Arc<App>) -> JoinHandle<()> {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let file = app.config.pricing.file.clone();
            if file.as_os_str().is_empty() {
                return;
            }
            let mut known = Stamp::of(&file).await;
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            loop {
                ticks.tick().await;
                let now = Stamp::of(&file).await;
                if now != known {
                    known = now;
                    app.take_over_prices().await;
                }
            }
        })
    }

    async fn take_over_prices(self: &Arc<App>) {
        let app = Arc::clone(self);
        let read = move || -> anyhow::Result<Option<PriceBook>> {
            let new = price_book(&app.config)?;
            let old = app.prices.current();
            if new.version() == old.version() {
                return Ok(None);
            }
            replaceable(&app.config, &old, &new)?;
            Ok(Some(new))
        };
        let read = tokio::task::spawn_blocking(read).await;
        match read.map_err(anyhow::Error::from).and_then(|result| result) {
            Ok(new) => {
                self.refused_prices.store(None);
                metrics::gauge!("undertone_price_book_refused").set(0.0);
                if let Some(new) = new {
                    tracing::info!(version = new.version(), "a new price book is in force");
                    self.prices.replace(new);
                }
            }
            Err(error) => {
                let reason = format!("{error:#}");
                let version = self.prices.current().version().to_owned();
                tracing::error!(%reason, %version, "the new price book is refused; the old one \
                    stays in force");
                metrics::gauge!("undertone_price_book_refused").set(1.0);
                self.refused_prices.store(Some(Arc::new(reason)));
            }
        }
    }
}

/// What changes with a file's content; `None` where it is not there.
#[derive(PartialEq)]
struct Stamp(Option<(SystemTime, u64)>);

impl Stamp {
    async fn of(file: &std::path::Path) -> Stamp {
        let metadata = tokio::fs::metadata(file).await.ok();
        Stamp(metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len()))))
    }
}
