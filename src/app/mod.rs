//! The application: what HTTP and the command line share. Builds every part from the
//! configuration, counts texts, and takes the parts down in order.

mod budgets;
mod config;
mod costs;
mod counts;
mod estimate;
mod interview;
mod ledger;
mod measure;
mod models;
mod readiness;
mod telemetry;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::cascade::{self, Cascade};
use crate::classifier::ModelFolder;
use crate::llm::Llm;
use crate::pricing::{PriceBook, Usage};
use crate::sentiment::{Task, Thresholds};
use crate::store;

/// What the doors need of the modules behind the application.
pub use crate::access::{
    Access, Denied, Grant, NewKey, NewKeyError, Scope, Standing, create as create_key,
};
pub use crate::cascade::{Analysis, Error as CascadeError, Request};
pub use crate::classifier::{Classifier, Error as ClassifierError, Reading, Sentence};
pub use crate::llm::{Check, Failure, FailureKind, Hint, ProviderName, schemas};
pub use crate::store::{CostReport, Figures, OpenAttempt, Period, Store, StoredKey, Subject};

pub use budgets::{BudgetList, BudgetRow, all_budgets};
pub use config::{Config, Error as ConfigError};
pub use costs::{BadParameter, CostRequest, moment};
pub use estimate::CallEstimate;
pub use interview::{Asking, BoughtAnswer, Interviewer, KeptAnswers, Unanswered, recall};
pub use ledger::Ledger;
pub use measure::milliseconds;
pub use models::{model_folder, model_names};
pub use readiness::Readiness;
pub use telemetry::start_logs;

pub type SharedApp = Arc<App>;

/// How often counts go to the store.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// How often the store is asked which keys there are: a change takes effect within a second.
const REFRESH_EVERY: Duration = Duration::from_millis(300);

/// Refreshes from one look at the budgets, and at the journal, to the next.
const WARN_EVERY: u64 = 3;

pub struct App {
    config: Config,
    book: Arc<PriceBook>,
    store: Store,
    access: Arc<Access>,
    ledger: Ledger,
    cascade: Cascade,
    counter: counts::Counter,
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

impl RequestError {
    /// The tokens that were used all the same.
    pub fn usage(&self) -> Usage {
        match self {
            RequestError::Cascade(cascade::Error::Llm(failure)) => failure.bill.usage,
            _ => Usage::default(),
        }
    }
}

impl App {
    /// Loads the model, opens the store, and makes ready to ask the providers.
    pub async fn start(config: Config) -> anyhow::Result<SharedApp> {
        let metrics = telemetry::start_metrics()?;
        let book = Arc::new(price_book(&config)?);
        let store = Store::open(&config.store).await?;
        let access = Arc::new(Access::open(store.clone(), config.access.clone()).await?);
        let ledger = Ledger::new(store.clone(), &config.store, Some(Arc::clone(&access)));
        // What an earlier process left on its journal.
        ledger.replay().await;
        let llm = Arc::new(open_llm(&config, &book, &ledger)?);
        let (classifier_config, categories) =
            (config.classifier.clone(), config.aspects.categories.clone());
        let load = move || Classifier::start(&classifier_config, &categories);
        let classifier = tokio::task::spawn_blocking(load).await??;
        let cascade = Cascade::new(
            config.cascade,
            config.cache,
            classifier,
            llm,
            config.llm.deadline(),
            config.aspects.categories.as_slice().into(),
        );
        let (counter, interviews) = (counts::Counter::default(), TaskTracker::new());
        Ok(Arc::new(App {
            config,
            book,
            store,
            access,
            ledger,
            cascade,
            counter,
            interviews,
            metrics,
        }))
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Who may ask.
    pub fn access(&self) -> &Access {
        &self.access
    }

    pub fn thresholds(&self) -> &Thresholds {
        self.cascade.thresholds()
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
        let (task, caller) = (request.task, request.caller.clone());
        let text_bytes = request.text.len() as u64;
        let result = self.cascade.analyse(request).await;
        match &result {
            Ok(analysis) => {
                self.counter.count(task, text_bytes, &caller, analysis);
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
        Ok(request.run(&self.store, &self.book, &self.config).await?)
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

    /// Keeps in mind which keys there are, warns of budgets, and brings the journal to the store, until
    /// the task is aborted.
    pub fn spawn_watching(self: &Arc<App>) -> JoinHandle<()> {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(REFRESH_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut failing = false;
            for tick in 0u64.. {
                ticks.tick().await;
                let mut seen = app.access.refresh().await;
                if tick.is_multiple_of(WARN_EVERY) && seen.is_ok() {
                    seen = app.access.warn().await;
                    app.ledger.replay().await;
                }
                // Told once: what waits for the store says so itself.
                if let Err(error) = &seen
                    && !failing
                {
                    tracing::warn!(%error, "the last known keys go on counting");
                }
                failing = seen.is_err();
            }
        })
    }

    /// Writes the counts in a task of its own: who goes away in the meantime takes none along.
    async fn flush(self: &Arc<App>) {
        let app = Arc::clone(self);
        // It can only end early by a panic, which has been logged.
        let _ = tokio::spawn(async move { app.write_counts().await }).await;
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

    /// Waits for paid calls to be written down, then writes the last counts and closes the store.
    pub async fn close(&self) {
        self.cascade.finish_calls().await;
        self.interviews.close();
        self.interviews.wait().await;
        self.write_counts().await;
        self.ledger.replay().await;
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

/// Checks what a configuration names beside its own values: the model's folder and the price book.
/// Returns the model's name.
pub fn check_files(config: &Config) -> anyhow::Result<String> {
    price_book(config)?;
    Ok(ModelFolder::read(&config.classifier.model, &config.classifier)?.name)
}

/// The price book as configured, else the built-in one.
pub fn price_book(config: &Config) -> anyhow::Result<PriceBook> {
    let file = &config.pricing.file;
    if file.as_os_str().is_empty() {
        return Ok(PriceBook::built_in());
    }
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("pricing.file: {} cannot be read", file.display()))?;
    PriceBook::parse(&text).with_context(|| format!("pricing.file: {}", file.display()))
}

/// The providers as configured, with their ledger.
pub fn open_llm(config: &Config, book: &Arc<PriceBook>, ledger: &Ledger) -> anyhow::Result<Llm> {
    let llm = ledgered_llm(config, book, ledger)?;
    llm.warn_of_retirements();
    Ok(llm)
}

/// The same, without a word on which models retire.
fn ledgered_llm(config: &Config, book: &Arc<PriceBook>, ledger: &Ledger) -> anyhow::Result<Llm> {
    let log = Arc::new(ledger.clone());
    let configs = config.providers();
    Ok(Llm::new(&configs, Arc::clone(book), log, &Llm::http_client(&configs)?)?)
}
