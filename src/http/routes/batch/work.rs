//! Answering the items of one batch, so many at once.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::item::Item;
use crate::app::{Grant, SharedApp};
use crate::http::Problem;
use crate::http::access_line::Tally;
use crate::http::connections::Stop;
use crate::http::middleware::RequestId;
use crate::http::routes::answer::{Door, answer};
use crate::http::wire::{AnalysisRequest, AnalysisResponse};
use crate::sentiment::Task;

/// Items at work for each of the classifier's sessions: enough that none waits for the next.
const ITEMS_PER_SESSION: usize = 4;

/// How long an item waits for room that others take, before it is told so.
const BUSY_PATIENCE: Duration = Duration::from_secs(60);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
const BUSY_PAUSE_LIMIT: Duration = Duration::from_secs(1);

/// What the items of a batch have in common.
#[derive(Clone)]
pub struct Work(Arc<Shared>);

struct Shared {
    app: SharedApp,
    task: Task,
    id: RequestId,
    grant: Grant,
    /// A permit for each item at work. An item's deadline runs from when it has one.
    permits: Semaphore,
    /// Who has it counts its text against the key's limit next; `None` where all are counted already.
    turn: Option<Mutex<()>>,
    door: Door,
    tally: Arc<Tally>,
    stop: Stop,
    /// The request's: items are answered after the handler has returned.
    span: Span,
}

/// An item's error, in its place.
#[derive(Serialize)]
struct Failed<'a, P> {
    id: Option<&'a str>,
    error: P,
}

impl Work {
    /// Of a batch whose texts are counted against the key's limit already.
    pub fn new(app: SharedApp, task: Task, id: RequestId, grant: Grant, stop: Stop) -> Work {
        Work::with(app, task, id, grant, stop, None)
    }

    /// Of a batch of any length, which is slowed to the key's limit on texts.
    pub fn paced(app: SharedApp, task: Task, id: RequestId, grant: Grant, stop: Stop) -> Work {
        Work::with(app, task, id, grant, stop, Some(Mutex::default()))
    }

    fn with(
        app: SharedApp,
        task: Task,
        id: RequestId,
        grant: Grant,
        stop: Stop,
        turn: Option<Mutex<()>>,
    ) -> Work {
        let permits = Semaphore::new(at_once(&app));
        let door = Door::Batch(app.company());
        let tally = Arc::default();
        let span = Span::current();
        Work(Arc::new(Shared { app, task, id, grant, permits, turn, door, tally, stop, span }))
    }

    /// What came of the items so far.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.0.tally)
    }

    /// The item's verdict or its problem, as JSON on one line.
    pub async fn answer(self, Item { id, request }: Item) -> Vec<u8> {
        let request_id = &self.0.id;
        let answer = tokio::select! {
            answer = self.ask(request, id.as_deref()).instrument(self.0.span.clone()) => answer,
            // What is being paid for is written down all the same.
            () = self.0.stop.hurry.cancelled() => {
                let detail = "The gateway is stopping and has not read this text. Send it again.";
                Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        };
        self.0.tally.count(&answer);
        match answer {
            Ok(verdict) => to_json(&verdict),
            Err(problem) => {
                to_json(&Failed { id: id.as_deref(), error: problem.body(&request_id.0) })
            }
        }
    }

    /// A batch waits where a single request is turned away: it is in no hurry.
    async fn ask(
        &self,
        request: Result<AnalysisRequest, Problem>,
        item_id: Option<&str>,
    ) -> Result<AnalysisResponse, Problem> {
        let request = request?;
        let Shared { app, task, id, grant, permits, turn, door, .. } = &*self.0;
        if let Some(turn) = turn {
            let _turn = turn.lock().await;
            grant.wait_for_text().await;
        }
        let _permit = permits.acquire().await.expect("nobody closes it");
        let started = Instant::now();
        let mut pause = BUSY_PAUSE;
        loop {
            // On the heap, and only from here on: of a batch's items most wait for their permit, and what
            // a text takes on its way is several kilobytes.
            let answer = answer(app, *task, request.clone(), id, grant, item_id, door.clone());
            match Box::pin(answer).await {
                Ok(verdict) => return Ok(verdict),
                Err(problem) if problem.is_busy() && started.elapsed() < BUSY_PATIENCE => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(BUSY_PAUSE_LIMIT);
                }
                Err(problem) => return Err(problem),
            }
        }
    }
}

/// Enough to keep every session and every call to an LLM at work; at most half of the classifier's
/// queue, so that a batch alone never fills it and single requests still find room.
fn at_once(app: &SharedApp) -> usize {
    let config = app.config();
    let asked = if app.has_llm() { config.llm.texts_at_once() } else { 0 };
    let wanted = (ITEMS_PER_SESSION * config.classifier.sessions()).saturating_add(asked);
    wanted.min(config.classifier.queue / 2).max(1)
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and numbers always serialise")
}
