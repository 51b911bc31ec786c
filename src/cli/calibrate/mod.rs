//! `undertone calibrate`: routing thresholds chosen on a labelled file, certified, shown, and with
//! `--apply` written beside the model.
//!
//! In reading order: `cases` has the file read by the local model and finds out what the LLM would say
//! and cost, `crate::evaluation` chooses and certifies, `written` is the file that the gateway loads,
//! `table`, `json` and `html` say what came of it.

mod cases;
mod html;
mod json;
mod table;
mod written;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use clap::{ArgGroup, Args};

use super::answers::{self, ModelAnswers, RecordedAnswers};
use super::arguments::{amount, share, usage};
use super::evaluate::data::{self, About, Labelled};
use super::evaluate::subject;
use super::output::{self, TableOrJson};
use super::page::Destination;
use crate::app::{App, Config, SharedApp, ThresholdsFile, start_logs};
use crate::evaluation::{Calibration, Goal, Subject, calibrate, halves};
use crate::pricing::Usd;

use cases::Answerer;

const EXAMPLES: &str = "\
Examples:
  As many right as can be for at most a dollar per thousand texts:
    undertone calibrate --data mine.csv --max-cost-per-1k 1
  At least 85 % right, as cheaply as can be, by what GPT-4o really said:
    undertone evaluate --data mine.csv --strategies llm:openai --max-cost-usd 5
    undertone calibrate --data mine.csv --min-accuracy 0.85
  The same, and the gateway goes by it from its next start on:
    undertone calibrate --data mine.csv --min-accuracy 0.85 --apply
  By answers that GPT-4o has given already, which somebody has recorded:
    undertone calibrate --data mine.csv --answers gpt4o.jsonl --min-accuracy 0.85
  What would that have changed last week?
    undertone replay --from 2026-11-20 --thresholds models/undertone-mini/thresholds.json";

/// Choose the thresholds by which texts go to the LLM, on a labelled file.
///
/// Reads every text locally and calls nobody. The signals' thresholds (sarcasm, ambiguous,
/// multi_aspect; out_of_domain stays) are chosen on one half of the texts, so that the accuracy asked
/// for is reached at the least cost, or the best accuracy within a cost. The other half certifies that,
/// with bounds that hold for any number of texts and any distribution. Where nothing can be certified
/// the exit code is 1, and the message says what could be.
///
/// What the LLM would say of a text is known where an earlier `undertone evaluate` has bought its
/// answer (strategies llm or cascade): such answers count, at the cost that they had. Elsewhere the LLM
/// is ASSUMED to be right as often as --llm-accuracy says, at the estimated cost of a call to the first
/// configured model. A bound that rests on the assumption is as good as the assumption. With --answers
/// the answers of that file count instead, and what they cost is as recorded or counted from tokens.
///
/// Prints the curve and draws it on a page; nothing else changes. With --apply it writes what was certified to
/// thresholds.json beside the model (`ambiguous` for the task of the file, the others for all), and the
/// page beside it. A gateway takes them when it starts; cascade.* keys go before them. An equal number of right answers may be wrong in other ways: look at
/// `undertone evaluate --strategies local,cascade` too.
#[derive(Args)]
#[command(
    after_help = EXAMPLES,
    group(ArgGroup::new("goal").required(true).args(["max_cost_per_1k", "min_accuracy"]))
)]
pub struct Calibrate {
    /// CSV with a header or JSON lines, labelled as for `undertone evaluate`
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Answers of an LLM that somebody has recorded, in the form that `undertone evaluate --answers` takes;
    /// they count in place of those that earlier evaluations bought
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Whose answers count, where the file holds those of several models
    #[arg(long, value_name = "MODEL", requires = "answers")]
    answers_model: Option<String>,
    /// The most that a thousand texts may cost
    #[arg(long, value_name = "USD", value_parser = amount, allow_negative_numbers = true)]
    max_cost_per_1k: Option<Usd>,
    /// The share of the texts that has to be right, such as 0.85
    #[arg(long, value_name = "A", value_parser = between, allow_negative_numbers = true)]
    min_accuracy: Option<f64>,
    /// What the labels are about: sentiment, sarcasm, emotions or aspects; of the last two a verdict is
    /// right where it names exactly what is true
    #[arg(long, value_name = "TASK", default_value = "sentiment", value_parser = subject)]
    task: Subject,
    /// How sure the bounds are to hold
    #[arg(long, value_name = "C", default_value_t = 0.95, value_parser = between,
          allow_negative_numbers = true)]
    confidence: f64,
    /// How often the LLM is taken to be right where no answer of it is kept
    #[arg(long, value_name = "A", default_value_t = 0.9, value_parser = share,
          allow_negative_numbers = true)]
    llm_accuracy: f64,
    /// Write what was certified beside the model, for gateways to take when they start
    #[arg(long)]
    apply: bool,
    /// Where the page with the curve goes [default: thresholds.html, with --apply beside
    /// thresholds.json, else in the working directory]
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// How the curve is printed
    #[arg(long, value_enum, default_value_t)]
    format: TableOrJson,
}

/// All that was found out.
pub struct Outcome {
    pub about: About,
    pub subject: Subject,
    pub texts: usize,
    /// Texts that certify; the others choose.
    pub certifying: usize,
    pub goal: Goal,
    pub confidence: f64,
    pub answerer: Answerer,
    pub calibration: Calibration,
}

/// Where things go, found writable before the work begins.
struct Destinations {
    /// With `--apply` alone.
    thresholds: Option<Destination>,
    report: Destination,
}

impl Calibrate {
    pub async fn run(self, mut config: Config) -> anyhow::Result<ExitCode> {
        if config.telemetry.log == "info" {
            config.telemetry.log = "warn".into();
        }
        start_logs(&config.telemetry)?;
        let destinations = self.destinations(&config)?;
        let labelled = data::read(&self.data, self.task)?;
        let answers = self.recorded(&labelled)?;
        // By the thresholds that the model came with: a file that no longer fits it is no obstacle.
        let app = App::start_uncalibrated(config).await?;
        let result = tokio::select! {
            result = self.work(&app, labelled, answers.as_ref(), &destinations) => result,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted; nothing is written")),
        };
        app.close().await;
        result
    }

    /// The recorded answers to go by, where a file of them is named.
    fn recorded(&self, labelled: &Labelled) -> anyhow::Result<Option<RecordedAnswers>> {
        let Some(file) = &self.answers else { return Ok(None) };
        let answers = answers::read(file, labelled)?;
        self.model(&answers)?;
        Ok(Some(answers))
    }

    /// Those of the model that is named, else of the only one.
    fn model<'a>(&self, answers: &'a RecordedAnswers) -> anyhow::Result<&'a ModelAnswers> {
        const OPTION: &str = "--answers-model";
        match &self.answers_model {
            Some(model) => answers.of(model, OPTION),
            None => answers.only(OPTION, "--answers-model says whose answers count"),
        }
    }

    fn destinations(&self, config: &Config) -> anyhow::Result<Destinations> {
        let path = ThresholdsFile::path(&config.classifier);
        let beside = path.with_extension("html");
        let default = if self.apply { &*beside } else { Path::new("thresholds.html") };
        let report = self.report.as_deref().unwrap_or(default);
        if report == path {
            return Err(usage("--report", "is where the thresholds go; name another file"));
        }
        let thresholds = self.apply.then(|| Destination::at(&path)).transpose()?;
        Ok(Destinations { report: Destination::at(report)?, thresholds })
    }

    fn goal(&self) -> Goal {
        match (self.min_accuracy, self.max_cost_per_1k) {
            (Some(accuracy), _) => Goal::MinAccuracy(accuracy),
            (None, cost) => Goal::MaxCostPer1k(cost.expect("clap wants one of the two")),
        }
    }

    async fn work(
        &self,
        app: &SharedApp,
        labelled: Labelled,
        answers: Option<&RecordedAnswers>,
        destinations: &Destinations,
    ) -> anyhow::Result<ExitCode> {
        let Labelled { dataset, about, .. } = labelled;
        let (choosing, certifying) = halves(dataset.examples.iter().map(|one| &*one.text));
        ensure!(
            !choosing.is_empty() && !certifying.is_empty(),
            "{} has too few different texts: some choose the thresholds, others certify them",
            about.file
        );
        let recorded = match answers {
            Some(answers) => Some((answers, self.model(answers)?)),
            None => None,
        };
        let (cases, answerer) = cases::of(app, &dataset, recorded, self.llm_accuracy).await?;
        let goal = self.goal();
        if matches!(goal, Goal::MaxCostPer1k(_)) && !answerer.has_price {
            let whose = match recorded {
                Some((_, answers)) => answers.model.as_str(),
                None => "the first configured model",
            };
            let message = format!("what a call costs is not known: {whose} has no price");
            return Err(usage("--max-cost-per-1k", message));
        }
        let of = |places: &[usize]| -> Vec<_> { places.iter().map(|at| cases[*at]).collect() };
        let (choosing, certified_on) = (of(&choosing), of(&certifying));
        let (base, confidence) = (app.thresholds(dataset.subject.task()), self.confidence);
        let search = move || calibrate(&choosing, &certified_on, &base, goal, confidence);
        let outcome = Outcome {
            about,
            subject: dataset.subject,
            texts: dataset.examples.len(),
            certifying: certifying.len(),
            goal,
            confidence,
            answerer,
            calibration: tokio::task::spawn_blocking(search).await?,
        };
        let is_certified = outcome.calibration.chosen.is_ok();
        if is_certified {
            // The page first: where there are thresholds, there is their curve.
            destinations.report.publish(&html::page(&outcome))?;
            if let Some(thresholds) = &destinations.thresholds {
                written::write(&outcome, app.config(), thresholds)?;
            }
        }
        match self.format {
            TableOrJson::Json => output::json(&json::outcome(&outcome, destinations))?,
            TableOrJson::Table => table::print(&outcome, app.config(), destinations)?,
        };
        match &outcome.calibration.chosen {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(refused) => {
                eprintln!("undertone: {}", table::refusal(&outcome, refused));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

fn between(text: &str) -> Result<f64, String> {
    match share(text) {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("expected a number between 0 and 1, such as 0.85".into()),
    }
}
