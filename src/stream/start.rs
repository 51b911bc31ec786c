//! Before the first record: are the brokers there, and the topics?

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio_util::sync::CancellationToken;

use super::kafka::Reading;
use super::status::Status;
use crate::app::{StreamConfig, TopicNames};

const PATIENCE: Duration = Duration::from_secs(5);
/// More than a client has to tell in that time.
const EVENTS: usize = 100;

const PAUSE: Duration = Duration::from_millis(500);

/// Waits until all topics are there; `false` where the worker is to stop before. What is missing is told
/// once, and looked for again.
pub fn wait_for_topics(
    consumer: &Reading,
    config: &StreamConfig,
    status: &Status,
    stop: &CancellationToken,
) -> bool {
    let TopicNames { input, output, dead_letters } = config.topics();
    let keys =
        [("input_topic", input), ("output_topic", output), ("dead_letter_topic", dead_letters)];
    let mut told = None;
    while !stop.is_cancelled() {
        // Serves the errors that say why nobody answers: a wrong password, say.
        for _ in 0..EVENTS {
            if let Some(Err(error)) = consumer.poll(Duration::ZERO) {
                consumer.context().tell(&error);
            }
        }
        let missing = keys.iter().find_map(|(key, topic)| missing(consumer, config, key, topic));
        let Some(missing) = missing else {
            if told.is_some() {
                tracing::info!("Kafka: brokers and topics are there");
            }
            return true;
        };
        if told.as_ref() != Some(&missing) {
            tracing::warn!("{missing}");
            status.waits(&missing);
            told = Some(missing);
        }
        std::thread::sleep(PAUSE);
    }
    false
}

/// What is missing of a topic, and what to do about it.
fn missing(consumer: &Reading, config: &StreamConfig, key: &str, topic: &str) -> Option<String> {
    let again = "the worker looks for it again";
    match consumer.fetch_metadata(Some(topic), PATIENCE) {
        Ok(metadata) => {
            let found = metadata.topics().iter().find(|one| one.name() == topic);
            let has_partitions = found.is_some_and(|one| !one.partitions().is_empty());
            match found.and_then(|one| one.error()).map(RDKafkaErrorCode::from) {
                None if has_partitions => None,
                Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Some(format!(
                    "stream.{key}: this user may not use the topic {topic}: grant it; {again}"
                )),
                _ => Some(format!(
                    "stream.{key}: there is no topic {topic}: create it (kafka-topics.sh --create \
                     --topic {topic} --partitions N); {again}"
                )),
            }
        }
        Err(error) => {
            let code = error.rdkafka_error_code();
            let reason = match (&error, code) {
                (KafkaError::MetadataFetch(_), Some(code)) => code.to_string(),
                _ => error.to_string(),
            };
            Some(format!(
                "stream.brokers: no broker at {} answers ({reason}); the worker keeps trying",
                config.brokers
            ))
        }
    }
}
