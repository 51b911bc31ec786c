//! What could not be written to the store: an append-only file of lines on the local disk, each synced
//! before its caller is answered, and replayed once the store is there again. Every process has files
//! of its own, locked as long as it lives; those that a dead one left behind the next one replays. The
//! folder may hold other programs' files: none but those with a name and a beginning of ours is touched.

mod files;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::files::Quarantine;
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
    /// What somebody should look at, by the file.
    troubles: Arc<Mutex<BTreeMap<PathBuf, String>>>,
}

/// The form of the lines, which the first line of a file names.
const VERSION: u32 = 1;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first of each file: that it is a journal, and of which form.
    Journal(u32),
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
        let pending = Arc::new(AtomicBool::new(true));
        Journal { folder: folder.into(), jobs, pending, troubles: Arc::default() }
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

    /// What somebody should look at: files that cannot be read, and lines that were set aside.
    pub fn warnings(&self) -> Vec<String> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has looked at one takes it away.
        troubles.retain(|path, _| path.exists());
        troubles.values().cloned().collect()
    }

    async fn replay_all(&self, store: &Store) -> Result<usize, Error> {
        let (rotated, done) = oneshot::channel();
        if self.jobs.send_async(Job::Rotate(rotated)).await.is_ok() {
            let _ = done.await;
        }
        for path in files::quarantined(&self.folder) {
            self.trouble(&path, set_aside(&path));
        }
        let mut count = 0;
        let mut unread = None;
        // By name the oldest come first: a settlement never before its reservation.
        for path in files::of(&self.folder)? {
            match self.replay_file(&path, store).await {
                Ok(lines) => count += lines,
                Err(error @ Error::Read(_)) => {
                    // Those after it are not to wait for it.
                    self.trouble(&path, format!("{error}: what calls cost may be in it"));
                    unread = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        unread.map_or(Ok(count), Err)
    }

    /// Returns how many of the lines the ledger has taken.
    async fn replay_file(&self, path: &Path, store: &Store) -> Result<usize, Error> {
        let Some(file) = files::open(path)? else { return Ok(0) };
        let mut quarantine = Quarantine::of(path);
        let mut lines = files::Lines::of(path, &file);
        let mut count = 0;
        while let Some(bytes) = lines.next()? {
            let taken = match serde_json::from_slice(bytes) {
                Ok(Line::Journal(_)) => continue,
                Ok(line) => apply(store, line).await?,
                Err(_) if files::is_torn_header(bytes) => continue,
                Err(_) => Err("it is no line of a journal".to_owned()),
            };
            match taken {
                Ok(()) => count += 1,
                Err(reason) => quarantine.add(bytes, &reason)?,
            }
        }
        if quarantine.end()? {
            self.trouble(quarantine.path(), set_aside(quarantine.path()));
        }
        std::fs::remove_file(path).map_err(|error| files::unreadable(path, &error))?;
        Ok(count)
    }

    /// Tells the log once.
    fn trouble(&self, path: &Path, what: String) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.get(path) != Some(&what) {
            tracing::warn!("{what}");
            troubles.insert(path.to_owned(), what);
        }
    }

    /// How many bytes wait to be replayed, of any process that shares the folder.
    pub fn bytes(&self) -> u64 {
        let files = files::of(&self.folder).unwrap_or_default();
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

/// The inner error says why the ledger will never take the line.
async fn apply(store: &Store, line: Line) -> Result<Result<(), String>, Error> {
    let applied = match line {
        Line::Journal(_) => Ok(()),
        Line::Reserve(reservation) => store.replay(*reservation).await,
        Line::Settle(id, settlement, at) => store.settle_at(id, *settlement, at).await,
        Line::Withdraw(id) => store.withdraw(id).await,
    };
    match applied {
        Err(error @ (Error::Refused(_) | Error::UnknownAttempt(_))) => Ok(Err(error.to_string())),
        applied => applied.map(Ok),
    }
}

fn set_aside(path: &Path) -> String {
    format!(
        "lines of the journal that could not be read, or that the ledger refused, are in {}: a line \
         that a crash cut short was never relied on, any other may be what a call cost (undertone \
         costs open, undertone costs resolve). Move the file away once you have looked at it",
        path.display()
    )
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
                            Line::Journal(_) | Line::Settle(..) | Line::Withdraw(_) => None,
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
            none => none.insert(files::create(&self.folder)?),
        };
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            // What is half written ends with its file.
            self.file = None;
        }
        written
    }
}

fn write_line(bytes: &mut Vec<u8>, line: &Line) {
    serde_json::to_writer(&mut *bytes, line).expect("texts, numbers and times have a JSON form");
    bytes.push(b'\n');
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
