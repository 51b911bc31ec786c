//! The store in one SQLite file, which several processes may share. One thread writes, in groups;
//! reports read on connections of their own and keep nobody waiting.

mod access;
mod alerts;
mod answers;
mod budgets;
mod checkpointer;
mod corrections;
mod existing;
mod keeper;
mod learning;
mod open;
mod probe;
mod report;
mod rows;
mod signals;
mod trends;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use time::OffsetDateTime;
use uuid::Uuid;

use self::open::{connect, create};
pub(super) use self::probe::probe;
use self::watch::Watch;
use super::marker::Marker;
use super::queue::{self, Op, Queue};
use super::report::Listed;
use super::runs::{self, RunAttempt};
use super::{
    AccessState, BudgetState, Charge, Correction, CostQuery, CostReport, CountKey, Counts,
    DayUsage, Durability, Error, Interview, KeptAnswer, LoggedSignals, OpenAttempt, Period,
    StoredKey, Subject, millis,
};
use crate::pricing::{AttemptId, Reservation, Settlement, Usd};

/// How long another process's transaction is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Sqlite {
    path: Arc<Path>,
    queue: Queue,
    marker: Marker,
    /// The ledger's own; `None`: it is only read.
    id: Option<Arc<str>>,
    reads: Reads,
}

/// How the file is read.
#[derive(Clone, Debug)]
enum Reads {
    /// Beside this process's own writer, while the file is still the one that was opened.
    Beside(Arc<Watch>),
    /// For a command that only reads.
    Alone,
    /// There is none: as if it were empty.
    Nothing,
}

impl Sqlite {
    pub async fn open(path: PathBuf, durability: Durability) -> Result<Sqlite, Error> {
        blocking(move || {
            let cannot = |reason| Error::Open { store: path.display().to_string(), reason };
            let marker = Marker::at(watch::beside(&path, ".keys"));
            let opened = create(&path, durability, &marker).map_err(cannot)?;
            let (watch, id) = (Arc::clone(&opened.watch), opened.id.as_str().into());
            let queue = writer::start(opened, path.clone(), durability)
                .map_err(|error| cannot(error.to_string()))?;
            Ok(Sqlite {
                path: path.into(),
                queue,
                marker,
                id: Some(id),
                reads: Reads::Beside(watch),
            })
        })
        .await
    }

    /// A file that is there, to read it; every write fails.
    pub async fn open_to_read(path: PathBuf) -> Result<Sqlite, Error> {
        blocking(move || {
            existing::check(&path)?;
            Ok(Sqlite::reader(path, Reads::Alone))
        })
        .await
    }

    /// An empty ledger, to read it; there is no file.
    pub fn nothing(path: PathBuf) -> Sqlite {
        Sqlite::reader(path, Reads::Nothing)
    }

    fn reader(path: PathBuf, reads: Reads) -> Sqlite {
        let marker = Marker::at(watch::beside(&path, ".keys"));
        Sqlite { path: path.into(), queue: queue::without_writer(), marker, id: None, reads }
    }

    /// Notes that keys exist; one who only reads notes nothing.
    fn mark(&self) {
        if let Some(id) = &self.id {
            self.marker.set(id);
        }
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

    pub async fn oldest_minute(&self, before: i64) -> Result<Option<i64>, Error> {
        self.read(move |connection| rows::oldest_minute(connection, before)).await
    }

    pub(super) async fn write(&self, op: Op) -> Result<(), Error> {
        self.queue.write(op).await
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

    pub async fn attempts(
        &self,
        which: Listed,
        now: SystemTime,
    ) -> Result<Vec<OpenAttempt>, Error> {
        self.read(move |connection| report::attempts(connection, which, millis(now))).await
    }

    pub async fn run_attempts(&self, run: Uuid, first: i64) -> Result<Vec<RunAttempt>, Error> {
        let given = (runs::since(run), format!("{run}-"), first);
        self.read(move |connection| {
            let mut select = connection.prepare(&runs::attempts_sql())?;
            select.query_map(given, |row| runs::attempt(|column| row.get(column)))?.collect()
        })
        .await
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
        self.transact(move |connection| access::add(connection, &key)).await?;
        self.mark();
        Ok(())
    }

    pub async fn revoke_key(&self, id: String, at: OffsetDateTime) -> Result<bool, Error> {
        self.transact(move |connection| access::revoke(connection, &id, at)).await
    }

    pub async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        self.read(access::all).await
    }

    pub async fn access_state(&self, now: OffsetDateTime) -> Result<AccessState, Error> {
        let state = self.read(move |connection| access::state(connection, now)).await?;
        if state.any_key {
            self.mark();
        }
        Ok(AccessState { any_key: state.any_key || self.marker.is_there(), ..state })
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
        let Reads::Beside(watch) = &self.reads else { return Err(Error::Closed) };
        let watch = Arc::clone(watch);
        let change = move || {
            let mut connection = connect(&path, Durability::Disk, OpenFlags::empty())?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = change(&transaction)?;
            transaction.commit()?;
            Ok(changed)
        };
        blocking(move || {
            watch.look().map_err(|loss| Error::Write(loss.to_string()))?;
            change().map_err(|error: rusqlite::Error| Error::Write(error.to_string()))
        })
        .await
    }

    /// Reads one consistent state. Each reader opens the file anew, which takes well under a
    /// millisecond: reports run side by side, and none inherits a broken connection.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let path = Arc::clone(&self.path);
        let watch = match &self.reads {
            Reads::Beside(watch) => Arc::clone(watch),
            Reads::Alone => return blocking(move || existing::read(&path, read)).await,
            Reads::Nothing => return blocking(move || existing::read_nothing(read)).await,
        };
        let read = move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            read(&snapshot)
        };
        blocking(move || {
            watch.look().map_err(|loss| Error::Read(loss.to_string()))?;
            read().map_err(|error: rusqlite::Error| Error::Read(error.to_string()))
        })
        .await
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
