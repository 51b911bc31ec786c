//! The partitions that are this worker's: how far each is, and which of them are paused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::kafka::Reading;
use super::offsets::{Point, Tracker};

/// How long the broker may take to say what is committed.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Partitions {
    topic: String,
    /// How far a partition may be read beyond its lowest unfinished record.
    window: usize,
    owned: BTreeMap<i32, Partition>,
    epochs: u64,
    /// All are paused: the worker is full, or ends.
    all_paused: bool,
}

struct Partition {
    epoch: u64,
    token: CancellationToken,
    /// `None` until its first record comes.
    tracker: Option<Tracker>,
    is_paused: bool,
    /// Of its records that are read and not committed.
    bytes: usize,
    records: usize,
}

/// Records and bytes that are read and not committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub records: usize,
    pub bytes: usize,
}

impl Partitions {
    pub fn new(topic: &str, window: usize) -> Partitions {
        let (topic, owned) = (topic.to_owned(), BTreeMap::new());
        Partitions { topic, window, owned, epochs: 0, all_paused: false }
    }

    pub fn count(&self) -> usize {
        self.owned.len()
    }

    pub fn paused(&self) -> usize {
        let is_paused = |one: &&Partition| one.is_paused || self.all_paused;
        self.owned.values().filter(is_paused).count()
    }

    /// What all of them have under way.
    pub fn load(&self) -> Load {
        self.owned.values().fold(Load::default(), |load, one| Load {
            records: load.records + one.records,
            bytes: load.bytes + one.bytes,
        })
    }

    pub fn assign(&mut self, partitions: &[i32]) {
        for id in partitions {
            self.epochs += 1;
            let fresh = Partition {
                epoch: self.epochs,
                token: CancellationToken::new(),
                tracker: None,
                is_paused: false,
                bytes: 0,
                records: 0,
            };
            if let Some(old) = self.owned.insert(*id, fresh) {
                old.token.cancel();
            }
        }
    }

    /// What is under way of these is dropped: their next owner does it.
    pub fn revoke(&mut self, partitions: &[i32]) {
        for id in partitions {
            if let Some(gone) = self.owned.remove(id) {
                gone.token.cancel();
            }
        }
    }

    /// Whether something that was begun in that epoch still counts.
    pub fn is_current(&self, partition: i32, epoch: u64) -> bool {
        self.owned.get(&partition).is_some_and(|one| one.epoch == epoch)
    }

    /// Takes note of a record that was read. `None`: it is not to be worked on, since it is finished, or
    /// its partition is not ours.
    ///
    /// # Errors
    /// The broker does not say what is committed.
    pub fn read(
        &mut self,
        consumer: &Reading,
        partition: i32,
        offset: i64,
        weight: usize,
    ) -> KafkaResult<Option<(u64, CancellationToken)>> {
        let topic = self.topic.clone();
        let Some(one) = self.owned.get_mut(&partition) else { return Ok(None) };
        if one.tracker.is_none() {
            let committed = committed(consumer, &topic, &[partition])?;
            one.tracker = Some(Tracker::new(start(partition, committed.get(&partition), offset)));
        }
        let Some(tracker) = &mut one.tracker else { return Ok(None) };
        if !tracker.read(offset) {
            return Ok(None);
        }
        one.records += 1;
        one.bytes += weight;
        Ok(Some((one.epoch, one.token.clone())))
    }

    /// Whether a partition is as far ahead of its lowest unfinished record as it may be.
    pub fn is_ahead(&self, partition: i32) -> bool {
        let tracker = self.owned.get(&partition).and_then(|one| one.tracker.as_ref());
        tracker.is_some_and(|tracker| tracker.span() >= self.window)
    }

    /// Where the partitions will stand once these offsets are committed.
    pub fn points(&self, done: &BTreeMap<i32, BTreeSet<i64>>) -> BTreeMap<i32, Point> {
        let point = |(id, offsets): (&i32, &BTreeSet<i64>)| {
            let tracker = self.owned.get(id)?.tracker.as_ref()?;
            Some((*id, tracker.point_with(offsets)))
        };
        done.iter().filter_map(point).collect()
    }

    /// These offsets are committed.
    pub fn finish(&mut self, partition: i32, offsets: &BTreeSet<i64>, weight: usize) {
        let Some(one) = self.owned.get_mut(&partition) else { return };
        if let Some(tracker) = &mut one.tracker {
            tracker.finish(offsets);
        }
        one.records = one.records.saturating_sub(offsets.len());
        one.bytes = one.bytes.saturating_sub(weight);
    }

    /// Asks the broker where all of them stand.
    ///
    /// # Errors
    /// It does not say.
    pub fn committed(&self, consumer: &Reading) -> KafkaResult<BTreeMap<i32, Point>> {
        let known: Vec<i32> =
            self.owned.iter().filter(|(_, one)| one.tracker.is_some()).map(|(id, _)| *id).collect();
        match known.is_empty() {
            true => Ok(BTreeMap::new()),
            false => committed(consumer, &self.topic, &known),
        }
    }

    /// Pauses those that are too far ahead of their lowest unfinished record, and lets go on those that
    /// no longer are.
    pub fn balance(&mut self, consumer: &Reading) {
        let mut pause = TopicPartitionList::new();
        let mut resume = TopicPartitionList::new();
        for (id, one) in &mut self.owned {
            let Some(tracker) = &one.tracker else { continue };
            let span = tracker.span();
            // Stopping and starting costs what was fetched ahead: some way lies between the two.
            if !one.is_paused && span >= self.window {
                one.is_paused = true;
                pause.add_partition(&self.topic, *id);
            } else if one.is_paused && span <= self.window / 2 {
                one.is_paused = false;
                resume.add_partition(&self.topic, *id);
            }
        }
        if self.all_paused {
            return;
        }
        told("pause", pause.count(), || consumer.pause(&pause));
        told("resume", resume.count(), || consumer.resume(&resume));
    }

    /// Pauses all, also those that come; or lets all go on that are not too far ahead.
    pub fn pause_all(&mut self, consumer: &Reading, paused: bool) {
        self.all_paused = paused;
        let mut list = TopicPartitionList::new();
        for (id, _) in self.owned.iter().filter(|(_, one)| paused || !one.is_paused) {
            list.add_partition(&self.topic, *id);
        }
        match paused {
            true => told("pause", list.count(), || consumer.pause(&list)),
            false => told("resume", list.count(), || consumer.resume(&list)),
        }
    }

    pub fn are_paused(&self) -> bool {
        self.all_paused
    }

    /// How many records of each partition are not finished, where the broker has said how many there are.
    pub fn lags(&self, ends: impl Fn(i32) -> Option<i64>) -> Vec<(i32, i64)> {
        let lag = |(id, one): (&i32, &Partition)| {
            let lowest = one.tracker.as_ref()?.lowest();
            let done = i64::try_from(one.tracker.as_ref()?.done_beyond()).ok()?;
            Some((*id, (ends(*id)? - lowest - done).max(0)))
        };
        self.owned.iter().filter_map(lag).collect()
    }
}

fn told(what: &str, count: usize, act: impl FnOnce() -> KafkaResult<()>) {
    if count > 0
        && let Err(error) = act()
    {
        tracing::warn!(%error, "partitions did not {what}");
    }
}

/// Where a partition is taken over whose first record has come.
fn start(partition: i32, committed: Option<&Point>, first: i64) -> Point {
    match committed {
        Some(point) if point.offset <= first => point.clone(),
        Some(point) => {
            let committed = point.offset;
            tracing::warn!(
                partition,
                committed,
                first,
                "the committed offset lies beyond the records that are there: they are read from the first"
            );
            Point { offset: first, beyond: BTreeSet::new() }
        }
        None => Point { offset: first, beyond: BTreeSet::new() },
    }
}

/// What is committed of these partitions; those without a commit are left out.
fn committed(
    consumer: &Reading,
    topic: &str,
    partitions: &[i32],
) -> KafkaResult<BTreeMap<i32, Point>> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for id in partitions {
        list.add_partition(topic, *id);
    }
    let list = consumer.committed_offsets(list, PATIENCE)?;
    let mut points = BTreeMap::new();
    for element in list.elements() {
        element.error()?;
        let Offset::Offset(offset) = element.offset() else { continue };
        let point = Point::of(offset, element.metadata()).unwrap_or_else(|| {
            let partition = element.partition();
            tracing::warn!(
                partition,
                offset,
                "the metadata of the committed offset was written by another program"
            );
            Point { offset, beyond: BTreeSet::new() }
        });
        points.insert(element.partition(), point);
    }
    Ok(points)
}
