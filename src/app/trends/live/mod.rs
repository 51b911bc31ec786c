//! Windows as they change, for those who listen. One poller asks the store once a second for everybody, and
//! at once after this process wrote; whoever listens has the newest state of each window waiting, never a
//! queue of all states.

mod listener;
mod poller;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use listener::{Listener, Update};

use super::now_ms;
use crate::app::App;
use crate::app::BadParameter;
use crate::store::{self, Store, WindowQuery};
use crate::trends::{Config, DAY_SECONDS, Window, WindowId, WindowKey, Windowing};

/// How far back changes are looked for again: longer than a transaction that writes them may take, so that
/// one which is committed after a later one is not missed.
const OVERLAP_US: i64 = 15_000_000;

/// The most changes that are taken note of at once, the latest first.
const MOST_CHANGES: usize = 20_000;

/// The most windows that are read for one listener or one round.
const MOST_WINDOWS: usize = 100_000;

pub struct Live {
    most_listeners: usize,
    recent_windows: u32,
    listeners: Mutex<HashMap<u64, Arc<listener::Mailbox>>>,
    next: AtomicU64,
    /// Something was written.
    written: Notify,
    closing: CancellationToken,
}

/// What somebody listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// `None`: every key.
    pub key: Option<WindowKey>,
    pub width_seconds: u32,
    /// The `id` of the last event that was heard before a connection broke.
    pub after_us: Option<i64>,
}

impl Listening {
    /// `key` and `window_seconds` as for `/v1/trends`; an `after` that is none of ours says nothing.
    pub fn parse(
        key: Option<&str>,
        window_seconds: Option<&str>,
        after: Option<&str>,
        windowing: Windowing,
    ) -> Result<Listening, BadParameter> {
        Ok(Listening {
            key: key.map(super::query::key).transpose()?,
            width_seconds: super::query::width(window_seconds, windowing)?,
            after_us: after.and_then(|id| id.parse().ok()).filter(|id| *id > 0),
        })
    }

    fn wants(&self, id: &WindowId) -> bool {
        self.key.as_ref().is_none_or(|key| *key == id.key)
    }
}

/// Why somebody does not get to listen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{0} clients listen already, which is the limit (trends.live_clients)")]
    Full(usize),
    #[error("the gateway is stopping")]
    Closing,
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Live {
    pub fn new(config: &Config) -> Live {
        Live {
            most_listeners: config.live_clients,
            recent_windows: config.live_recent_windows,
            listeners: Mutex::default(),
            next: AtomicU64::new(0),
            written: Notify::new(),
            closing: CancellationToken::new(),
        }
    }

    /// Something was written: those who listen hear of it now.
    pub fn wake(&self) {
        self.written.notify_one();
    }

    /// Every listener's stream ends, and nobody else gets one.
    pub fn close(&self) {
        self.closing.cancel();
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<listener::Mailbox>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mailboxes(&self) -> Vec<Arc<listener::Mailbox>> {
        self.listeners().values().cloned().collect()
    }

    /// Registers somebody who hears from now on, unless there are too many.
    fn register(&self, listening: Listening) -> Result<(u64, Arc<listener::Mailbox>), ListenError> {
        if self.closing.is_cancelled() {
            return Err(ListenError::Closing);
        }
        let mut listeners = self.listeners();
        if listeners.len() >= self.most_listeners {
            return Err(ListenError::Full(self.most_listeners));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::new(listener::Mailbox::new(listening));
        listeners.insert(number, Arc::clone(&mailbox));
        metrics::gauge!("undertone_live_clients").set(listeners.len() as f64);
        Ok((number, mailbox))
    }

    fn leave(&self, number: u64) {
        let mut listeners = self.listeners();
        listeners.remove(&number);
        metrics::gauge!("undertone_live_clients").set(listeners.len() as f64);
    }
}

impl App {
    /// Listens to windows as they change. First come those that changed since the event that was heard
    /// last, or the newest ones, so that nothing is missed between `/v1/trends` and the first event.
    pub async fn listen(self: &Arc<App>, listening: Listening) -> Result<Listener, ListenError> {
        let live = &self.trends.live;
        // Registered first: what changes while the first windows are read comes after them.
        let (number, mailbox) = live.register(listening.clone())?;
        let listener = Listener::new(Arc::clone(self), number, Arc::clone(&mailbox));
        let (as_of_us, windows) = first(&self.store, &listening, live.recent_windows).await?;
        mailbox.put(as_of_us, windows.into_iter().filter(|one| listening.wants(&one.id)));
        Ok(listener)
    }

    /// Ends the streams of all who listen.
    pub fn stop_live(&self) {
        self.trends.live.close();
    }
}

/// What a new listener is sent first, and as of when that is.
async fn first(
    store: &Store,
    listening: &Listening,
    recent_windows: u32,
) -> Result<(i64, Vec<Window>), store::Error> {
    let width = listening.width_seconds;
    if let Some(after_us) = listening.after_us {
        let changes = store.changed_windows(after_us - OVERLAP_US, MOST_CHANGES).await?;
        let dirty = changes.windows.into_iter().map(|(id, _)| id.within(width));
        let dirty = dirty.filter(|id| listening.wants(id)).collect();
        return Ok((changes.now_us, poller::read(store, dirty, width).await?));
    }
    let as_of_us = store.changed_windows(i64::MAX, 1).await?.now_us;
    let width_ms = i64::from(width) * 1000;
    let current = WindowId::of(now_ms(), WindowKey::default(), width);
    let query = WindowQuery {
        from_ms: current.start_ms - width_ms * (i64::from(recent_windows) - 1),
        // Event time may be ahead of this clock, within reason.
        to_ms: current.end_ms() + i64::from(DAY_SECONDS) * 1000,
        key: listening.key.clone(),
        width_seconds: width,
        most: MOST_WINDOWS,
    };
    Ok((as_of_us, store.windows(query).await?))
}
