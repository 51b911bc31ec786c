//! Records of the results topic: folded into windows with the offsets up to which they were read, so that
//! each counts once whatever crashes, and however many gateways read.

use std::collections::HashMap;

use super::{Trends, now_ms};
use crate::app::App;
use crate::store::{self, Advance, PartitionAdvance, Store, WindowsFold};
use crate::trends::{Fold, Observation, Watermark, WindowId};

/// How far a partition has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub partition: i32,
    /// Where the store was when the reading began, as [`App::folded_offsets`] said; `None`: nowhere yet.
    pub from: Option<i64>,
    /// The first offset that was not read.
    pub to: i64,
}

/// Why records are not in the windows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// Another gateway has folded on: read again from where the store is now.
    #[error("another gateway has counted partition {partition} already")]
    Moved { partition: i32, stored: Option<i64> },
    #[error(transparent)]
    Store(store::Error),
}

impl From<store::Error> for FoldError {
    fn from(error: store::Error) -> FoldError {
        match error {
            store::Error::Moved { partition, stored, .. } => FoldError::Moved { partition, stored },
            error => FoldError::Store(error),
        }
    }
}

impl App {
    /// The first offset of each partition that is not in the windows. A partition that is not listed has
    /// not been folded at all.
    pub async fn folded_offsets(&self, topic: &str) -> Result<HashMap<i32, i64>, store::Error> {
        let positions = self.store.positions(topic.to_owned()).await?;
        Ok(positions.into_iter().map(|one| (one.partition, one.next_offset)).collect())
    }

    /// Adds records, each with its partition and in the order of their offsets, to the windows of their
    /// event time, and notes how far that is: both or, after an error, neither. What `reached` covers
    /// without a record (those that were no result, the marks of transactions) is read and done with.
    ///
    /// # Errors
    /// [`FoldError::Moved`] where the store is not where `reached` says that the reading began.
    pub async fn fold_records(
        &self,
        topic: &str,
        reached: &[Reached],
        records: &[(i32, Observation)],
    ) -> Result<(), FoldError> {
        fold(&self.trends, &self.store, topic, reached, records, now_ms()).await?;
        self.trends.live.wake();
        Ok(())
    }
}

async fn fold(
    trends: &Trends,
    store: &Store,
    topic: &str,
    reached: &[Reached],
    records: &[(i32, Observation)],
    now_ms: i64,
) -> Result<(), store::Error> {
    let positions = store.positions(topic.to_owned()).await?;
    let mut watermarks: HashMap<i32, Watermark> = positions
        .iter()
        .map(|one| (one.partition, Watermark { greatest_ms: one.greatest_ms }))
        .collect();
    let (width, bounds) = (trends.windowing.window_seconds, trends.bounds());
    let lateness_ms = i64::from(trends.windowing.lateness_seconds) * 1000;
    let mut fold = Fold::default();
    for (partition, text) in records {
        let end_ms = WindowId::of(text.at_ms, text.key.clone(), width).end_ms();
        let watermark = watermarks.entry(*partition).or_default();
        let is_late = watermark.pass(text.at_ms, end_ms, lateness_ms, now_ms);
        fold.add(text, width, is_late, bounds);
    }
    // The watermarks were read at some offset: only if that is where the reading began does the fold count.
    let partitions = reached.iter().map(|one| PartitionAdvance {
        partition: one.partition,
        from: one.from,
        to: one.to,
        greatest_ms: watermarks.get(&one.partition).and_then(|mark| mark.greatest_ms),
    });
    let advance = Advance { topic: topic.to_owned(), partitions: partitions.collect() };
    let crowded = fold.crowded();
    let windows = fold.into_windows();
    store.fold_windows(WindowsFold { windows, bounds, advance: Some(advance) }).await?;
    super::tell_crowded(crowded);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Config;
    use crate::sentiment::Label;
    use crate::store::{Durability, WindowQuery};
    use crate::trends::WindowKey;

    const NOW: i64 = 1_795_262_400_000;

    async fn store(folder: &tempfile::TempDir) -> Store {
        let url = format!("sqlite://{}", folder.path().join("undertone.db").display());
        let config = store::Config::new(url, Durability::Process);
        Store::open(&config).await.expect("a store opens")
    }

    fn trends() -> Trends {
        let config = Config::load(None).expect("the defaults are sound");
        Trends::new(config.stream.windowing(), config.trends)
    }

    fn text(seconds: i64) -> (i32, Observation) {
        let text = Observation {
            at_ms: NOW + seconds * 1000,
            key: WindowKey::default(),
            label: Label::Positive,
            score_micros: 500_000,
            emotions: Vec::new(),
            aspects: Vec::new(),
        };
        (0, text)
    }

    /// Whether a record is late hangs on the records before it, in whatever parts they were read.
    #[tokio::test]
    async fn records_are_late_by_what_came_before_also_after_a_restart() {
        let seconds = [0, 95, 59, 1, -1, 200, 95, 119, 180, 3 * 24 * 60 * 60, 175];
        let mut seen = Vec::new();
        for parts in [vec![11], vec![1; 11], vec![4, 3, 4]] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (mut from, mut at) = (None, 0);
            for length in parts {
                // A process of its own each time.
                let store = store(&folder).await;
                let records: Vec<_> = seconds[at..at + length].iter().map(|at| text(*at)).collect();
                at += length;
                let to = i64::try_from(at).expect("small");
                let reached = [Reached { partition: 0, from, to }];
                let folded = fold(&trends(), &store, "results", &reached, &records, NOW).await;
                folded.expect("folded");
                let again = fold(&trends(), &store, "results", &reached, &records, NOW).await;
                assert!(matches!(again, Err(store::Error::Moved { .. })), "{again:?}");
                from = Some(to);
                store.close().await;
            }
            let store = store(&folder).await;
            let query = WindowQuery {
                from_ms: 0,
                to_ms: i64::MAX,
                key: None,
                width_seconds: 60,
                most: 100,
            };
            let windows = store.windows(query).await.expect("windows");
            let counts: Vec<_> = windows
                .iter()
                .map(|one| ((one.id.start_ms - NOW) / 60_000, one.sums.count, one.sums.late))
                .collect();
            seen.push(counts);
        }
        // Minutes of 60 s with 30 s of patience: 95 ends the first, 200 the second; a record of three days
        // ahead is counted and ends nothing.
        assert_eq!(
            seen[0],
            [(-1, 1, 1), (0, 3, 2), (1, 3, 2), (2, 1, 0), (3, 2, 0), (3 * 24 * 60, 1, 0)]
        );
        assert!(seen.iter().all(|counts| *counts == seen[0]), "{seen:?}");
    }
}
