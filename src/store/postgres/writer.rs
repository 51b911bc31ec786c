//! The task that writes. Whatever waits when it wakes is committed in one transaction, so that
//! callers share the price of a commit; each is answered once its group is committed. A group that
//! fails is answered with the reason, and the next one is tried as if nothing had happened.
//!
//! A commit whose reply is lost may have happened or not. The transaction's own number tells: it is
//! asked for before the commit, and looked up after a new connection is made.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;

use super::connect::{Connector, Link, reason, why_not_connected};
use super::group::{self, Uncommitted};
use crate::pricing::AttemptId;
use crate::store::Error;
use crate::store::queue::{self, Answer, Job, Jobs, Op, Queue, TICK, Taken, Waiting};

/// How long a group may take up to its commit, and its commit. The server gives up on a statement a
/// little earlier.
const GROUP_LIMIT: Duration = Duration::from_secs(6);

/// How long it is looked up whether a commit happened, before its callers are told that it failed.
const DOUBT_LIMIT: Duration = Duration::from_secs(20);
const DOUBT_PAUSE: Duration = Duration::from_millis(100);

/// How long a server that could not be reached is not tried again: callers are told at once.
const DOWN_PAUSE: Duration = Duration::from_millis(500);

/// How often a group is tried that others' transactions got in the way of, or whose connection
/// turns out to be a dead one.
const TRIES: u32 = 3;

/// Starts the task; it ends when the queue is closed or dropped.
pub(super) fn start(connector: Connector, link: Link, ledger: Arc<str>) -> Queue {
    let (queue, jobs) = queue::queue();
    let link = Some(link);
    let task =
        Task { connector, ledger, link, jobs, withdrawn: Vec::new(), down: None, is_other: false };
    tokio::spawn(task.run());
    queue
}

struct Task {
    connector: Connector,
    /// The id of the ledger that was opened: another one in its place is not written to.
    ledger: Arc<str>,
    /// `None` after a failure that a new connection may cure.
    link: Option<Link>,
    jobs: Jobs,
    /// Reservations to take back with the next group.
    withdrawn: Vec<AttemptId>,
    /// Until when the server is left alone, and why.
    down: Option<(Instant, String)>,
    /// Whether the database holds another ledger now.
    is_other: bool,
}

/// Why a group is not on the ledger.
enum Failed {
    /// A record of it contradicts what the tables allow.
    Refused(String),
    /// The same may succeed at once.
    Passing(String),
    Down(String),
    /// It may be.
    Unknown,
}

type Results = Vec<Option<Answer>>;

impl Task {
    async fn run(mut self) {
        let mut closing = Vec::new();
        while closing.is_empty() {
            let first = match self.next().await {
                Next::Job(job) => Some(job),
                Next::Tick => None,
                Next::End => break,
            };
            self.jobs.at_work.begin();
            // A record handed over after the call to close is committed if it is here by now.
            let taken: Taken = first.into_iter().chain(self.jobs.jobs.try_iter()).collect();
            self.withdrawn.extend(taken.withdrawn);
            closing = taken.closing;
            let done = self.commit_and_tell(taken.group).await;
            self.jobs.at_work.end(done);
        }
        if let Some(link) = self.link.take() {
            link.close().await;
        }
        for closed in closing {
            let _ = closed.send(());
        }
    }

    async fn next(&self) -> Next {
        let job = async { self.jobs.jobs.recv_async().await.map_or(Next::End, Next::Job) };
        match self.withdrawn.is_empty() && !self.jobs.at_work.has_hung() {
            true => job.await,
            false => timeout(TICK, job).await.unwrap_or(Next::Tick),
        }
    }

    /// Whether the store took the group, or what of it is sound.
    async fn commit_and_tell(&mut self, mut group: Vec<Waiting>) -> bool {
        let (ping, _heard) = oneshot::channel();
        if self.jobs.at_work.has_hung() {
            group.push((Op::Ping, ping));
        }
        if group.is_empty() && self.withdrawn.is_empty() {
            return true;
        }
        match self.commit(&group).await {
            Err(Failed::Refused(_)) if group.len() > 1 => {
                // One of them is at fault, and PostgreSQL undoes all: each is tried by itself.
                for waiting in group {
                    let alone = vec![waiting];
                    let result = self.commit(&alone).await;
                    self.tell(alone, result);
                }
                true
            }
            result => {
                let done = matches!(result, Ok(_) | Err(Failed::Refused(_)));
                self.tell(group, result);
                done
            }
        }
    }

    fn tell(&mut self, group: Vec<Waiting>, result: Result<Results, Failed>) {
        let error = match result {
            Ok(results) => return self.withdrawn.extend(queue::tell(group, results)),
            Err(Failed::Refused(reason)) => Error::Refused(reason),
            Err(Failed::Passing(reason) | Failed::Down(reason)) => Error::Write(reason),
            Err(Failed::Unknown) => {
                // What it reserved, if it did, is taken back once the server is there again.
                self.withdrawn.extend(group.iter().filter_map(|(op, _)| match op {
                    Op::Reserve(reservation) => Some(reservation.id),
                    _ => None,
                }));
                Error::Write("it is not known whether a commit happened".into())
            }
        };
        queue::tell_all(group, &error);
    }

    /// Commits the group: a result for each record, `None` for one that nobody waits for any more.
    async fn commit(&mut self, group: &[Waiting]) -> Result<Results, Failed> {
        let mut tries = 1;
        loop {
            match self.try_commit(group).await {
                Err(Failed::Passing(_)) if tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }

    async fn try_commit(&mut self, group: &[Waiting]) -> Result<Results, Failed> {
        let was_open = self.link.is_some();
        let link = match self.link.take() {
            Some(link) => link,
            None => self.reconnect().await?,
        };
        // From here on the link is put back only where its transaction has come to an end.
        let written = timeout(GROUP_LIMIT, group::write(&link.client, &self.withdrawn, group));
        let Uncommitted { transaction, results, .. } = match written.await {
            Ok(Ok(written)) if *written.ledger == *self.ledger => {
                if std::mem::replace(&mut self.is_other, false) {
                    tracing::info!("the database holds the ledger again");
                }
                written
            }
            Ok(Ok(_)) => return Err(self.replaced(link)),
            Ok(Err(error)) => return Err(self.undo(link, &error, was_open).await),
            Err(_) => {
                self.connector.cancel(&link.client);
                return Err(Failed::Down(slow()));
            }
        };
        match timeout(GROUP_LIMIT, link.client.batch_execute("COMMIT")).await {
            Ok(Ok(())) => {
                self.link = Some(link);
            }
            Ok(Err(error)) if error.as_db_error().is_some() && !link.client.is_closed() => {
                return Err(self.undo(link, &error, false).await);
            }
            _ => {
                self.connector.cancel(&link.client);
                drop(link);
                if !self.has_committed(transaction).await? {
                    return Err(Failed::Passing("its connection broke off".into()));
                }
            }
        }
        self.withdrawn.clear();
        Ok(results)
    }

    /// Leaves a database alone that holds another ledger than the one that was opened. Closing the
    /// connection undoes what was written.
    fn replaced(&mut self, link: Link) -> Failed {
        drop(link);
        let reason = format!(
            "the database holds another ledger than {}, which the gateway was started with: restore \
             that one, or restart the gateway",
            self.ledger
        );
        if !std::mem::replace(&mut self.is_other, true) {
            tracing::error!(error = %reason, "the ledger is lost: no call at an LLM is made on it");
        }
        self.down = Some((Instant::now() + DOWN_PAUSE, reason.clone()));
        Failed::Down(reason)
    }

    /// Undoes what a failed transaction did, and says what the failure means.
    async fn undo(&mut self, link: Link, error: &tokio_postgres::Error, was_open: bool) -> Failed {
        let text = reason(error);
        let usable = !link.client.is_closed()
            && matches!(
                timeout(GROUP_LIMIT, link.client.batch_execute("ROLLBACK")).await,
                Ok(Ok(()))
            );
        if usable {
            self.link = Some(link);
        }
        match error.code() {
            Some(code) if is_refusal(code) => Failed::Refused(text),
            Some(code) if is_passing(code) => Failed::Passing(text),
            Some(code) if *code == SqlState::UNDEFINED_TABLE => Failed::Down(format!(
                "the database has lost tables of the ledger, restore it from a backup: {text}"
            )),
            // A connection that was good before: the server may have been restarted meanwhile.
            _ if !usable && was_open => Failed::Passing(text),
            _ => Failed::Down(text),
        }
    }

    async fn reconnect(&mut self) -> Result<Link, Failed> {
        if let Some((until, reason)) = &self.down
            && Instant::now() < *until
        {
            return Err(Failed::Down(reason.clone()));
        }
        let connected = timeout(GROUP_LIMIT, self.connector.connect()).await;
        let error = match connected {
            Ok(Ok(link)) => {
                if self.down.take().is_some() && !self.is_other {
                    tracing::info!("the store can be reached again");
                }
                return Ok(link);
            }
            Ok(Err(error)) => why_not_connected(&error),
            Err(_) => slow(),
        };
        if self.down.is_none() {
            tracing::error!(%error, "the store cannot be reached");
        }
        self.down = Some((Instant::now() + DOWN_PAUSE, error.clone()));
        Err(Failed::Down(error))
    }

    /// Whether a transaction was committed whose reply was lost.
    async fn has_committed(&mut self, transaction: i64) -> Result<bool, Failed> {
        let patience = Instant::now() + DOUBT_LIMIT;
        loop {
            if let Ok(link) = self.reconnect().await {
                let fate = timeout(GROUP_LIMIT, group::fate(&link.client, transaction)).await;
                if let Ok(Ok(fate)) = fate {
                    self.link = Some(link);
                    if let Some(committed) = fate {
                        return Ok(committed);
                    }
                }
            }
            if Instant::now() >= patience {
                return Err(Failed::Unknown);
            }
            sleep(DOUBT_PAUSE).await;
        }
    }
}

enum Next {
    Job(Job),
    /// There is something to do without one.
    Tick,
    End,
}

fn slow() -> String {
    format!("no answer within {} s", GROUP_LIMIT.as_secs())
}

/// The data, not the server, is at fault: classes 22 (data) and 23 (integrity).
fn is_refusal(code: &SqlState) -> bool {
    code.code().starts_with("22") || code.code().starts_with("23")
}

/// Class 40: undone in favour of another transaction.
fn is_passing(code: &SqlState) -> bool {
    code.code().starts_with("40")
}
