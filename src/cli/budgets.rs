//! `undertone budgets`: how much teams may spend, and what is gone of it.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::ledger;
use super::output::{self, Format};
use crate::app::{self, BadParameter, BudgetRow, Config, Period, Store, Subject};
use crate::pricing::Usd;

/// Set what a team's calls of LLMs may cost, and see what is gone of it.
///
/// A call must fit the budgets of its key (`keys create --budget-day, --budget-month`) and those of
/// its team. What one may cost at most is set aside before it is sent, and the rest given back once
/// its bill is known. Past a hard budget texts are answered locally, with the outcome `over_budget`.
#[derive(Subcommand)]
pub enum Budgets {
    /// Set or lift a team's budgets; the one that is not named stays as it is
    Set(Set),
    /// List the budgets of teams and keys with what is gone of them in the present period
    List {
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Args)]
pub struct Set {
    /// The team: that of the keys or, without keys, the tag `team`
    #[arg(long)]
    team: String,
    /// The most that its calls may cost each day (UTC); `none` lifts it
    #[arg(long, value_name = "USD", value_parser = limit)]
    day: Option<Limit>,
    /// The most that they may cost each month (UTC); `none` lifts it
    #[arg(long, value_name = "USD", value_parser = limit)]
    month: Option<Limit>,
    /// Warn, and stop nothing
    #[arg(long)]
    soft: bool,
}

/// An amount, or that there is none.
type Limit = Lifted<Usd>;

#[derive(Clone, Copy)]
enum Lifted<T> {
    To(T),
    Lifted,
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Lifted::Lifted);
    }
    match text.parse::<Usd>() {
        Ok(amount) if amount < Usd::ZERO => Err("is below 0".into()),
        Ok(amount) => Ok(Lifted::To(amount)),
        Err(error) => Err(format!("{error}, or none")),
    }
}

impl Budgets {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            Budgets::Set(set) => {
                set.check()?;
                let store = ledger::to_write(&config).await?;
                let done = set.run(&store).await;
                store.close().await;
                done
            }
            Budgets::List { format } => {
                let store = ledger::to_read(&config).await?;
                list(&app::all_budgets(&store).await?.budgets, format)
            }
        }
    }
}

impl Set {
    /// Before a ledger is made for it.
    fn check(&self) -> anyhow::Result<()> {
        if self.team.trim().is_empty() {
            return Err(BadParameter { field: "team", message: "is blank".into() }.into());
        }
        if self.day.is_none() && self.month.is_none() {
            let message = "name at least one of --day and --month".into();
            return Err(BadParameter { field: "budgets set", message }.into());
        }
        Ok(())
    }

    async fn run(self, store: &Store) -> anyhow::Result<ExitCode> {
        for (period, limit) in [(Period::Day, self.day), (Period::Month, self.month)] {
            let limit = match limit {
                None => continue,
                Some(Lifted::Lifted) => None,
                Some(Lifted::To(limit)) => Some((limit, !self.soft)),
            };
            let subject = Subject::Team(self.team.clone());
            store.set_budget(subject, period, limit, SystemTime::now()).await?;
            output::line(&match limit {
                Some((limit, true)) => {
                    format!("{} may spend {limit} US dollars a {}.", self.team, period.name())
                }
                Some((limit, false)) => format!(
                    "{} gets a warning as it spends {limit} US dollars a {}.",
                    self.team,
                    period.name()
                ),
                None => format!("{} no longer has a budget for a {}.", self.team, period.name()),
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(budgets: &[BudgetRow], format: Format) -> anyhow::Result<ExitCode> {
    let header =
        ["team", "key_id", "period", "hard", "limit_usd", "spent_usd", "reserved_usd", "resets_at"]
            .map(str::to_owned);
    let rows: Vec<Vec<String>> = budgets
        .iter()
        .map(|row| {
            vec![
                row.team.clone().unwrap_or_default(),
                row.key_id.clone().unwrap_or_default(),
                row.period.to_owned(),
                row.hard.to_string(),
                row.limit_usd.to_string(),
                row.spent_usd.to_string(),
                row.reserved_usd.to_string(),
                row.resets_at.date().to_string(),
            ]
        })
        .collect();
    match format {
        Format::Json => output::json(&serde_json::json!({ "budgets": budgets })),
        Format::Csv => output::csv(&header, &rows),
        Format::Table if rows.is_empty() => output::line("There are no budgets."),
        Format::Table => output::table(&header, &rows, 4),
    }
}
