//! What of a partition is finished: the point that is committed, and how it is written down.
//!
//! A commit names the lowest unfinished offset. Records above it that are finished already (an LLM takes
//! its time for one below) are named in the commit's metadata, a bit each, so that whoever reads the
//! partition next does not do them again. The technique is that of Confluent's Parallel Consumer.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What the metadata starts with: another program's, or another version's, is not taken for ours.
const FORM: &str = "undertone1:";

/// Where a partition stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// The lowest offset that is not finished.
    pub offset: i64,
    /// Finished ones above it.
    pub beyond: BTreeSet<i64>,
}

/// Follows one partition from the point at which it was taken over.
#[derive(Debug)]
pub struct Tracker {
    /// Read and not committed as finished.
    unfinished: BTreeSet<i64>,
    /// Committed as finished, at or above the lowest unfinished one.
    finished: BTreeSet<i64>,
    /// One above the highest that was read.
    next: i64,
}

impl Tracker {
    pub fn new(point: Point) -> Tracker {
        Tracker { unfinished: BTreeSet::new(), finished: point.beyond, next: point.offset }
    }

    /// Takes note of a record; whether it is to be worked on. One that was finished before, or was read
    /// already, is not.
    pub fn read(&mut self, offset: i64) -> bool {
        if offset < self.next {
            return false;
        }
        self.next = offset + 1;
        !self.finished.contains(&offset) && self.unfinished.insert(offset)
    }

    /// Where the partition will stand once these are committed as well.
    pub fn point_with(&self, done: &BTreeSet<i64>) -> Point {
        let offset = self.unfinished.iter().find(|offset| !done.contains(offset)).copied();
        let offset = offset.unwrap_or(self.next);
        let beyond = self.finished.range(offset..).chain(done.range(offset..)).copied().collect();
        Point { offset, beyond }
    }

    /// These have been committed.
    pub fn finish(&mut self, done: &BTreeSet<i64>) {
        for offset in done {
            if self.unfinished.remove(offset) {
                self.finished.insert(*offset);
            }
        }
        let lowest = self.lowest();
        while self.finished.first().is_some_and(|offset| *offset < lowest) {
            self.finished.pop_first();
        }
    }

    /// The lowest offset that is not finished.
    pub fn lowest(&self) -> i64 {
        self.unfinished.first().copied().unwrap_or(self.next)
    }

    /// How many above the lowest unfinished one are finished.
    pub fn done_beyond(&self) -> usize {
        self.finished.len()
    }

    /// How many offsets lie between the lowest unfinished record and the next to be read.
    pub fn span(&self) -> usize {
        usize::try_from(self.next - self.lowest()).unwrap_or(0)
    }
}

impl Point {
    /// As it stands beside the committed offset; empty where nothing above it is finished.
    pub fn metadata(&self) -> String {
        let Some(last) = self.beyond.last() else { return String::new() };
        let place = |offset: &i64| usize::try_from(offset - self.offset).unwrap_or_default();
        let mut bits = vec![0u8; place(last) / 8 + 1];
        for offset in &self.beyond {
            bits[place(offset) / 8] |= 1 << (place(offset) % 8);
        }
        format!("{FORM}{}", STANDARD_NO_PAD.encode(bits))
    }

    /// Reads a committed offset. `None` where the metadata is not of this form.
    pub fn of(offset: i64, metadata: &str) -> Option<Point> {
        if metadata.is_empty() {
            return Some(Point { offset, beyond: BTreeSet::new() });
        }
        let bits = STANDARD_NO_PAD.decode(metadata.strip_prefix(FORM)?).ok()?;
        let is_set = |place: &usize| bits[place / 8] & (1 << (place % 8)) != 0;
        let places = (0..bits.len() * 8).filter(is_set);
        let beyond = places.map(|place| offset + place as i64).collect();
        Some(Point { offset, beyond })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(offsets: impl IntoIterator<Item = i64>) -> BTreeSet<i64> {
        offsets.into_iter().collect()
    }

    #[test]
    fn the_lowest_unfinished_one_is_committed_and_those_above_it_are_told_beside() {
        let mut tracker = Tracker::new(Point { offset: 10, beyond: BTreeSet::new() });
        // 13 is a transaction's marker: nobody gets it.
        for offset in [10, 11, 12, 14] {
            assert!(tracker.read(offset));
        }
        assert!(!tracker.read(12), "it was read already");
        let done = set([11, 14]);
        assert_eq!(tracker.point_with(&done), Point { offset: 10, beyond: set([11, 14]) });
        tracker.finish(&done);
        assert_eq!((tracker.lowest(), tracker.span(), tracker.done_beyond()), (10, 5, 2));
        tracker.finish(&set([10]));
        assert_eq!((tracker.lowest(), tracker.done_beyond()), (12, 1));
        assert_eq!(tracker.point_with(&BTreeSet::new()), Point { offset: 12, beyond: set([14]) });
        tracker.finish(&set([12]));
        assert_eq!(
            tracker.point_with(&BTreeSet::new()),
            Point { offset: 15, beyond: BTreeSet::new() }
        );
    }

    #[test]
    fn what_was_finished_before_is_passed_over_by_who_comes_next() {
        let point = Point { offset: 10, beyond: set([12, 13]) };
        let mut tracker = Tracker::new(Point::of(10, &point.metadata()).expect("it is ours"));
        let read: Vec<bool> = (10..15).map(|offset| tracker.read(offset)).collect();
        assert_eq!(read, [true, true, false, false, true]);
        assert_eq!(tracker.point_with(&BTreeSet::new()), point);
        tracker.finish(&set([10, 11]));
        assert_eq!(
            tracker.point_with(&BTreeSet::new()),
            Point { offset: 14, beyond: BTreeSet::new() }
        );
    }

    #[test]
    fn the_widest_window_fits_what_kafka_keeps() {
        let point = Point { offset: 7, beyond: (8..7 + 24_000).collect() };
        assert!(point.metadata().len() <= 4096, "{}", point.metadata().len());
        assert_eq!(Point::of(7, &point.metadata()), Some(point));
    }

    #[test]
    fn metadata_of_others_is_not_read_as_ours() {
        for text in ["x", "undertone2:AA", "undertone1:*"] {
            assert_eq!(Point::of(5, text), None, "{text}");
        }
    }

    proptest! {
        /// Whatever the order in which records finish, and wherever a worker dies: each is done once.
        #[test]
        fn each_record_is_done_once_across_any_number_of_workers(
            order in Just((0..60i64).collect::<Vec<_>>()).prop_shuffle(),
            deaths in proptest::collection::vec(1..20usize, 0..6),
        ) {
            let mut committed = Point::default();
            let mut done: Vec<i64> = Vec::new();
            for steps in deaths.into_iter().chain([usize::MAX]) {
                let mut tracker =
                    Tracker::new(Point::of(committed.offset, &committed.metadata()).expect("ours"));
                let todo: BTreeSet<i64> =
                    (committed.offset..60).filter(|offset| tracker.read(*offset)).collect();
                for offset in order.iter().filter(|offset| todo.contains(offset)).take(steps) {
                    committed = tracker.point_with(&set([*offset]));
                    tracker.finish(&set([*offset]));
                    prop_assert_eq!(&tracker.point_with(&BTreeSet::new()), &committed);
                    done.push(*offset);
                }
            }
            done.sort_unstable();
            prop_assert_eq!(done, (0..60).collect::<Vec<_>>());
            prop_assert_eq!(committed, Point { offset: 60, beyond: BTreeSet::new() });
        }
    }
}
