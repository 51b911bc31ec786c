//! A request's decisions: whom to ask, whether again, and when to stop.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::attempt::{Ended, Failed};
use super::bill::Tally;
use super::lane::Lane;
use super::provider::Fault;
use super::retry::backoff;
use super::{Answered, Failure, FailureKind, Limits, Llm, Question, today};
use crate::pricing::Caller;
use crate::sentiment::Verdict;

/// A request as it is passed down to its attempts.
pub(super) struct Asked<'a> {
    pub question: &'a Question,
    pub caller: &'a Caller,
    pub limits: &'a Limits,
}

/// Why no (further) attempt is made.
pub(super) enum Stop {
    /// At this provider; the next may do better.
    Provider(FailureKind),
    /// At all.
    Request(FailureKind),
}

/// A verdict, and the model that gave it.
type Answer = (Verdict, String);

impl Llm {
    /// Asks the providers in order until one answers. Every attempt is on the ledger before it is
    /// sent, and its end before this returns: run it in a task of its own, that no disconnect
    /// cancels.
    pub async fn ask(
        &self,
        question: &Question,
        caller: &Caller,
        limits: &Limits,
    ) -> Result<Answered, Failure> {
        let asked = Asked { question, caller, limits };
        let mut tally = Tally::default();
        let answer = self.ask_in_order(&asked, &mut tally).await;
        conclude(answer, &tally)
    }

    /// Asks one provider alone.
    pub(super) async fn ask_only(
        &self,
        lane: &Lane,
        asked: &Asked<'_>,
    ) -> Result<Answered, Failure> {
        let mut tally = Tally::default();
        let answer = self.ask_lane(lane, true, asked, &mut tally).await;
        let answer = answer.map_err(|stop| match stop {
            Stop::Provider(kind) | Stop::Request(kind) => kind,
        });
        conclude(answer, &tally)
    }

    async fn ask_in_order(
        &self,
        asked: &Asked<'_>,
        tally: &mut Tally,
    ) -> Result<Answer, FailureKind> {
        let mut reason = FailureKind::NoProvider;
        for (at, lane) in self.lanes.iter().enumerate() {
            let is_last = at + 1 == self.lanes.len();
            match self.ask_lane(lane, is_last, asked, tally).await {
                Ok(answer) => return Ok(answer),
                Err(Stop::Request(kind)) => return Err(kind),
                Err(Stop::Provider(kind)) => reason = more_telling(reason, kind),
            }
        }
        Err(reason)
    }

    async fn ask_lane(
        &self,
        lane: &Lane,
        is_last: bool,
        asked: &Asked<'_>,
        tally: &mut Tally,
    ) -> Result<Answer, Stop> {
        let mut retries = 0;
        let mut was_invalid = false;
        loop {
            let model = lane.models.in_force(&self.prices.current(), today());
            let model = model.ok_or(Stop::Provider(FailureKind::ModelNotFound))?;
            let failed = match self.attempt(lane, model, asked, tally).await? {
                Ended::Answered { verdict, model } => return Ok((verdict, model)),
                // Another provider would be paid for a text that it likely treats the same.
                Ended::Refused => return Err(Stop::Request(FailureKind::Refused)),
                Ended::Truncated => return Err(Stop::Request(FailureKind::Truncated)),
                Ended::Invalid if was_invalid => return Err(Stop::Request(FailureKind::Invalid)),
                Ended::Invalid => {
                    was_invalid = true;
                    continue;
                }
                Ended::Failed(failed) => failed,
            };
            if failed.fault() == Some(Fault::ModelNotFound) {
                // With a successor the next round asks it, without one it ends there.
                lane.models.not_found(model);
                continue;
            }
            let now = Instant::now();
            if now >= asked.limits.deadline {
                return Err(Stop::Request(FailureKind::Deadline));
            }
            // A provider that hangs has taken its share of the time: the rest is for the next one.
            if failed == Failed::Lost && !is_last {
                return Err(Stop::Provider(FailureKind::Lost));
            }
            let in_time = |wait| {
                now.checked_add(wait).is_some_and(|retry_at| retry_at < asked.limits.deadline)
            };
            match failed.wait(retries) {
                Some(wait) if retries < self.config.max_retries && in_time(wait) => {
                    retries += 1;
                    sleep(wait).await;
                }
                _ => return Err(Stop::Provider(failed.kind())),
            }
        }
    }
}

fn conclude(answer: Result<Answer, FailureKind>, tally: &Tally) -> Result<Answered, Failure> {
    let bill = tally.bill();
    match answer {
        Ok((verdict, model)) => Ok(Answered { verdict, model, bill }),
        Err(kind) => Err(Failure { kind, bill }),
    }
}

/// Of two providers' reasons, the one to tell: a limit that the caller can raise, else what a
/// provider said, else that it was not asked.
fn more_telling(one: FailureKind, next: FailureKind) -> FailureKind {
    let weight = |kind| match kind {
        FailureKind::NoProvider => 0,
        FailureKind::BreakerOpen => 1,
        FailureKind::OverBudget => 3,
        _ => 2,
    };
    if weight(next) >= weight(one) { next } else { one }
}

impl Failed {
    fn fault(&self) -> Option<Fault> {
        match self {
            Failed::NotSent | Failed::Lost => None,
            Failed::Error(reply) => Some(reply.fault),
        }
    }

    /// How long to wait before retry `n`; `None` where it would fail again.
    fn wait(&self, n: u32) -> Option<Duration> {
        let backoff = || backoff(n, rand::random());
        match self {
            Failed::NotSent | Failed::Lost => Some(backoff()),
            Failed::Error(reply) if reply.fault == Fault::Quota => None,
            Failed::Error(reply) => {
                let retry = reply.advice.should_retry.unwrap_or(reply.fault == Fault::Passing);
                retry.then(|| reply.advice.wait.unwrap_or_else(backoff))
            }
        }
    }

    fn kind(&self) -> FailureKind {
        match self {
            Failed::NotSent => FailureKind::Unreachable,
            Failed::Lost => FailureKind::Lost,
            Failed::Error(reply) => match reply.fault {
                Fault::Key | Fault::Quota | Fault::Rejected => FailureKind::Rejected,
                Fault::ModelNotFound => FailureKind::ModelNotFound,
                Fault::Passing => FailureKind::Unavailable,
            },
        }
    }
}
