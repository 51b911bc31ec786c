//! What a record becomes: a result, a dead letter, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use serde::Serialize;

use super::record::{Poison, Record, Subject};
use crate::app::{Analysis, TopicNames};
use crate::http::AnalysisResponse;
use crate::sentiment::Task;

/// What a record came to.
#[derive(Debug)]
pub enum Outcome {
    /// The result's value, as JSON.
    Result(Vec<u8>),
    DeadLetter(Poison),
    /// A tombstone: there is nothing to analyse.
    Nothing,
}

/// A finished record, which waits for its commit.
#[derive(Debug)]
pub struct Finished {
    pub record: Record,
    pub outcome: Outcome,
}

/// What is written for a record.
pub struct Output<'a> {
    pub topic: &'a str,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Option<OwnedHeaders>,
}

/// The value of a result; each verdict is as its endpoint answers.
#[derive(Serialize)]
struct ResultValue<'a> {
    input: Input<'a>,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sentiment: Option<AnalysisResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspects: Option<AnalysisResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emotions: Option<AnalysisResponse>,
}

#[derive(Serialize)]
struct Input<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    /// The time of the event, RFC 3339.
    timestamp: &'a str,
}

impl Outcome {
    /// A result under an id of its own; the record's analyses took `total` together.
    pub fn result(
        topic: &str,
        record: &Record,
        subject: &Subject,
        id: &str,
        analyses: Vec<(Task, Analysis)>,
        total: Duration,
    ) -> Outcome {
        let input = Input {
            topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: &subject.timestamp,
        };
        let key = subject.key.as_deref();
        let mut value = ResultValue { input, key, sentiment: None, aspects: None, emotions: None };
        for (task, analysis) in analyses {
            let answer = AnalysisResponse::new(id.to_owned(), analysis, total, None, None);
            let place = match task {
                Task::Sentiment => &mut value.sentiment,
                Task::Aspects => &mut value.aspects,
                Task::Emotions => &mut value.emotions,
            };
            *place = Some(answer);
        }
        Outcome::Result(serde_json::to_vec(&value).expect("strings and numbers always serialise"))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Result(_) => "result",
            Outcome::DeadLetter(_) => "dead_letter",
            Outcome::Nothing => "tombstone",
        }
    }
}

impl Finished {
    /// What is to be written, if anything.
    pub fn output<'a>(&'a self, topics: &'a TopicNames) -> Option<Output<'a>> {
        let key = self.record.key.as_deref();
        match &self.outcome {
            Outcome::Nothing => None,
            Outcome::Result(value) => {
                Some(Output { topic: &topics.output, key, value: Some(value), headers: None })
            }
            Outcome::DeadLetter(poison) => Some(Output {
                topic: &topics.dead_letters,
                key,
                value: self.record.value.as_deref(),
                headers: Some(self.error_headers(&topics.input, poison)),
            }),
        }
    }

    /// What becomes of a record whose output the broker holds too large. A result becomes a dead letter;
    /// a dead letter loses its value, which stays where its headers say.
    pub fn shrink(&mut self, topics: &TopicNames) {
        let stage = "TASK_PUT";
        let (class, message) = match &self.outcome {
            Outcome::DeadLetter(_) => {
                let bytes = self.record.value.take().map_or(0, |value| value.len());
                let message = format!(
                    "the record of {bytes} bytes is larger than max.message.bytes of {} allows; its value \
                     is left out, and is at the offset above",
                    topics.dead_letters
                );
                ("TooLarge", message)
            }
            _ => {
                let bytes = match &self.outcome {
                    Outcome::Result(value) => value.len(),
                    _ => 0,
                };
                let message = format!(
                    "its result of {bytes} bytes is larger than max.message.bytes of {} allows",
                    topics.output
                );
                ("ResultTooLarge", message)
            }
        };
        self.outcome = Outcome::DeadLetter(Poison { class, stage, message });
    }

    /// The record's own headers and, after them, those that Kafka Connect uses.
    fn error_headers(&self, topic: &str, poison: &Poison) -> OwnedHeaders {
        let class = format!("undertone.{}", poison.class);
        let (partition, offset) =
            (self.record.partition.to_string(), self.record.offset.to_string());
        let own = self.record.headers.clone().unwrap_or_default();
        [
            ("topic", topic),
            ("partition", &partition),
            ("offset", &offset),
            ("stage", poison.stage),
            ("exception.class.name", &class),
            ("exception.message", &poison.message),
        ]
        .into_iter()
        .fold(own, |all, (name, value)| {
            all.insert(Header { key: &format!("__connect.errors.{name}"), value: Some(value) })
        })
    }
}

/// The offsets of records, by their partitions.
pub fn offsets_of<'a>(all: impl Iterator<Item = &'a Finished>) -> BTreeMap<i32, BTreeSet<i64>> {
    let mut offsets: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    for Finished { record, .. } in all {
        offsets.entry(record.partition).or_default().insert(record.offset);
    }
    offsets
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;

    use super::*;

    fn finished(outcome: Outcome) -> Finished {
        let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some("t1") });
        let record = Record {
            partition: 3,
            offset: 41,
            timestamp: None,
            key: Some(b"k".to_vec()),
            value: Some(b"{oops".to_vec()),
            headers: Some(headers),
            read_at: std::time::Instant::now(),
        };
        Finished { record, outcome }
    }

    fn topics() -> TopicNames {
        TopicNames { input: "in".into(), output: "out".into(), dead_letters: "in.dead".into() }
    }

    #[test]
    fn a_dead_letter_keeps_key_value_and_headers_and_says_what_was_wrong() {
        let poison = Poison { class: "NotJson", stage: "VALUE_CONVERTER", message: "m".into() };
        let finished = finished(Outcome::DeadLetter(poison));
        let topics = topics();
        let output = finished.output(&topics).expect("it is written");
        assert_eq!((output.topic, output.key), ("in.dead", Some(&b"k"[..])));
        assert_eq!(output.value, Some(&b"{oops"[..]));
        let headers = output.headers.expect("it has some");
        let all: Vec<(&str, &str)> = headers
            .iter()
            .map(|one| (one.key, std::str::from_utf8(one.value.unwrap_or_default()).unwrap()))
            .collect();
        let connect = |name| format!("__connect.errors.{name}");
        assert_eq!(all[0], ("trace", "t1"));
        assert_eq!(all[1], (connect("topic").as_str(), "in"));
        assert_eq!(all[2], (connect("partition").as_str(), "3"));
        assert_eq!(all[3], (connect("offset").as_str(), "41"));
        assert_eq!(all[4], (connect("stage").as_str(), "VALUE_CONVERTER"));
        assert_eq!(all[5], (connect("exception.class.name").as_str(), "undertone.NotJson"));
        assert_eq!(all[6], (connect("exception.message").as_str(), "m"));
    }

    #[test]
    fn what_is_too_large_becomes_smaller_each_time_and_is_never_dropped() {
        let mut finished = finished(Outcome::Result(b"{}".to_vec()));
        let topics = topics();
        finished.shrink(&topics);
        let value = |finished: &Finished| {
            finished.output(&topics).map(|output| (output.topic.to_owned(), output.value.is_some()))
        };
        assert_eq!(value(&finished), Some(("in.dead".into(), true)));
        finished.shrink(&topics);
        assert_eq!(value(&finished), Some(("in.dead".into(), false)));
    }
}
