//! What the worker tells `/metrics`: how far behind it is, what is under way, what it has done.

use std::time::{Duration, Instant};

use super::desk::Desk;
use super::outcome::Finished;
use super::partitions::Partitions;
use super::status::Status;

/// How often gauges are set.
const EVERY: Duration = Duration::from_millis(500);

pub struct Gauges {
    topic: String,
    shown_at: Option<Instant>,
    /// The partitions whose lag was last shown.
    shown: Vec<i32>,
}

impl Gauges {
    pub fn new(topic: &str) -> Gauges {
        Gauges { topic: topic.to_owned(), shown_at: None, shown: Vec::new() }
    }

    pub fn show(&mut self, partitions: &Partitions, status: &Status, desk: &Desk) {
        if self.shown_at.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.shown_at = Some(Instant::now());
        let load = partitions.load();
        metrics::gauge!("undertone_stream_in_flight_records").set(load.records as f64);
        metrics::gauge!("undertone_stream_in_flight_bytes").set(load.bytes as f64);
        metrics::gauge!("undertone_stream_partitions").set(partitions.count() as f64);
        metrics::gauge!("undertone_stream_paused_partitions").set(partitions.paused() as f64);
        let gate = desk.gate();
        for (state, count) in [("asking", gate.asking()), ("waiting", gate.waiting())] {
            metrics::gauge!("undertone_stream_escalations", "state" => state).set(count as f64);
        }
        let ends = status.ends();
        let lags = partitions.lags(|partition| ends.get(&partition).copied());
        // What is another worker's is that one's to tell.
        for gone in &self.shown {
            if !lags.iter().any(|(partition, _)| partition == gone) {
                lag_gauge(&self.topic, *gone).set(f64::NAN);
            }
        }
        self.shown = lags.iter().map(|(partition, _)| *partition).collect();
        for (partition, lag) in lags {
            lag_gauge(&self.topic, partition).set(lag as f64);
        }
    }

    /// A record is written and committed.
    pub fn committed(&self, finished: &Finished) {
        let outcome = finished.outcome.name();
        metrics::counter!("undertone_stream_records_total", "outcome" => outcome).increment(1);
        metrics::histogram!("undertone_stream_record_seconds")
            .record(finished.record.read_at.elapsed());
    }
}

pub fn lag_gauge(topic: &str, partition: i32) -> metrics::Gauge {
    metrics::gauge!(
        "undertone_stream_lag_records",
        "topic" => topic.to_owned(),
        "partition" => partition.to_string()
    )
}
