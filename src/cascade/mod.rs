//! The cascade: the local model reads every text, and an LLM what the signals say it cannot be
//! trusted with.

mod flight;
mod gate;
mod locally;
mod policy;
mod together;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::cache::{self, Cache};
use crate::classifier::{self, Classifier, Lane, Language, Reading};
use crate::llm::{Bill, Company, Estimator, Failure, FailureKind, Llm};
use crate::pricing::{Caller, Refusal, Usd};
use crate::sentiment::{
    Category, Gist, Outcome, Reason, Route, Scores, Signals, Task, Thresholds, Verdict,
};

use flight::Reply;
pub use gate::{Gate, Passage};
use locally::{late, query};
use policy::sample;
pub use policy::{Allowance, Decision, decide};

/// The section `[cascade]`: thresholds that override the calibrated ones, one for each signal, what a
/// call may cost, how many texts' signals are kept for `undertone replay`, and the share of the rest
/// that is escalated to watch over it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub ambiguous: Option<f32>,
    pub sarcasm: Option<f32>,
    pub multi_aspect: Option<f32>,
    pub out_of_domain: Option<f32>,
    /// What it is worth to have a wrong verdict put right.
    pub correction_usd: Option<Usd>,
    /// 0: none.
    pub logged_signals_per_minute: u32,
    /// The share of the texts that would stay local which is escalated all the same.
    pub sample_share: f32,
}

impl Config {
    /// The thresholds that count where these are the calibrated ones. A key that is set counts for every
    /// task.
    pub fn over(&self, own: Thresholds) -> Thresholds {
        Thresholds {
            ambiguous: self.ambiguous.unwrap_or(own.ambiguous),
            ambiguous_aspects: self.ambiguous.or(own.ambiguous_aspects),
            ambiguous_emotions: self.ambiguous.or(own.ambiguous_emotions),
            sarcasm: self.sarcasm.unwrap_or(own.sarcasm),
            multi_aspect: self.multi_aspect.unwrap_or(own.multi_aspect),
            out_of_domain: self.out_of_domain.unwrap_or(own.out_of_domain),
        }
    }
}

/// A text and what its sender wants.
#[derive(Clone, Debug)]
pub struct Request {
    pub task: Task,
    pub text: Arc<str>,
    /// BCP 47; detected where it is not given.
    pub language: Option<String>,
    pub route: Route,
    /// The most that all attempts of this request may cost together.
    pub max_cost: Option<Usd>,
    /// Shortens the configured deadline.
    pub deadline: Option<Duration>,
    pub caller: Caller,
    /// The texts of the same batch, which it may share a call with.
    pub company: Option<Arc<Company>>,
    /// Whether somebody waits for it alone.
    pub lane: Lane,
}

/// A verdict, and how it came about.
#[derive(Clone, Debug)]
pub struct Analysis {
    pub verdict: Verdict,
    pub language: Language,
    pub signals: Signals,
    pub reasons: Vec<Reason>,
    pub outcome: Outcome,
    pub cached: bool,
    /// Whose verdict it is.
    pub model: String,
    pub bill: Bill,
    /// Where the outcome is [`Outcome::OverBudget`]: which limit had no room, where one was asked.
    pub refusal: Option<Box<Refusal>>,
    /// What the answer cost when it was bought, where it came from the cache.
    pub saved: Option<Usd>,
    /// What the local model made of the text, where the verdict is an LLM's.
    pub overruled: Option<Overruled>,
    pub local: Duration,
    pub llm: Duration,
}

/// A local verdict in whose stead an LLM's was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overruled {
    pub scores: Scores,
    pub gist: Gist,
}

impl Overruled {
    fn of(verdict: &Verdict) -> Overruled {
        Overruled { scores: verdict.scores, gist: verdict.gist() }
    }
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Classifier(#[from] classifier::Error),
    /// The request's own deadline passed before the text was read.
    #[error("the text was not read within {} ms (deadline_ms)", .0.as_millis())]
    Late(Duration),
    /// Only for `route: "llm"`: any other caller gets the local verdict.
    #[error("no LLM answered: {}", .0.kind.name())]
    Llm(Failure),
}

/// A bought answer, with the local signals, so that a later request can be decided without
/// reading the text again.
struct Answer {
    verdict: Verdict,
    model: String,
    language: Language,
    signals: Signals,
    overruled: Overruled,
    cost: Option<Usd>,
}

pub struct Cascade {
    classifier: Classifier,
    llm: Arc<Llm>,
    answers: Arc<Cache<Answer, FailureKind>>,
    thresholds: Thresholds,
    sample_share: f32,
    correction: Option<Usd>,
    estimator: Arc<Estimator>,
    deadline: Duration,
    /// For each task what an answer depends on beside the question.
    fingerprints: [(Task, String); Task::ALL.len()],
    /// Paid calls, which outlive the requests that wanted them.
    calls: TaskTracker,
    abandoned: Arc<Mutex<Vec<Abandoned>>>,
}

/// A text for which a provider was called and whose sender did not wait for the end.
#[derive(Debug)]
pub struct Abandoned {
    pub task: Task,
    pub caller: Caller,
    /// Who answered, if anybody did.
    pub model: Option<String>,
}

impl Cascade {
    /// `calibrated` stand in for the model's own thresholds.
    pub fn new(
        config: Config,
        calibrated: Option<Thresholds>,
        cache: cache::Config,
        classifier: Classifier,
        llm: Arc<Llm>,
        estimator: Arc<Estimator>,
        deadline: Duration,
    ) -> Cascade {
        Cascade {
            thresholds: config.over(calibrated.unwrap_or_else(|| classifier.thresholds())),
            sample_share: config.sample_share,
            correction: config.correction_usd,
            answers: Arc::new(Cache::new(cache)),
            fingerprints: Task::ALL
                .map(|task| (task, llm.fingerprint(task, estimator.categories()))),
            calls: TaskTracker::new(),
            abandoned: Arc::default(),
            classifier,
            llm,
            estimator,
            deadline,
        }
    }

    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    pub fn categories(&self) -> &Arc<[Category]> {
        self.estimator.categories()
    }

    pub fn llm(&self) -> &Llm {
        &self.llm
    }

    /// The texts that were abandoned since the last time this was asked: they count as well.
    pub fn take_abandoned(&self) -> Vec<Abandoned> {
        std::mem::take(&mut *self.abandoned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until every paid call has been written down.
    pub async fn finish_calls(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    /// The whole path of a text: an answer that was bought before, else the local reading, and an
    /// LLM where the policy says so.
    ///
    /// # Errors
    /// [`Error::Classifier`] where the local model cannot read; [`Error::Llm`] for `route: "llm"`.
    pub async fn analyse(&self, request: Request) -> Result<Analysis, Error> {
        let deadline = Instant::now() + self.limit(&request);
        let sampled = self.rolls_sample();
        if let Some(analysis) = self.remembered(&request, sampled) {
            return Ok(analysis);
        }
        let reading =
            self.classifier.read_one(query(&request, request.task.into(), deadline)).await;
        let reading = reading.map_err(|error| late(error, request.deadline))?;
        // The text of a batch has waited for its turn, as a batch does.
        let deadline = match request.lane {
            Lane::Single => deadline,
            Lane::Batch => Instant::now() + self.limit(&request),
        };
        let allowance = match self.llm.is_enabled() {
            true => self.allowance(request.task, &request.text),
            false => Allowance::Disabled,
        };
        match self.decide(&request, &reading.signals, allowance, sampled) {
            Decision::Ask { reasons } => self.escalate(request, reading, reasons, deadline).await,
            Decision::Local { .. } if request.route == Route::Llm => {
                Err(Error::Llm(Failure::unasked(FailureKind::NoProvider)))
            }
            Decision::Local { reasons, outcome } => {
                Ok(self.local(reading, reasons, outcome, Bill::default(), Duration::ZERO))
            }
        }
    }

    /// A bought answer to the same question, where the request would buy it again.
    fn remembered(&self, request: &Request, sampled: bool) -> Option<Analysis> {
        if request.route == Route::Local || !self.llm.is_enabled() {
            return None;
        }
        let answer = self.kept(request)?;
        // It costs nothing.
        match self.decide(request, &answer.signals, Allowance::Granted, sampled) {
            Decision::Ask { reasons } => {
                Some(answer.shared(reasons, Duration::ZERO, Duration::ZERO))
            }
            Decision::Local { .. } => None,
        }
    }

    async fn escalate(
        &self,
        request: Request,
        reading: Reading,
        reasons: Vec<Reason>,
        deadline: Instant,
    ) -> Result<Analysis, Error> {
        let asked = Instant::now();
        let route = request.route;
        let reply = self.ask(request, &reading, &reasons, deadline).await;
        let llm = asked.elapsed();
        match reply {
            Ok(Reply::Bought { answer, bill }) => {
                Ok(Analysis { bill, cached: false, ..answer.shared(reasons, reading.took, llm) })
            }
            Ok(Reply::Shared(answer)) => Ok(answer.shared(reasons, reading.took, llm)),
            Err(failure) if route == Route::Llm => Err(Error::Llm(failure)),
            Err(Failure { kind, bill, refusal }) => {
                let local = self.local(reading, reasons, outcome_of(kind), bill, llm);
                Ok(Analysis { refusal, ..local })
            }
        }
    }

    fn local(
        &self,
        reading: Reading,
        reasons: Vec<Reason>,
        outcome: Outcome,
        bill: Bill,
        llm: Duration,
    ) -> Analysis {
        Analysis {
            verdict: reading.verdict,
            language: reading.language,
            signals: reading.signals,
            reasons,
            outcome,
            cached: false,
            model: self.classifier.name().to_owned(),
            bill,
            refusal: None,
            saved: None,
            overruled: None,
            local: reading.took,
            llm,
        }
    }

    /// Whether a text that would stay local is to be escalated all the same. Each text by itself:
    /// what is estimated from the sample then holds of the traffic, repeated texts and all.
    pub fn rolls_sample(&self) -> bool {
        self.sample_share > 0.0 && rand::random::<f32>() < self.sample_share
    }

    /// Why an LLM would be asked about a text of its own accord, if there were one; nothing where the
    /// local verdict would stand.
    pub fn reasons(&self, task: Task, text: &str, signals: &Signals) -> Vec<Reason> {
        let allowance = self.allowance(task, text);
        match decide(Route::Auto, signals, &self.thresholds.of(task), allowance) {
            Decision::Ask { reasons } => reasons,
            Decision::Local { .. } => Vec::new(),
        }
    }

    /// What may be spent on a text by whoever has an LLM.
    fn allowance(&self, task: Task, text: &str) -> Allowance {
        let price = || self.estimator.alone(task, text).map(|call| call.likely);
        match self.correction {
            Some(correction) => Allowance::Weighed { correction, price: price() },
            None => Allowance::Granted,
        }
    }

    fn decide(
        &self,
        request: &Request,
        signals: &Signals,
        allowance: Allowance,
        sampled: bool,
    ) -> Decision {
        let (route, thresholds) = (request.route, self.thresholds.of(request.task));
        sample(decide(route, signals, &thresholds, allowance), route, allowance, sampled)
    }
}

/// What a caller is told of an LLM that did not answer.
fn outcome_of(failure: FailureKind) -> Outcome {
    match failure {
        FailureKind::NoProvider => Outcome::Disabled,
        FailureKind::OverBudget => Outcome::OverBudget,
        _ => Outcome::Unavailable,
    }
}
