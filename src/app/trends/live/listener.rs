//! One who listens: a box in which the newest state of each changed window waits to be taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Listening;
use crate::app::App;
use crate::trends::{Window, WindowId};

/// Windows that may wait for a listener that does not take them; then its stream ends, and it can come
/// back for what changed since.
const MOST_WAITING: usize = 10_000;

/// Windows that changed.
#[derive(Clone, Debug)]
pub struct Update {
    /// As of when, by the store's clock: whoever comes back with it is sent what changed since.
    pub as_of_us: i64,
    /// In their order.
    pub windows: Vec<Arc<Window>>,
}

pub struct Mailbox {
    pub listening: Listening,
    waiting: Mutex<Waiting>,
    ready: Notify,
}

#[derive(Default)]
struct Waiting {
    as_of_us: i64,
    windows: BTreeMap<WindowId, Arc<Window>>,
    /// It did not keep up.
    overflown: bool,
}

impl Mailbox {
    pub fn new(listening: Listening) -> Mailbox {
        Mailbox { listening, waiting: Mutex::default(), ready: Notify::new() }
    }

    /// Puts the newest states in, over older ones that still wait.
    pub fn put<W: Into<Arc<Window>>>(&self, as_of_us: i64, windows: impl Iterator<Item = W>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // What was read earlier and put in later says nothing new.
        let is_older = as_of_us < waiting.as_of_us;
        for window in windows {
            let window = window.into();
            if is_older && waiting.windows.contains_key(&window.id) {
                continue;
            }
            waiting.windows.insert(window.id.clone(), window);
        }
        waiting.as_of_us = waiting.as_of_us.max(as_of_us);
        waiting.overflown |= waiting.windows.len() > MOST_WAITING;
        if waiting.overflown {
            waiting.windows.clear();
        }
        drop(waiting);
        self.ready.notify_one();
    }

    /// What waits; `None` where the listener has lost its place.
    fn take(&self) -> Option<Update> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let windows = std::mem::take(&mut waiting.windows).into_values().collect();
        (!waiting.overflown).then_some(Update { as_of_us: waiting.as_of_us, windows })
    }
}

/// A place among those who listen, given up when it is dropped.
pub struct Listener {
    app: Arc<App>,
    number: u64,
    mailbox: Arc<Mailbox>,
}

impl Listener {
    pub fn new(app: Arc<App>, number: u64, mailbox: Arc<Mailbox>) -> Listener {
        Listener { app, number, mailbox }
    }

    /// The next windows that changed; `None` at the end: the gateway stops, or more has changed than this
    /// listener took.
    pub async fn next(&self) -> Option<Update> {
        loop {
            tokio::select! {
                biased;
                () = self.app.trends.live.closing.cancelled() => return None,
                () = self.mailbox.ready.notified() => {}
            }
            let update = self.mailbox.take()?;
            if !update.windows.is_empty() {
                return Some(update);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.app.trends.live.leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trends::{Sums, WindowKey};

    fn window(start_ms: i64, count: u64) -> Window {
        let id = WindowId { start_ms, key: WindowKey::default(), width_seconds: 60 };
        Window { id, sums: Sums { count, ..Sums::default() } }
    }

    fn mailbox() -> Mailbox {
        Mailbox::new(Listening { key: None, width_seconds: 60, after_us: None })
    }

    #[test]
    fn the_newest_state_of_a_window_waits_whatever_came_before() {
        let mailbox = mailbox();
        mailbox.put(1, [window(0, 1), window(60_000, 1)].into_iter());
        mailbox.put(2, [window(0, 2)].into_iter());
        mailbox.put(1, [window(0, 1)].into_iter());
        let update = mailbox.take().expect("a place");
        let counts: Vec<u64> = update.windows.iter().map(|one| one.sums.count).collect();
        assert_eq!((update.as_of_us, counts), (2, vec![2, 1]));
        assert!(mailbox.take().is_some_and(|update| update.windows.is_empty()));
    }

    #[test]
    fn who_takes_nothing_loses_its_place_before_it_takes_up_memory() {
        let mailbox = mailbox();
        for number in 0..=MOST_WAITING as i64 {
            mailbox.put(1, [window(number * 60_000, 1)].into_iter());
        }
        assert!(mailbox.take().is_none());
        mailbox.put(2, [window(0, 1)].into_iter());
        assert!(mailbox.take().is_none(), "it comes back by itself");
    }
}
