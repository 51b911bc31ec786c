//! `undertone prices`: whether every configured model has a price, and prices taken over from a public
//! table.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::output::{self, TableOrJson};
use super::page::Destination;
use crate::app::{self, Config, PriceStatus};
use crate::json::unmarked_text;
use crate::pricing::{Changes, PriceBook, PublicPrices, Usd};

#[derive(Subcommand)]
pub enum Prices {
    /// Check that every configured model has a price
    ///
    /// Exit code 1 where one has none, or the price book cannot be read. Models that retire within 60
    /// days are told, with the day.
    Check {
        #[arg(long, value_enum, default_value_t)]
        format: TableOrJson,
    },
    /// Take over prices from LiteLLM's public table
    ///
    /// FILE is `model_prices_and_context_window.json`, as LiteLLM's repository and its PyPI package
    /// have it; nothing is downloaded. A price that differs is added from a day on; the old one
    /// stays on record. Public tables hold errors: read what is printed, and compare with the bill.
    Import(Import),
}

#[derive(Args)]
pub struct Import {
    file: PathBuf,
    /// Where the price book is written [default: pricing.file]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only these models, by id; new ones are added [default: the configured ones and those in the
    /// book]
    #[arg(long = "model", value_name = "ID")]
    models: Vec<String>,
    /// The day (UTC) from which on the prices hold [default: today]
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<Date>,
    /// Print what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
}

fn day(text: &str) -> Result<Date, String> {
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map_err(|_| "expected a date such as 2026-11-01".to_owned())
}

impl Prices {
    pub fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        match self {
            Prices::Check { format } => check(config, format),
            Prices::Import(import) => import.run(config),
        }
    }
}

#[derive(Serialize)]
struct Checked<'a> {
    file: Option<&'a Path>,
    version: &'a str,
    models: &'a [PriceStatus],
}

fn check(config: &Config, format: TableOrJson) -> anyhow::Result<ExitCode> {
    let book = app::price_book(config)?;
    let models = app::price_status(config, &book, OffsetDateTime::now_utc().date());
    let file = Some(config.pricing.file.as_path()).filter(|file| !file.as_os_str().is_empty());
    match format {
        TableOrJson::Json => {
            output::json(&Checked { file, version: book.version(), models: &models })?;
        }
        TableOrJson::Table => {
            let name = file.map_or("built in".into(), |file| file.display().to_string());
            output::line(&format!(
                "Price book {} ({name}), US dollars per million tokens",
                book.version()
            ))?;
            let header =
                ["provider", "model", "tier", "region", "from", "input", "output", "retires"];
            let rows: Vec<Vec<String>> = models.iter().flat_map(rows).collect();
            output::table(&header.map(str::to_owned), &rows, 5)?;
        }
    }
    for model in &models {
        if let Some(date) = model.retires_soon {
            eprintln!("undertone: {} retires on {date}{}", model.model, successor(&models, model));
        }
    }
    let unpriced: Vec<&PriceStatus> = models.iter().filter(|model| !model.is_priced()).collect();
    for model in &unpriced {
        eprintln!(
            "undertone: {} has no price in the tier {}{}: it is not called under max_cost_usd or a hard \
             budget, and its calls are recorded as unpriced",
            model.model,
            model.missing().join(", "),
            if model.region.is_empty() {
                String::new()
            } else {
                format!(" in the region {}", model.region)
            }
        );
    }
    Ok(if unpriced.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn successor(models: &[PriceStatus], of: &PriceStatus) -> String {
    let next = models.iter().find(|model| model.follows.as_deref() == Some(&of.model));
    next.map_or(", and none follows it: set its successor".into(), |next| {
        format!("; {} takes over", next.model)
    })
}

fn rows(status: &PriceStatus) -> Vec<Vec<String>> {
    let retires = status.retires.map(|date| date.to_string()).unwrap_or_default();
    let row = |tier: &app::TierPrice| {
        let amount =
            |amount: Option<Usd>| amount.map_or("none".into(), |amount| amount.to_string());
        vec![
            status.provider.to_owned(),
            status.model.clone(),
            tier.tier.clone(),
            status.region.clone(),
            tier.from.map(|date| date.to_string()).unwrap_or_default(),
            amount(tier.input_usd),
            amount(tier.output_usd),
            retires.clone(),
        ]
    };
    status.tiers.iter().map(row).collect()
}

impl Import {
    fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let text = std::fs::read_to_string(&self.file)
            .with_context(|| format!("{} cannot be read", self.file.display()))?;
        let public = PublicPrices::parse(unmarked_text(&text))
            .with_context(|| self.file.display().to_string())?;
        anyhow::ensure!(
            !public.is_empty(),
            "{} lists no model of OpenAI or Anthropic: is it LiteLLM's \
             model_prices_and_context_window.json?",
            self.file.display()
        );
        let old_text = app::price_book_text(config)?;
        let old = PriceBook::parse(&old_text)?;
        let from = self.from.unwrap_or_else(|| OffsetDateTime::now_utc().date());
        let models = if self.models.is_empty() { known(config, &old) } else { self.models.clone() };
        let changes = Changes::between(&old, &public, &models, from)?;
        report(&changes, from)?;
        if changes.changes.is_empty() || self.dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        let file = self.output.clone().or_else(|| {
            Some(config.pricing.file.clone()).filter(|file| !file.as_os_str().is_empty())
        });
        let Some(file) = file else {
            anyhow::bail!(
                "the built-in price book stays as it is: say with --output where yours is to be, and \
                 name that file in pricing.file"
            );
        };
        // Whole or not at all: a gateway that runs may read it at any moment.
        let destination = Destination::at(&file)?;
        let new_text = changes.added_to(&old_text, from)?;
        let new = PriceBook::parse(&new_text).context("the amended price book")?;
        app::replaceable(config, &old, &new)?;
        destination.write(&new_text)?;
        output::line(&format!("{} is version {}", file.display(), new.version()))
    }
}

/// The configured models, then the others of the book.
fn known(config: &Config, book: &PriceBook) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    let configured = config.providers().models().into_iter().map(|model| model.id);
    for id in configured.chain(book.models().map(|model| model.id.clone())) {
        let id = book.model(&id).map_or(id, |entry| entry.id.clone());
        if !models.contains(&id) {
            models.push(id);
        }
    }
    models
}

fn report(changes: &Changes, from: Date) -> anyhow::Result<()> {
    if !changes.unchanged.is_empty() {
        output::line(&format!("As before: {}", changes.unchanged.join(", ")))?;
    }
    if !changes.unlisted.is_empty() {
        output::line(&format!("Not in the table: {}", changes.unlisted.join(", ")))?;
    }
    if changes.changes.is_empty() {
        return output::line("Nothing changes.").map(|_| ());
    }
    output::line(&format!("From {from} on, US dollars per million tokens:"))?;
    let header = ["model", "tier", "region", "input before", "input", "output before", "output"];
    let rows: Vec<Vec<String>> = changes
        .changes
        .iter()
        .map(|change| {
            let (input, output) = change.before.unzip();
            let before = |amount: Option<Usd>| amount.map_or("-".into(), |usd| usd.to_string());
            vec![
                change.model.clone(),
                change.tier.to_owned(),
                regions(&change.regions),
                before(input),
                change.after.0.to_string(),
                before(output),
                change.after.1.to_string(),
            ]
        })
        .collect();
    output::table(&header.map(str::to_owned), &rows, 3).map(|_| ())
}

/// A price that holds anywhere holds in the regions beside it.
fn regions(regions: &[String]) -> String {
    let named: Vec<&str> = regions.iter().map(String::as_str).collect();
    match named.as_slice() {
        [""] => String::new(),
        ["", rest @ ..] => format!("any, {}", rest.join(", ")),
        named => named.join(", "),
    }
}
