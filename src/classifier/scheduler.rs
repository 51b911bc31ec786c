//! The handle to the local model: what a text is let in for, and what its sender is told.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout_at;

use super::error::{Crowd, ms, seconds_until};
use super::line::{Lane, Line, Load, Patience, Refused, WAITING_BYTES};
use super::runtime::{return_free_memory, start_runtime};
use super::session::{Session, Waiting};
use super::{Config, Error, Library, Reader, Reading, Sentence, boilerplate, windows};
use crate::sentiment::{Category, Scores, Task, Tasks, Thresholds};

/// Texts of so many bytes are short for any vocabulary, and are not counted beforehand.
const SHORT_BYTES: usize = 744;
/// The most tokens that a byte can become: U+FDFA has three, and 33 in its compatible form.
const TOKENS_A_BYTE: usize = 11;
/// How many bytes of a short text are taken for a token.
const BYTES_A_TOKEN: usize = 4;

/// The most sentences of a text that are read one by one.
const SENTENCES_LIMIT: usize = 1_000;
/// How many of them wait at once.
const SENTENCES_AT_ONCE: usize = 16;

/// How long a text of a batch waits for its turn before its sender is told.
const BATCH_PATIENCE: Duration = Duration::from_secs(60);

/// A permit of a lane's bytes stands for so many.
const BYTES_A_PERMIT: usize = 1024;

/// A text, and what of it is wanted.
#[derive(Clone, Debug)]
pub struct Query {
    pub tasks: Tasks,
    pub text: Arc<str>,
    /// As the caller says; else it is detected.
    pub language: Option<String>,
    pub lane: Lane,
    /// Until when it has to be read: for the lane of those that are in a hurry.
    pub deadline: Option<Instant>,
}

/// A cheap handle to the local model. When the last one is dropped, its threads end.
#[derive(Clone)]
pub struct Classifier(Arc<Handle>);

struct Handle {
    line: Arc<Line<Waiting>>,
    library: Library,
    name: String,
    identity: String,
    languages: Vec<String>,
    thresholds: Thresholds,
    queue: usize,
    max_tokens: usize,
    max_wait: Duration,
    /// Long texts whose tokens are counted at once.
    counting: Semaphore,
    /// Room for the texts of batches, and for their bytes.
    room: [Arc<Semaphore>; 2],
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.line.close();
    }
}

impl Classifier {
    /// Loads the model, opens a session for each thread, and starts the threads.
    pub fn start(config: &Config, categories: &[Category]) -> Result<Classifier, Error> {
        let (classifier, sessions) = Classifier::prepare(config, categories)?;
        for (index, session) in sessions.into_iter().enumerate() {
            thread::Builder::new()
                .name(format!("reader-{index}"))
                .spawn(move || session.serve())
                .map_err(|error| {
                Error::Inference(format!("a thread for the local model cannot be started: {error}"))
            })?;
        }
        Ok(classifier)
    }

    /// The same, without the threads.
    fn prepare(
        config: &Config,
        categories: &[Category],
    ) -> Result<(Classifier, Vec<Session>), Error> {
        let environment = start_runtime(&config.onnxruntime)?;
        let library = Library::load(environment, config, categories)?;
        let count = config.sessions();
        let line = Arc::new(Line::new(config.queue, count, config.batch_size));
        // All by this thread, one after the other: what loading leaves behind is then in one place.
        let sessions = (0..count)
            .map(|_| {
                Ok(Session::new(Arc::clone(&line), Reader::new(environment, library.clone())?))
            })
            .collect::<Result<Vec<Session>, Error>>()?;
        return_free_memory();
        let handle = Handle {
            line,
            name: library.name().to_owned(),
            languages: library.languages().to_vec(),
            identity: library.identity(),
            thresholds: library.thresholds()?,
            library,
            queue: config.queue,
            max_tokens: config.max_tokens,
            max_wait: Duration::from_millis(config.max_wait_ms),
            counting: Semaphore::new(count),
            room: [(config.queue / 2).max(1), WAITING_BYTES / BYTES_A_PERMIT]
                .map(|permits| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))),
        };
        Ok((Classifier(Arc::new(handle)), sessions))
    }

    /// The model's name, as responses give it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Primary language subtags that the model reads; text in any other is out of its domain.
    pub fn languages(&self) -> &[String] {
        &self.0.languages
    }

    /// The model's name with a digest of what was fitted to it: another one reads, or is to be trusted,
    /// otherwise.
    pub fn identity(&self) -> &str {
        &self.0.identity
    }

    /// From which value on the model's signals call for an LLM, as calibrated for it.
    pub fn thresholds(&self) -> Thresholds {
        self.0.thresholds
    }

    /// Reads one text, for which nobody waits alone. Dropping the future leaves it unread, or half read.
    ///
    /// # Errors
    /// As [`Classifier::read_for`].
    pub async fn read(
        &self,
        task: Task,
        text: Arc<str>,
        language: Option<String>,
    ) -> Result<Reading, Error> {
        self.read_one(Query {
            tasks: task.into(),
            text,
            language,
            lane: Lane::Batch,
            deadline: None,
        })
        .await
    }

    /// Reads one text for the first of its tasks.
    ///
    /// # Errors
    /// As [`Classifier::read_for`].
    pub async fn read_one(&self, query: Query) -> Result<Reading, Error> {
        self.read_for(query).await?.into_iter().next().ok_or(Error::Stopped)
    }

    /// Reads one text once, for several tasks. The readings come in the order of the tasks.
    ///
    /// # Errors
    /// [`Error::TooManyTokens`]; [`Error::Busy`], at once where a single text could not be begun or read
    /// in time; [`Error::TooSlow`]; [`Error::Inference`].
    pub async fn read_for(&self, query: Query) -> Result<Vec<Reading>, Error> {
        self.by(query.deadline, async {
            let whole = self.patience(&query).finish;
            let load = self.weigh(&query).await?;
            self.read_weighed(query, load, Entrance::Asks { whole }).await
        })
        .await
    }

    /// Reads a text sentence by sentence, a few at once, so that a text of a thousand sentences holds up
    /// nobody. Those that frame the text are not read.
    ///
    /// # Errors
    /// As [`Classifier::read_for`], and [`Error::TooManySentences`].
    pub async fn read_sentences(&self, query: Query) -> Result<Vec<Sentence>, Error> {
        self.by(query.deadline, self.sentences(&query)).await
    }

    async fn sentences(&self, query: &Query) -> Result<Vec<Sentence>, Error> {
        let whole = self.patience(query).finish;
        let load = self.weigh(query).await?;
        let (this, text, given) = (self.clone(), Arc::clone(&query.text), query.language.clone());
        let (bounds, language) = self
            .aside(move || {
                let language = match given {
                    Some(given) => given,
                    None => this.0.library.language(&text)?.code.into_owned(),
                };
                let library = &this.0.library;
                let sentences = windows::sentences(&text);
                Ok((boilerplate::parted(&text, sentences, &library.frame(&text)), language))
            })
            .await?;
        let sentences = bounds.len();
        if sentences > SENTENCES_LIMIT {
            return Err(Error::TooManySentences { sentences, limit: SENTENCES_LIMIT });
        }
        if query.lane == Lane::Single {
            let patience = self.patience(query);
            let admitted = self.0.line.admits(load, patience);
            admitted.map_err(|refused| self.refusal(refused, whole))?;
        }
        let language = &language;
        let read = bounds.into_iter().map(|((start, end), boilerplate)| async move {
            if boilerplate {
                return Ok(((start, end), Scores::NEUTRAL, boilerplate));
            }
            let text: Arc<str> = query.text[start..end].into();
            let sentence = Query {
                tasks: Task::Sentiment.into(),
                text,
                language: Some(language.clone()),
                ..query.clone()
            };
            let load = self.weigh(&sentence).await?;
            // The text has been let in: its parts wait rather than be turned away half done.
            let readings = self.read_weighed(sentence, load, Entrance::Begun).await?;
            let reading = readings.into_iter().next().ok_or(Error::Stopped)?;
            Ok::<_, Error>(((start, end), reading.verdict.scores, boilerplate))
        });
        let read: Vec<_> =
            futures::stream::iter(read).buffered(SENTENCES_AT_ONCE).try_collect().await?;
        // They come in the order of the text, so each place is counted on from the last.
        let (mut byte, mut point) = (0, 0);
        let mut place = |to: usize| {
            point += query.text[byte..to].chars().count();
            byte = to;
            point
        };
        let sentence = |((start, end), scores, boilerplate)| Sentence {
            span: (place(start), place(end)),
            scores,
            boilerplate,
        };
        Ok(read.into_iter().map(sentence).collect())
    }

    async fn by<T>(
        &self,
        deadline: Option<Instant>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match deadline {
            Some(at) => timeout_at(at.into(), work).await.unwrap_or_else(|_| Err(self.late())),
            None => work.await,
        }
    }

    /// How many texts wait for a session.
    pub fn waiting(&self) -> usize {
        self.0.line.waiting()
    }

    /// What a text takes to read; one that has too many tokens is refused.
    async fn weigh(&self, query: &Query) -> Result<Load, Error> {
        let (lane, bytes, limit) = (query.lane, query.text.len(), self.0.max_tokens);
        if bytes <= SHORT_BYTES.min(limit / TOKENS_A_BYTE) {
            return Ok(Load { lane, bytes, tokens: 2 + bytes / BYTES_A_TOKEN });
        }
        let (this, text) = (self.clone(), Arc::clone(&query.text));
        let tokens = self.aside(move || this.0.library.count(&text)).await?;
        match tokens > limit {
            true => Err(Error::TooManyTokens { tokens, limit }),
            false => Ok(Load { lane, bytes, tokens }),
        }
    }

    /// Work of milliseconds, off the threads that serve connections; as much at once as there are
    /// sessions.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _turn = self.0.counting.acquire().await.map_err(|_| Error::Stopped)?;
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|_| Err(Error::Inference("a panic".into())))
    }

    async fn read_weighed(
        &self,
        query: Query,
        load: Load,
        entrance: Entrance,
    ) -> Result<Vec<Reading>, Error> {
        let patience = self.patience(&query);
        let Query { tasks, text, language, deadline, lane } = query;
        let (reply, answer) = oneshot::channel();
        let since = Instant::now();
        let begin_by = since + patience.begin;
        let begun = Arc::new(AtomicBool::new(false));
        let mut waiting = Waiting {
            tasks,
            text,
            language,
            reply,
            since,
            begin_by: Some(begin_by),
            begun: Arc::clone(&begun),
            deadline,
            room: None,
        };
        match (lane, entrance) {
            (Lane::Single, Entrance::Asks { whole }) => {
                let entered = self.0.line.enter(load, waiting, patience);
                entered.map_err(|refused| self.refusal(refused, whole))?;
            }
            (Lane::Single, Entrance::Begun) => {
                waiting.begin_by = None;
                self.0.line.enter_anyway(load, waiting);
                return answer.await.map_err(|_| Error::Stopped)?;
            }
            (Lane::Batch, _) => {
                let room = timeout_at(begin_by.into(), self.make_room(load.bytes)).await;
                waiting.room = Some(room.unwrap_or_else(|_| Err(self.late()))?);
                self.0.line.enter_anyway(load, waiting);
            }
        }
        let mut answer = pin!(answer);
        let answered = match timeout_at(begin_by.into(), &mut answer).await {
            Ok(answered) => answered,
            // What nobody waits for any more is passed by in the line.
            Err(_) if !begun.load(Ordering::Acquire) => return Err(self.late()),
            Err(_) => answer.await,
        };
        answered.map_err(|_| Error::Stopped)?
    }

    /// Waits until there is room for one more text of a batch.
    async fn make_room(
        &self,
        bytes: usize,
    ) -> Result<[tokio::sync::OwnedSemaphorePermit; 2], Error> {
        let [texts, all_bytes] = &self.0.room;
        let permits = (bytes.div_ceil(BYTES_A_PERMIT)).min(WAITING_BYTES / BYTES_A_PERMIT) as u32;
        let text = Arc::clone(texts).acquire_owned().await.map_err(|_| Error::Stopped)?;
        let bytes = Arc::clone(all_bytes).acquire_many_owned(permits).await;
        Ok([text, bytes.map_err(|_| Error::Stopped)?])
    }

    fn patience(&self, query: &Query) -> Patience {
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        match query.lane {
            Lane::Single => Patience { begin: self.0.max_wait, finish: query.deadline.map(left) },
            Lane::Batch => Patience { begin: BATCH_PATIENCE, finish: None },
        }
    }

    /// What a caller is told whose text is not let in. `whole` is the time that there was when it came.
    fn refusal(&self, refused: Refused, whole: Option<Duration>) -> Error {
        metrics::counter!("undertone_unread_texts_total", "reason" => "refused").increment(1);
        let (crowd, again) = match refused {
            Refused::Full { wait } => (Crowd::Full(self.0.queue), wait),
            Refused::Long { wait, most } => {
                (Crowd::Long { wait_ms: ms(wait), most_ms: ms(most) }, wait.saturating_sub(most))
            }
            Refused::Slow { takes, most } if whole.is_some_and(|whole| takes > whole) => {
                return Error::TooSlow { takes_ms: ms(takes), left_ms: ms(most) };
            }
            // There would have been time, had it not waited to be weighed.
            Refused::Slow { .. } => (Crowd::Late, Duration::ZERO),
        };
        Error::Busy { crowd, retry_after_seconds: seconds_until(again) }
    }

    /// What a caller is told whose text was not read in time.
    fn late(&self) -> Error {
        let retry_after_seconds = seconds_until(self.0.line.wait(0));
        Error::Busy { crowd: Crowd::Late, retry_after_seconds }
    }
}

/// How a text comes into the line.
#[derive(Clone, Copy)]
enum Entrance {
    /// With the time that there was when it came.
    Asks { whole: Option<Duration> },
    /// As a part of what was let in.
    Begun,
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::poll;

    use super::*;

    fn config() -> Config {
        let mut shipped: toml::Table =
            include_str!("../../config/undertone.toml").parse().expect("it is TOML");
        let section = shipped.remove("classifier").expect("it is there");
        Config { threads: 1, ..section.try_into().expect("it is complete") }
    }

    /// The bundled model with one session, which has not begun.
    fn classifier(config: &Config) -> (Classifier, Session) {
        let (classifier, mut sessions) =
            Classifier::prepare(config, &[]).expect("`make vendor` has fetched ONNX Runtime");
        (classifier, sessions.remove(0))
    }

    fn begin(session: Session) {
        thread::spawn(move || session.serve());
    }

    fn query(text: &str, lane: Lane, deadline: Option<Duration>) -> Query {
        let deadline = deadline.map(|time| Instant::now() + time);
        Query { tasks: Task::Sentiment.into(), text: text.into(), language: None, lane, deadline }
    }

    fn single(text: &str) -> Query {
        query(text, Lane::Single, None)
    }

    /// Lets it come into the line.
    async fn enters<F>(classifier: &Classifier, mut reading: std::pin::Pin<&mut F>)
    where
        F: Future<Output: std::fmt::Debug>,
    {
        let before = classifier.0.line.tokens();
        while classifier.0.line.tokens() == before {
            let polled = poll!(&mut reading);
            assert!(polled.is_pending(), "{polled:?}");
            // What is counted aside takes its time.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_text_that_nobody_waits_for_any_more_is_not_read() {
        let (classifier, session) = classifier(&config());
        let long = "I waited for days, and then the wrong parcel came. ".repeat(100);
        for lane in [Lane::Single, Lane::Batch] {
            for text in ["An abandoned one.", &long] {
                let mut abandoned = Box::pin(classifier.read_for(query(text, lane, None)));
                enters(&classifier, abandoned.as_mut()).await;
            }
        }
        begin(session);
        assert!(classifier.read_one(single("Fine.")).await.is_ok());
        assert_eq!(classifier.0.line.tokens_read(), 3, "those of the one that somebody waits for");
    }

    #[tokio::test]
    async fn a_long_text_is_not_read_on_once_nobody_waits_for_it() {
        let (classifier, session) = classifier(&config());
        let long = "I waited for days, and then the wrong parcel came. ".repeat(100);
        let tokens = classifier.0.library.count(&long).expect("it has tokens");
        let mut abandoned = Box::pin(classifier.read_for(single(&long)));
        enters(&classifier, abandoned.as_mut()).await;
        begin(session);
        while classifier.0.line.tokens_read() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(abandoned);
        assert!(classifier.read_one(single("Fine.")).await.is_ok());
        while classifier.0.line.tokens() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let read = classifier.0.line.tokens_read();
        assert!(read < tokens, "{read} of {tokens}");
    }

    #[tokio::test]
    async fn who_waits_alone_is_answered_between_the_passes_of_a_long_batch() {
        let (classifier, session) = classifier(&config());
        let long = "I waited for days, and then the wrong parcel came. ".repeat(100);
        let batch: Vec<_> = (0..3)
            .map(|_| Box::pin(classifier.read_for(query(&long, Lane::Batch, None))))
            .collect();
        let mut batch = futures::future::join_all(batch);
        enters(&classifier, std::pin::Pin::new(&mut batch)).await;
        begin(session);
        assert!(classifier.read_one(single("Fine.")).await.is_ok());
        assert!(poll!(&mut batch).is_pending(), "the single text was read after the batch");
        assert!(batch.await.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn what_has_waited_for_too_long_is_dropped_before_it_is_read() {
        let (classifier, session) = classifier(&Config { max_wait_ms: 1, ..config() });
        let error = classifier.read_one(single("Too late.")).await.expect_err("nobody reads");
        assert!(matches!(error, Error::Busy { crowd: Crowd::Late, .. }), "{error}");
        let deadline = Some(Duration::from_millis(1));
        let mut late = Box::pin(classifier.read_for(query("Too late.", Lane::Batch, deadline)));
        enters(&classifier, late.as_mut()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        begin(session);
        let error = late.await.expect_err("its time was over");
        assert!(matches!(error, Error::Busy { crowd: Crowd::Late, .. }), "{error}");
        while classifier.0.line.tokens() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(classifier.0.line.tokens_read(), 0);
    }

    #[tokio::test]
    async fn a_text_that_would_wait_for_too_long_is_refused_at_once() {
        let (classifier, _session) = classifier(&config());
        // A hundred tokens a second.
        classifier.0.line.took(2_000, Duration::from_secs(20));
        let long = "It never worked. ".repeat(400);
        let mut first = Box::pin(classifier.read_one(single(&long)));
        enters(&classifier, first.as_mut()).await;
        let error = classifier.read_one(single(&long)).await.expect_err("16 s are before it");
        let Error::Busy { crowd: Crowd::Long { wait_ms, most_ms }, retry_after_seconds } = error
        else {
            panic!("{error}")
        };
        assert_eq!((wait_ms / 1_000, most_ms, retry_after_seconds), (16, 5_000, 12));
        assert!(poll!(&mut first).is_pending(), "it keeps its place");
        let mut batch = Box::pin(classifier.read_one(query(&long, Lane::Batch, None)));
        enters(&classifier, batch.as_mut()).await;
        let deadline = Some(Duration::from_secs(3));
        let slow = classifier.read_one(query(&long, Lane::Single, deadline)).await;
        assert!(matches!(slow, Err(Error::TooSlow { .. })), "{slow:?}");
    }

    #[tokio::test]
    async fn a_text_of_too_many_tokens_is_refused_with_both_numbers() {
        let (classifier, _session) = classifier(&Config { max_tokens: 100, ..config() });
        let most = "good ".repeat(98);
        let mut read = Box::pin(classifier.read_one(single(&most)));
        enters(&classifier, read.as_mut()).await;
        for lane in [Lane::Single, Lane::Batch] {
            let text = format!("{most} !");
            let error = classifier.read_one(query(&text, lane, None)).await.expect_err("101");
            assert!(matches!(error, Error::TooManyTokens { tokens: 101, limit: 100 }), "{error}");
            let error = classifier.read_sentences(query(&text, lane, None)).await;
            assert!(matches!(error, Err(Error::TooManyTokens { .. })));
        }
    }

    #[tokio::test]
    async fn sentences_have_a_deadline_and_a_limit() {
        let (classifier, _session) = classifier(&config());
        let many = classifier.read_sentences(single(&"Ok.\n\n".repeat(1_001))).await;
        assert!(
            matches!(many, Err(Error::TooManySentences { sentences: 1_001, .. })),
            "{:?}",
            many.err()
        );
        let deadline = Some(Duration::from_millis(20));
        let late = classifier.read_sentences(query("One. Two.", Lane::Single, deadline)).await;
        assert!(matches!(late, Err(Error::Busy { .. })), "{:?}", late.err());
    }

    #[tokio::test]
    async fn batches_wait_for_room_and_hold_no_more_than_it() {
        let (classifier, session) = classifier(&Config { queue: 4, ..config() });
        let texts: Vec<_> = (0..40)
            .map(|_| Box::pin(classifier.read_one(query("Ok.", Lane::Batch, None))))
            .collect();
        let mut all = futures::future::join_all(texts);
        assert!(matches!(poll!(&mut all), Poll::Pending));
        assert_eq!(classifier.0.room[0].available_permits(), 0, "two wait, and 38 for their place");
        begin(session);
        assert!(all.await.iter().all(Result::is_ok));
        assert_eq!(classifier.0.room[0].available_permits(), 2);
    }

    #[tokio::test]
    async fn texts_that_waited_together_score_as_each_does_alone() {
        let (classifier, session) = classifier(&config());
        let long = "The hinge broke on the second day. Support was lovely! ".repeat(60);
        let texts = ["I love it.", "Terrible support, but a great phone 😍", "ok", "", &long];
        let mut waiting: Vec<_> =
            texts.iter().map(|text| Box::pin(classifier.read_one(single(text)))).collect();
        for read in &mut waiting {
            enters(&classifier, read.as_mut()).await;
        }
        begin(session);
        for (waited, text) in waiting.into_iter().zip(&texts) {
            let together = waited.await.expect("it is read").verdict.scores.as_array();
            let alone = classifier.read_one(single(text)).await.expect("it is read");
            for (one, other) in together.into_iter().zip(alone.verdict.scores.as_array()) {
                assert!((one - other).abs() < 1e-5, "{text:?}");
            }
        }
    }

    /// Prints what each script takes to read, beside English: `cargo test --lib scripts -- --ignored
    /// --nocapture`.
    #[test]
    #[ignore = "it measures, and holds nothing"]
    fn what_twenty_thousand_characters_take_in_any_script() {
        const CHARACTERS: usize = 20_000;
        let config = config();
        let mut reader = Reader::open(&config, &[]).expect("it is bundled");
        let mut english = None;
        for (script, words) in SCRIPTS {
            let text: String = words.chars().cycle().take(CHARACTERS).collect();
            let started = Instant::now();
            let tokens = reader.count(&text).expect("it has tokens");
            let counted = started.elapsed();
            let started = Instant::now();
            let sentences = windows::sentences(&text).len();
            let cut = started.elapsed();
            if tokens > config.max_tokens {
                println!("{script:<18} {tokens:>6} tokens, refused after {counted:?}");
                continue;
            }
            let started = Instant::now();
            let read = reader.read_all(&[super::super::Asked {
                tasks: Task::ALL.into_iter().collect(),
                text: &text,
                language: None,
            }]);
            let took = started.elapsed();
            assert!(read.is_ok(), "{script}");
            let beside = took.as_secs_f64() / english.get_or_insert(took).as_secs_f64();
            println!(
                "{script:<18} {tokens:>6} tokens, counted in {counted:?}, {sentences} sentences cut in \
                 {cut:?}, read in {took:?}: {beside:.2} of English"
            );
        }
    }

    const SCRIPTS: [(&str, &str); 25] = [
        ("English", "The hinge broke on the second day, and support was no help at all. "),
        ("English, one word", "x"),
        ("Hangul", "제품은 훌륭하지만 배송이 끔찍했습니다. "),
        ("Hangul, no blanks", "제품은훌륭하지만배송이끔찍했습니다"),
        ("Hangul, short words", "뷁 쀓 "),
        ("Chinese", "产品很好，但是运输很糟糕。"),
        ("Japanese", "この製品はとても良いですが、配送がひどかったです。"),
        ("Thai", "สินค้าดีมากแต่การจัดส่งแย่มาก"),
        ("Arabic", "المنتج رائع ولكن الشحن كان سيئا للغاية. "),
        ("Devanagari", "उत्पाद बहुत अच्छा है लेकिन शिपिंग खराब थी। "),
        ("Tamil", "தயாரிப்பு மிகவும் நன்றாக உள்ளது. "),
        ("Cyrillic", "Товар отличный, но доставка была ужасной. "),
        ("Greek", "Το προϊόν είναι εξαιρετικό αλλά η αποστολή ήταν φρικτή. "),
        ("German", "Das Produkt ist großartig, aber die Lieferung war schrecklich. "),
        ("emoji", "😍🔋👍😡"),
        ("joined emoji", "👩\u{200d}👩\u{200d}👧\u{200d}👦"),
        ("combining marks", "a\u{301}\u{302}\u{303}\u{316}\u{317}"),
        ("punctuation", "!"),
        ("marks", "!?.,;:-()[]{}"),
        ("line breaks", "a\n\n"),
        ("digits", "1234567890"),
        ("numbers", "12 "),
        ("one letter", "a b c "),
        ("liked things", "great phone "),
        ("mathematical", "𝐠𝐫𝐞𝐚𝐭 "),
    ];
}
