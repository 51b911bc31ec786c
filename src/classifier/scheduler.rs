//! Threads that read texts, and the bounded queue before them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use super::runtime::{return_free_memory, start_runtime};
use super::{Asked, Config, Error, Library, Reader, Reading, Sentence, windows};
use crate::sentiment::{Category, Task, Tasks, Thresholds};

/// How many sentences are read before a session turns to another text.
const SENTENCES_A_TURN: usize = 16;

/// Texts are taken together up to about so many bytes, which is what a pass or two hold: the first
/// of them is answered with the last.
const MOST_BYTES: usize = 2048;

/// A cheap handle to the local model. When the last one is dropped, its threads end.
#[derive(Clone)]
pub struct Classifier {
    jobs: flume::Sender<Job>,
    about: Arc<About>,
}

struct About {
    name: String,
    identity: String,
    languages: Vec<String>,
    thresholds: Thresholds,
    queue: usize,
}

/// What is to be done with a session.
enum Job {
    Read(Box<Waiting>),
    /// It answers whoever waits for it by itself.
    Other(Work),
}

type Work = Box<dyn FnOnce(&mut Reader) + Send>;

/// A text, and who waits for what it reads as.
struct Waiting {
    tasks: Tasks,
    text: Arc<str>,
    language: Option<String>,
    reply: oneshot::Sender<Result<Vec<Reading>, Error>>,
}

impl Classifier {
    /// Loads the model, opens a session for each thread, and starts the threads.
    pub fn start(config: &Config, categories: &[Category]) -> Result<Classifier, Error> {
        let environment = start_runtime(&config.onnxruntime)?;
        let library = Library::load(environment, config, categories)?;
        let about = About {
            name: library.name().to_owned(),
            languages: library.languages().to_vec(),
            identity: library.identity(),
            thresholds: library.thresholds()?,
            queue: config.queue,
        };
        let (jobs, waiting) = flume::bounded(config.queue);
        let sessions = config.sessions();
        // All by this thread, one after the other: what loading leaves behind is then in one place.
        let readers = (0..sessions)
            .map(|_| Reader::new(environment, library.clone()))
            .collect::<Result<Vec<Reader>, Error>>()?;
        return_free_memory();
        for (index, reader) in readers.into_iter().enumerate() {
            let waiting = waiting.clone();
            let queue = Queue { waiting, sessions, batch_size: config.batch_size };
            thread::Builder::new()
                .name(format!("reader-{index}"))
                .spawn(move || queue.serve(reader))
                .map_err(|error| Error::Inference(format!("no thread for a session: {error}")))?;
        }
        Ok(Classifier { jobs, about: Arc::new(about) })
    }

    /// The model's name, as responses give it.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    /// Primary language subtags that the model reads; text in any other is out of its domain.
    pub fn languages(&self) -> &[String] {
        &self.about.languages
    }

    /// The model's name with a digest of what was fitted to it: another one reads, or is to be trusted,
    /// otherwise.
    pub fn identity(&self) -> &str {
        &self.about.identity
    }

    /// From which value on the model's signals call for an LLM, as calibrated for it.
    pub fn thresholds(&self) -> Thresholds {
        self.about.thresholds
    }

    /// What a caller is told whose text was not read in time.
    pub fn busy(&self) -> Error {
        Error::Busy(self.about.queue)
    }

    /// Reads one text. Dropping the future before a session has taken the text leaves it unread.
    ///
    /// # Errors
    /// [`Error::Busy`] at once where the queue is full; [`Error::Inference`].
    pub async fn read(
        &self,
        task: Task,
        text: Arc<str>,
        language: Option<String>,
    ) -> Result<Reading, Error> {
        let readings = self.read_for(task.into(), text, language).await?;
        readings.into_iter().next().ok_or(Error::Stopped)
    }

    /// Reads one text once, for several tasks. The readings come in the order of the tasks.
    ///
    /// # Errors
    /// As [`Classifier::read`].
    pub async fn read_for(
        &self,
        tasks: Tasks,
        text: Arc<str>,
        language: Option<String>,
    ) -> Result<Vec<Reading>, Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Read(Box::new(Waiting { tasks, text, language, reply })))?;
        answer.await.map_err(|_| Error::Stopped)?
    }

    /// Reads a text sentence by sentence, a few a turn: between two turns a session is free for
    /// others, so that a text of a thousand sentences holds up nobody.
    ///
    /// # Errors
    /// As [`Classifier::read`].
    pub async fn read_sentences(
        &self,
        text: Arc<str>,
        language: Option<String>,
    ) -> Result<Vec<Sentence>, Error> {
        let whole = Arc::clone(&text);
        let first_turn = move |reader: &mut Reader| {
            let language = match language {
                Some(given) => given,
                None => reader.read(Task::Sentiment, &whole, None)?.language.code.into_owned(),
            };
            Ok((windows::sentences(&whole), Arc::<str>::from(language)))
        };
        let (bounds, language) = self.run(first_turn).await?;
        let mut read: Vec<Sentence> = Vec::with_capacity(bounds.len());
        let (mut byte, mut point) = (0, 0);
        for turn in bounds.chunks(SENTENCES_A_TURN) {
            point += text[byte..turn[0].0].chars().count();
            byte = turn[0].0;
            let (text, language, turn) =
                (Arc::clone(&text), Arc::clone(&language), Box::<[_]>::from(turn));
            let (job, answer) =
                job(move |reader| reader.read_sentences(&text, &turn, point, &language));
            // It has begun: it waits for a place rather than be turned away half done.
            self.jobs.send_async(job).await.map_err(|_| Error::Stopped)?;
            read.extend(answer.await.map_err(|_| Error::Stopped)??);
        }
        Ok(read)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reader) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (job, answer) = job(work);
        self.enqueue(job)?;
        answer.await.map_err(|_| Error::Stopped)?
    }

    fn enqueue(&self, job: Job) -> Result<(), Error> {
        self.jobs.try_send(job).map_err(|refused| match refused {
            flume::TrySendError::Full(_) => self.busy(),
            flume::TrySendError::Disconnected(_) => Error::Stopped,
        })
    }
}

/// One thread's end of the queue.
struct Queue {
    waiting: flume::Receiver<Job>,
    sessions: usize,
    batch_size: usize,
}

impl Queue {
    fn serve(self, mut reader: Reader) {
        for job in &self.waiting {
            let mut next = Some(job);
            while let Some(job) = next.take() {
                match job {
                    Job::Other(work) => work(&mut reader),
                    Job::Read(first) => {
                        let mut group = vec![*first];
                        next = self.join(&mut group);
                        read(&mut reader, group);
                    }
                }
            }
        }
    }

    /// Takes this session's share of the texts that wait, up to what it can read before others
    /// grow impatient. Returns work of another kind where it came across it.
    fn join(&self, group: &mut Vec<Waiting>) -> Option<Job> {
        let share = self.batch_size.min(1 + self.waiting.len() / self.sessions);
        let mut bytes = group[0].text.len();
        while group.len() < share && bytes < MOST_BYTES {
            match self.waiting.try_recv() {
                Ok(Job::Read(waiting)) => {
                    bytes += waiting.text.len();
                    group.push(*waiting);
                }
                Ok(other) => return Some(other),
                Err(_) => break,
            }
        }
        None
    }
}

/// Reads texts together and answers each. Where that fails, each is read by itself, so that only
/// those who asked about a text that cannot be read are told so.
fn read(reader: &mut Reader, mut group: Vec<Waiting>) {
    group.retain(|waiting| !waiting.reply.is_closed());
    let asked: Vec<Asked<'_>> = group.iter().map(Waiting::asked).collect();
    let together = guarded(|| reader.read_all(&asked));
    match together {
        Ok(readings) => {
            for (waiting, reading) in group.into_iter().zip(readings) {
                let _ = waiting.reply.send(Ok(reading));
            }
        }
        Err(error) if group.len() == 1 => {
            let _ = group.remove(0).reply.send(Err(error));
        }
        Err(_) => {
            for waiting in group {
                let reading = guarded(|| reader.read_all(&[waiting.asked()]));
                let _ = waiting.reply.send(reading.map(|all| all.into_iter().flatten().collect()));
            }
        }
    }
}

impl Waiting {
    fn asked(&self) -> Asked<'_> {
        Asked { tasks: self.tasks, text: &self.text, language: self.language.as_deref() }
    }
}

/// A library that panics on one text must not take the session from all others.
fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::Inference("a panic".into())))
}

/// Work for a session, and where its result arrives. Nothing is done once nobody waits for it.
fn job<T: Send + 'static>(
    work: impl FnOnce(&mut Reader) -> Result<T, Error> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, Error>>) {
    let (reply, answer) = oneshot::channel();
    let job = move |reader: &mut Reader| {
        if !reply.is_closed() {
            let _ = reply.send(guarded(|| work(reader)));
        }
    };
    (Job::Other(Box::new(job)), answer)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// One session of the bundled model, as configured by default.
    fn classifier() -> Classifier {
        let mut shipped: toml::Table =
            include_str!("../../config/undertone.toml").parse().expect("it is TOML");
        let section = shipped.remove("classifier").expect("it is there");
        let config = Config { threads: 1, ..section.try_into().expect("it is complete") };
        Classifier::start(&config, &[]).expect("`make vendor` has fetched ONNX Runtime")
    }

    #[tokio::test]
    async fn a_text_that_nobody_waits_for_any_more_is_not_read() {
        let classifier = classifier();
        let (release, held) = mpsc::channel::<()>();
        let holder = classifier.run(move |_| Ok(held.recv().is_ok()));
        let (ran, was_run) = mpsc::channel();
        let abandoned = classifier.run(move |_| Ok(ran.send(()).is_ok()));
        let mut holder = Box::pin(holder);
        let mut abandoned = Box::pin(abandoned);
        assert!(futures::poll!(&mut holder).is_pending());
        assert!(futures::poll!(&mut abandoned).is_pending());
        drop(abandoned);
        release.send(()).expect("the session holds the other end");
        assert!(holder.await.is_ok());
        // Behind the abandoned one in the queue: once this is done, that one's turn is over.
        assert!(classifier.run(|_| Ok(())).await.is_ok());
        assert!(was_run.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_panic_on_one_text_leaves_the_session_to_the_next() {
        let classifier = classifier();
        let failed: Result<(), Error> = classifier.run(|_| panic!("on purpose")).await;
        assert!(matches!(failed, Err(Error::Inference(_))), "{failed:?}");
        let text = Arc::from("I like it.");
        assert!(classifier.read(Task::Sentiment, text, None).await.is_ok());
    }

    #[tokio::test]
    async fn texts_that_waited_together_score_as_each_does_alone() {
        let classifier = classifier();
        let texts =
            ["I love it.", "Terrible support, but a great phone 😍", "ok", ""].map(Arc::from);
        let read = |text: &Arc<str>| classifier.read(Task::Sentiment, Arc::clone(text), None);
        let (release, held) = mpsc::channel::<()>();
        let mut holder = Box::pin(classifier.run(move |_| Ok(held.recv().is_ok())));
        assert!(futures::poll!(&mut holder).is_pending());
        let mut waiting: Vec<_> = texts.iter().map(|text| Box::pin(read(text))).collect();
        for read in &mut waiting {
            assert!(futures::poll!(read).is_pending());
        }
        release.send(()).expect("the session holds the other end");
        assert!(holder.await.is_ok());
        for (waited, text) in waiting.into_iter().zip(&texts) {
            let together = waited.await.expect("it is read").verdict.scores.as_array();
            let alone = read(text).await.expect("it is read").verdict.scores.as_array();
            for (one, other) in together.into_iter().zip(alone) {
                assert!((one - other).abs() < 1e-5, "{text:?}: {together:?} and {alone:?}");
            }
        }
    }
}
