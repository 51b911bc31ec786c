//! Buying an answer once for all who ask the same at the same time.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::{Abandoned, Analysis, Answer, Cascade, Overruled, Request};
use crate::cache::{Boarding, Flight, Key};
use crate::classifier::Reading;
use crate::llm::{Answered, Bill, Failure, FailureKind, Limits, Question};
use crate::sentiment::{Outcome, Reason};

/// How an answer was had.
pub(super) enum Reply {
    /// This request paid for it.
    Bought { answer: Arc<Answer>, bill: Bill },
    /// It was bought before, or by somebody who asked the same at the same time.
    Shared(Arc<Answer>),
}

/// Under which an answer is kept.
#[derive(Clone, Copy)]
struct Keys {
    /// For whoever asks: it came from a call about this text alone.
    anybodys: Key,
    /// For the same key and team alone: whoever wrote another text of the call may have swayed it.
    own: Key,
}

impl Answer {
    /// As one gets it who does not pay for it.
    pub(super) fn shared(&self, reasons: Vec<Reason>, local: Duration, llm: Duration) -> Analysis {
        Analysis {
            verdict: self.verdict.clone(),
            language: self.language.clone(),
            signals: self.signals,
            reasons,
            outcome: Outcome::Answered,
            cached: true,
            model: self.model.clone(),
            bill: Bill::default(),
            refusal: None,
            saved: self.cost,
            overruled: Some(self.overruled),
            local,
            llm,
        }
    }
}

impl Cascade {
    pub(super) async fn ask(
        &self,
        request: Request,
        reading: &Reading,
        reasons: &[Reason],
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let keys = self.keys(&request);
        // What shares a call is not for everybody, so that others do not wait for it either.
        let key = if request.company.is_some() { keys.own } else { keys.anybodys };
        loop {
            match self.answers.board(key) {
                Boarding::Kept(answer) => return Ok(Reply::Shared(answer)),
                Boarding::Lead(flight) => {
                    return self.buy(request, reading, reasons, deadline, flight, keys).await;
                }
                Boarding::Follow(passenger) => {
                    match timeout_at(deadline, passenger.landed()).await {
                        Ok(Some(Ok(answer))) => return Ok(Reply::Shared(answer)),
                        Ok(Some(Err(kind))) => return Err(Failure::unasked(kind)),
                        // Its leader was refused for reasons of its own.
                        Ok(None) => {}
                        Err(_) => return Err(Failure::unasked(FailureKind::Deadline)),
                    }
                }
            }
        }
    }

    /// Asks in a task of its own: who hangs up cancels neither the call nor its record.
    async fn buy(
        &self,
        request: Request,
        reading: &Reading,
        reasons: &[Reason],
        deadline: Instant,
        flight: Flight<Answer, FailureKind>,
        keys: Keys,
    ) -> Result<Reply, Failure> {
        let llm = Arc::clone(&self.llm);
        let question = Question {
            task: request.task,
            text: request.text.to_string(),
            language: request.language,
            hint: llm.hint(&reading.verdict.scores, reasons),
            categories: Arc::clone(self.estimator.categories()),
        };
        let (signals, language) = (reading.signals, reading.language.clone());
        let overruled = Overruled::of(&reading.verdict);
        let limits = Limits { deadline, max_cost: request.max_cost };
        let (abandoned, answers) = (Arc::clone(&self.abandoned), Arc::clone(&self.answers));
        let (deliver, reply) = oneshot::channel();
        let paid_call = async move {
            let company = request.company.as_deref();
            let reply = match llm.ask(&question, &request.caller, &limits, company).await {
                Ok(Answered { verdict, model, shared, bill }) => {
                    let cost = bill.cost;
                    let answer =
                        Arc::new(Answer { verdict, model, language, signals, overruled, cost });
                    if !shared {
                        answers.keep(keys.anybodys, Arc::clone(&answer));
                    }
                    flight.land(Ok(Arc::clone(&answer)));
                    Ok(Reply::Bought { answer, bill })
                }
                Err(failure) => {
                    // Its ceiling and its deadline are this request's own.
                    if !matches!(failure.kind, FailureKind::OverBudget | FailureKind::Deadline) {
                        flight.land(Err(failure.kind));
                    }
                    Err(failure)
                }
            };
            let model = match deliver.send(reply) {
                Err(Ok(Reply::Bought { answer, .. })) => Some(answer.model.clone()),
                Err(Err(failure)) if failure.bill.attempts > 0 => None,
                _ => return,
            };
            let text = Abandoned { task: question.task, caller: request.caller, model };
            abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        };
        self.calls.spawn(paid_call.in_current_span());
        // Only a panic ends the task early, and what it had sent is then on the ledger as open.
        reply.await.unwrap_or_else(|_| {
            tracing::error!("a paid call broke off");
            let bill = Bill { cost: None, attempts: 1, ..Bill::default() };
            Err(Failure { bill, ..Failure::unasked(FailureKind::Lost) })
        })
    }

    /// The kept answer to a request's question.
    pub(super) fn kept(&self, request: &Request) -> Option<Arc<Answer>> {
        let keys = self.keys(request);
        self.answers.get(&keys.anybodys).or_else(|| self.answers.get(&keys.own))
    }

    /// All that an answer depends on.
    fn keys(&self, request: &Request) -> Keys {
        let mut hasher = blake3::Hasher::new();
        let (_, fingerprint) = self
            .fingerprints
            .iter()
            .find(|(task, _)| *task == request.task)
            .expect("there is one for every task");
        let language = request.language.as_deref();
        // Each part is led by its length, so that no two requests read alike end to end.
        for part in [request.task.name(), fingerprint, &request.text] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&[u8::from(language.is_some())]);
        hasher.update(language.unwrap_or_default().as_bytes());
        let anybodys = *hasher.finalize().as_bytes();
        let (key_id, team) = (&request.caller.key_id, &request.caller.team);
        hasher.update(&[u8::from(key_id.is_some())]);
        for part in [key_id, team] {
            let part = part.as_deref().unwrap_or_default();
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Keys { anybodys, own: *hasher.finalize().as_bytes() }
    }
}
