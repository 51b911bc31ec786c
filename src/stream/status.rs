//! How the worker stands with Kafka, for readiness, logs and metrics.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Shared by all that speak to Kafka. A trouble is told once, and its end once.
#[derive(Debug, Default)]
pub struct Status(Mutex<State>);

/// What can be in trouble by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// No broker is reached.
    Connection,
    /// The input cannot be read.
    Reading,
    /// Results are not taken, or what is committed is not told.
    Writing,
}

#[derive(Debug, Default)]
struct State {
    troubles: BTreeMap<Part, String>,
    is_reading: bool,
    assigned: usize,
    /// One above the last offset of each partition, as the broker last said.
    ends: HashMap<i32, i64>,
}

/// As `/readyz` of a worker shows it.
#[derive(Debug, Serialize)]
pub struct KafkaPart {
    /// Whether it reads, and Kafka answers.
    pub ok: bool,
    /// How many partitions are this worker's.
    pub partitions: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Status {
    /// Something does not work.
    pub fn trouble(&self, part: Part, reason: &str) {
        if self.lock().troubles.insert(part, reason.to_owned()).is_none() {
            let what = part.words();
            tracing::warn!(reason, "Kafka: {what}; the worker tries again");
        }
    }

    /// It works.
    pub fn well(&self, part: Part) {
        if self.lock().troubles.remove(&part).is_some() {
            let what = part.words();
            tracing::info!("Kafka: this is over: {what}");
        }
    }

    /// What is missing before reading can begin, which has been told.
    pub fn waits(&self, reason: &str) {
        self.lock().troubles.insert(Part::Reading, reason.to_owned());
    }

    /// The topics are there, and reading has begun.
    pub fn reads(&self) {
        let mut state = self.lock();
        state.is_reading = true;
        state.troubles.clear();
    }

    pub fn set_assigned(&self, partitions: usize) {
        self.lock().assigned = partitions;
    }

    pub fn set_ends(&self, ends: HashMap<i32, i64>) {
        self.lock().ends = ends;
    }

    pub fn ends(&self) -> HashMap<i32, i64> {
        self.lock().ends.clone()
    }

    /// What is in trouble, if anything is.
    pub fn error(&self) -> Option<String> {
        self.lock().troubles.values().next().cloned()
    }

    pub fn part(&self) -> KafkaPart {
        let state = self.lock();
        KafkaPart {
            ok: state.is_reading && state.troubles.is_empty(),
            partitions: state.assigned,
            error: state.troubles.values().next().cloned(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    fn words(self) -> &'static str {
        match self {
            Part::Connection => "no broker is reached",
            Part::Reading => "records cannot be read",
            Part::Writing => "results cannot be written",
        }
    }
}
