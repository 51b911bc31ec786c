//! The clients of Kafka: how they are set up, and what they are told.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, ProducerContext};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::offsets::Point;
use super::status::{Part, Status};
use crate::app::{ConfigError, Delivery, StreamConfig, is_secret_property};

pub type Reading = BaseConsumer<Reader>;
pub type Writing = BaseProducer<Writer>;

/// What both kinds of clients start from; a user's properties override it.
const DEFAULTS: [(&str, &str); 6] = [
    ("client.id", "undertone"),
    // OpenSSL is linked in, and does not know where this machine keeps its authorities.
    ("ssl.ca.location", "probe"),
    ("reconnect.backoff.max.ms", "2000"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("statistics.interval.ms", "1000"),
    // Unreachable brokers are told once, by `Status`.
    ("log.connection.close", "false"),
];

const READING: [(&str, &str); 8] = [
    // A partition that is assigned while others are waited for gets its turn after this.
    ("fetch.wait.max.ms", "100"),
    // A group that is new starts at the beginning: nothing is left out.
    ("auto.offset.reset", "earliest"),
    // What a worker keeps across a rebalance it goes on with.
    ("partition.assignment.strategy", "cooperative-sticky"),
    // A killed worker's partitions go to the others after this.
    ("session.timeout.ms", "10000"),
    // Read ahead a little, and go on as soon as there is room.
    ("queued.min.messages", "5000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "20"),
    ("fetch.error.backoff.ms", "200"),
];

const WRITING: [(&str, &str); 6] = [
    ("linger.ms", "1"),
    ("compression.type", "lz4"),
    // As Java's clients spread keys, so that results can be joined with what those write.
    ("partitioner", "murmur2_random"),
    // How long readers wait at most for what a killed worker left open.
    ("transaction.timeout.ms", "10000"),
    // The broker says what is too large.
    ("message.max.bytes", "100000000"),
    ("queue.buffering.max.kbytes", "262144"),
];

/// All of a client's properties, those of the guarantee last.
fn client(
    config: &StreamConfig,
    defaults: &[(&str, &str)],
    fixed: &[(&str, &str)],
) -> Result<ClientConfig, ConfigError> {
    let mut client = ClientConfig::new();
    for (name, value) in DEFAULTS.iter().chain(defaults) {
        client.set(*name, *value);
    }
    for (name, value) in config.kafka_properties()? {
        // One property by two names: the last one set would win, whoever set it.
        if name == "compression.codec" {
            client.remove("compression.type");
        }
        client.set(name, value);
    }
    client.set("bootstrap.servers", &config.brokers);
    for (name, value) in fixed {
        client.set(*name, *value);
    }
    Ok(client)
}

/// A consumer of the group, as a worker has it and as the group's lag is seen with.
pub fn group_client(config: &StreamConfig) -> Result<ClientConfig, ConfigError> {
    let fixed = [
        ("group.id", config.group.as_str()),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("isolation.level", "read_committed"),
        // Asked for by name, a topic is made where the broker makes topics.
        ("allow.auto.create.topics", "true"),
    ];
    client(config, &READING, &fixed)
}

/// A producer; with a transactional id for results that are to be there exactly once.
pub fn writing_client(config: &StreamConfig, id: &str) -> Result<ClientConfig, ConfigError> {
    let fixed = [("enable.idempotence", "true"), ("acks", "all")];
    let mut client = client(config, &WRITING, &fixed)?;
    match config.delivery {
        Delivery::ExactlyOnce => client.set("transactional.id", id),
        Delivery::AtLeastOnce => client.remove("transaction.timeout.ms"),
    };
    Ok(client)
}

/// Checks that librdkafka takes all properties, without speaking to a broker.
///
/// # Errors
/// The property that it does not take, and why.
pub fn check(config: &StreamConfig) -> Result<(), ConfigError> {
    for client in [group_client(config)?, writing_client(config, "undertone-check")?] {
        client.create_native_config().map_err(refused)?;
    }
    Ok(())
}

/// What librdkafka says of a property that it does not take.
pub fn refused(error: KafkaError) -> ConfigError {
    let message = match error {
        // librdkafka quotes the value.
        KafkaError::ClientConfig(_, _, name, _) if is_secret_property(&name) => {
            format!("stream.kafka: {name}: librdkafka does not take its value")
        }
        KafkaError::ClientConfig(_, reason, name, _) => format!("stream.kafka: {name}: {reason}"),
        KafkaError::ClientCreation(reason) => format!("stream.kafka: {reason}"),
        other => format!("stream.kafka: {other}"),
    };
    ConfigError::Value(message)
}

/// A change of the partitions that are this worker's.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
}

/// What a consumer tells.
pub struct Reader {
    status: Arc<Status>,
    topic: String,
    changes: Mutex<Vec<Change>>,
    /// At least once: what is written and not committed. It is committed before a partition is given up.
    written: Mutex<BTreeMap<i32, Point>>,
}

impl Reader {
    pub fn new(status: Arc<Status>, topic: &str) -> Reader {
        let topic = topic.to_owned();
        Reader { status, topic, changes: Mutex::default(), written: Mutex::default() }
    }

    /// What changed since the last time, in order.
    pub fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is written, and is to be committed before its partition is given up.
    pub fn is_written(&self, partition: i32, point: Point) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, point);
    }

    /// Takes what is to be committed, of these partitions or of all.
    pub fn to_commit(&self, of: Option<&[i32]>) -> TopicPartitionList {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |partition: &i32| of.is_none_or(|of| of.contains(partition));
        let (taken, left) = std::mem::take(&mut *written).into_iter().partition(|(p, _)| wanted(p));
        *written = left;
        offsets(&self.topic, &taken)
    }
}

/// Points as they are committed.
pub fn offsets(topic: &str, points: &BTreeMap<i32, Point>) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(points.len());
    for (partition, point) in points {
        let mut element = list.add_partition(topic, *partition);
        // Offsets are 0 or more: the list takes them.
        let _ = element.set_offset(Offset::Offset(point.offset));
        let metadata = point.metadata();
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
    }
    list
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}

impl ClientContext for Reader {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tell(&self.status, &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        if statistics.brokers.values().any(|broker| broker.nodeid >= 0 && broker.state == "UP") {
            self.status.well(Part::Connection);
        }
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let known = topic.partitions.iter().filter(|(_, of)| of.hi_offset >= 0);
        let ends: HashMap<i32, i64> = known.map(|(id, of)| (*id, of.hi_offset)).collect();
        self.status.set_ends(ends);
    }
}

impl ConsumerContext for Reader {
    fn pre_rebalance(&self, consumer: &Reading, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else { return };
        let revoked = partitions(list);
        let to_commit = self.to_commit(Some(&revoked));
        // Of a partition that was lost nothing can be committed: its next owner does it again.
        if to_commit.count() > 0
            && !consumer.assignment_lost()
            && let Err(error) = consumer.commit(&to_commit, CommitMode::Sync)
        {
            tracing::warn!(%error, "offsets could not be committed before a partition was taken \
                away; its next owner repeats the records since");
        }
        self.push(Change::Revoked(revoked));
    }

    fn post_rebalance(&self, _: &Reading, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.push(Change::Assigned(partitions(list))),
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => self.status.trouble(Part::Reading, &error.to_string()),
        }
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _: &TopicPartitionList) {
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            // The next commit holds all that this one did.
            Err(error) => tracing::debug!(%error, "offsets could not be committed"),
        }
    }
}

impl Reader {
    /// Something went wrong that librdkafka handles by itself.
    pub fn tell(&self, error: &KafkaError) {
        tell(&self.status, error, &error.to_string());
    }

    fn push(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

/// What a producer tells: of each record, by the number that it was sent under, whether it is written.
pub struct Writer {
    status: Arc<Status>,
    reports: Mutex<Vec<(usize, Result<(), KafkaError>)>>,
}

impl Writer {
    pub fn new(status: Arc<Status>) -> Writer {
        Writer { status, reports: Mutex::default() }
    }

    /// The reports that came since the last time.
    pub fn reports(&self) -> Vec<(usize, Result<(), KafkaError>)> {
        std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Writer {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tell(&self.status, &error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Writer {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let report = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push((number, report));
    }
}

/// librdkafka repeats itself while a broker is away: what matters is told by `Status`.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // What it says of how it signs in may hold what it signs in with.
    let is_signing_in = ["SASL", "SCRAM", "OAUTH"].iter().any(|of| facility.contains(of));
    match level {
        RDKafkaLogLevel::Debug if is_signing_in => {}
        RDKafkaLogLevel::Debug => tracing::trace!(facility, message, "librdkafka"),
        _ => tracing::debug!(facility, message, "librdkafka"),
    }
}

/// Of the errors that librdkafka handles by itself, those that somebody should know of.
fn tell(status: &Status, error: &KafkaError, reason: &str) {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::AllBrokersDown | Code::Authentication | Code::SSL | Code::Resolve) => {
            status.trouble(Part::Connection, reason);
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic,
        ) => status.trouble(Part::Reading, reason),
        _ => tracing::debug!(%error, reason, "librdkafka"),
    }
}
