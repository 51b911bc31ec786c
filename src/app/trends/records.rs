//! Records of the results topic: folded into windows with the offsets up to which they were read, so that
//! each counts once whatever crashes, and however many gateways read.

use std::collections::HashMap;

use super::now_ms;
use crate::app::App;
use crate::store::{self, Advance, PartitionAdvance, WindowsFold};
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
    #[error("partition {partition} has been folded by another gateway")]
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
        let positions = self.store.positions(topic.to_owned()).await?;
        let mut watermarks: HashMap<i32, Watermark> = positions
            .iter()
            .map(|one| (one.partition, Watermark { greatest_ms: one.greatest_ms }))
            .collect();
        let trends = &self.trends;
        let (width, bounds) = (trends.windowing.window_seconds, trends.bounds());
        let lateness_ms = i64::from(trends.windowing.lateness_seconds) * 1000;
        let (mut fold, now) = (Fold::default(), now_ms());
        for (partition, text) in records {
            let end_ms = WindowId::of(text.at_ms, text.key.clone(), width).end_ms();
            let watermark = watermarks.entry(*partition).or_default();
            let is_late = watermark.pass(text.at_ms, end_ms, lateness_ms, now);
            fold.add(text, width, is_late, bounds);
        }
        // What the watermarks were read at is what the store holds the fold to.
        let partitions = reached.iter().map(|one| PartitionAdvance {
            partition: one.partition,
            from: one.from,
            to: one.to,
            greatest_ms: watermarks.get(&one.partition).and_then(|mark| mark.greatest_ms),
        });
        let advance = Advance { topic: topic.to_owned(), partitions: partitions.collect() };
        super::crowded(&fold);
        let windows = fold.into_windows();
        let fold = WindowsFold { windows, bounds, advance: Some(advance) };
        self.store.fold_windows(fold).await?;
        trends.live.wake();
        Ok(())
    }
}
