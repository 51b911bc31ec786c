//! `undertone analyze`: a file of texts in, the same file with the verdicts added out.
//!
//! In reading order: `flow` has rows answered and put back in order, `job` asks about one of them,
//! `columns` says what a verdict adds, `output` writes. `resume` and `journal` let a run go on where
//! another one ended, `report` sums it up on a page, `estimate` only looks.

mod columns;
mod estimate;
mod flow;
mod job;
mod journal;
mod output;
mod progress;
mod report;
mod resume;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use clap::Args;
use uuid::Uuid;

use super::arguments::{TAGS_LIMIT, amount, tag, team, usage};
use super::ceiling::Ceiling;
use super::output::{TableOrJson, several};
use super::page::Destination;
use super::rows::Input;
use crate::app::{App, Config, SharedApp, start_logs};
use crate::pricing::Usd;
use crate::sentiment::{Route, Task};

use flow::Flow;
use job::Job;
use journal::Journal;
use output::Output;
use progress::Progress;
use report::{About, End, Report};
use resume::Found;

/// Rows that are analysed at the same time for each thread of the local model: enough that none
/// ever waits for the next row.
const ROWS_A_THREAD: usize = 4;

/// However many calls may be in the air.
const AT_ONCE_LIMIT: usize = 1_024;

/// What people most often want of it.
const EXAMPLES: &str = "\
Examples:
  What would it cost?
    undertone analyze reviews.csv --estimate
  The same file with the verdicts added:
    undertone analyze reviews.csv --output verdicts.csv --max-cost-usd 0.50
  A page to read, with what people like and dislike, in their own words:
    undertone analyze reviews.csv --task sentiment,aspects,emotions \\
      --output verdicts.csv --report report.html";

/// What was typed; `Command` says what it is for.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Analyze {
    /// CSV with a header or JSON lines; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// What is asked of each text: any of sentiment, aspects and emotions, with commas
    #[arg(long, value_name = "TASKS", value_delimiter = ',', default_value = "sentiment",
          value_parser = task)]
    task: Vec<Task>,
    /// Where the rows go [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The column, or the field of a JSON line, that holds the text
    #[arg(long, value_name = "NAME", default_value = "text")]
    text_column: String,
    /// Who reads: auto, local or llm
    #[arg(long, default_value = "auto", value_parser = route)]
    route: Route,
    /// The most rows that are analysed at the same time; it changes speed, never a score
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// The most that all calls together may cost; past it rows stay local
    #[arg(long, value_name = "USD", value_parser = amount, allow_negative_numbers = true)]
    max_cost_usd: Option<Usd>,
    /// Write a page (HTML, one file) that sums up all rows, those of earlier runs in --output too
    #[arg(long, value_name = "FILE.html", conflicts_with = "estimate")]
    report: Option<PathBuf>,
    /// Read a sample locally, call nobody, and say what the whole would cost and how long it takes
    #[arg(long)]
    estimate: bool,
    /// How the estimate is printed
    #[arg(long, value_enum, default_value_t, requires = "estimate")]
    format: TableOrJson,
    /// The team that the report of costs shows these rows under
    #[arg(long, value_parser = team)]
    team: Option<String>,
    /// A tag of every row, as requests have them, up to ten of them: `key` says under which key windows
    /// count the rows, and reports of costs group by any (`--group-by tag:NAME`)
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
}

impl Analyze {
    pub async fn run(mut self, mut config: Config) -> anyhow::Result<ExitCode> {
        // What a gateway tells of its day is noise between the rows' own messages.
        if config.telemetry.log == "info" {
            config.telemetry.log = "warn".into();
        }
        start_logs(&config.telemetry)?;
        let mut seen = Vec::new();
        self.task.retain(|task| {
            !seen.contains(task) && {
                seen.push(*task);
                true
            }
        });
        self.refuse_to_write_over_another()?;
        if self.all_tags().len() > TAGS_LIMIT {
            let count = self.all_tags().len();
            return Err(usage(
                "--tag",
                format!("{count} tags; the limit is {TAGS_LIMIT}, --team included"),
            ));
        }
        let report = self.report.as_deref().map(Destination::at).transpose()?;
        let input = Input::open(self.source(), &self.text_column)?;
        if self.estimate {
            let app = App::start_to_read(config).await?;
            let result = self.estimate(&app, input).await;
            app.close().await;
            return result;
        }
        let app = App::start(config).await?;
        let flushing = app.spawn_flushing();
        let result = self.analyse(&app, input, report).await;
        flushing.abort();
        app.close().await;
        result
    }

    /// The file, unless it is standard input.
    fn source(&self) -> Option<&Path> {
        Some(self.file.as_path()).filter(|file| *file != Path::new("-"))
    }

    async fn estimate(&self, app: &SharedApp, input: Input) -> anyhow::Result<ExitCode> {
        let sample = estimate::sample(self.source(), &self.text_column, input)?;
        let estimate = estimate::of(app, &self.task, self.route, sample).await?;
        estimate.print(self.format)
    }

    async fn analyse(
        &self,
        app: &SharedApp,
        mut input: Input,
        report: Option<Destination>,
    ) -> anyhow::Result<ExitCode> {
        let mut report = report.map(|path| Report::new(path, self.about(app)));
        let columns = columns::of(&self.task);
        input.refuse_columns(&columns)?;
        let (run, mut lost) = (Uuid::now_v7(), Usd::ZERO);
        let allowed = |text: &str| job::allowed(app, &self.task, text);
        let (found, journal, output) = match &self.output {
            None => {
                let header = input.header_with(&columns);
                let output = Output::stdout(input.shape(), columns, header.as_ref())?;
                (Found::default(), Journal::none(), output)
            }
            Some(path) => {
                let found = resume::find(path, &mut input, &columns, &allowed, report.as_mut())?;
                let mut journal = Journal::open(path, found.rows)?;
                let header = input.header_with(&columns);
                let output = Output::file(path, found.bytes, input.shape(), columns, header)?;
                lost = resume::lost(app, &journal, found.rows).await?;
                journal
                    .begin(run)
                    .context("the .partial file beside the output cannot be written")?;
                (found, journal, output)
            }
        };
        if found.rows > 0 {
            eprintln!(
                "undertone: continues after the {} that the output holds already",
                several(found.rows, "row")
            );
        }
        if lost > Usd::ZERO && self.max_cost_usd.is_some() {
            eprintln!(
                "undertone: earlier runs made calls whose answers are not in the output; up to {lost} US \
                 dollars of the ceiling (--max-cost-usd) are theirs"
            );
        }
        let spent = found.spent + journal.spent() + lost;
        let ceiling = self.max_cost_usd.map(|limit| Ceiling::new(limit, spent));
        let job = Job {
            app: Arc::clone(app),
            tasks: self.task.clone(),
            route: self.route,
            ceiling,
            company: app.company(),
            run: run.to_string(),
            team: self.team.clone(),
            tags: self.all_tags(),
            refused: OnceLock::new(),
        };
        let job = Arc::new(job);
        let progress = Progress::start(self.source(), &self.text_column, found.rows);
        let flow =
            Flow::new(Arc::clone(&job), output, journal, progress, report, self.at_once(app));
        let ended = flow.run(input).await?;
        ended.tell(&found, self.output.as_deref());
        if let Some(refusal) = job.refused.get() {
            eprintln!("undertone: rows stayed local because {refusal}.");
        }
        if let Some(report) = &ended.report {
            let over_budget = ended.summary.over_budget;
            report.publish(End { is_interrupted: ended.interrupted, over_budget })?;
        }
        let is_whole = !ended.interrupted && ended.summary.errors + found.errors == 0;
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// How many rows are analysed at once. Not more than calls in the air can be about: a row that
    /// waited for its turn at the LLM would use up its deadline.
    fn at_once(&self, app: &App) -> usize {
        let config = app.config();
        let local = config.classifier.sessions() * ROWS_A_THREAD;
        let most = match app.has_llm() && self.route != Route::Local {
            true => local.max(config.llm.texts_at_once().min(AT_ONCE_LIMIT)),
            false => local,
        };
        self.batch_size.map_or(most, |wanted| most.min(wanted as usize)).max(1)
    }

    /// What the report says of the run beside its rows.
    fn about(&self, app: &App) -> About {
        let name = self.source().map(|file| file.file_name().unwrap_or(file.as_os_str()));
        let llms = if self.route == Route::Local { Vec::new() } else { app.llm_models() };
        About {
            source: name.map_or("standard input".into(), |name| name.to_string_lossy().into()),
            tasks: self.task.clone(),
            local_model: app.local_model().to_owned(),
            llms,
            ceiling: self.max_cost_usd,
        }
    }

    /// Those given, and the team as one of them.
    fn all_tags(&self) -> BTreeMap<String, String> {
        let team = self.team.iter().map(|team| ("team".to_owned(), team.clone()));
        self.tags.iter().cloned().chain(team).collect()
    }

    fn refuse_to_write_over_another(&self) -> anyhow::Result<()> {
        let (output, report) = (self.output.as_deref(), self.report.as_deref());
        for (field, path, other, what) in [
            ("--output", output, self.source(), "the input itself"),
            ("--report", report, self.source(), "the input itself"),
            ("--report", report, output, "what --output names"),
        ] {
            let (Some(path), Some(other)) = (path, other) else { continue };
            if is_same_file(path, other) {
                return Err(usage(field, format!("is {what}; name another file")));
            }
        }
        Ok(())
    }
}

/// Whether two paths name one file, which need not be there yet.
fn is_same_file(one: &Path, other: &Path) -> bool {
    match (std::fs::canonicalize(one), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn task(name: &str) -> Result<Task, String> {
    Task::ALL
        .into_iter()
        .find(|task| task.name() == name)
        .ok_or_else(|| format!("expected any of {}", Task::ALL.map(Task::name).join(", ")))
}

fn route(name: &str) -> Result<Route, &'static str> {
    match name {
        "auto" => Ok(Route::Auto),
        "local" => Ok(Route::Local),
        "llm" => Ok(Route::Llm),
        _ => Err("expected auto, local or llm"),
    }
}
