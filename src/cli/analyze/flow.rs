//! The way of the rows: read by a thread of their own, analysed many at once, written in order. The
//! rows between reading and writing are bounded, whatever the file's length.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::job::{Done, Job};
use super::journal::{self, Journal};
use super::output::Output;
use super::progress::{Ended, Progress};
use super::report::Report;
use crate::cli::rows::{Input, Original, Row};

/// Rows that may wait for one before them that is still being asked about: enough that a slow LLM
/// does not keep the local model idle.
const WINDOW: usize = 2_048;

/// How often rows that are written reach the file.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

pub struct Flow {
    job: Arc<Job>,
    output: Output,
    journal: Journal,
    progress: Progress,
    report: Option<Report>,
    at_once: usize,
    /// Rows that were read and are not written, by number.
    window: BTreeMap<u64, Slot>,
    running: JoinSet<(u64, Done)>,
}

/// A row between reading and writing.
struct Slot {
    original: Original,
    /// Kept for the report alone.
    text: Option<Arc<str>>,
    /// What was asked; empty for a row that is bad.
    question: String,
    done: Option<Done>,
    is_kept: bool,
}

impl Flow {
    pub fn new(
        job: Arc<Job>,
        output: Output,
        journal: Journal,
        progress: Progress,
        report: Option<Report>,
        at_once: usize,
    ) -> Flow {
        let (window, running) = (BTreeMap::new(), JoinSet::new());
        Flow { job, output, journal, progress, report, at_once, window, running }
    }

    /// Takes rows until there are none or somebody interrupts, and finishes those that it has taken.
    pub async fn run(mut self, input: Input) -> anyhow::Result<Ended> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut ticks = tokio::time::interval(FLUSH_EVERY);
        let mut rows = read(input, self.at_once);
        let (mut is_reading, mut interrupted) = (true, false);
        while is_reading || !self.running.is_empty() {
            let wants = is_reading
                && self.running.len() < self.at_once
                && self.window.len() < WINDOW.max(self.at_once);
            tokio::select! {
                biased;
                _ = interrupt.recv() => {
                    anyhow::ensure!(!interrupted, "stopped at once: rows were still under way");
                    (is_reading, interrupted) = (false, true);
                }
                _ = terminate.recv() => (is_reading, interrupted) = (false, true),
                _ = ticks.tick() => {
                    self.flush()?;
                    self.progress.tick();
                }
                Some(joined) = self.running.join_next(), if !self.running.is_empty() => {
                    let (number, done) = joined.context("a row's analysis broke off")?;
                    self.arrived(number, done)?;
                }
                row = rows.recv(), if wants => match row {
                    Some(row) => self.take(row.context("the rest of the input cannot be read")?)?,
                    None => is_reading = false,
                },
            }
            match self.write_what_is_ready() {
                // Who reads the rows (`| head`) has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(self.ended(true));
                }
                written => written.context("the output cannot be written")?,
            }
        }
        self.flush()?;
        let journal = std::mem::replace(&mut self.journal, Journal::none());
        if !interrupted {
            journal.remove().context("the .partial file beside the output cannot be removed")?;
        }
        Ok(self.ended(interrupted))
    }

    fn take(&mut self, row: Row) -> anyhow::Result<()> {
        let Row { number, line, original, text } = row;
        let question = String::new();
        let mut slot = Slot { original, text: None, question, done: None, is_kept: false };
        let text = match text {
            Ok(text) => text,
            Err(fault) => {
                slot.done = Some(Done::failed(line, &fault, Some(crate::pricing::Usd::ZERO)));
                self.window.insert(number, slot);
                return Ok(());
            }
        };
        slot.text = self.report.is_some().then(|| Arc::clone(&text));
        let ask = || journal::question(&self.job.tasks, self.job.route, &text);
        if let Some(answer) = self.journal.take(number, ask) {
            (slot.done, slot.is_kept) = (Some(Done::kept(answer)), true);
            self.window.insert(number, slot);
            return Ok(());
        }
        slot.question = journal::question(&self.job.tasks, self.job.route, &text);
        self.window.insert(number, slot);
        let job = Arc::clone(&self.job);
        self.running.spawn(async move { (number, job.answer(number, line, text).await) });
        Ok(())
    }

    /// An answer that could cost money again is on disk before anything else happens.
    fn arrived(&mut self, number: u64, done: Done) -> anyhow::Result<()> {
        let is_next = self.window.keys().next() == Some(&number);
        let slot = self.window.get_mut(&number).context("a row that nobody asked about")?;
        if done.is_bought && !is_next {
            let question = std::mem::take(&mut slot.question);
            let kept = self.journal.keep(number, question, &done.answer);
            kept.context("the .partial file beside the output cannot be written")?;
            slot.is_kept = true;
        }
        slot.done = Some(done);
        Ok(())
    }

    fn write_what_is_ready(&mut self) -> io::Result<()> {
        let mut is_bought = false;
        while let Some(first) = self.window.first_entry() {
            if first.get().done.is_none() {
                break;
            }
            let Slot { original, text, done: Some(done), is_kept, .. } = first.remove() else {
                break;
            };
            self.output.write(&original, &done.answer)?;
            self.progress.add(&done);
            if let Some(report) = &mut self.report {
                report.add(text.as_deref().unwrap_or_default(), &done.answer);
            }
            is_bought |= done.is_bought;
            if is_kept {
                self.journal.written(|| self.output.flush())?;
            }
        }
        if is_bought { self.output.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        match self.output.flush() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(error).context("the output cannot be written")
            }
            _ => Ok(()),
        }
    }

    fn ended(&mut self, interrupted: bool) -> Ended {
        self.progress.finish();
        Ended { summary: self.progress.summary, interrupted, report: self.report.take() }
    }
}

/// Reads on a thread of its own, which nobody waits for: it may hang on a terminal or a pipe.
fn read(input: Input, ahead: usize) -> mpsc::Receiver<io::Result<Row>> {
    let (sender, rows) = mpsc::channel(ahead);
    std::thread::spawn(move || {
        for row in input {
            if sender.blocking_send(row).is_err() {
                break;
            }
        }
    });
    rows
}
