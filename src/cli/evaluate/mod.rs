//! `undertone evaluate`: strategies side by side on a labelled file.
//!
//! In reading order: `strategies` are what can be typed, `data` is the file, `run` has it read by each
//! of them (`lexicon`, `locally`, `buying`, `recorded`, `cascade`), `table`, `json`, `html` and `doubt` say
//! what came of it, `estimate` only what it would cost. `suite` has a behaviour suite read instead, by
//! `predict`.

mod buying;
mod cascade;
pub(super) mod data;
mod doubt;
mod estimate;
mod html;
mod json;
mod lexicon;
mod locally;
pub(super) mod predict;
pub(super) mod progress;
mod recorded;
mod run;
mod strategies;
mod suite;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::answers::{self, RecordedAnswers};
use super::arguments::{amount, share, team, usage};
use super::output::{self, TableOrJson};
use super::page::Destination;
use crate::app::{App, Config, SharedApp, start_logs};
use crate::evaluation::{Measured, Subject};
use crate::pricing::Usd;

use buying::Purse;
use data::{About, Labelled};
pub use locally::unread;
use run::Run;
use strategies::{Reader, Strategy};
use suite::Suite;

/// Whose answers they are, in every command that takes recorded ones.
pub(super) use json::recorded as recorded_json;
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
      --strategies llm:openai,llm:anthropic,cascade,local
  How good is the cascade with answers that GPT-4o has given already? (calls nobody)
    undertone evaluate --data mine.csv --answers gpt4o.jsonl \\
      --strategies local,recorded:gpt-4o,cascade,cascade@0.35";

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
///   recorded:MODEL        that model's answers in the file of --answers; a text without an answer
///                         counts as wrong, and is counted
///
/// cascade@0.35 escalates 35 % of the texts, those with the highest deferral score (the chance that any
/// of the signals is right), in place of what the thresholds would. With --answers, cascade takes
/// recorded answers for the LLM's: those of the one recorded:MODEL that is compared, else of the only
/// model in the file; cascade:MODEL (cascade:MODEL@0.35) names another. Where an escalated text has no
/// answer, the local verdict stands. Nobody is then called, and nothing is bought.
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
    #[arg(long, conflicts_with_all = ["suite", "task", "html", "estimate", "answers"])]
    edits: bool,
    /// What is compared, with commas: lexicon, local, local:MODEL, cascade, llm, llm:PROVIDER,
    /// llm:PROVIDER/MODEL, recorded:MODEL, cascade:MODEL, cascade@SHARE
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true,
          value_parser = strategies::parse)]
    strategies: Vec<Strategy>,
    /// What the labels are about. sentiment reads `label`; sarcasm `label` (sarcastic, not_sarcastic,
    /// ironic, not_ironic); emotions `labels`, a JSON list or names with | between them; aspects
    /// `aspects`, a JSON list of term, from, to (code points) and polarity
    #[arg(long, value_name = "TASK", default_value = "sentiment", value_parser = subject)]
    task: Subject,
    /// Answers of LLMs that somebody has recorded, CSV or JSON lines: `text` or `id` as in the labelled
    /// file, `model`, `label` (none: nothing usable came back), and `cost_usd`, `latency_ms`,
    /// `input_tokens`, `output_tokens` where known; or `text` and `answers`, an object of models and
    /// labels, which may be the labelled file itself
    #[arg(long, value_name = "FILE", conflicts_with_all = ["suite", "estimate"])]
    answers: Option<PathBuf>,
    /// Has every cascade escalate that share of the texts (0 to 1), those with the highest deferral
    /// score, in place of what the thresholds would
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    escalate: Option<f64>,
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
    Labelled(Labelled, Option<RecordedAnswers>),
}

/// All that was found out.
#[derive(Clone)]
pub struct Comparison {
    pub about: About,
    /// Of the recorded answers, where there are any.
    pub answers: Option<AboutAnswers>,
    pub subject: Subject,
    pub texts: usize,
    /// By their names as typed, in that order; there is at least one.
    pub strategies: Vec<(String, Measured)>,
    /// In this run, as far as is known.
    pub spent: Usd,
}

/// Which recorded answers they are.
#[derive(Clone)]
pub struct AboutAnswers {
    pub about: About,
    pub models: Vec<String>,
    /// Answers to texts that the labelled file does not hold.
    pub elsewhere: usize,
}

impl Evaluate {
    pub async fn run(mut self, mut config: Config) -> anyhow::Result<ExitCode> {
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
                let labelled = data::read(file, self.task)?;
                if self.edits {
                    Cases::Suite(Suite::of_edits(&labelled.dataset, &labelled.about))
                } else {
                    let read = |file: &PathBuf| answers::read(file, &labelled);
                    let answers = self.answers.as_ref().map(read).transpose()?;
                    Cases::Labelled(labelled, answers)
                }
            }
            (None, None) => return Err(usage("--data", "is missing, and so is --suite")),
        };
        let recorded = match &cases {
            Cases::Labelled(_, answers) => answers.as_ref(),
            Cases::Suite(_) => None,
        };
        self.strategies = strategies::settled(&self.strategies, recorded, self.escalate)?;
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
        let asks = |reader: &Reader| {
            matches!(reader, Reader::Cascade { recorded: None, .. } | Reader::Llm { .. })
        };
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
        let (Labelled { dataset, about, .. }, answers) = match cases {
            Cases::Suite(suite) => {
                return suite.measure(app, &self.strategies, &purse, self.format).await;
            }
            Cases::Labelled(labelled, answers) => (labelled, answers),
        };
        let mut run = Run::new(app, &dataset, &purse).with_answers(answers.as_ref());
        if self.estimate {
            return estimate::print(&mut run, &self.strategies, &about, self.format).await;
        }
        let mut measured = Vec::with_capacity(self.strategies.len());
        for strategy in &self.strategies {
            measured.push((strategy.typed.clone(), run.measure(strategy).await?));
        }
        let comparison = Comparison {
            about,
            answers: answers.as_ref().map(AboutAnswers::of),
            subject: dataset.subject,
            texts: dataset.examples.len(),
            strategies: measured,
            spent: purse.spent(),
        };
        if let Some(page) = &page {
            page.publish(&html::page(&comparison.for_people()))?;
        }
        let printed = match self.format {
            TableOrJson::Json => output::json(&json::comparison(&comparison))?,
            TableOrJson::Table => table::print(&comparison.for_people())?,
        };
        let is_partial = comparison.strategies.iter().any(|(_, measured)| measured.is_partial);
        Ok(if is_partial { ExitCode::FAILURE } else { printed })
    }
}

impl Comparison {
    /// With a mark in the name of each cascade whose LLM is a file of recorded answers.
    fn for_people(&self) -> Comparison {
        let mut shown = self.clone();
        for (typed, measured) in &mut shown.strategies {
            if measured.recorded.is_some() && !typed.starts_with("recorded:") {
                typed.push_str(" (recorded)");
            }
        }
        shown
    }
}

impl AboutAnswers {
    fn of(answers: &RecordedAnswers) -> AboutAnswers {
        AboutAnswers {
            about: answers.about.clone(),
            models: answers.names().into_iter().map(str::to_owned).collect(),
            elsewhere: answers.elsewhere,
        }
    }

    /// In a sentence without its full stop.
    pub fn told(&self) -> String {
        let About { file, sha256 } = &self.about;
        let mut told = format!("Recorded answers of LLMs: {file} (SHA-256 {sha256})");
        if self.elsewhere > 0 {
            told += &format!("; {} of them are about texts that are not measured", self.elsewhere);
        }
        told
    }
}

/// Reads a `--task`.
pub(super) fn subject(name: &str) -> Result<Subject, String> {
    Subject::ALL
        .into_iter()
        .find(|subject| subject.name() == name)
        .ok_or_else(|| format!("expected any of {}", Subject::ALL.map(Subject::name).join(", ")))
}
