//! The one who asks the store what changed, for all who listen.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::{Live, MOST_CHANGES, MOST_WINDOWS, OVERLAP_US};
use crate::app::App;
use crate::store::{self, Store, WindowQuery};
use crate::trends::{Window, WindowId};

/// How often the store is asked for what others wrote.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// How soon after one look the next may follow: whoever writes often is heard of in groups.
const POLL_PAUSE: Duration = Duration::from_millis(100);

/// The most starts of windows that one round reads; what is left waits for the next, the newest first.
const MOST_STARTS: usize = 64;

/// What the poller has seen.
#[derive(Default)]
struct Seen {
    /// Up to when changes have been looked for; `None` while nobody listens.
    until_us: Option<i64>,
    /// When each of the latest changes was.
    changes: HashMap<WindowId, i64>,
    /// Changed windows that nobody was told of yet.
    dirty: BTreeSet<WindowId>,
}

impl App {
    /// Tells those who listen what changed, until the task is aborted.
    pub fn spawn_live(self: &Arc<App>) -> JoinHandle<()> {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let live = &app.trends.live;
            let (mut seen, mut failing) = (Seen::default(), false);
            let mut ticks = tokio::time::interval(POLL_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = live.written.notified() => {}
                }
                let told = seen.round(live, &app.store).await;
                if let Err(error) = &told
                    && !failing
                {
                    tracing::warn!(%error, "live windows cannot be read until the store answers");
                }
                failing = told.is_err();
                tokio::time::sleep(POLL_PAUSE).await;
            }
        })
    }
}

impl Seen {
    async fn round(&mut self, live: &Live, store: &Store) -> Result<(), store::Error> {
        let mailboxes = live.mailboxes();
        if mailboxes.is_empty() {
            *self = Seen::default();
            return Ok(());
        }
        let since = self.until_us.map_or(i64::MAX, |until| until - OVERLAP_US);
        let changes = store.changed_windows(since, MOST_CHANGES).await?;
        if self.until_us.is_none() {
            // The first look takes the overlap along: the first listener was registered meanwhile.
            self.until_us = Some(changes.now_us);
            return Box::pin(self.round(live, store)).await;
        }
        self.take(changes.now_us, changes.windows);
        let chosen = self.next_starts();
        let mut widths: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for mailbox in mailboxes {
            widths.entry(mailbox.listening.width_seconds).or_default().push(mailbox);
        }
        for (width, mailboxes) in widths {
            let dirty = chosen.iter().map(|id| id.within(width)).collect();
            let windows: Vec<Arc<Window>> =
                read(store, dirty, width).await?.into_iter().map(Arc::new).collect();
            for mailbox in mailboxes {
                let wanted = windows.iter().filter(|one| mailbox.listening.wants(&one.id));
                mailbox.put(changes.now_us, wanted.cloned());
            }
        }
        chosen.iter().for_each(|id| {
            self.dirty.remove(id);
        });
        if !self.dirty.is_empty() {
            live.wake();
        }
        Ok(())
    }

    /// Notes what changed since the last look.
    fn take(&mut self, now_us: i64, changed: Vec<(WindowId, i64)>) {
        for (id, updated_us) in changed {
            if self.changes.insert(id.clone(), updated_us) != Some(updated_us) {
                self.dirty.insert(id);
            }
        }
        self.changes.retain(|_, updated_us| *updated_us > now_us - 2 * OVERLAP_US);
        self.until_us = Some(now_us);
    }

    /// The dirty windows of the newest starts.
    fn next_starts(&self) -> Vec<WindowId> {
        let mut starts = BTreeSet::new();
        let newest = self.dirty.iter().rev();
        let within = |id: &&WindowId| {
            starts.insert(id.start_ms);
            starts.len() <= MOST_STARTS
        };
        newest.take_while(within).cloned().collect()
    }
}

/// Reads windows of one width, run by run of neighbouring starts.
pub(super) async fn read(
    store: &Store,
    wanted: BTreeSet<WindowId>,
    width_seconds: u32,
) -> Result<Vec<Window>, store::Error> {
    let mut windows = Vec::new();
    for (from_ms, to_ms) in runs(&wanted) {
        let query = WindowQuery { from_ms, to_ms, key: None, width_seconds, most: MOST_WINDOWS };
        let read = store.windows(query).await?;
        windows.extend(read.into_iter().filter(|window| wanted.contains(&window.id)));
    }
    Ok(windows)
}

/// The stretches of time that windows cover, those that touch each other put together.
fn runs(wanted: &BTreeSet<WindowId>) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for id in wanted {
        match runs.last_mut() {
            Some((_, to_ms)) if id.start_ms <= *to_ms => *to_ms = (*to_ms).max(id.end_ms()),
            _ => runs.push((id.start_ms, id.end_ms())),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trends::WindowKey;

    fn id(minute: i64, key: &str) -> WindowId {
        WindowId::of(minute * 60_000, WindowKey::of(Some(key)), 60)
    }

    #[test]
    fn a_change_is_noted_once_and_a_later_one_again() {
        let mut seen = Seen::default();
        seen.take(1_000, vec![(id(1, "a"), 900)]);
        assert_eq!(seen.dirty.len(), 1);
        seen.dirty.clear();
        seen.take(2_000, vec![(id(1, "a"), 900)]);
        assert!(seen.dirty.is_empty());
        seen.take(3_000, vec![(id(1, "a"), 2_500), (id(2, "a"), 2_600)]);
        assert_eq!(seen.dirty.len(), 2);
        seen.take(3_000 + 3 * OVERLAP_US, Vec::new());
        assert!(seen.changes.is_empty(), "what is long ago is forgotten");
    }

    #[test]
    fn neighbours_are_read_at_once_and_the_newest_first() {
        let wanted = [id(1, "a"), id(1, "b"), id(2, "a"), id(9, "a")].into();
        assert_eq!(runs(&wanted), [(60_000, 180_000), (540_000, 600_000)]);
        let dirty = (0..100).flat_map(|minute| [id(minute, "a"), id(minute, "b")]).collect();
        let chosen = Seen { dirty, ..Seen::default() }.next_starts();
        assert_eq!(chosen.len(), 2 * MOST_STARTS);
        assert!(chosen.iter().all(|id| id.start_ms >= 36 * 60_000));
    }
}
