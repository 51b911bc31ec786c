//! How far the workers' group is behind, as a gateway sees it: what is committed against what is there.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::gauges::lag_gauge;
use super::kafka::{Reader, Reading};
use super::offsets::Point;
use super::status::Status;
use super::{created, kafka};
use crate::app::{ConfigError, StreamConfig};

/// How often the brokers are asked.
const EVERY: Duration = Duration::from_secs(2);

const PATIENCE: Duration = Duration::from_secs(5);

/// Watches the lag on a thread of its own until `stop`; it joins no group.
pub fn watch(config: &StreamConfig, stop: CancellationToken) -> Result<(), ConfigError> {
    let status = Arc::new(Status::default());
    let reader = Reader::new(status, &config.input_topic);
    let consumer = created(&kafka::group_client(config)?, reader)?;
    let topic = config.input_topic.clone();
    std::thread::spawn(move || {
        let mut shown = HashSet::new();
        while !stop.is_cancelled() {
            // Serves what the client has to tell.
            let _ = consumer.poll(Duration::ZERO);
            match lags(&consumer, &topic) {
                Ok(lags) => {
                    for (partition, lag) in lags {
                        lag_gauge(&topic, partition).set(lag as f64);
                        shown.insert(partition);
                    }
                }
                Err(error) => {
                    // What is not known is not told as if it were.
                    tracing::debug!(%error, "the lag of the workers is not known");
                    for partition in shown.drain() {
                        lag_gauge(&topic, partition).set(f64::NAN);
                    }
                }
            }
            std::thread::sleep(EVERY);
        }
    });
    Ok(())
}

/// Of each partition, the records that are not finished.
fn lags(consumer: &Reading, topic: &str) -> KafkaResult<Vec<(i32, i64)>> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        list.add_partition(topic, partition.id());
    }
    if list.count() == 0 {
        return Ok(Vec::new());
    }
    let list = consumer.committed_offsets(list, PATIENCE)?;
    let mut lags = Vec::new();
    for element in list.elements() {
        element.error()?;
        let partition = element.partition();
        let (first, end) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        let lag = match element.offset() {
            Offset::Offset(offset) => {
                let beyond = Point::of(offset, element.metadata()).map_or(0, |at| at.beyond.len());
                end - offset - i64::try_from(beyond).unwrap_or(i64::MAX)
            }
            _ => end - first,
        };
        lags.push((partition, lag.max(0)));
    }
    Ok(lags)
}
