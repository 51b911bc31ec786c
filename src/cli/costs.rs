//! `undertone costs`: the finance report, and what is still open.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::output::{self, Format};
use crate::app::{self, Config, CostReport, CostRequest, Figures, OpenAttempt, Store};
use crate::pricing::Usd;

/// Report what was spent and what was answered for nothing.
///
/// `cost_usd` sums what is settled; `unresolved` counts the calls in flight and those whose reply was
/// lost, with `unresolved_usd` reserved for them; `unpriced` counts replies without a known price.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Costs {
    #[command(subcommand)]
    command: Option<CostsCommand>,
    #[command(flatten)]
    report: Report,
}

#[derive(Subcommand)]
enum CostsCommand {
    /// List the attempts that are in flight, unresolved or unpriced, the oldest first
    Open {
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Args)]
struct Report {
    /// First day or moment (UTC), such as 2026-11-01 [default: the start of this month]
    #[arg(long)]
    from: Option<String>,
    /// The day or moment before which it ends [default: the end of this month]
    #[arg(long)]
    to: Option<String>,
    /// Break down by any of day, month, team, key, model, endpoint, route, tag:NAME, with commas
    #[arg(long, value_name = "COLUMNS")]
    group_by: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Costs {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self.command {
            Some(CostsCommand::Open { format }) => {
                let store = Store::open(&config.store).await?;
                let attempts = store.open_attempts(SystemTime::now()).await?;
                store.close().await;
                print_open(&attempts, format)
            }
            None => {
                let Report { from, to, group_by, format } = self.report;
                let group_by = group_by.as_deref();
                let request = CostRequest::parse(from.as_deref(), to.as_deref(), group_by)?;
                let book = app::price_book(&config)?;
                let store = Store::open(&config.store).await?;
                let report = request.run(&store, &book, &config).await?;
                store.close().await;
                print_report(&report, format)
            }
        }
    }
}

/// A column of a report: its name, and how a row's figures read there.
type Column = (&'static str, fn(&Figures) -> String);

const COLUMNS: [Column; 14] = [
    ("requests", |row| row.requests.to_string()),
    ("local", |row| row.local.to_string()),
    ("cached", |row| row.cached.to_string()),
    ("escalated", |row| row.escalated.to_string()),
    ("calls", |row| row.calls.to_string()),
    ("unpriced", |row| row.unpriced.to_string()),
    ("unresolved", |row| row.unresolved.to_string()),
    ("unresolved_usd", |row| row.unresolved_usd.to_string()),
    ("input_tokens", |row| row.input_tokens.to_string()),
    ("output_tokens", |row| row.output_tokens.to_string()),
    ("cache_read_tokens", |row| row.cache_read_tokens.to_string()),
    ("cache_write_tokens", |row| row.cache_write_tokens.to_string()),
    ("cost_usd", |row| row.cost_usd.to_string()),
    ("saved_usd", |row| optional(row.saved_usd)),
];

fn optional(amount: Option<Usd>) -> String {
    amount.map(|amount| amount.to_string()).unwrap_or_default()
}

fn print_report(report: &CostReport, format: Format) -> anyhow::Result<ExitCode> {
    let groups = report.group_by.iter().map(ToString::to_string);
    let header: Vec<String> =
        groups.chain(COLUMNS.iter().map(|(name, _)| (*name).to_owned())).collect();
    let cells = |figures: &Figures| COLUMNS.map(|(_, read)| read(figures));
    let mut rows: Vec<Vec<String>> = report
        .rows
        .iter()
        .map(|row| {
            let values = row.group.iter().map(|(_, value)| value.clone().unwrap_or_default());
            values.chain(cells(&row.figures)).collect()
        })
        .collect();
    match format {
        Format::Json => output::json(report),
        Format::Csv => {
            if report.group_by.is_empty() {
                rows.push(cells(&report.total).into());
            }
            output::csv(&header, &rows)
        }
        Format::Table => {
            let mut total: Vec<String> = vec![String::new(); report.group_by.len()];
            if let Some(first) = total.first_mut() {
                "total".clone_into(first);
            }
            total.extend(cells(&report.total));
            rows.push(total);
            let (from, to) = (report.from.date(), report.to.date());
            output::line(&format!("From {from} up to {to} (UTC), in US dollars"))?;
            let (header, rows) = without_empty(header, rows, report.group_by.len());
            output::table(&header, &rows, report.group_by.len())
        }
    }
}

fn print_open(attempts: &[OpenAttempt], format: Format) -> anyhow::Result<ExitCode> {
    let header =
        ["id", "state", "reserved_at", "team", "provider", "model", "reserved_usd", "error"]
            .map(str::to_owned);
    let rows: Vec<Vec<String>> = attempts
        .iter()
        .map(|attempt| {
            vec![
                attempt.id.to_string(),
                attempt.state.name().to_owned(),
                attempt.reserved_at.to_string(),
                attempt.team.clone().unwrap_or_default(),
                attempt.provider.clone(),
                attempt.model.clone(),
                optional(attempt.reserved_usd),
                attempt.error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    match format {
        Format::Json => output::json(&attempts),
        Format::Csv => output::csv(&header, &rows),
        Format::Table if rows.is_empty() => output::line("Nothing is open."),
        Format::Table => output::table(&header, &rows, header.len()),
    }
}

/// Leaves out the columns after the groups in which nothing but 0 stands: a report has to fit a
/// terminal. What a reader looks for first stays.
fn without_empty(
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    groups: usize,
) -> (Vec<String>, Vec<Vec<String>>) {
    let stays: Vec<bool> = header
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let is_empty = |row: &Vec<String>| matches!(row[at].as_str(), "" | "0");
            at < groups
                || ["requests", "calls", "cost_usd"].contains(&name.as_str())
                || !rows.iter().all(is_empty)
        })
        .collect();
    let keep = |cells: Vec<String>| -> Vec<String> {
        cells.into_iter().zip(&stays).filter(|(_, stays)| **stays).map(|(cell, _)| cell).collect()
    };
    (keep(header), rows.into_iter().map(keep).collect())
}
