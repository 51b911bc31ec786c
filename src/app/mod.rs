//! The application: what HTTP and the command line share. Builds every part from the
//! configuration, counts texts, and takes the parts down in order.

mod alerts;
mod background;
mod budgets;
mod config;
mod corrections;
mod costs;
mod counts;
mod drift;
mod estimate;
mod families;
mod inspection;
mod interview;
mod kept_verdict;
mod layers;
mod learning;
mod ledger;
mod measure;
mod metered;
mod models;
mod prices;
mod process;
mod readiness;
mod reconcile;
mod replay;
mod request_error;
mod server;
mod shadow;
mod signal_log;
mod statement;
mod stream;
mod tag_sets;
mod tariff;
mod telemetry;
mod thresholds;
mod together;
mod trends;
mod variables;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::cascade::{self, Cascade};
use crate::llm::{Estimator, Llm};
use crate::pricing::Prices;
use crate::sentiment::{Signals, Task, Thresholds};
use crate::webhook::Webhook;

/// What the doors need of the modules behind the application.
pub use crate::access::{
    Access, Denied, Grant, NewKey, NewKeyError, Scope, Standing, create as create_key,
};
pub use crate::cascade::{Analysis, Error as CascadeError, Gate, Passage, Request};
pub use crate::classifier::{
    Classifier, Error as ClassifierError, Lane, Reading, Sentence, TELEMETRY_OFF,
    TELEMETRY_VARIABLE, telemetry_is_off,
};
pub use crate::llm::{
    CallEstimate, Check, Company, Failure, FailureKind, Hint, ProviderName, schemas,
};
pub use crate::store::{
    Asker, Charge, CostReport, Error as StoreError, Figures, KeptRow, KeptText, OpenAttempt, Owner,
    Period, RunAttempt, Said, Store, StoredKey, Subject,
};

pub use budgets::{BudgetList, BudgetRow, all_budgets};
pub use config::{Config, Error as ConfigError};
pub use corrections::{Repriced, Repricing, late_prices, resolve, write_prices};
pub use costs::{BadParameter, CostRequest, moment};
pub use inspection::{Findings, inspect, warnings};
pub use interview::{Asking, BoughtAnswer, Interviewer, KeptAnswers, Unanswered, recall};
pub use kept_verdict::KeptVerdict;
pub use layers::Layered;
pub use learning::{FeedbackError, FeedbackReceipt, ID_LIMIT, SaidAspect, Word};
pub use ledger::Ledger;
pub use measure::milliseconds;
pub use models::{model_folder, model_names};
pub use prices::{PriceStatus, TierPrice, price_book, price_book_text, price_status, replaceable};
pub use readiness::Readiness;
pub use reconcile::{Difference, Reconciliation, Verdict, close as close_explained, reconcile};
pub use replay::{Change, CostBasis, ReplayReport, ReplayRequest};
pub use request_error::RequestError;
pub use server::{Network, ServerConfig};
pub use statement::{Statement, StatementError};
pub use stream::{
    Delivery, KafkaProperties, StreamConfig, TopicNames, is_secret as is_secret_property,
};
pub use tariff::Tariff;
pub use telemetry::{logs_are_json, start_logs, tell_error};
pub use thresholds::{
    CalibratedOn, InForce, ThresholdsFile, graph_sha256, named, own_thresholds,
    thresholds_in_force, thresholds_to_try,
};
pub use trends::{
    FoldError, KEY_TAG, ListenError, Listener, Listening, Reached, TrendsError, TrendsRequest,
    Update,
};
pub use variables::unread_variables;

use metered::measure;

pub type SharedApp = Arc<App>;

pub struct App {
    config: Config,
    prices: Arc<Prices>,
    /// Why the newest price book was refused, if it was.
    refused_prices: ArcSwapOption<String>,
    /// Why the results topic is not read, if it should be.
    unread_results: ArcSwapOption<String>,
    last_probe: readiness::LastProbe,
    store: Store,
    access: Arc<Access>,
    ledger: Ledger,
    cascade: Cascade,
    estimator: Arc<Estimator>,
    counter: counts::Counter,
    signal_log: signal_log::SignalLog,
    learning: learning::Learning,
    drift: drift::Drift,
    trends: trends::Trends,
    alerts: alerts::Alerts,
    shadow: OnceLock<shadow::Shadow>,
    /// Paid calls that are no request's.
    interviews: TaskTracker,
    metrics: PrometheusHandle,
    purpose: Purpose,
}

/// What the store is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Serve,
    /// Nothing is counted or bought: the store is only read, and none is made.
    Read,
}

impl App {
    /// Loads the model, opens the store, and makes ready to ask the providers.
    pub async fn start(config: Config) -> anyhow::Result<SharedApp> {
        App::start_calibrated(config, Purpose::Serve).await
    }

    /// The same for a command that calls nobody: it writes nothing to a store, and makes none.
    pub async fn start_to_read(config: Config) -> anyhow::Result<SharedApp> {
        App::start_calibrated(config, Purpose::Read).await
    }

    /// The same by the thresholds that the model came with, whatever was calibrated since.
    pub async fn start_uncalibrated(config: Config) -> anyhow::Result<SharedApp> {
        App::start_by(config, None, Purpose::Read).await
    }

    async fn start_calibrated(config: Config, purpose: Purpose) -> anyhow::Result<SharedApp> {
        let classifier = config.classifier.clone();
        let read = move || ThresholdsFile::of_model(&classifier);
        let calibrated = tokio::task::spawn_blocking(read).await??;
        App::start_by(config, calibrated.map(|file| file.thresholds), purpose).await
    }

    async fn start_by(
        config: Config,
        calibrated: Option<Thresholds>,
        purpose: Purpose,
    ) -> anyhow::Result<SharedApp> {
        let metrics = telemetry::start_metrics()?;
        let prices = Arc::new(Prices::new(price_book(&config)?));
        let store = match purpose {
            Purpose::Serve => Store::open(&config.store).await?,
            Purpose::Read => Store::open_to_read_if_any(&config.store).await?,
        };
        let secret = config.webhooks.secret()?;
        let alerted = Webhook::of("alerts.webhook", &config.alerts.webhook, secret.clone())?;
        let access = Access::open(store.clone(), config.access.clone(), secret).await?;
        let access = Arc::new(access);
        let ledger = Ledger::new(store.clone(), &config.store, Some(Arc::clone(&access)));
        // What an earlier process left on its journal.
        if purpose == Purpose::Serve {
            ledger.replay().await;
        }
        let llm = Arc::new(open_llm(&config, &prices, &ledger)?);
        let (classifier_config, categories) =
            (config.classifier.clone(), config.aspects.categories.clone());
        let load = move || Classifier::start(&classifier_config, &categories);
        let classifier = tokio::task::spawn_blocking(load).await??;
        let categories = config.aspects.categories.as_slice().into();
        let estimator =
            Arc::new(Estimator::new(config.providers(), Arc::clone(&prices), categories));
        let cascade = Cascade::new(
            config.cascade,
            calibrated,
            config.cache,
            classifier,
            llm,
            Arc::clone(&estimator),
            config.llm.deadline(),
        );
        let signals = Signals::default().named(cascade.thresholds()).map(|(name, ..)| name);
        let drift = drift::Drift::new(config.drift, cascade.classifier().identity(), &signals);
        let app = Arc::new(App {
            refused_prices: ArcSwapOption::empty(),
            unread_results: ArcSwapOption::empty(),
            last_probe: readiness::LastProbe::default(),
            signal_log: signal_log::SignalLog::new(config.cascade.logged_signals_per_minute),
            learning: learning::Learning::new(config.learning),
            alerts: alerts::Alerts::new(&config, alerted),
            trends: trends::Trends::new(config.stream.windowing(), config.trends.clone()),
            counter: counts::Counter::new(ledger.tag_sets()),
            interviews: TaskTracker::new(),
            config,
            prices,
            store,
            access,
            ledger,
            cascade,
            drift,
            shadow: OnceLock::new(),
            estimator,
            metrics,
            purpose,
        });
        app.tell_build();
        Ok(app)
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Who may ask.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// From where on a task's signals call for an LLM.
    pub fn thresholds(&self, task: Task) -> Thresholds {
        self.cascade.thresholds().of(task)
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

    /// Whether a text that would stay local goes to the LLM all the same (`cascade.sample_share`).
    pub fn rolls_sample(&self) -> bool {
        self.cascade.rolls_sample()
    }

    /// Whether there is an LLM to ask.
    pub fn has_llm(&self) -> bool {
        self.cascade.llm().is_enabled()
    }

    /// For the texts of one batch, which may share calls; `None` where each has its own.
    pub fn company(&self) -> Option<Arc<Company>> {
        self.cascade.llm().company()
    }

    /// The name of the local model, as responses give it.
    pub fn local_model(&self) -> &str {
        self.cascade.classifier().name()
    }

    /// Analyses a text and counts it.
    pub async fn analyse(&self, request: Request) -> Result<Analysis, RequestError> {
        let (task, route, caller) = (request.task, request.route, request.caller.clone());
        let text = Arc::clone(&request.text);
        let language = self.shadow.get().and_then(|_| request.language.clone());
        let text_bytes = text.len() as u64;
        let result = self.cascade.analyse(request).await;
        match &result {
            Ok(analysis) => {
                self.counter.count(task, text_bytes, &caller, analysis);
                self.signal_log.offer(task, route, text_bytes, analysis);
                measure(task, analysis);
                self.drift.observe(task, text.len(), analysis, &self.thresholds(task));
                self.show(task, &text, language.as_ref(), analysis);
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

    /// Reads a text sentence by sentence, locally, within the deadline that counts from `started`.
    pub async fn read_sentences(
        &self,
        request: &Request,
        started: Instant,
    ) -> Result<Vec<Sentence>, RequestError> {
        Ok(self.cascade.read_sentences(request, started.into()).await?)
    }

    /// What a run over a file has bought for its rows from `first` on.
    pub async fn run_attempts(&self, run: Uuid, first: u64) -> Result<Vec<RunAttempt>, StoreError> {
        self.store.run_attempts(run, first).await
    }

    pub async fn costs(self: &Arc<App>, request: CostRequest) -> Result<CostReport, RequestError> {
        // What was counted a moment ago belongs in the report.
        self.flush().await;
        Ok(request.run(&self.store, &self.prices.current(), &self.config).await?)
    }

    /// Waits for paid calls to be written down, then writes the last counts and closes the store.
    pub async fn close(&self) {
        self.cascade.finish_calls().await;
        self.interviews.close();
        self.interviews.wait().await;
        if self.purpose == Purpose::Read {
            return self.store.clone().close().await;
        }
        self.write_counts().await;
        self.write_windows().await;
        self.write_signals(true).await;
        self.write_texts().await;
        self.ledger.replay().await;
        self.store.clone().close().await;
    }
}

/// The providers as configured, with their ledger.
pub fn open_llm(config: &Config, prices: &Arc<Prices>, ledger: &Ledger) -> anyhow::Result<Llm> {
    let llm = ledgered_llm(config, prices, ledger)?;
    llm.warn_of_retirements();
    Ok(llm)
}

/// The same, without a word on which models retire.
fn ledgered_llm(config: &Config, prices: &Arc<Prices>, ledger: &Ledger) -> anyhow::Result<Llm> {
    let log = Arc::new(ledger.clone());
    let configs = config.providers();
    Ok(Llm::new(&configs, Arc::clone(prices), log, &Llm::http_client(&configs)?)?)
}
