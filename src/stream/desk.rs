//! Where records are analysed: so many at once are read locally, and others wait for an LLM meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::outcome::{Finished, Outcome};
use super::record::{Fields, Poison, Record};
use crate::app::{
    Analysis, CascadeError, ClassifierError, Company, Gate, Lane, Passage, Request, RequestError,
    SharedApp,
};
use crate::pricing::Caller;
use crate::sentiment::{Route, Task, Tasks};

/// Texts that wait for each session of the local model: enough to fill its passes.
const PLACES_A_SESSION: usize = 64;

/// How long a record waits before it asks again for a local model that others keep busy.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// What is done with each record of a stream.
pub struct Desk {
    app: SharedApp,
    runtime: Handle,
    fields: Fields,
    tasks: Tasks,
    topic: String,
    team: Option<String>,
    places: Arc<Semaphore>,
    gate: Arc<Gate>,
    /// Where texts may share calls.
    company: Option<Arc<Company>>,
}

/// A record's way through the desk.
pub struct Job {
    pub record: Record,
    /// Of which time as its partition's owner the worker has it.
    pub epoch: u64,
    /// Cancelled when the partition is somebody else's.
    pub token: CancellationToken,
}

/// A record that is done.
pub struct Done {
    pub epoch: u64,
    /// An error: the local model is gone.
    pub finished: Result<Finished, ClassifierError>,
}

impl Desk {
    pub fn new(app: &SharedApp, runtime: Handle, team: Option<String>) -> Desk {
        let config = app.config();
        let stream = &config.stream;
        let places =
            (PLACES_A_SESSION * config.classifier.sessions()).min(config.classifier.queue / 2);
        let escalations = match stream.escalations {
            0 => config.llm.texts_at_once(),
            some => some,
        };
        let at_once = escalations.clamp(1, Semaphore::MAX_PERMITS);
        Desk {
            runtime,
            fields: Fields::from(stream),
            tasks: stream.tasks(),
            topic: stream.input_topic.clone(),
            team,
            places: Arc::new(Semaphore::new(places.max(1))),
            gate: Arc::new(Gate::new(at_once, stream.escalation_wait())),
            company: app.company(),
            app: Arc::clone(app),
        }
    }

    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Has a record analysed. Its end arrives at `done`, unless its partition is given up before.
    pub fn take(self: &Arc<Desk>, job: Job, done: flume::Sender<Done>) {
        let desk = Arc::clone(self);
        self.runtime.spawn(async move {
            let Job { record, epoch, token } = job;
            // Whatever is logged on the way says which record it was for, at any level.
            let (partition, offset) = (record.partition, record.offset);
            let span = tracing::error_span!("record", partition, offset);
            let finished = desk.finish(record).instrument(span);
            let finished = token.run_until_cancelled(finished).await;
            if let Some(finished) = finished {
                // Without a receiver the worker has ended.
                let _ = done.send(Done { epoch, finished });
            }
        });
    }

    async fn finish(&self, record: Record) -> Result<Finished, ClassifierError> {
        let outcome = match self.outcome(&record).await {
            Ok(outcome) => outcome,
            Err(Refusal::Poison(poison)) => Outcome::DeadLetter(poison),
            Err(Refusal::Gone(error)) => return Err(error),
        };
        Ok(Finished { record, outcome })
    }

    async fn outcome(&self, record: &Record) -> Result<Outcome, Refusal> {
        let started = Instant::now();
        let Some(value) = &record.value else { return Ok(Outcome::Nothing) };
        let subject = self.fields.read(record, value)?;
        let place = Arc::clone(&self.places).acquire_owned().await.expect("nobody closes it");
        let passage = Passage::new(Arc::clone(&self.gate), place);
        let id = Uuid::now_v7().to_string();
        let tags = self.team.iter().map(|team| ("team".to_owned(), team.clone()));
        let request = Request {
            // Which are asked is said beside.
            task: Task::Sentiment,
            text: Arc::clone(&subject.text),
            language: None,
            route: Route::Auto,
            max_cost: None,
            deadline: None,
            caller: Caller {
                request_id: id.clone(),
                key_id: None,
                team: self.team.clone(),
                tags: tags.collect::<BTreeMap<_, _>>(),
            },
            company: self.company.clone(),
            lane: Lane::Batch,
        };
        let analyses = self.patiently(request, &passage).await?;
        let total = started.elapsed();
        Ok(Outcome::result(&self.topic, record, &subject, &id, analyses, total))
    }

    /// A full queue is this program's own business, and no reason to give a record up.
    async fn patiently(
        &self,
        request: Request,
        passage: &Passage,
    ) -> Result<Vec<(Task, Analysis)>, Refusal> {
        loop {
            let error = match self.app.analyse_record(request.clone(), self.tasks, passage).await {
                Ok(analyses) => return Ok(analyses),
                Err(RequestError::Cascade(CascadeError::Classifier(error))) => error,
                Err(_) => return Err(Refusal::unreadable()),
            };
            match error {
                ClassifierError::Busy { .. } => tokio::time::sleep(BUSY_PAUSE).await,
                ClassifierError::Stopped => return Err(Refusal::Gone(error)),
                ClassifierError::TooManyTokens { .. } => {
                    return Err(Refusal::Poison(Poison::too_long(&error)));
                }
                _ => return Err(Refusal::unreadable()),
            }
        }
    }
}

/// Why a record has no result.
enum Refusal {
    Poison(Poison),
    Gone(ClassifierError),
}

impl Refusal {
    /// The library's words can quote the text: they go nowhere.
    fn unreadable() -> Refusal {
        let message = "the local model cannot read the text".to_owned();
        Refusal::Poison(Poison { class: "Inference", stage: "TRANSFORMATION", message })
    }
}

impl From<Poison> for Refusal {
    fn from(poison: Poison) -> Refusal {
        Refusal::Poison(poison)
    }
}
