//! The thread that writes. Whatever waits when it wakes is committed in one transaction, so that
//! callers share the price of a sync; each is answered once its group is committed. A group that
//! fails is answered with the reason, and the next one is tried as if nothing had happened.

use std::path::PathBuf;
use std::time::SystemTime;

use flume::RecvTimeoutError;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

use super::checkpointer::Checkpointer;
use super::keeper::Keeper;
use super::open::{Opened, connect};
use super::{Durability, answers, learning, rows, signals, trends};
use crate::pricing::AttemptId;
use crate::store::Error;
use crate::store::queue::{self, Answer, Job, Jobs, Op, Queue, TICK, Taken, Waiting};

/// Starts the thread; it ends when the queue is closed or dropped.
pub(super) fn start(
    opened: Opened,
    path: PathBuf,
    durability: Durability,
) -> std::io::Result<Queue> {
    let (queue, jobs) = queue::queue();
    let thread = Thread {
        connection: Some(opened.connection),
        keeper: opened.keeper,
        checkpointer: Checkpointer::start(opened.watch, durability)?,
        path,
        durability,
        jobs,
        withdrawn: Vec::new(),
    };
    std::thread::Builder::new().name("ledger".to_owned()).spawn(move || thread.run())?;
    Ok(queue)
}

struct Thread {
    /// `None` after a failure that a new connection may cure.
    connection: Option<Connection>,
    keeper: Keeper,
    path: PathBuf,
    durability: Durability,
    jobs: Jobs,
    /// Reservations to take back with the next group.
    withdrawn: Vec<AttemptId>,
    checkpointer: Checkpointer,
}

impl Thread {
    fn run(mut self) {
        let mut closing = Vec::new();
        while closing.is_empty() {
            let first = match self.next() {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.jobs.at_work.begin();
            // A record handed over after the call to close is committed if it is here by now.
            let taken: Taken = first.into_iter().chain(self.jobs.jobs.try_iter()).collect();
            self.withdrawn.extend(taken.withdrawn);
            closing = taken.closing;
            let done = self.commit_and_tell(taken.group);
            self.jobs.at_work.end(done);
        }
        // Closing the last connection to a file in WAL mode checkpoints it.
        drop(self.checkpointer);
        drop(self.connection.take());
        drop(self.keeper);
        for closed in closing {
            let _ = closed.send(());
        }
    }

    /// The next job; a time-out where none came for a while: the file is looked at all the same.
    fn next(&self) -> Result<Job, RecvTimeoutError> {
        self.jobs.jobs.recv_timeout(TICK)
    }

    /// Whether the store took the group.
    fn commit_and_tell(&mut self, mut group: Vec<Waiting>) -> bool {
        if let Err(loss) = self.keeper.look() {
            queue::tell_all(group, &Error::Write(loss.to_string()));
            return false;
        }
        let (ping, _heard) = oneshot::channel();
        if self.jobs.at_work.has_hung() {
            group.push((Op::Ping, ping));
        }
        if group.is_empty() && self.withdrawn.is_empty() {
            return true;
        }
        match self.commit(&group) {
            Ok(results) => {
                self.withdrawn.extend(queue::tell(group, results));
                true
            }
            Err(error) => {
                queue::tell_all(group, &Error::Write(error.to_string()));
                false
            }
        }
    }

    /// Commits the group: a result for each record, `None` for one that nobody waits for any more.
    /// An error means that nothing of it is on the ledger.
    fn commit(&mut self, group: &[Waiting]) -> rusqlite::Result<Vec<Option<Answer>>> {
        let committed = self.try_commit(group);
        match &committed {
            Ok(_) => self.checkpointer.committed(),
            Err(error) if is_busy(error) => {}
            Err(_) => self.connection = None,
        }
        committed
    }

    fn try_commit(&mut self, group: &[Waiting]) -> rusqlite::Result<Vec<Option<Answer>>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            // A file that is gone stays an error: a new one would be an empty ledger.
            none => none.insert(connect(&self.path, self.durability, OpenFlags::empty())?),
        };
        // Takes the lock on writing first, so that the state read is the one written to.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in &self.withdrawn {
            rows::withdraw(&transaction, *id)?;
        }
        let mut results = Vec::with_capacity(group.len());
        for waiting in group {
            results.push(match queue::is_unheard(waiting) {
                true => None,
                false => Some(execute(&waiting.0, &transaction)?),
            });
        }
        transaction.commit()?;
        self.withdrawn.clear();
        Ok(results)
    }
}

/// The outer error fails the whole group, the inner one only this record.
fn execute(op: &Op, connection: &Connection) -> rusqlite::Result<Answer> {
    let done = match op {
        Op::Replay(reservation) => rows::replay(connection, reservation),
        Op::Reserve(reservation) => match rows::reserve(connection, reservation) {
            Ok(Err(refusal)) => return Ok(Err(refusal)),
            reserved => reserved.map(|_| ()),
        },
        Op::Settle(id, settlement, at) => match rows::settle(connection, *id, settlement, *at) {
            Ok(false) => return Ok(Err(Error::UnknownAttempt(*id))),
            settled => settled.map(|_| ()),
        },
        Op::Count(counts) => rows::add_counts(connection, counts),
        Op::AddUpDays { from, to } => rows::add_up_days(connection, *from, *to),
        Op::Keep(answer) => answers::keep(connection, &answer.0, &answer.1),
        Op::LogSignals(rows, forget) => signals::log(connection, rows, *forget),
        Op::Learn(change) => learning::change(connection, change),
        Op::FoldWindows(fold) => match trends::fold(connection, fold) {
            Ok(Err(moved)) => return Ok(Err(moved)),
            folded => folded.map(|_| ()),
        },
        Op::ForgetWindows(unchanged_since) => trends::forget(connection, *unchanged_since),
        Op::Ping => rows::ping(connection, SystemTime::now()),
    };
    match done {
        // SQLite undoes the one statement and leaves the transaction as it was.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Ok(Err(Error::Refused(error.to_string())))
        }
        done => done.map(Ok),
    }
}

/// Another process holds the file: the connection is as good as before.
fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
