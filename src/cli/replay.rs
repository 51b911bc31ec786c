//! `undertone replay`: what other thresholds would have changed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::evaluate::dollars;
use super::ledger;
use super::output::{self, TableOrJson};
use crate::app::{self, Change, Config, CostBasis, ReplayReport, ReplayRequest, thresholds_to_try};
use crate::pricing::Usd;

const EXAMPLES: &str = "\
Examples:
  What will the calibrated thresholds change?
    undertone replay --thresholds models/undertone-mini/thresholds.json
  What if sarcasm alone were taken more seriously?
    echo 'sarcasm = 0.3' > stricter.toml
    undertone replay --from 2026-11-20 --thresholds stricter.toml";

/// Say what other thresholds would have changed, from logged signals; calls nobody.
///
/// The gateway keeps what the routing signals of a sample of its texts said for 30 days
/// (cascade.logged_signals_per_minute), without a word of the texts; a text is in the log a minute
/// after it was answered, or when the gateway has stopped. Each logged text stands for as many as were
/// answered beside it, so that the sums are those of all texts. A text that is newly escalated is
/// reckoned at the mean cost of the logged escalations of its task, or, where none is logged, at the
/// price of the first configured model.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Replay {
    /// First day or moment (UTC), such as 2026-11-01 [default: the start of this month]
    #[arg(long)]
    from: Option<String>,
    /// The day or moment before which it ends [default: the end of this month]
    #[arg(long)]
    to: Option<String>,
    /// A thresholds.json, or TOML or JSON with any of sarcasm, ambiguous, multi_aspect, out_of_domain;
    /// what it does not name stays as it is in force
    #[arg(long, value_name = "FILE")]
    thresholds: PathBuf,
    /// How the change is printed
    #[arg(long, value_enum, default_value_t)]
    format: TableOrJson,
}

impl Replay {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let thresholds = thresholds_to_try(&self.thresholds, &config)?;
        let (from, to) = (self.from.as_deref(), self.to.as_deref());
        let request = ReplayRequest::parse(from, to, thresholds)?;
        let book = app::price_book(&config)?;
        let store = ledger::to_read(&config).await?;
        let report = request.run(&store, &book, &config).await;
        store.close().await;
        let report = report?;
        match self.format {
            TableOrJson::Json => output::json(&report),
            TableOrJson::Table => print(&report),
        }
    }
}

fn print(report: &ReplayReport) -> anyhow::Result<ExitCode> {
    let (from, to) = (report.from.date(), report.to.date());
    output::line(&format!(
        "From {from} up to {to} (UTC): {} texts were logged, for {} in all",
        report.logged,
        count(report.total.texts)
    ))?;
    let tried: Vec<String> =
        report.thresholds.iter().map(|(name, value)| format!("{name} {value}")).collect();
    output::line(&format!("Then: {}", tried.join(", ")))?;
    if report.logged == 0 {
        return output::line(
            "Nothing is logged of that time: see cascade.logged_signals_per_minute, --from and --to.",
        );
    }
    let header =
        ["task", "texts", "to the LLM now", "then", "newly", "no longer", "LLM $ now", "then"]
            .map(str::to_owned);
    let mut rows: Vec<Vec<String>> =
        report.tasks.iter().map(|(task, change)| row(task, change)).collect();
    if rows.len() > 1 {
        rows.push(row("all", &report.total));
    }
    output::table(&header, &rows, 1)?;
    let header = ["reason", "now", "then"].map(str::to_owned);
    let rows: Vec<Vec<String>> = report
        .total
        .reasons
        .iter()
        .map(|(reason, both)| vec![(*reason).to_owned(), count(both.now), count(both.then)])
        .collect();
    if !rows.is_empty() {
        output::table(&header, &rows, 1)?;
    }
    for (task, change) in &report.tasks {
        for note in notes(change) {
            output::line(&format!("{task}: {note}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(task: &str, change: &Change) -> Vec<String> {
    vec![
        task.to_owned(),
        count(change.texts),
        share(change.escalated_now, change.texts),
        share(change.escalated_then, change.texts),
        count(change.newly_escalated),
        count(change.no_longer_escalated),
        dollars(change.cost_now_usd),
        estimated(change),
    ]
}

/// What is estimated has a mark.
fn estimated(change: &Change) -> String {
    let mark = if change.cost_basis == CostBasis::Logged { "" } else { "~" };
    change.cost_then_usd.map_or("unknown".into(), |cost: Usd| format!("{mark}{}", dollars(cost)))
}

/// What is to be known of a task's figures.
fn notes(change: &Change) -> Vec<String> {
    let mut notes = Vec::new();
    match change.cost_basis {
        CostBasis::Logged => {}
        CostBasis::LoggedMean => notes.push(
            "newly escalated texts are counted at the mean cost of the escalations that are logged"
                .to_owned(),
        ),
        CostBasis::Price => notes.push(
            "no escalation is logged with its cost: newly escalated texts are counted at the \
                price of \
             the first configured model"
                .to_owned(),
        ),
        CostBasis::Unknown => notes.push(
            "no escalation is logged with its cost, and the first configured model has no price: what \
             newly escalated texts cost is not known"
                .to_owned(),
        ),
    }
    if change.unanswered_now > 0.0 {
        notes.push(format!(
            "{} texts called for an LLM and got no answer of one; those that still would are \
                counted at what they cost now",
            count(change.unanswered_now)
        ));
    }
    if change.cost_unknown_now > 0.0 {
        notes.push(format!(
            "what the calls for {} texts cost is not known, and not in the figures",
            count(change.cost_unknown_now)
        ));
    }
    notes
}

fn count(texts: f64) -> String {
    format!("{texts:.0}")
}

fn share(texts: f64, of: f64) -> String {
    format!("{} ({:.1} %)", count(texts), texts / of.max(1.0) * 100.0)
}
