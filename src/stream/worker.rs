//! The worker's loop, on a thread of its own: read, have analysed, write, commit. It alone speaks to
//! Kafka, so that no partition changes hands in the middle of a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use tokio_util::sync::CancellationToken;

use super::delivery::{Delivery, Report};
use super::desk::{Desk, Done, Job};
use super::gauges::Gauges;
use super::kafka::{self, Change, Reading};
use super::offsets::Point;
use super::outcome::{Finished, offsets_of};
use super::partitions::{Load, Partitions};
use super::record::Record;
use super::status::{Part, Status};
use crate::app::{self, StreamConfig, TopicNames};

/// Records that are taken from the consumer before anything else is looked at.
const GULP: usize = 500;

/// How long the loop waits where no record is there: while others are at work, and while none is.
const BUSY_WAIT: Duration = Duration::from_millis(3);
const IDLE_WAIT: Duration = Duration::from_millis(100);

/// How long the worker may be full before all partitions are paused.
const FULL_PATIENCE: Duration = Duration::from_millis(300);

/// How long after a failed commit the next one is tried: at first, and at most.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_LIMIT: Duration = Duration::from_secs(5);

/// The broker is asked so often what is committed of a partition before the worker gives up; each time
/// takes ten seconds. Kafka waits five minutes for a worker that does not poll.
const ASKED: usize = 20;

pub struct Worker {
    consumer: Reading,
    delivery: Delivery,
    desk: Arc<Desk>,
    status: Arc<Status>,
    topics: TopicNames,
    config: StreamConfig,
    partitions: Partitions,
    /// Done and not committed, in the order in which they were done.
    ready: Vec<Ready>,
    arrivals: (flume::Sender<Done>, flume::Receiver<Done>),
    /// When the last commit began; that of offsets alone.
    committed_at: Option<Instant>,
    retry: Option<(Instant, Duration)>,
    /// What is committed has to be read before anything is written.
    is_unsure: bool,
    full_since: Option<Instant>,
    gauges: Gauges,
}

struct Ready {
    epoch: u64,
    weight: usize,
    finished: Finished,
}

impl Worker {
    pub fn new(
        consumer: Reading,
        delivery: Delivery,
        desk: Arc<Desk>,
        status: Arc<Status>,
        config: StreamConfig,
    ) -> Worker {
        let topics = config.topics();
        Worker {
            consumer,
            delivery,
            desk,
            status,
            partitions: Partitions::new(&topics.input, config.partition_window),
            gauges: Gauges::new(&topics.input),
            topics,
            config,
            ready: Vec::new(),
            arrivals: flume::unbounded(),
            committed_at: None,
            retry: None,
            is_unsure: false,
            full_since: None,
        }
    }

    /// Works until it is told to stop, then finishes what is under way, within `drain`.
    ///
    /// # Errors
    /// What the worker cannot go on with.
    pub fn run(mut self, stop: &CancellationToken, drain: Duration) -> anyhow::Result<()> {
        self.consumer.subscribe(&[&self.topics.input])?;
        self.status.reads();
        let mut stopping: Option<Instant> = None;
        loop {
            self.follow_changes();
            self.collect()?;
            if self.is_due() {
                self.write()?;
            }
            self.partitions.balance(&self.consumer);
            self.gauges.show(&self.partitions, &self.status, &self.desk);
            if stop.is_cancelled() && stopping.is_none() {
                stopping = Some(Instant::now());
                self.partitions.pause_all(&self.consumer, true);
            }
            match stopping {
                Some(since) if self.partitions.load().records == 0 || since.elapsed() > drain => {
                    break;
                }
                Some(_) => self.wait_for_room()?,
                None if self.has_room() => self.read()?,
                None => self.wait_for_room()?,
            }
        }
        self.commit_offsets(CommitMode::Sync);
        let left = self.partitions.load().records;
        if left > 0 {
            tracing::warn!(
                left,
                "records were not finished in time: another worker does them again"
            );
        }
        Ok(())
    }

    fn follow_changes(&mut self) {
        for change in self.consumer.context().changes() {
            metrics::counter!("undertone_stream_rebalances_total").increment(1);
            match change {
                Change::Assigned(partitions) => {
                    tracing::info!(?partitions, "partitions were assigned to this worker");
                    self.partitions.assign(&partitions);
                    if self.partitions.are_paused() {
                        self.partitions.pause_all(&self.consumer, true);
                    }
                }
                Change::Revoked(partitions) => {
                    tracing::info!(?partitions, "partitions were taken from this worker");
                    self.partitions.revoke(&partitions);
                    self.ready.retain(|one| {
                        self.partitions.is_current(one.finished.record.partition, one.epoch)
                    });
                }
            }
            self.status.set_assigned(self.partitions.count());
        }
    }

    /// Takes what the desk has done.
    fn collect(&mut self) -> anyhow::Result<()> {
        let arrived: Vec<Done> = self.arrivals.1.try_iter().collect();
        arrived.into_iter().try_for_each(|done| self.arrived(done))
    }

    fn arrived(&mut self, Done { epoch, finished }: Done) -> anyhow::Result<()> {
        let finished = finished.context("the local model has stopped")?;
        if self.partitions.is_current(finished.record.partition, epoch) {
            let weight = finished.record.weight();
            self.ready.push(Ready { epoch, weight, finished });
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        if self.retry.is_some_and(|(at, _)| Instant::now() < at) {
            return false;
        }
        if self.is_unsure {
            return true;
        }
        let interval = self.config.commit_interval();
        let is_time = self.committed_at.is_none_or(|at| at.elapsed() >= interval);
        match self.config.delivery {
            app::Delivery::ExactlyOnce => !self.ready.is_empty() && is_time,
            app::Delivery::AtLeastOnce => !self.ready.is_empty() || is_time,
        }
    }

    /// Writes all that is done.
    fn write(&mut self) -> anyhow::Result<()> {
        if self.is_unsure && !self.reconcile() {
            return Ok(());
        }
        if !self.ready.is_empty() {
            if self.config.delivery == app::Delivery::ExactlyOnce {
                self.committed_at = Some(Instant::now());
            }
            let batch = std::mem::take(&mut self.ready);
            let done = offsets_of(batch.iter().map(|one| &one.finished));
            let offsets = match self.config.delivery {
                app::Delivery::ExactlyOnce => {
                    kafka::offsets(&self.topics.input, &self.partitions.points(&done))
                }
                app::Delivery::AtLeastOnce => TopicPartitionList::new(),
            };
            // Parted, so that the batch can be handed on as one.
            let (about, finished): (Vec<(u64, usize)>, Vec<Finished>) =
                batch.into_iter().map(|one| ((one.epoch, one.weight), one.finished)).unzip();
            let report = self.delivery.write(&finished, &offsets, &self.consumer);
            self.settle(report, about.into_iter().zip(finished));
        }
        let interval = self.config.commit_interval();
        if self.config.delivery == app::Delivery::AtLeastOnce
            && self.committed_at.is_none_or(|at| at.elapsed() >= interval)
        {
            self.committed_at = Some(Instant::now());
            self.commit_offsets(CommitMode::Async);
        }
        Ok(())
    }

    fn settle(&mut self, report: Report, batch: impl Iterator<Item = ((u64, usize), Finished)>) {
        let mut written: BTreeMap<i32, (BTreeSet<i64>, usize)> = BTreeMap::new();
        for (place, ((epoch, weight), mut finished)) in batch.enumerate() {
            if report.written.contains(&place) {
                let Record { partition, offset, .. } = finished.record;
                self.gauges.committed(&finished);
                let of = written.entry(partition).or_default();
                of.0.insert(offset);
                of.1 += weight;
            } else {
                if report.too_large.contains(&place) {
                    finished.shrink(&self.topics);
                }
                self.ready.push(Ready { epoch, weight, finished });
            }
        }
        for (partition, (offsets, weight)) in &written {
            self.partitions.finish(*partition, offsets, *weight);
        }
        if self.config.delivery == app::Delivery::AtLeastOnce {
            let done = written.into_iter().map(|(partition, (offsets, _))| (partition, offsets));
            for (partition, point) in self.partitions.points(&done.collect()) {
                self.consumer.context().is_written(partition, point);
            }
        }
        self.is_unsure |= report.is_unknown;
        match report.trouble {
            None => {
                self.retry = None;
                self.status.well(Part::Writing);
            }
            // Each record is tried alone, at once.
            Some(_) if !report.too_large.is_empty() => {}
            Some(trouble) => {
                let pause = self.retry.map_or(RETRY, |(_, pause)| (pause * 2).min(RETRY_LIMIT));
                self.retry = Some((Instant::now() + pause, pause));
                // A rebalance is in the order of things.
                match report.is_rebalancing {
                    true => tracing::debug!(trouble, "a transaction was aborted"),
                    false => self.status.trouble(Part::Writing, &trouble),
                }
            }
        }
    }

    /// After a transaction with an unknown end: drops what turns out to be committed.
    fn reconcile(&mut self) -> bool {
        let known = match self.delivery.prepare() {
            Ok(()) => self.partitions.committed(&self.consumer),
            Err(error) => Err(error),
        };
        let committed = match known {
            Ok(committed) => committed,
            Err(error) => {
                let pause = self.retry.map_or(RETRY, |(_, pause)| (pause * 2).min(RETRY_LIMIT));
                self.retry = Some((Instant::now() + pause, pause));
                self.status.trouble(Part::Writing, &error.to_string());
                return false;
            }
        };
        let is_committed = |record: &Record| {
            let point: Option<&Point> = committed.get(&record.partition);
            point.is_some_and(|point| {
                record.offset < point.offset || point.beyond.contains(&record.offset)
            })
        };
        let all = std::mem::take(&mut self.ready);
        let (done, left): (Vec<Ready>, Vec<Ready>) =
            all.into_iter().partition(|one| is_committed(&one.finished.record));
        self.ready = left;
        for one in done {
            let Record { partition, offset, .. } = one.finished.record;
            self.gauges.committed(&one.finished);
            self.partitions.finish(partition, &BTreeSet::from([offset]), one.weight);
        }
        self.is_unsure = false;
        true
    }

    /// At least once: commits what is written.
    fn commit_offsets(&mut self, mode: CommitMode) {
        let offsets = self.consumer.context().to_commit(None);
        if offsets.count() > 0
            && let Err(error) = self.consumer.commit(&offsets, mode)
        {
            tracing::debug!(%error, "offsets could not be committed");
        }
    }

    fn has_room(&mut self) -> bool {
        let Load { records, bytes } = self.partitions.load();
        let (most, most_bytes) = (self.config.in_flight_records, self.config.in_flight_bytes);
        let is_full = records >= most || bytes >= most_bytes;
        if !self.partitions.are_paused() {
            return !is_full;
        }
        let has_room = records <= most / 2 && bytes <= most_bytes / 2;
        if has_room {
            self.partitions.pause_all(&self.consumer, false);
            self.full_since = None;
        }
        has_room
    }

    /// The worker is full: something has to be done before it reads on. All partitions pause where that
    /// takes its time, since Kafka wants to be polled.
    fn wait_for_room(&mut self) -> anyhow::Result<()> {
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if !self.partitions.are_paused() && since.elapsed() > FULL_PATIENCE {
            self.partitions.pause_all(&self.consumer, true);
        }
        if self.partitions.are_paused() {
            self.poll(Duration::ZERO)?;
        }
        if let Ok(done) = self.arrivals.1.recv_timeout(BUSY_WAIT) {
            self.arrived(done)?;
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<()> {
        self.full_since = None;
        self.delivery.poll();
        let is_idle = self.partitions.load().records == 0 && !self.is_unsure;
        let mut wait = if is_idle { IDLE_WAIT } else { Duration::ZERO };
        for _ in 0..GULP {
            if !self.has_room() {
                break;
            }
            if !self.poll(wait)? {
                if !is_idle {
                    // The consumer's own wait spins through its last millisecond.
                    std::thread::sleep(BUSY_WAIT);
                }
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Takes one record, if there is one; whether there may be more.
    fn poll(&mut self, wait: Duration) -> anyhow::Result<bool> {
        let record = match self.consumer.poll(wait) {
            None => return Ok(false),
            Some(Ok(message)) => Record::of(&message),
            Some(Err(error)) => {
                if let KafkaError::MessageConsumptionFatal(code) = error {
                    anyhow::bail!("Kafka does not let this worker go on: {code}");
                }
                self.consumer.context().tell(&error);
                return Ok(false);
            }
        };
        // Before the first record of a partition that has just been assigned.
        self.follow_changes();
        self.status.well(Part::Reading);
        let (partition, offset, weight) = (record.partition, record.offset, record.weight());
        let mut asked = 0;
        let taken = loop {
            match self.partitions.read(&self.consumer, partition, offset, weight) {
                Ok(taken) => break taken,
                Err(error) if asked < ASKED => {
                    asked += 1;
                    let reason = format!("what is committed is not known: {error}");
                    self.status.trouble(Part::Reading, &reason);
                    std::thread::sleep(RETRY);
                }
                Err(error) => {
                    return Err(error).context("Kafka does not say what is committed");
                }
            }
        };
        if let Some((epoch, token)) = taken {
            self.desk.take(Job { record, epoch, token }, self.arrivals.0.clone());
        }
        Ok(!self.partitions.is_ahead(partition))
    }
}
