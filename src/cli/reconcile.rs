//! `undertone costs reconcile`: the ledger beside the provider's own export.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::ledger;
use super::output::{self, Format};
use crate::app::{self, Config, Difference, Reconciliation, Statement, Verdict};
use crate::pricing::Usd;

#[derive(Args)]
pub struct Reconcile {
    #[arg(long, value_enum)]
    provider: Provider,
    /// The provider's export, for this gateway's project, workspace or key alone
    file: PathBuf,
    /// Close the open attempts that the provider's figures explain
    #[arg(long)]
    close: bool,
    /// Take the figures of today for final as well: no call is made any more, and the provider has shown
    /// all
    #[arg(long)]
    include_today: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Provider {
    Openai,
    Anthropic,
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Provider::Openai => "openai",
            Provider::Anthropic => "anthropic",
        }
    }
}

#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    reconciliation: &'a Reconciliation,
    closed: usize,
}

impl Reconcile {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let provider = self.provider.name();
        let file = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file)
            .with_context(|| format!("{file} cannot be read"))?;
        let statement = Statement::parse(provider, &text).with_context(|| file.clone())?;
        let book = app::price_book(&config)?;
        let hash = &blake3::hash(text.as_bytes()).to_hex()[..8];
        let name = self.file.file_name().map_or(file.clone(), |name| name.to_string_lossy().into());
        let store = match self.close {
            true => ledger::to_change(&config).await?,
            false => ledger::to_read(&config).await?,
        };
        let compared = async {
            let compared =
                app::reconcile(&store, &book, provider, &statement, self.include_today).await?;
            let note = format!("{provider}'s {name}, version {hash}");
            let closed = match self.close {
                true => app::close_explained(&store, &compared, &note).await?,
                false => 0,
            };
            Ok::<_, anyhow::Error>((compared, closed))
        };
        let compared = compared.await;
        store.close().await;
        let (reconciliation, closed) = compared?;
        print(&reconciliation, closed, self.format)?;
        let is_settled = |row: &Difference| self.close && row.verdict == Verdict::Explained;
        let remaining = reconciliation.rows.iter().filter(|row| !is_settled(row)).count();
        if remaining > 0 {
            tell(&reconciliation, remaining, self.close);
        }
        Ok(if remaining == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn tell(reconciliation: &Reconciliation, remaining: usize, closed: bool) {
    let rows = output::several(remaining as u64, "row");
    eprintln!("undertone: {rows} with a difference or open attempts");
    let explained: usize = reconciliation.rows.iter().map(|row| row.closing.len()).sum();
    if explained > 0 && !closed {
        eprintln!(
            "undertone: the provider's figures explain {}: --close closes them",
            output::several(explained as u64, "open attempt")
        );
    }
}

fn print(
    reconciliation: &Reconciliation,
    closed: usize,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let usd = |amount: Option<Usd>| amount.map(|amount| amount.to_string()).unwrap_or_default();
    let header = [
        "day",
        "model",
        "verdict",
        "ours_usd",
        "theirs_usd",
        "difference_usd",
        "ours_tokens",
        "theirs_tokens",
        "difference_tokens",
        "open",
        "closes_at_usd",
    ]
    .map(str::to_owned);
    let rows: Vec<Vec<String>> = reconciliation
        .rows
        .iter()
        .map(|row| {
            let closing = (row.verdict == Verdict::Explained)
                .then(|| row.closing.iter().map(|(_, cost)| *cost).sum::<Usd>());
            vec![
                row.day.to_string(),
                row.model.clone().unwrap_or_else(|| "all".into()),
                row.verdict.name().to_owned(),
                row.ours_usd.to_string(),
                usd(row.theirs_usd),
                usd(row.difference_usd),
                row.ours_tokens.to_string(),
                row.theirs_tokens.map(|n| n.to_string()).unwrap_or_default(),
                row.difference_tokens.map(|n| n.to_string()).unwrap_or_default(),
                row.open.to_string(),
                usd(closing),
            ]
        })
        .collect();
    match format {
        Format::Json => return output::json(&Printed { reconciliation, closed }),
        Format::Csv => return output::csv(&header, &rows),
        Format::Table => {}
    }
    output::line(&format!(
        "{}, {} to {} (UTC), in US dollars: {} agree, {} do not or have open attempts",
        reconciliation.provider,
        reconciliation.first_day,
        reconciliation.last_day,
        reconciliation.agreeing,
        rows.len(),
    ))?;
    if !rows.is_empty() {
        output::table(&header, &rows, 3)?;
    }
    if closed > 0 {
        output::line(&format!("Closed {}.", output::several(closed as u64, "attempt")))?;
    }
    Ok(ExitCode::SUCCESS)
}
