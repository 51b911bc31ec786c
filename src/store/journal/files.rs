//! The journal's files: what they are called, how they begin, who holds them, and where lines go that cannot
//! be brought to the ledger.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{Line, VERSION, write_line};
use crate::private;
use crate::store::Error;

const PREFIX: &str = "undertone-";
const ENDING: &str = ".jsonl";
const QUARANTINE: &str = ".quarantine";

/// More than any line has. What is longer is none.
const LINE_LIMIT: u64 = 1 << 20;

/// The journals in a folder, by name; by that the oldest come first.
pub(super) fn of(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = named(folder, journal_id).map_err(|error| unreadable(folder, &error))?;
    files.sort_by_key(|path| journal_id(&name(path)));
    Ok(files)
}

/// Those in which lines were set aside.
pub(super) fn quarantined(folder: &Path) -> Vec<PathBuf> {
    let id = |name: &str| journal_id(name.strip_suffix(QUARANTINE)?);
    named(folder, id).unwrap_or_default()
}

fn named(folder: &Path, id: impl Fn(&str) -> Option<Uuid>) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| id(&name(path)).is_some() && path.is_file())
        .collect())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The id in a journal's name; `None`: it is no journal's. Versions before 0.2 left the prefix out.
fn journal_id(name: &str) -> Option<Uuid> {
    let id = name.strip_suffix(ENDING)?;
    let id = Uuid::parse_str(id.strip_prefix(PREFIX).unwrap_or(id)).ok()?;
    (id.get_version_num() == 7).then_some(id)
}

/// A file that begins as a journal does and that no living process writes.
pub(super) fn open(path: &Path) -> Result<Option<File>, Error> {
    let open = || -> io::Result<Option<File>> {
        let file = match File::open(path) {
            // Another process has just replayed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        if !begins_as_journal(path)? {
            return Ok(None);
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
        private::tighten(path);
        Ok(path.exists().then_some(file))
    };
    open().map_err(|error| unreadable(path, &error))
}

/// Whether the first line is a journal's, or as much of it as a crash left.
fn begins_as_journal(path: &Path) -> io::Result<bool> {
    let mut first = Vec::new();
    let file = BufReader::new(File::open(path)?);
    file.take(LINE_LIMIT).read_until(b'\n', &mut first)?;
    // Before 0.2 there was no such line: a record came first.
    let is_line = serde_json::from_slice::<Line>(&first).is_ok();
    let has_prefix = name(path).starts_with(PREFIX);
    Ok(is_line || (has_prefix && is_torn_header(&first)))
}

/// Whether it is as much of the first line as a crash left.
pub(super) fn is_torn_header(line: &[u8]) -> bool {
    header().starts_with(line)
}

fn header() -> Vec<u8> {
    let mut bytes = Vec::new();
    write_line(&mut bytes, &Line::Journal(VERSION));
    bytes
}

/// A new file, that is there after a power cut too.
pub(super) fn create(folder: &Path) -> io::Result<File> {
    private::create_folder(folder)?;
    let path = folder.join(format!("{PREFIX}{}{ENDING}", Uuid::now_v7()));
    let mut file = private::options().append(true).create_new(true).open(path)?;
    file.lock()?;
    file.write_all(&header())?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Read(format!("journal {}: {error}", path.display()))
}

/// The lines of a file, as bytes: a crash may cut one anywhere, in the middle of a character too.
pub(super) struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<&'a File>,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub fn of(path: &'a Path, file: &'a File) -> Lines<'a> {
        Lines { path, reader: BufReader::new(file), line: Vec::new() }
    }

    /// The next one that is not empty, with what ends it.
    pub fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.reader).take(LINE_LIMIT);
            let read = limited
                .read_until(b'\n', &mut self.line)
                .map_err(|error| unreadable(self.path, &error))?;
            if read == 0 {
                return Ok(None);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(&self.line));
            }
        }
    }
}

/// Where the lines of a file go that cannot be brought to the ledger: beside it, under a name of its own.
pub(super) struct Quarantine {
    path: PathBuf,
    /// None before there is a line for it. What an interrupted replay left there is written again.
    file: Option<File>,
}

impl Quarantine {
    pub fn of(journal: &Path) -> Quarantine {
        let mut path = journal.as_os_str().to_owned();
        path.push(QUARANTINE);
        Quarantine { path: path.into(), file: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn add(&mut self, line: &[u8], reason: &str) -> Result<(), Error> {
        tracing::error!(
            bytes = line.len(),
            reason,
            file = %self.path.display(),
            "a line of the journal cannot be brought to the ledger and is set aside"
        );
        metrics::counter!("undertone_journal_quarantined_lines_total").increment(1);
        let mut add = || -> io::Result<()> {
            let file = match &mut self.file {
                Some(file) => file,
                none => {
                    let mut options = private::options();
                    options.write(true).create(true).truncate(true);
                    none.insert(options.open(&self.path)?)
                }
            };
            file.write_all(line.trim_ascii_end())?;
            file.write_all(b"\n")
        };
        add().map_err(|error| unreadable(&self.path, &error))
    }

    /// Brings it to the disk; whether there is any.
    pub fn end(&self) -> Result<bool, Error> {
        let Some(file) = &self.file else { return Ok(false) };
        file.sync_all().map_err(|error| unreadable(&self.path, &error))?;
        Ok(true)
    }
}
