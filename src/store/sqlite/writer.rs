//! The thread that writes. Whatever waits when it wakes is committed in one transaction, so that
//! callers share the price of a sync; each is answered once its group is committed. A group that
//! fails is answered with the reason, and the next one is tried as if nothing had happened.

use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::checkpointer::Checkpointer;
use super::{Durability, answers, connect, rows, signals};
use crate::pricing::{AttemptId, Reservation, Settlement};
use crate::store::{CountKey, Counts, Error, Interview, KeptAnswer, LoggedSignals};

/// Records that may wait for the thread before callers wait to hand theirs over.
const QUEUE: usize = 1024;

/// A slow store is worse than a dead one: past this, a call goes without its reservation, unsent.
const RESERVE_LIMIT: Duration = Duration::from_secs(2);

/// Readiness probes commonly give up after a second.
const PING_LIMIT: Duration = Duration::from_millis(500);

/// How soon a failed withdrawal is tried again.
const TICK: Duration = Duration::from_secs(1);

type Answer = Result<(), Error>;

/// Something to commit.
#[derive(Debug)]
pub(super) enum Op {
    Reserve(Box<Reservation>),
    Settle(AttemptId, Box<Settlement>, SystemTime),
    Count(Vec<(CountKey, Counts)>),
    Keep(Box<(Interview, KeptAnswer)>),
    LogSignals(Vec<LoggedSignals>, SystemTime),
    Ping,
}

#[derive(Debug)]
enum Job {
    Write {
        op: Op,
        answer: oneshot::Sender<Answer>,
        _place: OwnedSemaphorePermit,
    },
    /// Takes back a committed reservation that nobody waited for.
    Withdraw(AttemptId),
    Close(oneshot::Sender<()>),
}

/// The callers' end.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    /// Bounds the queue in the channel's stead, so that a withdrawal always gets in.
    places: Arc<Semaphore>,
}

impl Writer {
    pub fn start(
        connection: Connection,
        path: PathBuf,
        durability: Durability,
    ) -> std::io::Result<Writer> {
        let (jobs, waiting) = mpsc::channel();
        let thread = Thread {
            connection: Some(connection),
            checkpointer: Checkpointer::start(path.clone(), durability)?,
            path,
            durability,
            jobs: waiting,
            withdrawn: Vec::new(),
        };
        std::thread::Builder::new().name("ledger".to_owned()).spawn(move || thread.run())?;
        Ok(Writer { jobs, places: Arc::new(Semaphore::new(QUEUE)) })
    }

    pub async fn write(&self, op: Op) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.hand_over(op, answer).await?;
        answered.await.unwrap_or(Err(Error::Closed))
    }

    pub async fn reserve(&self, reservation: Reservation) -> Answer {
        let id = reservation.id;
        let (answer, answered) = oneshot::channel();
        let mut claim = Claim { id, answered, jobs: &self.jobs };
        let reserved = async {
            self.hand_over(Op::Reserve(Box::new(reservation)), answer).await?;
            (&mut claim.answered).await.unwrap_or(Err(Error::Closed))
        };
        timeout(RESERVE_LIMIT, reserved).await.unwrap_or(Err(Error::Slow(RESERVE_LIMIT)))
    }

    pub async fn ping(&self) -> Answer {
        let pong = timeout(PING_LIMIT, self.write(Op::Ping)).await;
        pong.unwrap_or(Err(Error::Slow(PING_LIMIT)))
    }

    /// Returns once everything handed over before is committed and the file is closed.
    pub async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.jobs.send(Job::Close(closed)).is_ok() {
            // An error says that the thread was closing already.
            let _ = wait.await;
        }
    }

    async fn hand_over(&self, op: Op, answer: oneshot::Sender<Answer>) -> Result<(), Error> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Error::Closed)?;
        let job = Job::Write { op, answer, _place: place };
        self.jobs.send(job).map_err(|_| Error::Closed)
    }
}

/// A reservation that is waited for. It is either confirmed to its caller or off the ledger: the
/// thread skips it once nobody waits, takes it back if nobody does after the commit, and what was
/// confirmed in the instant between is taken back here.
struct Claim<'a> {
    id: AttemptId,
    answered: oneshot::Receiver<Answer>,
    jobs: &'a mpsc::Sender<Job>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // From here on an answer fails to be sent; one that is still in here was never read.
        self.answered.close();
        if let Ok(Ok(())) = self.answered.try_recv() {
            // If the thread is gone, the attempt expires and is reported as unresolved.
            let _ = self.jobs.send(Job::Withdraw(self.id));
        }
    }
}

struct Thread {
    /// `None` after a failure that a new connection may cure.
    connection: Option<Connection>,
    path: PathBuf,
    durability: Durability,
    jobs: mpsc::Receiver<Job>,
    /// Reservations to take back with the next group.
    withdrawn: Vec<AttemptId>,
    checkpointer: Checkpointer,
}

type Waiting = (Op, oneshot::Sender<Answer>);

impl Thread {
    fn run(mut self) {
        let mut closing = Vec::new();
        while closing.is_empty() {
            let first = match self.next() {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut group: Vec<Waiting> = Vec::new();
            // A record handed over after the call to close is committed if it is here by now.
            for job in first.into_iter().chain(self.jobs.try_iter()) {
                match job {
                    Job::Write { op, answer, _place } => group.push((op, answer)),
                    Job::Withdraw(id) => self.withdrawn.push(id),
                    Job::Close(closed) => closing.push(closed),
                }
            }
            self.commit_and_answer(group);
        }
        // Closing the last connection to a file in WAL mode checkpoints it.
        drop(self.checkpointer);
        drop(self.connection.take());
        for closed in closing {
            let _ = closed.send(());
        }
    }

    /// The next job; a time-out where there is something to do without one.
    fn next(&self) -> Result<Job, RecvTimeoutError> {
        match self.withdrawn.as_slice() {
            [] => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            _ => self.jobs.recv_timeout(TICK),
        }
    }

    fn commit_and_answer(&mut self, group: Vec<Waiting>) {
        if group.is_empty() && self.withdrawn.is_empty() {
            return;
        }
        match self.commit(&group) {
            Ok(results) => {
                for ((op, answer), result) in group.into_iter().zip(results) {
                    let Some(result) = result else { continue };
                    let reserved = result.is_ok();
                    let unheard = answer.send(result).is_err();
                    if let (Op::Reserve(reservation), true, true) = (op, reserved, unheard) {
                        self.withdrawn.push(reservation.id);
                    }
                }
            }
            Err(error) => {
                let error = Error::Write(error.to_string());
                for (_, answer) in group {
                    let _ = answer.send(Err(error.clone()));
                }
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
        for (op, answer) in group {
            let unheard = answer.is_closed() && matches!(op, Op::Reserve(_) | Op::Ping);
            results.push(if unheard { None } else { Some(execute(op, &transaction)?) });
        }
        transaction.commit()?;
        self.withdrawn.clear();
        Ok(results)
    }
}

/// The outer error fails the whole group, the inner one only this record.
fn execute(op: &Op, connection: &Connection) -> rusqlite::Result<Answer> {
    let done = match op {
        Op::Reserve(reservation) => rows::reserve(connection, reservation),
        Op::Settle(id, settlement, at) => match rows::settle(connection, *id, settlement, *at) {
            Ok(false) => return Ok(Err(Error::UnknownAttempt(*id))),
            settled => settled.map(|_| ()),
        },
        Op::Count(counts) => rows::add_counts(connection, counts),
        Op::Keep(answer) => answers::keep(connection, &answer.0, &answer.1),
        Op::LogSignals(rows, forget) => signals::log(connection, rows, *forget),
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
