//! What a person sees while rows are analysed: a bar on a terminal, bad rows by their line, and a
//! summary. Never any of a row's content.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::job::{Done, Kind};
use super::report::Report;
use super::resume::Found;
use crate::cli::output::several;
use crate::cli::rows::Input;
use crate::pricing::Usd;

/// Bad rows that are told one by one; of the rest, only how many.
const TOLD: u64 = 20;

/// What came of the rows of this run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub rows: u64,
    pub local: u64,
    pub over_budget: u64,
    pub llm: u64,
    pub errors: u64,
    pub cost: Usd,
    /// Rows whose cost is not known.
    pub unknown_costs: u64,
}

pub struct Progress {
    bar: ProgressBar,
    pub summary: Summary,
}

impl Progress {
    /// No bar unless standard error is a terminal.
    pub fn start(source: Option<&Path>, text_column: &str, done: u64) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden(), summary: Summary::default() };
        }
        let total = source.and_then(|source| count(source, text_column));
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{wide_bar} {human_pos}/{human_len} rows {per_sec} ${msg} {eta}",
            ),
            None => (ProgressBar::no_length(), "{spinner} {human_pos} rows {per_sec} ${msg}"),
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.expect("a template whose keys indicatif knows"));
        bar.set_position(done);
        bar.reset_eta();
        bar.set_message("0");
        Progress { bar, summary: Summary::default() }
    }

    /// A row is written.
    pub fn add(&mut self, done: &Done) {
        let summary = &mut self.summary;
        summary.rows += 1;
        match done.kind {
            Kind::Local => summary.local += 1,
            Kind::OverBudget => summary.over_budget += 1,
            Kind::Llm => summary.llm += 1,
            Kind::Failed => summary.errors += 1,
        }
        match done.cost {
            Some(cost) => summary.cost = summary.cost + cost,
            None => summary.unknown_costs += 1,
        }
        if done.kind == Kind::Failed && summary.errors <= TOLD {
            let fault = done.answer.get(super::columns::ERROR).and_then(|fault| fault.as_str());
            let line = format!("undertone: {}", fault.unwrap_or_default());
            self.note(&line);
        }
        self.bar.inc(1);
    }

    /// Shows what the rows have cost so far.
    pub fn tick(&self) {
        self.bar.set_message(self.summary.cost.to_string());
    }

    /// A line above the bar.
    pub fn note(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How a run ended.
pub struct Ended {
    pub summary: Summary,
    /// Not all rows were taken.
    pub interrupted: bool,
    /// What there is to be reported, where it was asked for.
    pub report: Option<Report>,
}

impl Ended {
    pub fn tell(&self, found: &Found, output: Option<&Path>) {
        let Summary { rows, local, over_budget, llm, errors, cost, unknown_costs } = self.summary;
        if errors > TOLD {
            eprintln!("undertone: {} more rows have an undertone_error", errors - TOLD);
        }
        let mut parts = vec![several(rows, "row"), format!("{} local", local + over_budget)];
        if over_budget > 0 {
            parts.push(format!("{over_budget} of them over budget"));
        }
        parts.extend([format!("{llm} llm"), several(errors, "error"), format!("${cost}")]);
        if unknown_costs > 0 {
            let calls = several(unknown_costs, "row");
            parts.push(format!("the cost of {calls} is not known: see `undertone costs open`"));
        }
        if found.rows > 0 {
            parts.push(format!("{} of earlier runs before them", several(found.rows, "row")));
        }
        eprintln!("undertone: {}", parts.join(", "));
        if self.interrupted {
            let output: Option<PathBuf> = output.map(Path::to_owned);
            eprintln!(
                "undertone: {}",
                match output {
                    Some(path) => format!(
                        "interrupted; the same command continues after the rows in {}",
                        path.display()
                    ),
                    None =>
                        "interrupted; with --output, the same command could have continued".into(),
                }
            );
        }
    }
}

/// How many rows a regular file has; bad ones are rows as well.
pub fn count(source: &Path, text_column: &str) -> Option<u64> {
    let is_regular = std::fs::metadata(source).is_ok_and(|about| about.is_file());
    let input = is_regular.then(|| Input::open(Some(source), text_column))?.ok()?;
    Some(input.take_while(Result::is_ok).count() as u64)
}
