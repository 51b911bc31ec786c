//! Windows of verdicts as the store keeps them: added to in transactions that also hold how far a topic has
//! been folded, read back summed over whoever wrote them.

use std::collections::{BTreeMap, HashMap};

use super::{Error, Store};
use crate::sentiment::Emotion;
use crate::trends::{AspectCounts, Bounds, Crowded, Sums, Window, WindowId, WindowKey};

/// Who this program is among the writers of windows.
pub(super) const SOURCE: &str = "gateway";

/// The most windows that are let go of at once, so that nobody waits long for the store.
pub(super) const MOST_FORGOTTEN: i64 = 2_000;

/// What is added to windows in one transaction.
#[derive(Clone, Debug)]
pub struct WindowsFold {
    /// In their order.
    pub windows: Vec<Window>,
    pub bounds: Bounds,
    /// Where the texts are those of a topic.
    pub advance: Option<Advance>,
}

/// How far a fold brings a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    pub topic: String,
    pub partitions: Vec<PartitionAdvance>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionAdvance {
    pub partition: i32,
    /// Where the store has to be for the fold to count; `None`: nowhere yet.
    pub from: Option<i64>,
    /// Where it is then: the first offset that is not folded.
    pub to: i64,
    /// The greatest event time before that.
    pub greatest_ms: Option<i64>,
}

/// How far a partition has been folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub partition: i32,
    pub next_offset: i64,
    pub greatest_ms: Option<i64>,
    /// When that was, by the store's clock.
    pub updated_us: i64,
}

/// Which windows are asked for: those that start from `from_ms` on and before `to_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowQuery {
    pub from_ms: i64,
    pub to_ms: i64,
    /// `None`: every key's.
    pub key: Option<WindowKey>,
    /// What is stored in narrower windows is put together to this width where it fits in; what is stored
    /// otherwise comes as it is.
    pub width_seconds: u32,
    /// At most so many windows and one more, which then come without emotions and aspects.
    pub most: usize,
}

/// What changed since a moment of the store's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The store's clock when this was read.
    pub now_us: i64,
    /// As they are stored, with the time of their last change.
    pub windows: Vec<(WindowId, i64)>,
}

impl Store {
    /// Adds to windows, and notes how far that brings a topic: all of it or, after an error, nothing.
    ///
    /// # Errors
    /// [`Error::Moved`] where the topic is not where the fold begins.
    pub async fn fold_windows(&self, fold: WindowsFold) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.fold_windows(fold).await,
            Store::Postgres(postgres) => postgres.fold_windows(fold).await,
        }
    }

    /// How far each partition of a topic has been folded.
    pub async fn positions(&self, topic: String) -> Result<Vec<Position>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.positions(topic).await,
            Store::Postgres(postgres) => postgres.positions(topic).await,
        }
    }

    /// Windows in the order of their start, then their key.
    pub async fn windows(&self, query: WindowQuery) -> Result<Vec<Window>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.windows(query).await,
            Store::Postgres(postgres) => postgres.windows(query).await,
        }
    }

    /// The windows that changed after `since_us`, at most so many, the latest changes first.
    pub async fn changed_windows(&self, since_us: i64, most: usize) -> Result<Changes, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.changed_windows(since_us, most).await,
            Store::Postgres(postgres) => postgres.changed_windows(since_us, most).await,
        }
    }

    /// Lets go of windows that have not changed since, a part at a time where they are many.
    pub async fn forget_windows(&self, unchanged_since_us: i64) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.forget_windows(unchanged_since_us).await,
            Store::Postgres(postgres) => postgres.forget_windows(unchanged_since_us).await,
        }
    }
}

/// Rows that are read one after the other, put together into windows.
#[derive(Default)]
pub(super) struct Assembly(BTreeMap<WindowId, Sums>);

impl Assembly {
    pub fn window(&mut self, id: WindowId, sums: Sums) {
        self.0.entry(id).or_default().merge(sums);
    }

    /// Of a window that is not there nothing is shown: another writer may be about to write it.
    pub fn emotion(&mut self, id: &WindowId, emotion: &str, texts: u64) {
        if let (Some(sums), Some(emotion)) = (self.0.get_mut(id), Emotion::named(emotion)) {
            *sums.emotions.entry(emotion.name()).or_default() += texts;
        }
    }

    pub fn term(&mut self, id: &WindowId, term: &str, counts: AspectCounts) {
        if let Some(sums) = self.0.get_mut(id) {
            sums.add_term(term, counts);
        }
    }

    pub fn finish(self) -> Vec<Window> {
        self.0.into_iter().map(|(id, sums)| Window { id, sums }).collect()
    }
}

/// Counts what found no place of its own, and says so once.
pub(super) fn tell_crowded(crowded: Crowded, bounds: Bounds) {
    static TOLD: std::sync::Once = std::sync::Once::new();
    if crowded == Crowded::default() {
        return;
    }
    metrics::counter!("undertone_trends_crowded_total", "what" => "key").increment(crowded.keys);
    metrics::counter!("undertone_trends_crowded_total", "what" => "term").increment(crowded.terms);
    TOLD.call_once(|| {
        tracing::warn!(
            keys_per_window = bounds.keys,
            terms_per_window = bounds.terms,
            "a window is full: further keys count under no key, further terms under no name"
        );
    });
}

/// The positions in the store that are not where a fold begins: the first of them.
pub(super) fn moved(advance: &Advance, stored: &HashMap<i32, i64>) -> Option<Error> {
    advance.partitions.iter().find_map(|one| {
        let stored = stored.get(&one.partition).copied();
        (stored != one.from).then(|| Error::Moved {
            topic: advance.topic.clone(),
            partition: one.partition,
            stored,
        })
    })
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
