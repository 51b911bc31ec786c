//! `undertone costs`: the finance report, and what is still open.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand, ValueEnum};

use super::corrections::{Reprice, Resolve};
use super::focus;
use super::ledger;
use super::output::{self, Format};
use super::reconcile::Reconcile;
use crate::app::{self, BadParameter, Config, CostReport, CostRequest, Figures, OpenAttempt};
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
        /// List instead the attempts that were recorded above what was reserved for them
        #[arg(long)]
        over_reservation: bool,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Close an open attempt at what the provider billed for it, or at nothing; or correct a settled one
    ///
    /// For an attempt that is unresolved, unpriced or settled, not for one in flight. It counts as open
    /// no more; the money, of a settled one the difference, counts in reports from today on, so that
    /// a closed month stays as it was reported, and in the budgets of the attempt's own period. Once and
    /// for good: a second correction is refused, and a reply that arrives after it changes nothing.
    Resolve(Resolve),
    /// Price the unpriced attempts that have a price in the price book by now
    ///
    /// Each at the price of its own day, model and tier, as a correction dated now. Its row on the
    /// ledger stays as it was; the correction names the version of the price.
    Reprice(Reprice),
    /// Compare the ledger with the provider's own export of costs or usage
    ///
    /// FILE is, of OpenAI, the JSON of /v1/organization/costs (group_by=line_item) or
    /// /v1/organization/usage/completions (group_by=model), or the CSV that the dashboard saves; of
    /// Anthropic, the JSON of /v1/organizations/cost_report (group_by=description) or
    /// /v1/organizations/usage_report/messages (group_by=model), or the CSV that the Console saves.
    /// Days are UTC. With --close, the open attempts that the provider's figures explain are closed,
    /// in sum at exactly what it bills beyond what is settled; what they do not explain stays open.
    /// Exit code 1 where differences remain.
    Reconcile(Reconcile),
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people.
    #[default]
    Table,
    /// Comma-separated, with a header.
    Csv,
    /// As the gateway answers.
    Json,
    /// A bill in CSV, as the FinOps Open Cost and Usage Specification 1.2 has it; it has rows of its
    /// own, by day, model, team, key and tags.
    Focus,
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
    format: ReportFormat,
}

impl Costs {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self.command {
            Some(CostsCommand::Open { over_reservation, format }) => {
                let store = ledger::to_read(&config).await?;
                let attempts = match over_reservation {
                    true => store.attempts_over_reservation().await?,
                    false => store.open_attempts(SystemTime::now()).await?,
                };
                store.close().await;
                let none = match over_reservation {
                    true => "No attempt is recorded above what was reserved for it.",
                    false => "Nothing is open.",
                };
                print_open(&attempts, none, format)
            }
            Some(CostsCommand::Resolve(command)) => command.run(config).await,
            Some(CostsCommand::Reprice(command)) => command.run(config).await,
            Some(CostsCommand::Reconcile(command)) => command.run(config).await,
            None => {
                let Report { from, to, group_by, format } = self.report;
                let group_by = group_by.as_deref();
                let request = CostRequest::parse(from.as_deref(), to.as_deref(), group_by)?;
                if format == ReportFormat::Focus {
                    if group_by.is_some() {
                        let message = "FOCUS has rows of its own: leave it out".to_owned();
                        return Err(BadParameter { field: "group_by", message }.into());
                    }
                    let store = ledger::to_read(&config).await?;
                    let charges = request.charges(&store).await?;
                    store.close().await;
                    return focus::print(&charges);
                }
                let book = app::price_book(&config)?;
                let store = ledger::to_read(&config).await?;
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

fn columns() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().chain(&DERIVED)
}

fn optional(amount: Option<Usd>) -> String {
    amount.map(|amount| amount.to_string()).unwrap_or_default()
}

/// What follows from a row's figures, for those who read tables.
const DERIVED: [Column; 3] = [
    ("local_share", |row| share(row.local, row.requests)),
    ("cached_share", |row| share(row.cached, row.requests)),
    ("cost_per_1k_usd", |row| optional(per_thousand(row.cost_usd, row.requests))),
];

/// A part of one, with three decimals; empty where there is nothing to be a part of.
fn share(part: u64, of: u64) -> String {
    let thousandths = |of: u64| (u128::from(part) * 2000 + u128::from(of)) / (2 * u128::from(of));
    match of {
        0 => String::new(),
        of => {
            Usd::from_pico(i64::try_from(thousandths(of)).unwrap_or(0) * 1_000_000_000).to_string()
        }
    }
}

/// What a thousand texts cost, rounded half up.
fn per_thousand(cost: Usd, requests: u64) -> Option<Usd> {
    let requests = i128::from(requests);
    let doubled = cost.pico_sum().checked_mul(2000)?.checked_add(requests)?;
    doubled.checked_div_euclid(2 * requests).map(Usd::from_pico_sum)
}

fn print_report(report: &CostReport, format: ReportFormat) -> anyhow::Result<ExitCode> {
    let groups = report.group_by.iter().map(ToString::to_string);
    let header: Vec<String> = groups.chain(columns().map(|(name, _)| (*name).to_owned())).collect();
    let cells = |figures: &Figures| columns().map(|(_, read)| read(figures)).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = report
        .rows
        .iter()
        .map(|row| {
            let values = row.group.iter().map(|(_, value)| value.clone().unwrap_or_default());
            values.chain(cells(&row.figures)).collect()
        })
        .collect();
    match format {
        ReportFormat::Json => output::json(report),
        ReportFormat::Csv => {
            if report.group_by.is_empty() {
                rows.push(cells(&report.total));
            }
            output::csv(&header, &rows)
        }
        // It was printed before, from charges.
        ReportFormat::Focus => Ok(ExitCode::SUCCESS),
        ReportFormat::Table => {
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

fn print_open(attempts: &[OpenAttempt], none: &str, format: Format) -> anyhow::Result<ExitCode> {
    let header = [
        "id",
        "state",
        "reserved_at",
        "team",
        "provider",
        "model",
        "reserved_usd",
        "cost_usd",
        "error",
    ]
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
                optional(attempt.cost_usd),
                attempt.error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    match format {
        Format::Json => output::json(&attempts),
        Format::Csv => output::csv(&header, &rows),
        Format::Table if rows.is_empty() => output::line(none),
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
