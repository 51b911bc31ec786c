//! What a gateway takes of the results topic: each result counts in the windows once, whatever crashes,
//! and however many gateways read. How far the topic has been read is in the store, with the windows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::kafka::{Reader, Reading};
use super::routing::{Escalation, Routing, Timing};
use super::status::{Part, Status};
use super::{created, kafka, lag};
use crate::app::{FoldError, Reached, SharedApp};
use crate::sentiment::{Emotion, Label};
use crate::trends::{Observation, WindowKey, score_micros, term_of};

/// The most records that are folded at once, and how long they wait for each other.
const MOST: usize = 5_000;
const GATHER: Duration = Duration::from_millis(200);

/// How often the topic is asked for partitions that are new.
const LOOK_EVERY: Duration = Duration::from_secs(10);

const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(500);

/// Reads the results into the windows, and watches the workers' lag, until `stop` is cancelled. What is
/// being folded then is finished before the thread ends.
///
/// # Errors
/// A configuration that librdkafka does not take.
pub fn follow(app: &SharedApp, stop: CancellationToken) -> anyhow::Result<Following> {
    let config = &app.config().stream;
    let status = Arc::new(Status::default());
    let reader = Reader::new(Arc::clone(&status), &config.output_topic);
    let mut client = kafka::group_client(config)?;
    // Never joined, and nothing is committed to it: librdkafka wants a name.
    client.set("group.id", format!("{}-windows", config.group));
    // Its users find the topic made or not; a gateway makes none.
    client.set("allow.auto.create.topics", "false");
    let consumer = created(&client, reader)?;
    if !config.input_topic.is_empty() {
        lag::watch(config, stop.clone())?;
    }
    let topic = config.output_topic.clone();
    let (app, runtime) = (Arc::clone(app), Handle::current());
    let folding = Folding { app, runtime, consumer, status, topic, folded: HashMap::new() };
    let thread =
        std::thread::Builder::new().name("results".into()).spawn(move || folding.run(&stop))?;
    Ok(Following { thread })
}

/// A reader that runs.
pub struct Following {
    thread: std::thread::JoinHandle<()>,
}

impl Following {
    /// Waits for its end.
    pub async fn join(self) {
        let _ = tokio::task::spawn_blocking(|| self.thread.join()).await;
    }
}

struct Folding {
    app: SharedApp,
    runtime: Handle,
    consumer: Reading,
    status: Arc<Status>,
    topic: String,
    /// The first offset of each partition that is not in the windows, as the store said last.
    folded: HashMap<i32, i64>,
}

/// Records that are to be folded together, in the order in which they were read.
#[derive(Default)]
struct Batch {
    records: Vec<(i32, Observation)>,
    routings: Vec<Routing>,
    /// Of each partition the first offset that was not read.
    reached: BTreeMap<i32, i64>,
    read: usize,
}

impl Folding {
    fn run(mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.begin() {
                Ok(partitions) => {
                    self.status.well(Part::Reading);
                    self.read_on(partitions, stop);
                }
                Err(reason) => {
                    self.status.trouble(Part::Reading, &reason);
                    self.tell();
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    /// Takes all partitions from where the store is; how many there are.
    fn begin(&mut self) -> Result<usize, String> {
        let topic = &self.topic;
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE);
        let metadata = metadata.map_err(|error| error.to_string())?;
        let found = metadata.topics().iter().find(|one| one.name() == topic);
        let partitions: Vec<i32> = found
            .map(|one| one.partitions().iter().map(|one| one.id()).collect())
            .unwrap_or_default();
        if partitions.is_empty() {
            return Err(format!("stream.output_topic: there is no topic {topic} yet"));
        }
        let folded = self.runtime.block_on(self.app.folded_offsets(topic));
        self.folded = folded.map_err(|error| error.to_string())?;
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in &partitions {
            let from =
                self.folded.get(partition).map_or(Offset::Beginning, |at| Offset::Offset(*at));
            // The offset is one that Kafka gave.
            let _ = list.add_partition_offset(topic, *partition, from);
        }
        self.consumer.assign(&list).map_err(|error| error.to_string())?;
        Ok(partitions.len())
    }

    /// Reads and folds until the partitions are others, or the store is somewhere else.
    fn read_on(&mut self, partitions: usize, stop: &CancellationToken) {
        let mut looked = Instant::now();
        while !stop.is_cancelled() {
            let batch = self.gather();
            self.tell();
            if batch.read > 0 && !self.fold(&batch, stop) {
                return;
            }
            if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                if self.count_partitions().is_some_and(|now| now != partitions) {
                    return;
                }
            }
        }
    }

    /// Lets the gateway know how it stands.
    fn tell(&self) {
        self.app.results_are(self.status.error());
    }

    fn count_partitions(&self) -> Option<usize> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), PATIENCE).ok()?;
        let found = metadata.topics().iter().find(|one| one.name() == self.topic)?;
        Some(found.partitions().len())
    }

    fn gather(&self) -> Batch {
        let mut batch = Batch::default();
        let mut since: Option<Instant> = None;
        while batch.read < MOST && since.is_none_or(|since| since.elapsed() < GATHER) {
            match self.consumer.poll(GATHER) {
                Some(Ok(message)) => {
                    since.get_or_insert_with(Instant::now);
                    batch.add(message.partition(), message.offset(), message.payload());
                }
                Some(Err(error)) => self.consumer.context().tell(&error),
                None => break,
            }
        }
        batch
    }

    /// Folds a batch, however long the store takes; `false` where another gateway was quicker, and reading
    /// begins anew from where the store is.
    fn fold(&mut self, batch: &Batch, stop: &CancellationToken) -> bool {
        let reached: Vec<Reached> = batch
            .reached
            .iter()
            .map(|(partition, to)| Reached {
                partition: *partition,
                from: self.folded.get(partition).copied(),
                to: *to,
            })
            .collect();
        loop {
            let folded = self.app.fold_records(&self.topic, &reached, &batch.records);
            match self.runtime.block_on(folded) {
                Ok(()) => {
                    self.status.well(Part::Writing);
                    self.folded.extend(batch.reached.iter().map(|(at, to)| (*at, *to)));
                    metrics::counter!("undertone_results_folded_total")
                        .increment(batch.records.len() as u64);
                    batch.routings.iter().for_each(Routing::count);
                    return true;
                }
                Err(FoldError::Moved { .. }) => return false,
                Err(FoldError::Store(error)) => {
                    let reason =
                        format!("the windows cannot be written until the store answers: {error}");
                    self.status.trouble(Part::Writing, &reason);
                    self.tell();
                    if stop.is_cancelled() {
                        return false;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}

impl Batch {
    fn add(&mut self, partition: i32, offset: i64, value: Option<&[u8]>) {
        self.read += 1;
        self.reached.insert(partition, offset + 1);
        // Else somebody else's record, or a tombstone.
        let Some(result) = value.and_then(|value| serde_json::from_slice(value).ok()) else {
            return pass_over();
        };
        let Some(text) = observation(&result) else { return pass_over() };
        self.records.push((partition, text));
        self.routings.extend(routing(&result));
    }
}

fn pass_over() {
    metrics::counter!("undertone_results_passed_over_total").increment(1);
}

/// A result, as far as windows and `/metrics` need it.
#[derive(Deserialize)]
struct ResultValue {
    input: Input,
    key: Option<String>,
    sentiment: Option<Verdict>,
    aspects: Option<Verdict>,
    emotions: Option<Verdict>,
}

#[derive(Deserialize)]
struct Input {
    timestamp: String,
}

#[derive(Deserialize)]
struct Verdict {
    label: Label,
    scores: Scores,
    #[serde(default)]
    aspects: Vec<Aspect>,
    #[serde(default)]
    emotions: Vec<Shown>,
    #[serde(default)]
    cached: bool,
    escalation: Option<Escalation>,
    timing: Option<Timing>,
}

#[derive(Deserialize)]
struct Scores {
    negative: f64,
    positive: f64,
}

#[derive(Deserialize)]
struct Aspect {
    term: String,
    sentiment: Option<Label>,
}

#[derive(Deserialize)]
struct Shown {
    label: Emotion,
    detected: bool,
}

impl ResultValue {
    fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        [&self.sentiment, &self.aspects, &self.emotions].into_iter().flatten()
    }
}

/// `None` where the result says nothing of it: it counts in the windows all the same.
fn routing(result: &ResultValue) -> Option<Routing> {
    let of = |verdict: &Verdict| {
        Routing::of(verdict.cached, verdict.escalation.as_ref()?, verdict.timing.as_ref()?)
    };
    let tasks: Vec<Routing> = result.verdicts().filter_map(of).collect();
    Routing::together(&tasks)
}

fn observation(result: &ResultValue) -> Option<Observation> {
    let at = OffsetDateTime::parse(&result.input.timestamp, &Rfc3339).ok()?;
    let at_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()?;
    let whole = result.verdicts().next()?;
    let aspects = result.aspects.iter().flat_map(|verdict| &verdict.aspects);
    let emotions = result.emotions.iter().flat_map(|verdict| &verdict.emotions);
    Some(Observation {
        at_ms,
        key: WindowKey::of(result.key.as_deref()),
        label: whole.label,
        score_micros: score_micros(whole.scores.positive, whole.scores.negative),
        emotions: emotions.filter(|one| one.detected).map(|one| one.label).collect(),
        aspects: aspects.filter_map(|one| Some((term_of(&one.term)?, one.sentiment?))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_counts_under_its_key_at_the_time_of_its_event_with_all_that_was_asked() {
        let value = serde_json::json!({
            "input": {"topic": "t", "partition": 0, "offset": 7, "timestamp": "2024-05-01T10:00:00.5Z"},
            "key": "acme",
            "sentiment": {
                "label": "mixed", "scores": {"negative": 0.3, "neutral": 0.1, "positive": 0.5, "mixed": 0.1},
                "cached": false, "timing": {"total_ms": 1.5},
                // Another version's words cost a text no place in the windows.
                "escalation": {"reasons": ["a_later_one"], "outcome": "a_later_one"}
            },
            "aspects": {
                "label": "mixed", "scores": {"negative": 0.3, "neutral": 0.1, "positive": 0.5, "mixed": 0.1},
                "aspects": [
                    {"term": "Battery  Life", "sentiment": "negative"}, {"term": "lid", "sentiment": null}
                ]
            },
            "emotions": {
                "label": "mixed", "scores": {"negative": 0.3, "neutral": 0.1, "positive": 0.5, "mixed": 0.1},
                "emotions": [
                    {"label": "joy", "score": 0.9, "detected": true},
                    {"label": "anger", "score": 0.1, "detected": false}
                ]
            }
        });
        let expected = Observation {
            at_ms: 1_714_557_600_500,
            key: WindowKey::of(Some("acme")),
            label: Label::Mixed,
            score_micros: 200_000,
            emotions: vec![Emotion::Joy],
            aspects: vec![("battery life".to_owned(), Label::Negative)],
        };
        let mut batch = Batch::default();
        batch.add(1, 6, Some(value.to_string().as_bytes()));
        assert_eq!((&batch.records[..], batch.routings.len()), (&[(1, expected)][..], 0));
        for other in [&b"{}"[..], b"", b"\xff", br#"{"input": {"timestamp": "x"}, "key": null}"#] {
            batch.add(1, 7, Some(other));
        }
        assert_eq!((batch.records.len(), batch.read), (1, 5));
    }

    #[test]
    fn what_is_no_result_is_read_and_done_with() {
        let mut batch = Batch::default();
        batch.add(2, 40, Some(b"not ours"));
        batch.add(2, 43, None);
        assert_eq!((batch.records.len(), batch.read), (0, 2));
        assert_eq!(batch.reached, BTreeMap::from([(2, 44)]));
    }
}
