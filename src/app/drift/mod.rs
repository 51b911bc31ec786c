//! Whether the input is still what it was. For each task the signals, the label, the length and the
//! language of the texts are counted; windows of them are compared with a baseline: the gateway's own
//! earlier traffic under the same model, which the store keeps. On a text's path that is a handful of
//! counters.

mod histogram;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use self::histogram::{Counters, of_length, of_probability, stability_index};
use super::Store;
use crate::cascade::Analysis;
use crate::sentiment::{Label, Task, Thresholds};
use crate::store::{self, Baseline};

/// The section `[drift]`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftConfig {
    /// From which population stability index on a dimension counts as drifted.
    pub alarm: f64,
    /// A window closes once it holds so many texts and has lasted so long.
    pub window_texts: u64,
    pub window_minutes: u64,
    /// Whole windows make the baseline until they hold so many texts.
    pub baseline_texts: u64,
}

/// What is counted of a text beside its signals.
const LABEL: &str = "label";
const LENGTH: &str = "length";
const UNSUPPORTED: &str = "unsupported_language";
const BESIDE_SIGNALS: [&str; 3] = [LABEL, LENGTH, UNSUPPORTED];

/// The counts of the cells of each dimension.
type Cells = BTreeMap<String, Vec<u64>>;

/// Watches the input of every task.
pub struct Drift {
    config: DriftConfig,
    model: String,
    monitors: [Monitor; Task::ALL.len()],
}

/// Watches the input of one task.
struct Monitor {
    task: Task,
    texts: AtomicU64,
    dimensions: Vec<(&'static str, Counters)>,
    state: Mutex<State>,
}

struct State {
    since: Instant,
    baseline: Cells,
    baseline_texts: u64,
    /// Whether the store has had it: where it has none any more, somebody wants a new one.
    stored: bool,
    /// The dimensions that have drifted, with their index.
    drifted: BTreeMap<&'static str, f64>,
}

impl Drift {
    /// `signals` are the names of the signals, in the order in which they are counted.
    pub fn new(config: DriftConfig, model: &str, signals: &[&'static str]) -> Drift {
        let monitors = Task::ALL.map(|task| Monitor::new(task, signals));
        Drift { config, model: model.to_owned(), monitors }
    }

    /// Counts a text.
    pub fn observe(
        &self,
        task: Task,
        text_bytes: usize,
        analysis: &Analysis,
        thresholds: &Thresholds,
    ) {
        let monitor = &self.monitors[task as usize];
        let signals = analysis.signals.named(thresholds);
        let label = match analysis.overruled {
            Some(overruled) => overruled.gist.label,
            None => analysis.verdict.scores.label(),
        };
        let signals = signals.into_iter().map(|(_, value, _)| of_probability(value));
        let beside =
            [label as usize, of_length(text_bytes), usize::from(!analysis.language.supported)];
        for ((_, counters), cell) in monitor.dimensions.iter().zip(signals.chain(beside)) {
            counters.add(cell);
        }
        monitor.texts.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes over what the store has, so that a restart goes on with the same baseline.
    pub async fn resume(&self, store: &Store) -> Result<(), store::Error> {
        for monitor in &self.monitors {
            let stored = store.baseline(&self.model, monitor.task.name()).await?;
            monitor.adopt(stored);
        }
        Ok(())
    }

    /// Closes the windows that are full. Asked about once a second.
    pub async fn close_windows(&self, store: &Store) {
        for monitor in &self.monitors {
            if monitor.is_full(&self.config)
                && let Err(error) = self.close(monitor, store).await
            {
                tracing::warn!(%error, "the drift baseline cannot be written; it stays in memory \
                    until the store answers");
            }
        }
    }

    async fn close(&self, monitor: &Monitor, store: &Store) -> Result<(), store::Error> {
        let window = monitor.take();
        let task = monitor.task.name();
        let stored = store.baseline(&self.model, task).await;
        if let Ok(stored) = &stored {
            monitor.adopt(stored.clone());
        }
        match monitor.judge(window, &self.config) {
            Some(longer) => store.keep_baseline(&self.model, task, longer).await?,
            None => stored.map(|_| ())?,
        }
        monitor.lock().stored = true;
        Ok(())
    }

    /// What somebody should look at, a line a task.
    pub fn warnings(&self) -> Vec<String> {
        let alarm = self.config.alarm;
        let line = |monitor: &Monitor| {
            let state = monitor.lock();
            let drifted: Vec<String> =
                state.drifted.iter().map(|(name, index)| format!("{name} {index:.2}")).collect();
            let task = monitor.task.name();
            (!drifted.is_empty()).then(|| {
                format!(
                    "the texts of the task {task} have drifted: {} (population stability index; \
                        the alarm is at {alarm})",
                    drifted.join(", ")
                )
            })
        };
        self.monitors.iter().filter_map(line).collect()
    }
}

impl Monitor {
    fn new(task: Task, signals: &[&'static str]) -> Monitor {
        let names = signals.iter().copied().chain(BESIDE_SIGNALS);
        let state = State {
            since: Instant::now(),
            baseline: Cells::new(),
            baseline_texts: 0,
            stored: false,
            drifted: BTreeMap::new(),
        };
        Monitor {
            task,
            texts: AtomicU64::new(0),
            dimensions: names.map(|name| (name, Counters::default())).collect(),
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self, config: &DriftConfig) -> bool {
        let minutes = Duration::from_secs(60 * config.window_minutes);
        self.texts.load(Ordering::Relaxed) >= config.window_texts.max(1)
            && self.lock().since.elapsed() >= minutes
    }

    /// The window, and its number of texts; a new one begins. A text that is being counted meanwhile
    /// may fall into both in part, which moves a share by a thousandth.
    fn take(&self) -> (u64, Cells) {
        let texts = self.texts.swap(0, Ordering::Relaxed);
        let cells =
            |(name, counters): &(&'static str, Counters)| ((*name).to_owned(), counters.take());
        let window = self.dimensions.iter().map(cells).collect();
        self.lock().since = Instant::now();
        (texts, window)
    }

    /// Goes on with the stored baseline where that has more texts, and begins anew where it was
    /// taken from the store. One that another version has counted differently is none.
    fn adopt(&self, stored: Option<Baseline>) {
        let mut state = self.lock();
        let known = stored.and_then(|stored| {
            let cells: Cells = serde_json::from_str(&stored.counts).ok()?;
            let fits = |(name, _): &(&'static str, Counters)| {
                cells.get(*name).is_some_and(|cells| cells.len() == histogram::CELLS)
            };
            self.dimensions.iter().all(fits).then_some((stored.texts, cells))
        });
        match known {
            Some((texts, cells)) if texts >= state.baseline_texts => {
                (state.baseline_texts, state.baseline, state.stored) = (texts, cells, true);
            }
            Some(_) => {}
            None if state.stored => {
                (state.baseline_texts, state.baseline, state.stored) = (0, Cells::new(), false);
                tracing::info!(task = self.task.name(), "a new drift baseline begins");
            }
            None => {}
        }
    }

    /// Compares a window with the baseline, once that is long enough; until then adds to it and
    /// returns what is to be stored.
    fn judge(&self, (texts, window): (u64, Cells), config: &DriftConfig) -> Option<Baseline> {
        let mut state = self.lock();
        let state = &mut *state;
        let task = self.task.name();
        if state.baseline_texts < config.baseline_texts {
            for (name, cells) in window {
                let sums = state.baseline.entry(name).or_insert_with(|| vec![0; cells.len()]);
                sums.iter_mut().zip(cells).for_each(|(sum, count)| *sum += count);
            }
            state.baseline_texts += texts;
            state.drifted.clear();
            publish(task, state, None);
            let counts =
                serde_json::to_string(&state.baseline).expect("numbers and names are JSON");
            return Some(Baseline { texts: state.baseline_texts, counts });
        }
        let mut indices = BTreeMap::new();
        for (name, _) in &self.dimensions {
            let (Some(before), Some(now)) = (state.baseline.get(*name), window.get(*name)) else {
                continue;
            };
            let index = match of_categories(name) {
                Some(count) => stability_index(&before[..count], &now[..count], true),
                None => stability_index(before, now, false),
            };
            indices.insert(*name, index);
        }
        let drifted: BTreeMap<&'static str, f64> = indices
            .iter()
            .filter(|(_, index)| **index >= config.alarm)
            .map(|(name, index)| (*name, *index))
            .collect();
        for (name, index) in &drifted {
            if !state.drifted.contains_key(name) {
                let index = (index * 100.0).round() / 100.0;
                tracing::warn!(
                    task,
                    dimension = name,
                    index,
                    texts,
                    "the texts have drifted from the baseline"
                );
            }
        }
        state.drifted = drifted;
        publish(task, state, Some(&indices));
        metrics::counter!("undertone_drift_windows_total", "task" => task).increment(1);
        None
    }
}

/// How many categories a dimension has; `None` where its cells are in order.
fn of_categories(name: &str) -> Option<usize> {
    match name {
        LABEL => Some(Label::ALL.len()),
        UNSUPPORTED => Some(2),
        _ => None,
    }
}

fn publish(task: &'static str, state: &State, indices: Option<&BTreeMap<&'static str, f64>>) {
    metrics::gauge!("undertone_drift_baseline_texts", "task" => task)
        .set(state.baseline_texts as f64);
    for (name, index) in indices.into_iter().flatten() {
        metrics::gauge!("undertone_drift_index", "task" => task, "dimension" => *name).set(*index);
    }
    let alarm = if state.drifted.is_empty() { 0.0 } else { 1.0 };
    metrics::gauge!("undertone_drift_alarm", "task" => task).set(alarm);
}
