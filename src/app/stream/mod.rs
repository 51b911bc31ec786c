//! The section `[stream]`: which topics the worker reads and writes, and what holds it within bounds.

mod properties;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::config::Error;
use crate::json::unmarked_text;
use crate::sentiment::{Task, Tasks};
use crate::trends::Windowing;

pub use properties::{KafkaProperties, is_secret};

/// The most offsets that may lie between the lowest unfinished record of a partition and the newest that
/// was read: as many bits as fit what Kafka keeps beside an offset (4,096 bytes, in Base64).
const WINDOW_LIMIT: usize = 24_000;

/// The most bytes of a topic's name that Kafka takes.
const TOPIC_LIMIT: usize = 249;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// `host:port`, several with commas; empty: no Kafka.
    #[serde(deserialize_with = "listed")]
    pub brokers: String,
    pub group: String,
    pub input_topic: String,
    pub output_topic: String,
    /// Empty: the input topic's name with `.dead`.
    pub dead_letter_topic: String,
    pub tasks: Vec<Task>,
    pub delivery: Delivery,
    /// JSON Pointers (RFC 6901). Without the first the value is plain text.
    pub text_field: Option<String>,
    pub key_field: Option<String>,
    pub time_field: Option<String>,
    pub window_seconds: u32,
    pub lateness_seconds: u32,
    pub commit_interval_ms: u64,
    pub in_flight_records: usize,
    pub in_flight_bytes: usize,
    pub partition_window: usize,
    /// 0: as many texts as may be with the LLM at once.
    pub escalations: usize,
    pub escalation_wait_ms: u64,
    pub kafka: KafkaProperties,
    /// Properties whose values are in files.
    pub kafka_files: KafkaFiles,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Results and offsets in one transaction.
    ExactlyOnce,
    /// Results first, offsets after: a crash may repeat some.
    AtLeastOnce,
}

/// Files that hold the value of a property of librdkafka each.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KafkaFiles(std::collections::BTreeMap<String, PathBuf>);

/// The topics of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    pub input: String,
    pub output: String,
    pub dead_letters: String,
}

impl StreamConfig {
    /// Whether there is a Kafka at all.
    pub fn is_configured(&self) -> bool {
        !self.brokers.is_empty()
    }

    /// What windows of event time are, for every door.
    pub fn windowing(&self) -> Windowing {
        let (window_seconds, lateness_seconds) = (self.window_seconds, self.lateness_seconds);
        Windowing { window_seconds, lateness_seconds }
    }

    pub fn tasks(&self) -> Tasks {
        self.tasks.iter().copied().collect()
    }

    pub fn topics(&self) -> TopicNames {
        let dead_letters = match self.dead_letter_topic.is_empty() {
            true => format!("{}.dead", self.input_topic),
            false => self.dead_letter_topic.clone(),
        };
        let (input, output) = (self.input_topic.clone(), self.output_topic.clone());
        TopicNames { input, output, dead_letters }
    }

    pub fn commit_interval(&self) -> Duration {
        Duration::from_millis(self.commit_interval_ms)
    }

    pub fn escalation_wait(&self) -> Duration {
        Duration::from_millis(self.escalation_wait_ms)
    }

    /// All properties, those in files read.
    ///
    /// # Errors
    /// A file that cannot be read, with the property.
    pub fn kafka_properties(&self) -> Result<Vec<(String, String)>, Error> {
        let mut all: Vec<(String, String)> = self.kafka.iter().collect();
        for (name, file) in &self.kafka_files.0 {
            let value = std::fs::read_to_string(file).map_err(|reason| {
                let key = format!("stream.kafka_files.\"{name}\"");
                Error::Value(format!("{key}: {} cannot be read: {reason}", file.display()))
            })?;
            all.push((
                properties::dotted(name),
                unmarked_text(&value).trim_end_matches(['\r', '\n']).to_owned(),
            ));
        }
        Ok(all)
    }

    /// What types alone cannot say, of a worker's configuration or of any: all that is wrong.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.windowing().faults();
        let mut fault = |message: String| faults.push(message);
        let positive = [
            ("in_flight_records", self.in_flight_records, 1_000_000),
            ("in_flight_bytes", self.in_flight_bytes, usize::MAX),
            ("partition_window", self.partition_window, WINDOW_LIMIT),
        ];
        for (key, value, limit) in positive {
            if !(1..=limit).contains(&value) {
                let most = if limit == usize::MAX { "up".into() } else { limit.to_string() };
                fault(format!("stream.{key}: {value} is not in 1 to {most}"));
            }
        }
        if !(1..=10_000).contains(&self.commit_interval_ms) {
            let value = self.commit_interval_ms;
            fault(format!("stream.commit_interval_ms: {value} is not in 1 to 10000"));
        }
        if self.tasks().is_empty() {
            fault("stream.tasks is empty; expected any of sentiment, aspects, emotions".into());
        }
        for (key, pointer) in [
            ("text_field", &self.text_field),
            ("key_field", &self.key_field),
            ("time_field", &self.time_field),
        ] {
            let Some(pointer) = pointer else { continue };
            if !is_pointer(pointer) {
                fault(format!(
                    "stream.{key}: {pointer:?} is not a JSON Pointer such as \"/review/text\""
                ));
            }
            if self.text_field.is_none() {
                fault(format!(
                    "stream.{key} needs stream.text_field: without that the value is plain text"
                ));
            }
        }
        let files = self.kafka_files.0.keys().map(|name| properties::dotted(name));
        for name in self.kafka.iter().map(|(name, _)| name).chain(files) {
            if let Some(reason) = properties::refusal(&name) {
                fault(format!("stream.kafka: {name} cannot be set: {reason}"));
            }
        }
        let names = [("input_topic", &self.input_topic), ("output_topic", &self.output_topic)];
        for (key, name) in names.into_iter().chain([("dead_letter_topic", &self.dead_letter_topic)])
        {
            if !name.is_empty() && !is_topic(name) {
                fault(format!(
                    "stream.{key}: {name:?} is not a topic name: expected 1 to {TOPIC_LIMIT} of \
                        letters, \
                     digits, '.', '_' and '-'"
                ));
            }
        }
        if self.is_configured() && self.output_topic.is_empty() {
            fault("stream.output_topic is missing: results are written to it, and read".into());
        }
        faults
    }

    /// What a worker needs besides: every key that is missing or contradicts another, and every file that
    /// cannot be read.
    pub fn worker_faults(&self) -> Vec<String> {
        let needed = [
            ("brokers", &self.brokers, "where Kafka is, such as \"localhost:9092\""),
            ("input_topic", &self.input_topic, "the topic that the worker reads"),
            ("output_topic", &self.output_topic, "the topic that the worker writes results to"),
            ("group", &self.group, "the consumer group that workers share"),
        ];
        let missing = needed.iter().filter(|(_, value, _)| value.is_empty());
        let mut faults: Vec<String> =
            missing.map(|(key, _, what)| format!("stream.{key} is missing: {what}")).collect();
        let TopicNames { input, output, dead_letters } = self.topics();
        let is_complete = !input.is_empty() && !output.is_empty();
        if is_complete && (input == output || input == dead_letters || output == dead_letters) {
            let fault = "stream.input_topic, output_topic and dead_letter_topic have to differ";
            faults.push(fault.into());
        }
        faults.extend(self.kafka_properties().err().map(|error| match error {
            Error::Value(fault) => fault,
            other => other.to_string(),
        }));
        faults
    }

    /// # Errors
    /// What keeps a worker from starting.
    pub fn check_worker(&self) -> Result<(), Error> {
        let faults = self.worker_faults();
        if faults.is_empty() { Ok(()) } else { Err(Error::of(faults)) }
    }
}

impl Delivery {
    pub fn name(self) -> &'static str {
        match self {
            Delivery::ExactlyOnce => "exactly_once",
            Delivery::AtLeastOnce => "at_least_once",
        }
    }
}

/// RFC 6901: empty, or parts that each start with `/`, where `~` is followed by 0 or 1.
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    (text.is_empty() || text.starts_with('/')) && escapes.all(|rest| rest.starts_with(['0', '1']))
}

fn is_topic(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.len() <= TOPIC_LIMIT && name.chars().all(fits) && !matches!(name, "." | "..")
}

/// A string, or a list of strings.
fn listed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Brokers;
    impl<'de> serde::de::Visitor<'de> for Brokers {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("brokers as host:port, several with commas or as a list")
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.trim().to_owned())
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut all: A) -> Result<String, A::Error> {
            let mut brokers: Vec<String> = Vec::new();
            while let Some(broker) = all.next_element()? {
                brokers.push(broker);
            }
            Ok(brokers.join(","))
        }
    }
    deserializer.deserialize_any(Brokers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> toml::Table {
        let mut file: toml::Table =
            include_str!("../../../config/undertone.toml").parse().expect("it is TOML");
        match file.remove("stream") {
            Some(toml::Value::Table(section)) => section,
            other => panic!("a section: {other:?}"),
        }
    }

    fn with(toml: &str) -> Result<(), String> {
        let mut section = shipped();
        section.extend(toml.parse::<toml::Table>().expect("it is TOML"));
        let config: StreamConfig = section.try_into().expect("it is complete");
        let faults = [config.faults(), config.worker_faults()].concat();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
    }

    const WORKER: &str =
        "brokers = \"localhost:9092\"\ninput_topic = \"reviews\"\noutput_topic = \"out\"\n";

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(with(WORKER), Ok(()));
        for (toml, words) in [
            ("group = \"\"", "stream.group is missing"),
            ("output_topic = \"reviews\"", "have to differ"),
            ("dead_letter_topic = \"out\"", "have to differ"),
            ("input_topic = \"a b\"", "stream.input_topic: \"a b\" is not a topic name"),
            ("tasks = []", "stream.tasks is empty"),
            ("text_field = \"text\"", "stream.text_field: \"text\" is not a JSON Pointer"),
            ("text_field = \"/a~2\"", "is not a JSON Pointer"),
            ("time_field = \"/at\"", "stream.time_field needs stream.text_field"),
            ("commit_interval_ms = 0", "stream.commit_interval_ms: 0 is not in 1 to 10000"),
            ("partition_window = 24001", "24001 is not in 1 to 24000"),
            ("kafka = { isolation.level = \"read_uncommitted\" }", "isolation.level cannot be set"),
            ("kafka = { \"group.id\" = \"x\" }", "group.id cannot be set: stream.group sets it"),
            (
                "kafka_files = { sasl_password = \"/nowhere\" }",
                "\"sasl_password\": /nowhere cannot",
            ),
        ] {
            // Keys given twice are no TOML: what is tested comes in the other's stead.
            let key = toml.split(' ').next().unwrap_or_default();
            let rest: Vec<&str> = WORKER.lines().filter(|line| !line.starts_with(key)).collect();
            let message = with(&format!("{}\n{toml}", rest.join("\n"))).expect_err(toml);
            assert!(message.contains(words), "{toml}: {message}");
        }
    }

    #[test]
    fn brokers_come_as_a_text_or_as_a_list() {
        for toml in ["brokers = \"a:1,b:2\"", "brokers = [\"a:1\", \"b:2\"]"] {
            let mut section = shipped();
            section.extend(toml.parse::<toml::Table>().expect("it is TOML"));
            let config: StreamConfig = section.try_into().expect("it is complete");
            assert_eq!(config.brokers, "a:1,b:2");
        }
    }
}
