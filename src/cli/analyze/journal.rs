//! Answers that are there before it is their row's turn, in a file beside the output, for its owner alone: after a
//! kill they are not paid for again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::columns::{Answer, COST};
use crate::pricing::Usd;
use crate::private;
use crate::sentiment::{Route, Task};

/// Past this many bytes the file is emptied as soon as all that it holds has been written.
const ENOUGH_BYTES: u64 = 1 << 16;

/// Nothing is kept where the output is no file.
pub struct Journal {
    file: Option<(File, PathBuf)>,
    /// What an earlier run left, by row.
    kept: HashMap<u64, Entry>,
    /// The runs that have written the output so far, the earliest first.
    runs: Vec<Uuid>,
    /// Rows in the file whose turn has not come.
    waiting: usize,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    row: u64,
    /// What was asked, so that no other question gets this answer.
    question: String,
    answer: Answer,
}

/// A run that makes calls, written down before its first one: what it bought and could not keep is on the
/// ledger under its name.
#[derive(Serialize, Deserialize)]
struct Begun {
    run: Uuid,
}

impl Entry {
    fn cost(&self) -> Option<Usd> {
        self.answer.get(COST)?.as_str()?.parse().ok()
    }
}

/// A name for what was asked, the text included.
pub fn question(tasks: &[Task], route: Route, text: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for task in tasks {
        hasher.update(task.name().as_bytes()).update(b",");
    }
    hasher.update(format!("{route:?}:").as_bytes()).update(text.as_bytes());
    hasher.finalize().to_hex().to_string()
}

impl Journal {
    pub fn none() -> Journal {
        Journal { file: None, kept: HashMap::new(), runs: Vec::new(), waiting: 0, bytes: 0 }
    }

    /// Reads what an earlier run left for the rows from `first` on, and goes on after it.
    pub fn open(output: &Path, first: u64) -> anyhow::Result<Journal> {
        // A pipe or a device keeps nothing to go on after.
        if std::fs::metadata(output).is_ok_and(|about| !about.is_file()) {
            return Ok(Journal::none());
        }
        let mut name = output.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        let (mut kept, mut runs) = (HashMap::new(), Vec::new());
        let mut bytes = 0;
        if path.exists() {
            let mut reader = BufReader::new(crate::cli::rows::open(&path)?);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line)? > 0 {
                if let Ok(Begun { run }) = serde_json::from_slice(&line) {
                    runs.push(run);
                }
                // A torn line belongs to an answer that had not quite arrived.
                if let Ok(entry) = serde_json::from_slice::<Entry>(&line)
                    && entry.row >= first
                    && line.ends_with(b"\n")
                {
                    kept.insert(entry.row, entry);
                }
                bytes += line.len() as u64;
                line.clear();
            }
        }
        private::tighten(&path);
        let file = private::options().create(true).append(true).open(&path);
        let mut file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        if bytes > 0 {
            // Ends a torn line, so that the next entry stands on its own.
            file.write_all(b"\n")?;
        }
        Ok(Journal { waiting: kept.len(), kept, runs, file: Some((file, path)), bytes })
    }

    /// Writes down that a run begins.
    pub fn begin(&mut self, run: Uuid) -> std::io::Result<()> {
        let Some((file, _)) = &mut self.file else { return Ok(()) };
        self.bytes += begun(file, run)?;
        self.runs.push(run);
        Ok(())
    }

    /// The runs that began before.
    pub fn runs(&self) -> &[Uuid] {
        &self.runs
    }

    /// Whether an earlier run's answer to that row is here, with what it cost.
    pub fn knows_cost_of(&self, row: u64) -> bool {
        self.kept.get(&row).is_some_and(|entry| entry.cost().is_some())
    }

    /// What the answers kept from an earlier run are known to have cost.
    pub fn spent(&self) -> Usd {
        self.kept.values().filter_map(Entry::cost).sum()
    }

    /// The answer that an earlier run had got to that question about that row.
    pub fn take(&mut self, row: u64, question: impl FnOnce() -> String) -> Option<Answer> {
        let entry = self.kept.remove(&row)?;
        if entry.question == question() {
            return Some(entry.answer);
        }
        self.waiting -= 1;
        None
    }

    /// Keeps an answer until its row is written.
    pub fn keep(&mut self, row: u64, question: String, answer: &Answer) -> std::io::Result<()> {
        let Some((file, _)) = &mut self.file else { return Ok(()) };
        let entry = Entry { row, question, answer: answer.clone() };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        file.write_all(&line)?;
        self.bytes += line.len() as u64;
        self.waiting += 1;
        Ok(())
    }

    /// A row that was kept has been written. Empties the file now and then; `flush` makes sure
    /// before that that what was written is in the output.
    pub fn written(&mut self, flush: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<()> {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some((file, _)) = &mut self.file
            && self.waiting == 0
            && self.bytes > ENOUGH_BYTES
        {
            flush()?;
            file.set_len(0)?;
            self.bytes = 0;
            for run in &self.runs {
                self.bytes += begun(file, *run)?;
            }
        }
        Ok(())
    }

    /// All rows are written: the file has done its service.
    pub fn remove(self) -> std::io::Result<()> {
        match self.file {
            Some((_, path)) => std::fs::remove_file(path),
            None => Ok(()),
        }
    }
}

/// Returns how many bytes that took.
fn begun(file: &mut File, run: Uuid) -> std::io::Result<u64> {
    let mut line = serde_json::to_vec(&Begun { run })?;
    line.push(b'\n');
    file.write_all(&line)?;
    Ok(line.len() as u64)
}
