//! The store in one SQLite file, which several processes may share. One thread writes, in groups;
//! reports read on connections of their own and keep nobody waiting.

mod access;
mod alerts;
mod answers;
mod budgets;
mod checkpointer;
mod corrections;
mod learning;
mod probe;
mod report;
mod rows;
mod signals;
mod trends;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use time::OffsetDateTime;

pub(super) use self::probe::probe;
use super::queue::{Op, Queue};
use super::{
    AccessState, BudgetState, Charge, Correction, CostQuery, CostReport, CountKey, Counts,
    DayUsage, Durability, Error, Interview, KeptAnswer, LoggedSignals, OpenAttempt, Period,
    StoredKey, Subject, millis,
};
use crate::pricing::{AttemptId, Reservation, Settlement, Usd};

mod migrations {
    refinery::embed_migrations!("migrations/sqlite");
}

/// How long another process's transaction is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages of 4 KB that the write-ahead log may have, about.
const MOST_LOG_PAGES: u32 = 8000;

#[derive(Clone, Debug)]
pub struct Sqlite {
    path: Arc<Path>,
    queue: Queue,
}

impl Sqlite {
    pub async fn open(path: PathBuf, durability: Durability) -> Result<Sqlite, Error> {
        blocking(move || {
            let cannot = |reason| Error::Open { store: path.display().to_string(), reason };
            let connection = create(&path, durability).map_err(cannot)?;
            let queue = writer::start(connection, path.clone(), durability)
                .map_err(|error| cannot(error.to_string()))?;
            Ok(Sqlite { path: path.into(), queue })
        })
        .await
    }

    pub async fn reserve(&self, reservation: Reservation) -> Result<(), Error> {
        self.queue.reserve(reservation).await
    }

    pub async fn replay(&self, reservation: Reservation) -> Result<(), Error> {
        self.queue.write(Op::Replay(Box::new(reservation))).await
    }

    pub async fn withdraw(&self, id: AttemptId) -> Result<(), Error> {
        self.queue.withdraw(id).await
    }

    pub async fn settle(
        &self,
        id: AttemptId,
        settlement: Settlement,
        at: SystemTime,
    ) -> Result<(), Error> {
        self.queue.settle(id, settlement, at).await
    }

    pub async fn add_counts(&self, counts: Vec<(CountKey, Counts)>) -> Result<(), Error> {
        if counts.is_empty() {
            return Ok(());
        }
        self.queue.write(Op::Count(counts)).await
    }

    pub async fn keep_answer(&self, interview: Interview, kept: KeptAnswer) -> Result<(), Error> {
        self.queue.write(Op::Keep(Box::new((interview, kept)))).await
    }

    pub async fn kept_answers(&self, interview: Interview) -> Result<Vec<KeptAnswer>, Error> {
        self.read(move |connection| answers::kept(connection, &interview)).await
    }

    pub async fn log_signals(
        &self,
        rows: Vec<LoggedSignals>,
        forget: SystemTime,
    ) -> Result<(), Error> {
        self.queue.write(Op::LogSignals(rows, forget)).await
    }

    pub async fn fold_signals<T: Send + 'static>(
        &self,
        from: SystemTime,
        to: SystemTime,
        folded: T,
        fold: impl FnMut(&mut T, LoggedSignals) + Send + 'static,
    ) -> Result<T, Error> {
        self.read(move |connection| {
            signals::fold(connection, millis(from), millis(to), folded, fold)
        })
        .await
    }

    pub async fn ping(&self) -> Result<(), Error> {
        self.queue.ping().await
    }

    pub async fn close(self) {
        self.queue.close().await;
    }

    pub async fn costs(&self, query: CostQuery, now: SystemTime) -> Result<CostReport, Error> {
        let sums = {
            let query = query.clone();
            self.read(move |connection| report::sums(connection, &query, now)).await?
        };
        Ok(CostReport::assemble(query, sums))
    }

    pub async fn open_attempts(&self, now: SystemTime) -> Result<Vec<OpenAttempt>, Error> {
        self.read(move |connection| report::open_attempts(connection, millis(now))).await
    }

    pub async fn correct(
        &self,
        corrections: Vec<Correction>,
        now: SystemTime,
    ) -> Result<(), Error> {
        let now = millis(now);
        self.transact(move |connection| corrections::correct(connection, &corrections, now)).await?
    }

    pub async fn charges(&self, from: i64, to: i64) -> Result<Vec<Charge>, Error> {
        self.read(move |connection| corrections::charges(connection, from, to)).await
    }

    pub async fn usage(
        &self,
        provider: String,
        from: i64,
        to: i64,
    ) -> Result<Vec<DayUsage>, Error> {
        self.read(move |connection| corrections::usage(connection, &provider, from, to)).await
    }

    pub async fn add_key(&self, key: StoredKey) -> Result<(), Error> {
        self.transact(move |connection| access::add(connection, &key)).await
    }

    pub async fn revoke_key(&self, id: String, at: OffsetDateTime) -> Result<bool, Error> {
        self.transact(move |connection| access::revoke(connection, &id, at)).await
    }

    pub async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        self.read(access::all).await
    }

    pub async fn access_state(&self, now: OffsetDateTime) -> Result<AccessState, Error> {
        self.read(move |connection| access::state(connection, now)).await
    }

    pub async fn set_budget(
        &self,
        subject: Subject,
        period: Period,
        limit: Option<(Usd, bool)>,
        now: SystemTime,
    ) -> Result<(), Error> {
        self.transact(move |connection| budgets::set(connection, &subject, period, limit, now))
            .await
    }

    pub async fn budgets(&self, now: SystemTime) -> Result<Vec<BudgetState>, Error> {
        self.read(move |connection| budgets::states(connection, now)).await
    }

    pub async fn claim_warning(
        &self,
        of: BudgetState,
        percent: u32,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<bool, Error> {
        self.transact(move |connection| {
            budgets::claim_warning(connection, &of, percent, now, until)
        })
        .await
    }

    pub async fn warned(&self, of: BudgetState, percent: u32) -> Result<(), Error> {
        self.transact(move |connection| budgets::warned(connection, &of, percent)).await
    }

    /// Changes something beside the ledger, in a transaction over a connection of its own: rare
    /// enough not to be grouped, and always synced.
    async fn transact<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let path = Arc::clone(&self.path);
        let change = move || {
            let mut connection = connect(&path, Durability::Disk, OpenFlags::empty())?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = change(&transaction)?;
            transaction.commit()?;
            Ok(changed)
        };
        blocking(move || change().map_err(|error: rusqlite::Error| Error::Write(error.to_string())))
            .await
    }

    /// Reads one consistent state. Each reader opens the file anew, which takes well under a
    /// millisecond: reports run side by side, and none inherits a broken connection.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let path = Arc::clone(&self.path);
        let read = move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            read(&snapshot)
        };
        blocking(move || read().map_err(|error: rusqlite::Error| Error::Read(error.to_string())))
            .await
    }
}

/// The writing connection to a file that is created, with its folder, where there is none.
fn create(path: &Path, durability: Durability) -> Result<Connection, String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("its folder cannot be created: {error}"))?;
    }
    let mut connection = connect(path, durability, OpenFlags::SQLITE_OPEN_CREATE)
        .map_err(|error| error.to_string())?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// A connection that writes. `create` decides whether a missing file is an error.
fn connect(path: &Path, durability: Durability, create: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // SQLite does not wait for others where it changes the mode of a file: of two processes that meet
    // a new one, the second would be told at once that it is locked.
    let patience = Instant::now() + BUSY_TIMEOUT;
    while let Err(error) = connection.pragma_update(None, "journal_mode", "wal") {
        let busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        if !busy || Instant::now() >= patience {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // In WAL mode, FULL syncs at every commit; NORMAL syncs at checkpoints alone, which loses
    // nothing while the operating system lives. `checkpointer` makes one every second.
    let synchronous = match durability {
        Durability::Disk => "full",
        Durability::Process => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: a kept text that somebody wants forgotten is gone.
    connection.pragma_update(None, "secure_delete", true)?;
    // While others commit, no checkpoint can start the log afresh: past this length, one of them does,
    // and finds little left to bring to the disk.
    connection.pragma_update(None, "wal_autocheckpoint", MOST_LOG_PAGES)?;
    Ok(connection)
}

/// Brings the tables up to date. Of several processes that start at once, one wins each step; the
/// others find it done when they look again.
fn migrate(connection: &mut Connection) -> Result<(), String> {
    const TRIES: u32 = 5;
    let mut tries = 1;
    while let Err(error) = migrations::migrations::runner().run(connection) {
        if tries == TRIES {
            return Err(error.to_string());
        }
        tries += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    // A file that cannot be written passes for up to date where there is nothing to migrate.
    match connection.is_readonly("main") {
        Ok(false) => Ok(()),
        Ok(true) => Err("it is read-only".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs what may wait for a disk off the asynchronous threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Closed),
    }
}
