//! `undertone evaluate`: strategies side by side on a labelled file.
//!
//! In reading order: `strategies` are what can be typed, `data` is the file, `run` has it read by each
//! of them (`lexicon`, `locally`, `buying`), `table`, `json` and `html` say what came of it, `estimate` only
//! what it would cost. `suite` has a behaviour suite read instead, by `predict`.

mod buying;
pub(super) mod data;
mod estimate;
mod html;
mod json;
mod lexicon;
mod locally;
pub(super) mod predict;
pub(super) mod progress;
mod run;
mod strategies;
mod suite;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::arguments::{amount, team, usage};
use super::output::{self, TableOrJson};
use super::page::Destination;
use crate::app::{App, Config, SharedApp, start_logs};
use crate::evaluation::{Dataset, Measured, Subject};
use crate::pricing::Usd;

use buying::Purse;
use data::About;
pub use locally::unread;
use run::Run;
use strategies::{Reader, Strategy};
use suite::Suite;

/// How figures read, in every command that compares.
pub(super) use table::{dollars, percent};

/// What people most often want of it.
const EXAMPLES: &str = "\
Examples:
  What does the local model see that a list of words does not?
    undertone evaluate --data examples/evaluate.csv --strategies lexicon,local
  What would GPT-4o and Claude cost on this file?
    undertone evaluate --data mine.csv --strategies cascade,llm:openai,llm:anthropic --estimate
  Are they worth it? (needs keys; what is bought is kept)
    undertone evaluate --data mine.csv --max-cost-usd 2 \\
      --strategies llm:openai,llm:anthropic,cascade,local";

/// Measure strategies on a labelled file, side by side: quality, latency, cost per thousand texts.
///
/// The file is CSV with a header or JSON lines, with `text` and `label` (negative, neutral, positive,
/// mixed). A row that cannot be measured refuses the file: nothing is left out silently.
///
/// Strategies, the first of which the others are compared with:
///
///   lexicon               VADER, a list of rated words with rules (sentiment only)
///   local                 the configured model; local:NAME one in models/, or a path
///   cascade               the gateway: local, and an LLM where its signals call for one
///   llm                   an LLM alone, told nothing by the local model;
///                         llm:openai, llm:anthropic/claude-haiku-5-5 name one
///
/// Without a key, an LLM's quality is not measured: its cost is projected from counted tokens, and
/// cascade shows the band between an LLM no better than local and one that is always right. Answers
/// are bought once, within --max-cost-usd, and kept beside the ledger: the next evaluation reuses
/// them, at the cost and latency that they had.
///
/// Both llm and cascade ask as the section llm is configured: what first, hint, examples and texts_per_call are
/// worth on a file is seen by setting them, as UNDERTONE_LLM__TEXTS_PER_CALL=8. A model that is named
/// is asked without those of first.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = EXAMPLES)]
pub struct Evaluate {
    /// CSV with a header or JSON lines, labelled
    #[arg(long, value_name = "FILE", required_unless_present = "suite")]
    data: Option<PathBuf>,
    /// A folder of behaviour tests instead, a file a kind (tests/behaviour/README.md has the form): for
    /// each kind it is printed how many cases are right, wrong and not escalated, and escalated
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "task", "html", "estimate"])]
    suite: Option<PathBuf>,
    /// Read every text also after each of ten edits that change nothing (lower case, blanks, curly quotes, a
    /// mail's frame, two letters swapped …), and print how often the label and the route change
    #[arg(long, conflicts_with_all = ["suite", "task", "html", "estimate"])]
    edits: bool,
    /// What is compared, with commas: lexicon, local, local:MODEL, cascade, llm, llm:PROVIDER,
    /// llm:PROVIDER/MODEL
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true,
          value_parser = strategies::parse)]
    strategies: Vec<Strategy>,
    /// What the labels are about. sentiment reads `label`; sarcasm `label` (sarcastic, not_sarcastic,
    /// ironic, not_ironic); emotions `labels`, a JSON list or names with | between them; aspects
    /// `aspects`, a JSON list of term, from, to (code points) and polarity
    #[arg(long, value_name = "TASK", default_value = "sentiment", value_parser = subject)]
    task: Subject,
    /// The most that all calls together may cost; past it texts stay without an answer
    #[arg(long, value_name = "USD", value_parser = amount, allow_negative_numbers = true)]
    max_cost_usd: Option<Usd>,
    /// Call nobody, and say what it would cost
    #[arg(long)]
    estimate: bool,
    /// How the comparison is printed
    #[arg(long, value_enum, default_value_t)]
    format: TableOrJson,
    /// Write a page (HTML, one file) with the same and its plots
    #[arg(long, value_name = "FILE.html", conflicts_with = "estimate")]
    html: Option<PathBuf>,
    /// The team that the report of costs shows the calls under
    #[arg(long, value_parser = team)]
    team: Option<String>,
}

/// What the strategies are measured on.
enum Cases {
    Suite(Suite),
    Labelled(Dataset, About),
}

/// All that was found out.
pub struct Comparison {
    pub about: About,
    pub subject: Subject,
    pub texts: usize,
    /// By their names as typed, in that order; there is at least one.
    pub strategies: Vec<(String, Measured)>,
    /// In this run, as far as is known.
    pub spent: Usd,
}

impl Evaluate {
    pub async fn run(self, mut config: Config) -> anyhow::Result<ExitCode> {
        // What a gateway tells of its day is noise between the figures.
        if config.telemetry.log == "info" {
            config.telemetry.log = "warn".into();
        }
        start_logs(&config.telemetry)?;
        self.check(&config)?;
        let page = self.html.as_deref().map(Destination::at).transpose()?;
        let cases = match (&self.suite, &self.data) {
            (Some(folder), _) => Cases::Suite(Suite::read(folder)?),
            (None, Some(file)) => {
                let (dataset, about) = data::read(file, self.task)?;
                if self.edits {
                    Cases::Suite(Suite::of_edits(&dataset, &about))
                } else {
                    Cases::Labelled(dataset, about)
                }
            }
            (None, None) => return Err(usage("--data", "is missing, and so is --suite")),
        };
        let app = match self.may_buy() {
            true => App::start(config).await?,
            false => App::start_to_read(config).await?,
        };
        let result = tokio::select! {
            result = self.work(&app, cases, page) => result,
            // Calls in the air are waited for, settled and kept before the program ends.
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!(
                "interrupted; answers that were bought are kept, and the same command goes on with them"
            )),
        };
        app.close().await;
        result
    }

    /// Whether a provider may be called.
    fn may_buy(&self) -> bool {
        let asks = |reader: &Reader| matches!(reader, Reader::Cascade | Reader::Llm { .. });
        !self.estimate && self.strategies.iter().any(|strategy| asks(&strategy.reader))
    }

    /// What no strategy list may hold.
    fn check(&self, config: &Config) -> anyhow::Result<()> {
        for (at, strategy) in self.strategies.iter().enumerate() {
            if self.strategies[..at].iter().any(|before| before.typed == strategy.typed) {
                return Err(usage("--strategies", format!("{} is named twice", strategy.typed)));
            }
            match &strategy.reader {
                Reader::Lexicon if self.task != Subject::Sentiment => {
                    let message = format!(
                        "the strategy lexicon reads sentiment only; the task is {}",
                        self.task.name()
                    );
                    return Err(usage("--strategies", message));
                }
                Reader::Local(Some(name)) => {
                    strategies::folder(name, config)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn work(
        &self,
        app: &SharedApp,
        cases: Cases,
        page: Option<Destination>,
    ) -> anyhow::Result<ExitCode> {
        let purse = Purse::new(self.max_cost_usd, self.team.clone());
        let (dataset, about) = match cases {
            Cases::Suite(suite) => {
                return suite.measure(app, &self.strategies, &purse, self.format).await;
            }
            Cases::Labelled(dataset, about) => (dataset, about),
        };
        let mut run = Run::new(app, &dataset, &purse);
        if self.estimate {
            return estimate::print(&mut run, &self.strategies, &about, self.format).await;
        }
        let mut measured = Vec::with_capacity(self.strategies.len());
        for strategy in &self.strategies {
            measured.push((strategy.typed.clone(), run.measure(strategy).await?));
        }
        let comparison = Comparison {
            about,
            subject: dataset.subject,
            texts: dataset.examples.len(),
            strategies: measured,
            spent: purse.spent(),
        };
        if let Some(page) = &page {
            page.publish(&html::page(&comparison))?;
        }
        let printed = match self.format {
            TableOrJson::Json => output::json(&json::comparison(&comparison))?,
            TableOrJson::Table => table::print(&comparison)?,
        };
        let is_partial = comparison.strategies.iter().any(|(_, measured)| measured.is_partial);
        Ok(if is_partial { ExitCode::FAILURE } else { printed })
    }
}

/// Reads a `--task`.
pub(super) fn subject(name: &str) -> Result<Subject, String> {
    Subject::ALL
        .into_iter()
        .find(|subject| subject.name() == name)
        .ok_or_else(|| format!("expected any of {}", Subject::ALL.map(Subject::name).join(", ")))
}
