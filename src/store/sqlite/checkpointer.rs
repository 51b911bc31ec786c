//! The thread that brings commits from the write-ahead log to the disk. A sync takes milliseconds,
//! which the thread that commits would keep its callers waiting for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::open::connect;
use super::watch::Watch;
use crate::store::Durability;

/// What a power cut may cost under [`Durability::Process`].
const TICK: Duration = Duration::from_secs(1);

/// The writer's end. Dropped, it waits for the thread to let go of the file.
#[derive(Debug)]
pub(super) struct Checkpointer {
    /// Whether something was committed that no checkpoint has begun to sync.
    pending: Arc<AtomicBool>,
    wake: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(watch: Arc<Watch>, durability: Durability) -> std::io::Result<Checkpointer> {
        let (wake, woken) = mpsc::channel();
        let pending = Arc::new(AtomicBool::new(false));
        let thread =
            Thread { watch, durability, connection: None, pending: pending.clone(), woken };
        let thread =
            std::thread::Builder::new().name("checkpointer".to_owned()).spawn(|| thread.run())?;
        Ok(Checkpointer { pending, wake: Some(wake), thread: Some(thread) })
    }

    /// Says that something was committed: it is on the disk a tick later.
    pub fn committed(&self) {
        if !self.pending.swap(true, Ordering::AcqRel)
            && let Some(wake) = &self.wake
        {
            // Without the thread, commits are synced when SQLite finds its log too long.
            let _ = wake.send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        // A panic in there has been reported; what is not synced yet the last connection syncs.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Thread {
    watch: Arc<Watch>,
    durability: Durability,
    connection: Option<Connection>,
    pending: Arc<AtomicBool>,
    woken: mpsc::Receiver<()>,
}

impl Thread {
    fn run(mut self) {
        while self.woken.recv().is_ok() {
            let mut failing = false;
            // What follows in the next second is synced with it.
            while self.woken.recv_timeout(TICK) != Err(RecvTimeoutError::Disconnected) {
                self.pending.store(false, Ordering::Release);
                match self.checkpoint() {
                    Ok(()) => break,
                    // Tried again at every tick, and told once.
                    Err(error) => {
                        self.connection = None;
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!(%error, "the ledger could not be synced to the disk");
                        }
                    }
                }
            }
        }
    }

    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        if self.watch.look().is_err() {
            // The writer has told it, and whatever stands in the file's place is not ours to write to.
            return Ok(());
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(self.watch.path(), self.durability, OpenFlags::empty())?),
        };
        // Passive: it waits for nobody, and nobody for it.
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }
}
