//! The application: what HTTP and the command line share. Builds every part from the
//! configuration, counts texts, and takes the parts down in order.

mod config;
mod corrections;
mod costs;
mod counts;
mod estimate;
mod interview;
mod measure;
mod models;
mod prices;
mod readiness;
mod reconcile;
mod replay;
mod signal_log;
mod statement;
mod telemetry;
mod thresholds;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::cascade::{self, Cascade};
use crate::classifier::ModelFolder;
use crate::llm::{AttemptLog, Llm, LogDown};
use crate::pricing::{AttemptId, Prices, Reservation, Settlement};
use crate::sentiment::{Task, Thresholds};
use crate::store;

/// What the doors need of the modules behind the application.
pub use crate::cascade::{Analysis, Error as CascadeError, Request};
pub use crate::classifier::{Classifier, Error as ClassifierError, Reading, Sentence};
pub use crate::llm::{Check, Failure, FailureKind, Hint, ProviderName, schemas};
pub use crate::store::{Charge, CostReport, Figures, OpenAttempt, Store};

pub use config::{Config, Error as ConfigError};
pub use corrections::{Repriced, Repricing, late_prices, resolve, write_prices};
pub use costs::{BadParameter, CostRequest, moment};
pub use estimate::CallEstimate;
pub use interview::{Asking, BoughtAnswer, Interviewer, KeptAnswers, Unanswered, recall};
pub use measure::milliseconds;
pub use models::{model_folder, model_names};
pub use prices::{PriceStatus, TierPrice, price_book, price_book_text, price_status, replaceable};
pub use readiness::Readiness;
pub use reconcile::{Difference, Reconciliation, Verdict, close as close_explained, reconcile};
pub use replay::{Change, CostBasis, ReplayReport, ReplayRequest};
pub use statement::{Statement, StatementError};
pub use telemetry::start_logs;
pub use thresholds::{
    CalibratedOn, InForce, ThresholdsFile, graph_sha256, named, own_thresholds,
    thresholds_in_force, thresholds_to_try,
};

pub type SharedApp = Arc<App>;

/// How often counts go to the store.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

pub struct App {
    config: Config,
    prices: Arc<Prices>,
    /// Why the newest price book was refused, if it was.
    refused_prices: ArcSwapOption<String>,
    store: Store,
    cascade: Cascade,
    counter: counts::Counter,
    signal_log: signal_log::SignalLog,
    /// Paid calls that are no request's.
    interviews: TaskTracker,
    metrics: PrometheusHandle,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Cascade(#[from] cascade::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl App {
    /// Loads the model, opens the store, and makes ready to ask the providers.
    pub async fn start(config: Config) -> anyhow::Result<SharedApp> {
        let classifier = config.classifier.clone();
        let read = move || ThresholdsFile::of_model(&classifier);
        let calibrated = tokio::task::spawn_blocking(read).await??;
        App::start_by(config, calibrated.map(|file| file.thresholds)).await
    }

    /// The same by the thresholds that the model came with, whatever was calibrated since.
    pub async fn start_uncalibrated(config: Config) -> anyhow::Result<SharedApp> {
        App::start_by(config, None).await
    }

    async fn start_by(config: Config, calibrated: Option<Thresholds>) -> anyhow::Result<SharedApp> {
        let metrics = telemetry::start_metrics()?;
        let prices = Arc::new(Prices::new(price_book(&config)?));
        let store = Store::open(&config.store).await?;
        let llm = Arc::new(open_llm(&config, &prices, &store)?);
        let (classifier_config, categories) =
            (config.classifier.clone(), config.aspects.categories.clone());
        let load = move || Classifier::start(&classifier_config, &categories);
        let classifier = tokio::task::spawn_blocking(load).await??;
        let cascade = Cascade::new(
            config.cascade,
            calibrated,
            config.cache,
            classifier,
            llm,
            config.llm.deadline(),
            config.aspects.categories.as_slice().into(),
        );
        let refused_prices = ArcSwapOption::empty();
        let (counter, interviews) = (counts::Counter::default(), TaskTracker::new());
        let signal_log = signal_log::SignalLog::new(config.cascade.logged_signals_per_minute);
        Ok(Arc::new(App {
            config,
            prices,
            refused_prices,
            store,
            cascade,
            counter,
            signal_log,
            interviews,
            metrics,
        }))
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// From where on a task's signals call for an LLM.
    pub fn thresholds(&self, task: Task) -> Thresholds {
        self.cascade.thresholds().of(task)
    }

    pub fn render_metrics(&self) -> String {
        self.metrics.render()
    }

    /// The local model, by itself.
    pub fn classifier(&self) -> &Classifier {
        self.cascade.classifier()
    }

    /// Loads another local model beside the configured one, with sessions of its own.
    pub async fn open_model(&self, folder: &Path) -> anyhow::Result<Classifier> {
        let mut config = self.config.classifier.clone();
        folder.clone_into(&mut config.model);
        let categories = self.config.aspects.categories.clone();
        let load = move || Classifier::start(&config, &categories);
        Ok(tokio::task::spawn_blocking(load).await??)
    }

    /// Whether there is an LLM to ask.
    pub fn has_llm(&self) -> bool {
        self.cascade.llm().is_enabled()
    }

    /// The name of the local model, as responses give it.
    pub fn local_model(&self) -> &str {
        self.cascade.classifier().name()
    }

    /// Analyses a text and counts it.
    pub async fn analyse(&self, request: Request) -> Result<Analysis, RequestError> {
        let (task, route, caller) = (request.task, request.route, request.caller.clone());
        let text_bytes = request.text.len() as u64;
        let result = self.cascade.analyse(request).await;
        match &result {
            Ok(analysis) => {
                self.counter.count(task, text_bytes, &caller, analysis);
                self.signal_log.offer(task, route, text_bytes, analysis);
                measure(analysis);
            }
            Err(cascade::Error::Llm(failure)) if failure.bill.attempts > 0 => {
                self.counter.count_undelivered(task, &caller, None);
            }
            Err(_) => {}
        }
        Ok(result?)
    }

    /// Reads a text locally and counts nothing: for those who only want to know.
    pub async fn read(&self, task: Task, text: Arc<str>) -> Result<Reading, RequestError> {
        let reading = self.cascade.classifier().read(task, text, None).await;
        Ok(reading.map_err(cascade::Error::from)?)
    }

    /// Reads a text sentence by sentence, locally.
    pub async fn read_sentences(
        &self,
        text: Arc<str>,
        language: Option<String>,
    ) -> Result<Vec<Sentence>, RequestError> {
        let sentences = self.cascade.classifier().read_sentences(text, language).await;
        Ok(sentences.map_err(cascade::Error::from)?)
    }

    pub async fn costs(self: &Arc<App>, request: CostRequest) -> Result<CostReport, RequestError> {
        // What was counted a moment ago belongs in the report.
        self.flush().await;
        Ok(request.run(&self.store, &self.prices.current(), &self.config).await?)
    }

    /// Writes counts to the store once a second, until the task is aborted.
    pub fn spawn_flushing(self: &Arc<App>) -> JoinHandle<()> {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(FLUSH_EVERY);
            loop {
                ticks.tick().await;
                app.flush().await;
                app.metrics.run_upkeep();
            }
        })
    }

    /// Writes the counts in a task of its own: who goes away in the meantime takes none along.
    async fn flush(self: &Arc<App>) {
        let app = Arc::clone(self);
        // It can only end early by a panic, which has been logged.
        let written = async move {
            app.write_counts().await;
            app.write_signals(false).await;
        };
        let _ = tokio::spawn(written).await;
    }

    async fn write_counts(&self) {
        for text in self.cascade.take_abandoned() {
            self.counter.count_undelivered(text.task, &text.caller, text.model.as_deref());
        }
        let counts = self.counter.take();
        if counts.is_empty() {
            return;
        }
        if let Err(error) = self.store.add_counts(counts.clone()).await {
            tracing::warn!(%error, "counts wait for the store");
            self.counter.put_back(counts);
        }
    }

    async fn write_signals(&self, is_end: bool) {
        // Without rows too: those that are old are let go of.
        let Some(rows) = self.signal_log.take(is_end) else { return };
        let forget = SystemTime::now() - signal_log::KEPT_FOR;
        if let Err(error) = self.store.log_signals(rows.clone(), forget).await {
            tracing::warn!(%error, "logged signals wait for the store");
            self.signal_log.put_back(rows);
        }
    }

    /// Waits for paid calls to be written down, then writes the last counts and closes the store.
    pub async fn close(&self) {
        self.cascade.finish_calls().await;
        self.interviews.close();
        self.interviews.wait().await;
        self.write_counts().await;
        self.write_signals(true).await;
        self.store.clone().close().await;
    }
}

fn measure(analysis: &Analysis) {
    let outcome = analysis.outcome.name();
    let cached = if analysis.cached { "true" } else { "false" };
    metrics::counter!("undertone_texts_total", "outcome" => outcome, "cached" => cached)
        .increment(1);
    for reason in &analysis.reasons {
        metrics::counter!("undertone_escalation_reasons_total", "reason" => reason.name())
            .increment(1);
    }
    if !analysis.local.is_zero() {
        metrics::histogram!("undertone_local_read_seconds").record(analysis.local);
    }
}

/// Checks what a configuration names beside its own values: the model's folder with its thresholds, and
/// the price book. Returns the model's name.
pub fn check_files(config: &Config) -> anyhow::Result<String> {
    price_book(config)?;
    thresholds_in_force(config)?;
    Ok(ModelFolder::read(&config.classifier.model, &config.classifier)?.name)
}

/// The providers as configured, with the store as their ledger.
pub fn open_llm(config: &Config, prices: &Arc<Prices>, store: &Store) -> anyhow::Result<Llm> {
    let llm = ledgered_llm(config, prices, store)?;
    llm.warn_of_retirements();
    Ok(llm)
}

/// The same, without a word on which models retire.
fn ledgered_llm(config: &Config, prices: &Arc<Prices>, store: &Store) -> anyhow::Result<Llm> {
    let log = Arc::new(Ledger(store.clone()));
    let configs = config.providers();
    Ok(Llm::new(&configs, Arc::clone(prices), log, &Llm::http_client(&configs)?)?)
}

/// When a settlement that could not be written is tried again.
const SETTLE_AGAIN_AFTER: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// The store as the ledger that attempts are written to.
struct Ledger(Store);

#[async_trait]
impl AttemptLog for Ledger {
    async fn reserve(&self, reservation: Reservation) -> Result<(), LogDown> {
        self.0.reserve(reservation).await.map_err(|error| LogDown(error.to_string()))
    }

    async fn settle(&self, id: AttemptId, settlement: Settlement) -> Result<(), LogDown> {
        // A known cost is worth waiting for: a store that is busy or full may be so for a moment.
        for wait in SETTLE_AGAIN_AFTER {
            match self.0.settle(id, settlement.clone()).await {
                Err(store::Error::Write(_)) => tokio::time::sleep(wait).await,
                result => return result.map_err(|error| LogDown(error.to_string())),
            }
        }
        self.0.settle(id, settlement).await.map_err(|error| LogDown(error.to_string()))
    }
}
