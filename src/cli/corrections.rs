//! `undertone costs resolve` and `reprice`: closing what stayed open.

use std::process::ExitCode;

use clap::Args;

use super::ledger;
use super::output::{self, Format};
use crate::app::{self, Config, Repricing};
use crate::pricing::{AttemptId, Usd};

#[derive(Args)]
#[group(skip)]
pub struct Resolve {
    /// The attempt's id, as `undertone costs open` lists it, or `costs open --over-reservation`
    id: AttemptId,
    #[command(flatten)]
    billed: BilledOrNot,
    /// What it rests on, such as the invoice; kept with the correction
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct BilledOrNot {
    /// What the provider billed for it, in US dollars
    #[arg(long, value_name = "USD", value_parser = not_negative)]
    cost_usd: Option<Usd>,
    /// The provider billed nothing for it
    #[arg(long)]
    not_billed: bool,
}

fn not_negative(text: &str) -> Result<Usd, String> {
    let amount: Usd = text.parse().map_err(|error| format!("{error}"))?;
    match amount < Usd::ZERO {
        true => Err("--cost-usd has to be 0 or more".into()),
        false => Ok(amount),
    }
}

impl Resolve {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let store = ledger::to_change(&config).await?;
        let cost = self.billed.cost_usd.unwrap_or(Usd::ZERO);
        let resolved = app::resolve(&store, self.id, cost, self.note).await;
        store.close().await;
        resolved?;
        output::line(&format!("Attempt {} now counts at {cost} US dollars.", self.id))
    }
}

#[derive(Args)]
pub struct Reprice {
    /// First day or moment (UTC) of the attempts [default: the first on the ledger]
    #[arg(long)]
    from: Option<String>,
    /// The day or moment before which they end [default: now]
    #[arg(long)]
    to: Option<String>,
    /// Print what would be closed, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Reprice {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let from = self.from.as_deref().map(|text| app::moment("from", text)).transpose()?;
        let to = self.to.as_deref().map(|text| app::moment("to", text)).transpose()?;
        let book = app::price_book(&config)?;
        let store = match self.dry_run {
            true => ledger::to_read(&config).await?,
            false => ledger::to_change(&config).await?,
        };
        let done = async {
            let repricing = app::late_prices(&store, &book, from, to).await?;
            if !self.dry_run {
                app::write_prices(&store, &repricing.repriced).await?;
            }
            Ok::<_, anyhow::Error>(repricing)
        };
        let done = done.await;
        store.close().await;
        print(&done?, self.format)
    }
}

fn print(repricing: &Repricing, format: Format) -> anyhow::Result<ExitCode> {
    let header =
        ["id", "reserved_at", "model", "tier", "price_version", "cost_usd"].map(str::to_owned);
    let rows: Vec<Vec<String>> = repricing
        .repriced
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.reserved_at.to_string(),
                one.model.clone(),
                one.tier.clone(),
                one.price_version.clone(),
                one.cost_usd.to_string(),
            ]
        })
        .collect();
    match format {
        Format::Json => return output::json(repricing),
        Format::Csv => output::csv(&header, &rows)?,
        Format::Table if rows.is_empty() => output::line("No unpriced attempt has a price now.")?,
        Format::Table => output::table(&header, &rows, 5)?,
    };
    let left = repricing.still_unpriced.len();
    if left > 0 {
        eprintln!(
            "undertone: {left} stay unpriced: their replies named no usage, model or tier, or the price \
             book has no price of that day for them; `undertone costs open` lists them"
        );
    }
    Ok(ExitCode::SUCCESS)
}
