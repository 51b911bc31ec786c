//! The way to the one who writes. Records wait in a queue and are committed in groups, whatever the
//! database; what a caller may rely on once it stops waiting is settled here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::learning::Change;
use super::{CountKey, Counts, Error, Interview, KeptAnswer, LoggedSignals, WindowsFold};
use crate::pricing::{AttemptId, Reservation, Settlement};

/// Records that may wait before callers wait to hand theirs over.
const QUEUE: usize = 1024;

/// A slow store is worse than a dead one: past this, a call goes without its reservation, unsent.
const RESERVE_LIMIT: Duration = Duration::from_secs(2);

/// Past this a caller goes on without knowing that its settlement is written, which it will be.
const SETTLE_LIMIT: Duration = Duration::from_secs(6);

/// Readiness probes commonly give up after a second.
const PING_LIMIT: Duration = Duration::from_millis(500);

/// A group that fails after longer than this did not fail for what it held.
const HUNG_AFTER: Duration = Duration::from_secs(1);

/// How soon a failed withdrawal is tried again, and a store that hung.
pub(super) const TICK: Duration = Duration::from_secs(1);

pub(super) type Answer = Result<(), Error>;

/// Something to commit.
#[derive(Debug)]
pub(super) enum Op {
    Reserve(Box<Reservation>),
    /// An attempt that was sent while the store was not there: no budget refuses it any more.
    Replay(Box<Reservation>),
    Settle(AttemptId, Box<Settlement>, SystemTime),
    Count(Vec<(CountKey, Counts)>),
    /// Counts of minutes that are added up by the day: milliseconds since the epoch.
    AddUpDays {
        from: i64,
        to: i64,
    },
    Keep(Box<(Interview, KeptAnswer)>),
    LogSignals(Vec<LoggedSignals>, SystemTime),
    Learn(Box<Change>),
    FoldWindows(Box<WindowsFold>),
    /// Those that have not changed since: microseconds since the epoch.
    ForgetWindows(i64),
    Ping,
}

#[derive(Debug)]
pub(super) enum Job {
    Write {
        op: Op,
        answer: oneshot::Sender<Answer>,
        _place: OwnedSemaphorePermit,
    },
    /// Takes back a committed reservation that nobody waited for.
    Withdraw(AttemptId),
    Close(oneshot::Sender<()>),
}

/// A record, and who waits for it.
pub(super) type Waiting = (Op, oneshot::Sender<Answer>);

/// The callers' end.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    jobs: flume::Sender<Job>,
    /// Bounds the queue in the channel's stead, so that a withdrawal always gets in.
    places: Arc<Semaphore>,
    at_work: AtWork,
    /// The writer has gone: what it left in the channel nobody answers.
    ended: CancellationToken,
}

/// The writer's end.
pub(super) struct Jobs {
    pub jobs: flume::Receiver<Job>,
    pub at_work: AtWork,
    _ended: DropGuard,
}

pub(super) fn queue() -> (Queue, Jobs) {
    let (sender, jobs) = flume::unbounded();
    let (at_work, ended) = (AtWork::default(), CancellationToken::new());
    let queue = Queue {
        jobs: sender,
        places: Arc::new(Semaphore::new(QUEUE)),
        at_work: at_work.clone(),
        ended: ended.clone(),
    };
    (queue, Jobs { jobs, at_work, _ended: ended.drop_guard() })
}

/// For a store that is only read: whatever is handed over comes back as [`Error::Closed`].
pub(super) fn without_writer() -> Queue {
    queue().0
}

impl Queue {
    pub async fn write(&self, op: Op) -> Answer {
        counted(self.try_write(op).await)
    }

    async fn try_write(&self, op: Op) -> Answer {
        let (answer, mut answered) = oneshot::channel();
        self.hand_over(op, answer).await?;
        self.heard(&mut answered).await
    }

    pub async fn reserve(&self, reservation: Reservation) -> Answer {
        // Who comes while the store hangs is not made to find out by waiting as well.
        if self.at_work.hangs() {
            return counted(Err(Error::Slow(RESERVE_LIMIT)));
        }
        let id = reservation.id;
        let (answer, answered) = oneshot::channel();
        let mut claim = Claim { id, answered, jobs: &self.jobs };
        let reserved = async {
            self.hand_over(Op::Reserve(Box::new(reservation)), answer).await?;
            self.heard(&mut claim.answered).await
        };
        counted(timeout(RESERVE_LIMIT, reserved).await.unwrap_or(Err(Error::Slow(RESERVE_LIMIT))))
    }

    pub async fn settle(&self, id: AttemptId, settlement: Settlement, at: SystemTime) -> Answer {
        let settled = self.try_write(Op::Settle(id, Box::new(settlement), at));
        counted(timeout(SETTLE_LIMIT, settled).await.unwrap_or(Err(Error::Slow(SETTLE_LIMIT))))
    }

    pub async fn withdraw(&self, id: AttemptId) -> Answer {
        self.jobs.send(Job::Withdraw(id)).map_err(|_| Error::Closed)?;
        // Committed with what comes next.
        self.write(Op::Ping).await
    }

    pub async fn ping(&self) -> Answer {
        let pong = timeout(PING_LIMIT, self.try_write(Op::Ping)).await;
        counted(pong.unwrap_or(Err(Error::Slow(PING_LIMIT))))
    }

    /// Returns once everything handed over before is committed and the store is closed.
    pub async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.jobs.send(Job::Close(closed)).is_ok() {
            // An error says that the writer was closing already.
            tokio::select! {
                _ = wait => {}
                () = self.ended.cancelled() => {}
            }
        }
    }

    async fn hand_over(&self, op: Op, answer: oneshot::Sender<Answer>) -> Result<(), Error> {
        let place = tokio::select! {
            place = Arc::clone(&self.places).acquire_owned() => place.map_err(|_| Error::Closed)?,
            () = self.ended.cancelled() => return Err(Error::Closed),
        };
        let job = Job::Write { op, answer, _place: place };
        self.jobs.send(job).map_err(|_| Error::Closed)
    }

    async fn heard(&self, answered: &mut oneshot::Receiver<Answer>) -> Answer {
        tokio::select! {
            biased;
            answer = &mut *answered => answer.unwrap_or(Err(Error::Closed)),
            () = self.ended.cancelled() => answered.try_recv().unwrap_or(Err(Error::Closed)),
        }
    }
}

/// Counts the failures of a store, once for each caller.
fn counted(answer: Answer) -> Answer {
    answer.inspect_err(Error::count)
}

/// A reservation that is waited for. It is either confirmed to its caller or off the ledger: the
/// writer skips it once nobody waits, takes it back if nobody does after the commit, and what was
/// confirmed in the instant between is taken back here.
struct Claim<'a> {
    id: AttemptId,
    answered: oneshot::Receiver<Answer>,
    jobs: &'a flume::Sender<Job>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // From here on an answer fails to be sent; one that is still in here was never read.
        self.answered.close();
        if let Ok(Ok(())) = self.answered.try_recv() {
            // If the writer is gone, the attempt expires and is reported as unresolved.
            let _ = self.jobs.send(Job::Withdraw(self.id));
        }
    }
}

/// What the writer took from its queue in one go.
#[derive(Default)]
pub(super) struct Taken {
    pub group: Vec<Waiting>,
    pub withdrawn: Vec<AttemptId>,
    pub closing: Vec<oneshot::Sender<()>>,
}

impl FromIterator<Job> for Taken {
    fn from_iter<I: IntoIterator<Item = Job>>(jobs: I) -> Taken {
        let mut taken = Taken::default();
        for job in jobs {
            match job {
                Job::Write { op, answer, _place } => taken.group.push((op, answer)),
                Job::Withdraw(id) => taken.withdrawn.push(id),
                Job::Close(closed) => taken.closing.push(closed),
            }
        }
        taken
    }
}

/// Whether nobody waits for a record that is wanted only by somebody who waits.
pub(super) fn is_unheard((op, answer): &Waiting) -> bool {
    answer.is_closed() && matches!(op, Op::Reserve(_) | Op::Ping)
}

/// Tells each caller how its record fared; `None`: it was left out. Returns the reservations that
/// were committed and that nobody waits for any more.
pub(super) fn tell(group: Vec<Waiting>, results: Vec<Option<Answer>>) -> Vec<AttemptId> {
    let mut withdrawn = Vec::new();
    for ((op, answer), result) in group.into_iter().zip(results) {
        let Some(result) = result else { continue };
        let reserved = result.is_ok();
        let unheard = answer.send(result).is_err();
        if let (Op::Reserve(reservation), true, true) = (op, reserved, unheard) {
            withdrawn.push(reservation.id);
        }
    }
    withdrawn
}

/// Tells each caller the same bad news.
pub(super) fn tell_all(group: Vec<Waiting>, error: &Error) {
    for (_, answer) in group {
        // Nobody waits for it: nobody has to know.
        let _ = answer.send(Err(error.clone()));
    }
}

/// Whether the writer gets anywhere.
#[derive(Clone, Debug)]
pub(super) struct AtWork {
    epoch: Instant,
    /// Since when it has been at work on a group: milliseconds since `epoch`, plus one; 0: it waits
    /// for work.
    since: Arc<AtomicU64>,
    /// The last group took long, and failed.
    hung: Arc<AtomicBool>,
}

impl Default for AtWork {
    fn default() -> AtWork {
        AtWork { epoch: Instant::now(), since: Arc::default(), hung: Arc::default() }
    }
}

impl AtWork {
    pub fn begin(&self) {
        self.since.store(self.now() + 1, Ordering::Relaxed);
    }

    pub fn end(&self, done: bool) {
        if done {
            self.hung.store(false, Ordering::Relaxed);
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            metrics::gauge!("undertone_store_last_commit_timestamp_seconds")
                .set(since.as_secs_f64());
        } else if self.elapsed() > HUNG_AFTER {
            self.hung.store(true, Ordering::Relaxed);
        }
        self.since.store(0, Ordering::Relaxed);
    }

    /// Whether the last group took long, and failed: the writer then finds out by itself, a tick
    /// later, whether the store still hangs.
    pub fn has_hung(&self) -> bool {
        self.hung.load(Ordering::Relaxed)
    }

    fn hangs(&self) -> bool {
        self.has_hung() || self.elapsed() > RESERVE_LIMIT
    }

    /// How long the present group has taken.
    fn elapsed(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis((self.now() + 1).saturating_sub(since)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}
