//! Writing results: a whole batch in one transaction, or each as it comes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer};

use super::kafka::{Reading, Writer, Writing};
use super::outcome::Finished;
use super::status::Status;
use crate::app::TopicNames;

/// How long one request of a transaction may take before it is asked again.
const REQUEST: Duration = Duration::from_secs(10);

/// How long a transaction is asked to end, before its producer is given up for another.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether the broker has answered.
const LOOK: Duration = Duration::from_millis(1);

/// The most records of a batch; a report's number holds the place in it.
const PLACES: usize = 1 << 20;

/// What became of a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    /// Those of the batch that are written, by their places.
    pub written: BTreeSet<usize>,
    /// Those that the broker holds too large.
    pub too_large: BTreeSet<usize>,
    /// Why the rest is not written.
    pub trouble: Option<String>,
    /// The group is being parted anew, which is in the order of things.
    pub is_rebalancing: bool,
    /// Nobody knows whether the batch is written: what is committed will say.
    pub is_unknown: bool,
}

/// The producer of a worker.
pub struct Delivery {
    client: ClientConfig,
    status: Arc<Status>,
    topics: TopicNames,
    is_transactional: bool,
    /// `None` until it has been made ready.
    producer: Option<Writing>,
    batches: usize,
    /// Each record of the next batch goes alone, since one of the last was too large: a broker refuses
    /// all that share a request with it.
    is_careful: bool,
}

/// How a transaction failed.
enum Failure {
    /// It was taken back.
    Aborted(String),
    /// The same, since the group is being parted anew.
    Rebalancing(String),
    /// The producer cannot go on, or the reply never came.
    Unknown(String),
}

impl Delivery {
    pub fn new(
        client: ClientConfig,
        status: Arc<Status>,
        topics: TopicNames,
        is_transactional: bool,
    ) -> Delivery {
        let (producer, batches, is_careful) = (None, 0, false);
        Delivery { client, status, topics, is_transactional, producer, batches, is_careful }
    }

    /// Makes a producer ready. Of transactions this settles whatever one with the same id left open, so
    /// that what is committed is final from here on.
    ///
    /// # Errors
    /// Why there is none yet.
    pub fn prepare(&mut self) -> Result<(), KafkaError> {
        if self.producer.is_some() {
            return Ok(());
        }
        let producer: Writing =
            self.client.create_with_context(Writer::new(Arc::clone(&self.status)))?;
        if self.is_transactional {
            producer.init_transactions(REQUEST)?;
        }
        self.producer = Some(producer);
        Ok(())
    }

    /// Serves what the producer has to tell while nothing is written.
    pub fn poll(&self) {
        if let Some(producer) = &self.producer {
            producer.poll(Duration::ZERO);
        }
    }

    /// Writes a batch, with the offsets that it brings its partitions to: of a transaction all or none;
    /// else as much as goes, and the offsets are the caller's to commit.
    pub fn write(
        &mut self,
        batch: &[Finished],
        offsets: &TopicPartitionList,
        consumer: &Reading,
    ) -> Report {
        if let Err(error) = self.prepare() {
            self.producer = None;
            return Report { trouble: Some(error.to_string()), ..Report::default() };
        }
        let Some(producer) = self.producer.take() else { return Report::default() };
        self.batches = self.batches.wrapping_add(1);
        let report = match self.is_transactional {
            true => self.in_transaction(&producer, batch, offsets, consumer),
            false => self.send(&producer, batch),
        };
        // One that refuses a record as too large refuses its neighbours too: the next time each goes
        // alone, and only then is it believed.
        let is_refused = !report.too_large.is_empty();
        let was_careful = std::mem::replace(&mut self.is_careful, is_refused);
        // After a refusal librdkafka counts on with the numbers of what was refused, and the broker takes
        // nothing more from it: another producer counts anew.
        if !report.is_unknown && !is_refused {
            self.producer = Some(producer);
        }
        match was_careful {
            true => report,
            false => Report { too_large: BTreeSet::new(), ..report },
        }
    }

    fn in_transaction(
        &self,
        producer: &Writing,
        batch: &[Finished],
        offsets: &TopicPartitionList,
        consumer: &Reading,
    ) -> Report {
        let Some(group) = consumer.group_metadata() else {
            let trouble = Some("the consumer is in no group".to_owned());
            return Report { trouble, ..Report::default() };
        };
        let mut sent = Report::default();
        let ended = producer
            .begin_transaction()
            .map_err(|error| failure(producer, error))
            .and_then(|()| {
                sent = self.send(producer, batch);
                match &sent.trouble {
                    Some(trouble) => Err(abort(producer, trouble.clone())),
                    None => Ok(()),
                }
            })
            .and_then(|()| commit(producer, offsets, &group));
        match ended {
            Ok(()) => {
                metrics::counter!("undertone_stream_transactions_total", "outcome" => "committed")
                    .increment(1);
                sent
            }
            Err(failure) => {
                metrics::counter!("undertone_stream_transactions_total", "outcome" => "aborted")
                    .increment(1);
                let (trouble, is_rebalancing, is_unknown) = match failure {
                    Failure::Aborted(trouble) => (trouble, false, false),
                    Failure::Rebalancing(trouble) => (trouble, true, false),
                    Failure::Unknown(trouble) => (trouble, false, true),
                };
                let (written, trouble) = (BTreeSet::new(), Some(trouble));
                Report { written, trouble, is_rebalancing, is_unknown, ..sent }
            }
        }
    }

    /// Sends a batch and waits until the broker has each record.
    fn send(&self, producer: &Writing, batch: &[Finished]) -> Report {
        let number = |place: usize| (self.batches % PLACES) * PLACES + place;
        let mut report = Report::default();
        for (place, finished) in batch.iter().enumerate() {
            let Some(output) = finished.output(&self.topics) else {
                report.written.insert(place);
                continue;
            };
            let mut record = BaseRecord::with_opaque_to(output.topic, number(place));
            record.key = output.key;
            record.payload = output.value;
            record.headers = output.headers;
            let deadline = Instant::now() + REQUEST;
            loop {
                match producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                        if Instant::now() < deadline =>
                    {
                        producer.poll(Duration::from_millis(10));
                        record = back;
                    }
                    Err((error, _)) => {
                        report.refused(place, &error);
                        break;
                    }
                }
            }
            if self.is_careful {
                // What it comes to is in the reports.
                let _ = flush(producer);
                self.take_reports(producer, &mut report);
                if report.trouble.is_some() {
                    return report;
                }
            }
        }
        if let Err(error) = flush(producer) {
            report
                .trouble
                .get_or_insert(format!("Kafka did not take the results in time: {error}"));
        }
        self.take_reports(producer, &mut report);
        report
    }

    fn take_reports(&self, producer: &Writing, report: &mut Report) {
        for (told, result) in producer.context().reports() {
            if told / PLACES != self.batches % PLACES {
                continue;
            }
            match result {
                Ok(()) => _ = report.written.insert(told % PLACES),
                Err(error) => report.refused(told % PLACES, &error),
            }
        }
    }
}

impl Report {
    fn refused(&mut self, place: usize, error: &KafkaError) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            self.too_large.insert(place);
        }
        self.trouble.get_or_insert(format!("Kafka did not take a result: {error}"));
    }
}

/// Waits until the broker has answered for all that was sent. The library's own call looks every 100 ms, and its
/// wait for an event spins through the last millisecond.
fn flush(producer: &Writing) -> Result<(), KafkaError> {
    let deadline = Instant::now() + REQUEST;
    loop {
        match producer.flush(Duration::ZERO) {
            Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut))
                if Instant::now() < deadline =>
            {
                let before = producer.in_flight_count();
                producer.poll(Duration::ZERO);
                if producer.in_flight_count() == before {
                    std::thread::sleep(LOOK);
                }
            }
            result => return result,
        }
    }
}

/// Ends a transaction with the offsets that it brings its partitions to.
fn commit(
    producer: &Writing,
    offsets: &TopicPartitionList,
    group: &ConsumerGroupMetadata,
) -> Result<(), Failure> {
    let send = || producer.send_offsets_to_transaction(offsets, group, REQUEST);
    patiently(producer, send).map_err(|error| failure(producer, error))?;
    patiently(producer, || producer.commit_transaction(REQUEST))
        .map_err(|error| failure(producer, error))
}

/// Asks again while that may help. In between the producer hears of records that were given up, without
/// which no transaction ends.
fn patiently(
    producer: &Writing,
    ask: impl Fn() -> Result<(), KafkaError>,
) -> Result<(), KafkaError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && Instant::now() < deadline =>
            {
                producer.poll(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

/// Takes the transaction back where that can be.
fn failure(producer: &Writing, error: KafkaError) -> Failure {
    match &error {
        KafkaError::Transaction(inner) if inner.txn_requires_abort() => {
            match (abort(producer, inner.string()), inner.code()) {
                (
                    Failure::Aborted(reason),
                    RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::RebalanceInProgress,
                ) => Failure::Rebalancing(reason),
                (failure, _) => failure,
            }
        }
        _ => Failure::Unknown(error.to_string()),
    }
}

fn abort(producer: &Writing, reason: String) -> Failure {
    match patiently(producer, || producer.abort_transaction(REQUEST)) {
        Ok(()) => Failure::Aborted(reason),
        Err(error) => Failure::Unknown(format!("{reason}; and then: {error}")),
    }
}
