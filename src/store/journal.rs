//! What could not be written to the store: an append-only file of lines on the local disk, each synced
//! before its caller is answered, and replayed once the store is there again. Every process has files
//! of its own, locked as long as it lives; those that a dead one left behind the next one replays.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Error, Store};
use crate::pricing::{AttemptId, Reservation, Settlement};

/// How long a line may take to reach the disk.
const APPEND_LIMIT: Duration = Duration::from_secs(2);

/// Lines that may wait for the disk.
const QUEUE: usize = 1024;

/// A handle on the journal, cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: Arc<Path>,
    jobs: flume::Sender<Job>,
    /// Whether there may be anything to replay.
    pending: Arc<AtomicBool>,
}

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Reserve(Box<Reservation>),
    Settle(AttemptId, Box<Settlement>, SystemTime),
    /// Nobody was told of the reservation: nothing was sent on its strength.
    Withdraw(AttemptId),
}

enum Job {
    Append(Line, oneshot::Sender<io::Result<()>>),
    /// Ends the present file, so that it can be replayed.
    Rotate(oneshot::Sender<()>),
}

impl Journal {
    /// Nothing is created before there is something to write.
    pub fn open(folder: PathBuf) -> Journal {
        let (jobs, waiting) = flume::bounded(QUEUE);
        let thread = Thread { folder: folder.clone(), jobs: waiting, file: None };
        // Without the thread every line is refused, as on a full disk.
        let started = std::thread::Builder::new().name("journal".into()).spawn(|| thread.run());
        if let Err(error) = started {
            tracing::error!(%error, "the journal cannot be written");
        }
        Journal { folder: folder.into(), jobs, pending: Arc::new(AtomicBool::new(true)) }
    }

    pub async fn reserve(&self, reservation: Reservation) -> Result<(), Error> {
        self.append(Line::Reserve(Box::new(reservation))).await
    }

    pub async fn settle(&self, id: AttemptId, settlement: Settlement) -> Result<(), Error> {
        self.append(Line::Settle(id, Box::new(settlement), SystemTime::now())).await
    }

    /// Brings what was written to the store, which has to be there. What is replayed twice counts once.
    /// Returns how many lines there were.
    ///
    /// # Errors
    /// The store is not there after all, or a file cannot be read: the rest stays for another time.
    pub async fn replay(&self, store: &Store) -> Result<usize, Error> {
        if !self.pending.swap(false, Ordering::AcqRel) {
            return Ok(0);
        }
        let replayed = self.replay_all(store).await;
        if replayed.is_err() {
            self.pending.store(true, Ordering::Release);
        }
        replayed
    }

    async fn replay_all(&self, store: &Store) -> Result<usize, Error> {
        let (rotated, done) = oneshot::channel();
        if self.jobs.send_async(Job::Rotate(rotated)).await.is_ok() {
            let _ = done.await;
        }
        let mut count = 0;
        for path in self.files()? {
            let Some(file) = unlocked(&path).map_err(|error| unreadable(&path, &error))? else {
                continue;
            };
            // By name the oldest come first: a settlement never before its reservation.
            for line in BufReader::new(&file).lines() {
                let line = line.map_err(|error| unreadable(&path, &error))?;
                // A line that a crash cut short was never synced, and nobody was told of it.
                let Ok(line) = serde_json::from_str(&line) else { continue };
                apply(store, line).await?;
                count += 1;
            }
            std::fs::remove_file(&path).map_err(|error| unreadable(&path, &error))?;
        }
        Ok(count)
    }

    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| unreadable(&self.folder, &error))?,
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        files.sort();
        Ok(files)
    }

    /// How many bytes wait to be replayed, of any process that shares the folder.
    pub fn bytes(&self) -> u64 {
        let files = self.files().unwrap_or_default();
        files.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum()
    }

    async fn append(&self, line: Line) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let appended = async {
            let sent = self.jobs.send_async(Job::Append(line, answer)).await;
            sent.map_err(|_| Error::Closed)?;
            match answered.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Error::Write(format!("journal: {error}"))),
                Err(_) => Err(Error::Closed),
            }
        };
        let appended = timeout(APPEND_LIMIT, appended).await;
        self.pending.store(true, Ordering::Release);
        appended.unwrap_or(Err(Error::Slow(APPEND_LIMIT)))
    }
}

async fn apply(store: &Store, line: Line) -> Result<(), Error> {
    let applied = match line {
        Line::Reserve(reservation) => store.replay(*reservation).await,
        Line::Settle(id, settlement, at) => store.settle_at(id, *settlement, at).await,
        Line::Withdraw(id) => store.withdraw(id).await,
    };
    match applied {
        // It would be refused again: what it says is in the log, and no other line waits for it.
        Err(error @ (Error::Refused(_) | Error::UnknownAttempt(_))) => {
            tracing::error!(%error, "a line of the journal is not taken by the ledger");
            Ok(())
        }
        applied => applied,
    }
}

/// A file that no living process writes.
fn unlocked(path: &Path) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        // Another process has just replayed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock() {
        Ok(()) => Ok(path.exists().then_some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Read(format!("journal {}: {error}", path.display()))
}

struct Thread {
    folder: PathBuf,
    jobs: flume::Receiver<Job>,
    /// The present file; none until something is written, and after a failure.
    file: Option<File>,
}

impl Thread {
    fn run(mut self) {
        let mut withdrawn = Vec::new();
        while let Ok(first) = self.jobs.recv() {
            let mut bytes = Vec::new();
            let mut waiting = Vec::new();
            let mut rotated = Vec::new();
            for id in withdrawn.drain(..) {
                write_line(&mut bytes, &Line::Withdraw(id));
            }
            for job in std::iter::once(first).chain(self.jobs.try_iter()) {
                match job {
                    Job::Append(_, answer) if answer.is_closed() => {}
                    Job::Append(line, answer) => {
                        write_line(&mut bytes, &line);
                        let reserved = match line {
                            Line::Reserve(reservation) => Some(reservation.id),
                            Line::Settle(..) | Line::Withdraw(_) => None,
                        };
                        waiting.push((reserved, answer));
                    }
                    Job::Rotate(done) => rotated.push(done),
                }
            }
            let written = self.write(&bytes);
            for (reserved, answer) in waiting {
                let result = written.as_ref().copied().map_err(copy);
                // After a failure some of it may have reached the disk all the same.
                if answer.send(result).is_err() || written.is_err() {
                    withdrawn.extend(reserved);
                }
            }
            if let (Some(file), false) = (&self.file, rotated.is_empty()) {
                // Closing alone may not: a child that is just being started holds the file as well.
                let _ = file.unlock();
                self.file = None;
            }
            for done in rotated {
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(create(&self.folder)?),
        };
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            // What is half written ends with its file.
            self.file = None;
        }
        written
    }
}

/// A new file, that is there after a power cut too.
fn create(folder: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{}.jsonl", Uuid::now_v7()));
    let file = OpenOptions::new().append(true).create_new(true).open(path)?;
    file.lock()?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn write_line(bytes: &mut Vec<u8>, line: &Line) {
    serde_json::to_writer(&mut *bytes, line).expect("texts, numbers and times have a JSON form");
    bytes.push(b'\n');
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
