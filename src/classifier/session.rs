//! A thread's turns: short texts together, long ones pass by pass, so that nobody waits for the end of a
//! long one. What nobody waits for any more is not read, or not read on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::error::Crowd;
use super::line::{Hand, Lane, Line, Load, Turn};
use super::reader::Halfway;
use super::{Asked, Error, Reader, Reading, seconds_until};
use crate::sentiment::Tasks;

/// A text, and who waits for what it reads as.
pub struct Waiting {
    pub tasks: Tasks,
    pub text: Arc<str>,
    pub language: Option<String>,
    pub reply: oneshot::Sender<Result<Vec<Reading>, Error>>,
    /// When it came.
    pub since: Instant,
    /// Until when it has to be begun.
    pub begin_by: Option<Instant>,
    /// Whether it was, which its sender looks at then.
    pub begun: Arc<AtomicBool>,
    /// Until when it has to be read.
    pub deadline: Option<Instant>,
    /// Its place among those of batches that wait, which it gives up once it is taken.
    pub room: Option<[OwnedSemaphorePermit; 2]>,
}

impl Waiting {
    fn asked(&self) -> Asked<'_> {
        Asked { tasks: self.tasks, text: &self.text, language: self.language.as_deref() }
    }

    /// Whether somebody waits for it, and there is still time.
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed() && self.deadline.is_none_or(|at| Instant::now() < at)
    }
}

/// One thread's end of the line.
pub struct Session {
    line: Arc<Line<Waiting>>,
    reader: Reader,
    hand: Hand,
    /// The long text in hand: one that somebody waits for alone, and one of a batch.
    single: Option<Held>,
    batch: Option<Held>,
}

struct Held {
    load: Load,
    waiting: Waiting,
    halfway: Halfway,
}

impl Session {
    pub fn new(line: Arc<Line<Waiting>>, reader: Reader) -> Session {
        Session { line, reader, hand: Hand::default(), single: None, batch: None }
    }

    /// Reads until the line is closed.
    pub fn serve(mut self) {
        while let Some(turn) = self.line.next(&mut self.hand) {
            match turn {
                Turn::Group(group) => self.read(group),
                Turn::Begin(load, waiting) => self.begin(load, waiting),
                Turn::Continue(lane) => self.read_on(lane),
            }
        }
    }

    /// Reads texts together and answers each. Where that fails, each is read by itself, so that only
    /// those who asked about a text that cannot be read are told so.
    fn read(&mut self, group: Vec<(Load, Waiting)>) {
        let (loads, group): (Vec<Load>, Vec<Waiting>) = group
            .into_iter()
            .filter_map(|(load, waiting)| self.still_in_time(load, waiting))
            .unzip();
        let started = Instant::now();
        let asked: Vec<Asked<'_>> = group.iter().map(Waiting::asked).collect();
        let is_wanted = || group.iter().any(Waiting::is_wanted);
        let together = guarded(|| read_while(&mut self.reader, &asked, is_wanted));
        let answers = match together {
            Ok(Some(readings)) => readings.into_iter().map(Ok).collect(),
            Ok(None) => Vec::new(),
            Err(error) if group.len() == 1 => vec![Err(error)],
            Err(_) => group.iter().map(|waiting| read_alone(&mut self.reader, waiting)).collect(),
        };
        self.line.took(loads.iter().map(|load| load.tokens).sum(), started.elapsed());
        loads.into_iter().for_each(|load| self.line.left(load));
        let mut answers = answers.into_iter();
        for waiting in group {
            match answers.next() {
                Some(answer) => drop(waiting.reply.send(answer)),
                None => self.give_up(waiting),
            }
        }
    }

    fn begin(&mut self, load: Load, waiting: Waiting) {
        let Some((load, waiting)) = self.still_in_time(load, waiting) else {
            *self.hand.holds(load.lane) = false;
            return;
        };
        match guarded(|| self.reader.begin(&[waiting.asked()])) {
            Ok(halfway) => {
                *self.held(load.lane) = Some(Held { load, waiting, halfway });
                self.read_on(load.lane);
            }
            Err(error) => self.finish(load, waiting, Err(error)),
        }
    }

    /// One pass more of the long text in hand.
    fn read_on(&mut self, lane: Lane) {
        let Some(Held { load, waiting, mut halfway }) = self.held(lane).take() else {
            *self.hand.holds(lane) = false;
            return;
        };
        if !waiting.is_wanted() {
            *self.hand.holds(lane) = false;
            self.line.left(load);
            return self.give_up(waiting);
        }
        let started = Instant::now();
        let step = guarded(|| self.reader.step(&mut halfway));
        match step {
            Ok(Some(tokens)) => {
                self.line.took(tokens, started.elapsed());
                *self.held(lane) = Some(Held { load, waiting, halfway });
            }
            Ok(None) => {
                let read = guarded(|| self.reader.conclude(halfway, &[waiting.asked()]));
                self.line.took(0, started.elapsed());
                self.finish(load, waiting, read);
            }
            Err(error) => self.finish(load, waiting, Err(error)),
        }
    }

    fn finish(&mut self, load: Load, waiting: Waiting, read: Result<Vec<Vec<Reading>>, Error>) {
        *self.hand.holds(load.lane) = false;
        self.line.left(load);
        let _ = waiting.reply.send(read.map(|all| all.into_iter().flatten().collect()));
    }

    fn held(&mut self, lane: Lane) -> &mut Option<Held> {
        match lane {
            Lane::Single => &mut self.single,
            Lane::Batch => &mut self.batch,
        }
    }

    /// A text that was taken, if somebody waits for it and it can be read in time.
    fn still_in_time(&self, load: Load, mut waiting: Waiting) -> Option<(Load, Waiting)> {
        waiting.room = None;
        let takes = self.line.takes(load.tokens).unwrap_or_default();
        let now = Instant::now();
        let is_late = |until: Option<Instant>, takes| until.is_some_and(|at| now + takes > at);
        let is_late =
            is_late(waiting.begin_by, Default::default()) || is_late(waiting.deadline, takes);
        if !is_late && !waiting.reply.is_closed() {
            waiting.begun.store(true, Ordering::Release);
            metrics::histogram!("undertone_classifier_queue_seconds")
                .record(waiting.since.elapsed());
            return Some((load, waiting));
        }
        self.line.left(load);
        self.give_up(waiting);
        None
    }

    fn give_up(&self, waiting: Waiting) {
        let reason = if waiting.reply.is_closed() { "abandoned" } else { "late" };
        metrics::counter!("undertone_unread_texts_total", "reason" => reason).increment(1);
        let retry_after_seconds = seconds_until(self.line.wait(0));
        let _ = waiting.reply.send(Err(Error::Busy { crowd: Crowd::Late, retry_after_seconds }));
    }
}

fn read_alone(reader: &mut Reader, waiting: &Waiting) -> Result<Vec<Reading>, Error> {
    let readings = guarded(|| reader.read_all(&[waiting.asked()]))?;
    Ok(readings.into_iter().flatten().collect())
}

/// Reads texts as long as somebody waits for one of them; else `None`.
fn read_while(
    reader: &mut Reader,
    asked: &[Asked<'_>],
    is_wanted: impl Fn() -> bool,
) -> Result<Option<Vec<Vec<Reading>>>, Error> {
    if !is_wanted() {
        return Ok(None);
    }
    let mut halfway = reader.begin(asked)?;
    while reader.step(&mut halfway)?.is_some() {
        if !is_wanted() {
            return Ok(None);
        }
    }
    reader.conclude(halfway, asked).map(Some)
}

/// A library that panics on one text must not take the session from all others.
fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::Inference("a panic".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_one_text_is_that_texts_error() {
        let failed: Result<(), Error> = guarded(|| panic!("on purpose"));
        assert!(matches!(failed, Err(Error::Inference(_))), "{failed:?}");
    }
}
