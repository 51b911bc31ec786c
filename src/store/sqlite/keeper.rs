//! Keeps the database's files open for as long as the store is, so that SQLite does not remove its log in
//! between, minds that they stay where they are, and saves a copy of what was written when they do not.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use time::OffsetDateTime;
use time::macros::format_description;

use super::watch::{Loss, Watch};
use crate::private;

/// How soon a copy that failed is tried again.
const RESCUE_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The writer's part of the watch: tells the log of what is lost and found, once each.
pub(super) struct Keeper {
    watch: Arc<Watch>,
    connection: Arc<Mutex<Connection>>,
    length: u64,
    lost: Option<Lost>,
}

struct Lost {
    /// When a copy was last begun; `None`: none can be.
    rescuing: Option<Instant>,
    /// Whether there is one.
    rescued: Arc<Mutex<bool>>,
}

impl Keeper {
    /// `connection` has read from the database before, so that it has its files open.
    pub fn new(watch: Arc<Watch>, connection: Connection) -> Keeper {
        Keeper { watch, connection: Arc::new(Mutex::new(connection)), length: 0, lost: None }
    }

    /// Whether the ledger can be written.
    pub fn look(&mut self) -> Result<(), Loss> {
        let seen = self.watch.look().and_then(|length| self.has_shrunk(length));
        match &seen {
            Ok(()) => {
                if self.lost.take().is_some() {
                    tracing::info!("the ledger's file is back: calls at LLMs go on");
                }
            }
            Err(loss) => self.tell(loss),
        }
        seen
    }

    /// The file grows, unless somebody else writes over it. VACUUM makes it shorter too, but then SQLite
    /// knows of fewer pages.
    fn has_shrunk(&mut self, length: u64) -> Result<(), Loss> {
        let before = std::mem::replace(&mut self.length, length);
        if length >= before {
            return Ok(());
        }
        let Ok(connection) = self.connection.try_lock() else {
            // A copy is still being made: seen at the next look.
            self.length = before;
            return Ok(());
        };
        let number = |pragma: &str| {
            connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
        };
        let known = number("PRAGMA page_count")
            .and_then(|pages| Ok(pages.saturating_mul(number("PRAGMA page_size")?)));
        if known.is_ok_and(|known| known <= length) {
            return Ok(());
        }
        drop(connection);
        self.watch.overwritten();
        self.watch.look().map(|_| ())
    }

    fn tell(&mut self, loss: &Loss) {
        let is_first = self.lost.is_none();
        let lost = self
            .lost
            .get_or_insert_with(|| Lost { rescuing: None, rescued: Arc::new(Mutex::new(false)) });
        if is_first {
            tracing::error!(
                "{}. No call at an LLM is written to it any more; local answers go on. {}",
                loss.what(),
                loss.way_out()
            );
        }
        let is_rescued = lost.rescued.try_lock().is_ok_and(|rescued| *rescued);
        let is_time = lost.rescuing.is_none_or(|begun| begun.elapsed() >= RESCUE_AGAIN_AFTER);
        if loss.can_be_rescued() && !is_rescued && is_time {
            lost.rescuing = Some(Instant::now());
            let rescue = Rescue {
                path: self.watch.path().to_owned(),
                // Whoever opens the path anew finds other files, so that these are ours alone.
                ends_log: !matches!(loss, Loss::Log(_)),
                connection: Arc::clone(&self.connection),
                rescued: Arc::clone(&lost.rescued),
            };
            let started = std::thread::Builder::new().name("rescue".into()).spawn(|| rescue.run());
            if let Err(error) = started {
                tracing::error!(%error, "what the lost ledger holds cannot be copied");
            }
        }
    }
}

/// A copy of what the open files hold.
struct Rescue {
    path: PathBuf,
    ends_log: bool,
    connection: Arc<Mutex<Connection>>,
    rescued: Arc<Mutex<bool>>,
}

impl Rescue {
    fn run(self) {
        let Ok(mut rescued) = self.rescued.try_lock() else {
            // The one before is still at it.
            return;
        };
        match self.copy() {
            Ok(copy) => {
                *rescued = true;
                let (path, copy) = (self.path.display(), copy.display());
                tracing::warn!(
                    copy = %copy,
                    "all that was written to the lost ledger is in {copy}. To go on with it, stop the \
                     gateway, move the copy to {path}, delete {path}-wal and {path}-shm, and start the \
                     gateway again"
                );
            }
            Err(error) => tracing::error!(
                %error,
                "what the lost ledger holds cannot be copied, and is gone when the gateway ends; it is \
                 tried again every {} s", RESCUE_AGAIN_AFTER.as_secs()
            ),
        }
    }

    fn copy(&self) -> Result<PathBuf, String> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ends_log {
            // Whatever takes the file's place must not find this one's log beside it.
            let ended = connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
            if !matches!(ended, Ok(false)) {
                tracing::warn!("the lost ledger's write-ahead log could not be emptied");
            }
        }
        let copy = copy_of(&self.path);
        if let Some(folder) = copy.parent() {
            private::create_folder(folder).map_err(|error| error.to_string())?;
        }
        private::options()
            .write(true)
            .create_new(true)
            .open(&copy)
            .map_err(|error| format!("{}: {error}", copy.display()))?;
        let name = copy.to_str().ok_or("its path is not UTF-8")?;
        if let Err(error) = connection.execute("VACUUM INTO ?1", [name]) {
            let _ = std::fs::remove_file(&copy);
            return Err(error.to_string());
        }
        let synced = std::fs::File::open(&copy).and_then(|file| file.sync_all());
        synced.map_err(|error| format!("{}: {error}", copy.display()))?;
        Ok(copy)
    }
}

fn copy_of(path: &Path) -> PathBuf {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let now = OffsetDateTime::now_utc().format(&format).unwrap_or_default();
    super::watch::beside(path, &format!(".rescued-{now}-{}", std::process::id()))
}
