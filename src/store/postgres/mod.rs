//! The store in a PostgreSQL database, which several gateways may share. One task writes, in groups
//! over a connection of its own; reports read over others and keep nobody waiting.

mod access;
mod alerts;
mod answers;
mod budgets;
mod connect;
mod corrections;
mod group;
mod learning;
mod probe;
mod report;
mod rows;
mod signals;
mod trends;
mod warnings;
mod writer;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod upgrade_tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use deadpool_postgres::{Pool, PoolError};
use time::OffsetDateTime;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{IsolationLevel, Transaction};
use uuid::Uuid;

use self::connect::{Connector, Link, may_pass, reason, why_not_connected};
pub(super) use self::probe::probe;
use super::marker::{Found, Marker};
use super::queue::{self, Op, Queue};
use super::report::Listed;
use super::runs::{self, RunAttempt};
use super::{
    AccessState, BudgetState, Charge, Correction, CostQuery, CostReport, CountKey, Counts,
    DayUsage, Durability, Error, Interview, KeptAnswer, LoggedSignals, OpenAttempt, Period,
    StoredKey, Subject, millis, version,
};
use crate::pricing::{AttemptId, Reservation, Settlement, Usd};

mod migrations {
    refinery::embed_migrations!("migrations/postgres");
}

/// How long a start waits for a server that is just starting as well, and for another gateway that
/// brings the tables up to date.
const START_LIMIT: Duration = Duration::from_secs(15);
const START_PAUSE: Duration = Duration::from_millis(250);

/// Held by whoever brings the tables up to date; the number says nothing.
const MIGRATION_LOCK: i64 = 0x0075_6e64_6572_746f;

/// Longer than the server itself lets a report take.
const READ_LIMIT: Duration = Duration::from_secs(65);

#[derive(Clone)]
pub struct Postgres {
    queue: Queue,
    readers: Pool,
    marker: Marker,
    /// The ledger's own; `None`: it is only read.
    id: Option<Arc<str>>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Postgres {
    /// `folder` is where this machine keeps in mind that keys have existed in the ledger.
    pub async fn open(url: &str, durability: Durability, folder: &Path) -> Result<Postgres, Error> {
        let connector = Connector::new(url, durability)?;
        let marker = marker_of(&connector, folder);
        let (link, id) = start(&connector, &marker).await?;
        let readers = connector.readers()?;
        let queue = writer::start(connector, link, Arc::clone(&id));
        Ok(Postgres { queue, readers, marker, id: Some(id) })
    }

    /// A database that holds a ledger, to read it; every write fails.
    pub async fn open_to_read(
        url: &str,
        durability: Durability,
        folder: &Path,
    ) -> Result<Postgres, Error> {
        let connector = Connector::new(url, durability)?;
        let link = connect(&connector).await?;
        let found = newest_migration(&link).await;
        link.close().await;
        let found = found.map_err(|error| cannot_open(&connector, reason(&error)))?;
        let runner = migrations::migrations::runner();
        let known = runner.get_migrations().iter().map(|one| one.version()).max();
        version::check(&connector.name(), found, known)?;
        let (readers, marker) = (connector.readers()?, marker_of(&connector, folder));
        Ok(Postgres { queue: queue::without_writer(), readers, marker, id: None })
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
        self.read(async |snapshot| rows::oldest_minute(snapshot, before).await).await
    }

    pub(super) async fn write(&self, op: Op) -> Result<(), Error> {
        self.queue.write(op).await
    }

    pub async fn keep_answer(&self, interview: Interview, kept: KeptAnswer) -> Result<(), Error> {
        self.queue.write(Op::Keep(Box::new((interview, kept)))).await
    }

    pub async fn kept_answers(&self, interview: Interview) -> Result<Vec<KeptAnswer>, Error> {
        self.read(async |snapshot| answers::kept(snapshot, &interview).await).await
    }

    pub async fn log_signals(
        &self,
        rows: Vec<LoggedSignals>,
        forget: SystemTime,
    ) -> Result<(), Error> {
        self.queue.write(Op::LogSignals(rows, forget)).await
    }

    pub async fn fold_signals<T>(
        &self,
        from: SystemTime,
        to: SystemTime,
        folded: T,
        fold: impl FnMut(&mut T, LoggedSignals),
    ) -> Result<T, Error> {
        let (from, to) = (millis(from), millis(to));
        self.read(async |snapshot| signals::fold(snapshot, from, to, folded, fold).await).await
    }

    pub async fn ping(&self) -> Result<(), Error> {
        self.queue.ping().await
    }

    pub async fn close(self) {
        self.queue.close().await;
        self.readers.close();
    }

    pub async fn costs(&self, query: CostQuery, now: SystemTime) -> Result<CostReport, Error> {
        let sums = self.read(async |snapshot| report::sums(snapshot, &query, now).await).await?;
        Ok(CostReport::assemble(query, sums))
    }

    pub async fn attempts(
        &self,
        which: Listed,
        now: SystemTime,
    ) -> Result<Vec<OpenAttempt>, Error> {
        self.read(async |snapshot| report::attempts(snapshot, which, millis(now)).await).await
    }

    pub async fn run_attempts(&self, run: Uuid, first: i64) -> Result<Vec<RunAttempt>, Error> {
        let (since, prefix) = (runs::since(run), format!("{run}-"));
        self.read(async |snapshot| {
            let given: [(&(dyn ToSql + Sync), Type); 3] =
                [(&since, Type::INT8), (&prefix, Type::TEXT), (&first, Type::INT8)];
            let rows = snapshot.query_typed(&runs::attempts_sql(), &given).await?;
            rows.iter().map(|row| runs::attempt(|column| row.try_get(column))).collect()
        })
        .await
    }

    pub async fn correct(
        &self,
        corrections: Vec<Correction>,
        now: SystemTime,
    ) -> Result<(), Error> {
        self.transact(async |transaction| {
            corrections::correct(transaction, &corrections, millis(now)).await
        })
        .await?
    }

    pub async fn charges(&self, from: i64, to: i64) -> Result<Vec<Charge>, Error> {
        self.read(async |snapshot| corrections::charges(snapshot, from, to).await).await
    }

    pub async fn usage(
        &self,
        provider: String,
        from: i64,
        to: i64,
    ) -> Result<Vec<DayUsage>, Error> {
        self.read(async |snapshot| corrections::usage(snapshot, &provider, from, to).await).await
    }

    pub async fn add_key(&self, key: StoredKey) -> Result<(), Error> {
        self.transact(async |transaction| access::add(transaction, &key).await).await?;
        self.mark();
        Ok(())
    }

    pub async fn revoke_key(&self, id: String, at: OffsetDateTime) -> Result<bool, Error> {
        self.transact(async |transaction| access::revoke(transaction, &id, at).await).await
    }

    pub async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        self.read(async |snapshot| access::all(snapshot).await).await
    }

    pub async fn access_state(&self, now: OffsetDateTime) -> Result<AccessState, Error> {
        let state = self.read(async |snapshot| access::state(snapshot, now).await).await?;
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
        self.transact(async |transaction| {
            budgets::set(transaction, &subject, period, limit, now).await
        })
        .await
    }

    pub async fn budgets(&self, now: SystemTime) -> Result<Vec<BudgetState>, Error> {
        self.read(async |snapshot| budgets::states(snapshot, now).await).await
    }

    pub async fn claim_warning(
        &self,
        of: BudgetState,
        percent: u32,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<bool, Error> {
        self.transact(async |transaction| {
            warnings::claim_warning(transaction, &of, percent, now, until).await
        })
        .await
    }

    pub async fn warned(&self, of: BudgetState, percent: u32) -> Result<(), Error> {
        self.transact(async |transaction| warnings::warned(transaction, &of, percent).await).await
    }

    /// Notes that keys exist; one who only reads notes nothing.
    fn mark(&self) {
        if let Some(id) = &self.id {
            self.marker.set(id);
        }
    }

    /// Changes something beside the ledger, in a transaction of its own: rare enough not to be
    /// grouped.
    async fn transact<T>(
        &self,
        change: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let changing = async {
            let mut client = self.reader().await?;
            let transaction = client.transaction().await.map_err(unwritable)?;
            let changed = change(&transaction).await.map_err(unwritable)?;
            transaction.commit().await.map_err(unwritable)?;
            Ok(changed)
        };
        tokio::time::timeout(READ_LIMIT, changing).await.unwrap_or(Err(Error::Slow(READ_LIMIT)))
    }

    /// Reads one consistent state.
    async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let reading = self.snapshot(read);
        tokio::time::timeout(READ_LIMIT, reading).await.unwrap_or(Err(Error::Slow(READ_LIMIT)))
    }

    async fn snapshot<T>(
        &self,
        read: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let mut client = self.reader().await?;
        let snapshot = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await
            .map_err(unreadable)?;
        let value = read(&snapshot).await.map_err(unreadable)?;
        snapshot.commit().await.map_err(unreadable)?;
        Ok(value)
    }

    async fn reader(&self) -> Result<deadpool_postgres::Client, Error> {
        self.readers.get().await.map_err(|error| match error {
            PoolError::Backend(error) => unreadable(error),
            PoolError::Closed => Error::Closed,
            error => Error::Read(error.to_string()),
        })
    }
}

fn unreadable(error: tokio_postgres::Error) -> Error {
    Error::Read(reason(&error))
}

fn unwritable(error: tokio_postgres::Error) -> Error {
    Error::Write(reason(&error))
}

/// The first connection, with the tables brought up to date, and the ledger's id.
async fn start(connector: &Connector, marker: &Marker) -> Result<(Link, Arc<str>), Error> {
    let mut link = connect(connector).await?;
    let id = take(&mut link, marker).await;
    Ok((link, id.map_err(|reason| cannot_open(connector, reason))?))
}

/// Of the tables that are there; `None`: there are none.
async fn newest_migration(link: &Link) -> Result<Option<i32>, tokio_postgres::Error> {
    let is_there = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !link.client.query_one(is_there, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let newest = "SELECT max(version) FROM refinery_schema_history";
    Ok(link.client.query_one(newest, &[]).await?.get(0))
}

/// The first connection.
async fn connect(connector: &Connector) -> Result<Link, Error> {
    let patience = tokio::time::Instant::now() + START_LIMIT;
    let mut told = false;
    loop {
        let error = match connector.connect().await {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        if !may_pass(&error) || tokio::time::Instant::now() >= patience {
            return Err(cannot_open(connector, why_not_connected(&error)));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(error = %why_not_connected(&error), "the store does not answer yet; \
                the program keeps trying");
        }
        tokio::time::sleep(START_PAUSE).await;
    }
}

/// What this machine keeps in mind of that ledger.
fn marker_of(connector: &Connector, folder: &Path) -> Marker {
    let name = blake3::hash(connector.name().as_bytes()).to_hex();
    Marker::at(folder.join(format!("postgres-{}.keys", &name[..16])))
}

fn cannot_open(connector: &Connector, reason: String) -> Error {
    Error::Open { store: connector.name(), reason }
}

/// Makes sure that the database holds the ledger that it should, and brings its tables up to date. Returns
/// the ledger's id.
async fn take(link: &mut Link, marker: &Marker) -> Result<Arc<str>, String> {
    let text = |error: tokio_postgres::Error| reason(&error);
    let found = found(&link.client).await.map_err(text)?;
    marker.allows(&found)?;
    migrate(link).await?;
    if let (Found::Unnamed, Some(id)) = (&found, marker.ledger()) {
        // A dump from before ledgers had ids, restored.
        let name = "UPDATE ledger_identity SET id = $1";
        link.client.execute(name, &[&id]).await.map_err(text)?;
    }
    let row = link.client.query_one(IDENTITY, &[]).await.map_err(text)?;
    Ok(row.get::<_, String>(0).into())
}

const IDENTITY: &str = "SELECT id FROM ledger_identity";

/// What a database holds before anything is changed in it.
async fn found(client: &tokio_postgres::Client) -> Result<Found, tokio_postgres::Error> {
    let tables = "SELECT to_regclass('ledger_identity') IS NOT NULL,
                         to_regclass('refinery_schema_history') IS NOT NULL";
    let tables = client.query_one(tables, &[]).await?;
    Ok(match (tables.get(0), tables.get(1)) {
        (true, _) => {
            let row = client.query_opt(IDENTITY, &[]).await?;
            row.map_or(Found::Nothing, |row| Found::Ledger(row.get(0)))
        }
        (false, true) => Found::Unnamed,
        (false, false) => Found::Nothing,
    })
}

/// Brings the tables up to date. Of several gateways that start at once one does it, and the others
/// find it done.
async fn migrate(link: &mut Link) -> Result<(), String> {
    let text = |error: tokio_postgres::Error| reason(&error);
    let patience = tokio::time::Instant::now() + START_LIMIT;
    let lock = "SELECT pg_try_advisory_lock($1)";
    while !link.client.query_one(lock, &[&MIGRATION_LOCK]).await.map_err(text)?.get::<_, bool>(0) {
        if tokio::time::Instant::now() >= patience {
            return Err("another program has been changing its tables for too long".into());
        }
        tokio::time::sleep(START_PAUSE / 5).await;
    }
    // A large ledger's new index may take longer than a statement otherwise may.
    link.client.batch_execute("SET statement_timeout = 0").await.map_err(text)?;
    let migrated = migrations::migrations::runner().run_async(&mut link.client).await;
    link.client.batch_execute("SET statement_timeout = '5s'").await.map_err(text)?;
    let unlock = "SELECT pg_advisory_unlock($1)";
    link.client.query_one(unlock, &[&MIGRATION_LOCK]).await.map_err(text)?;
    migrated.map(|_| ()).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}
