//! Going on: what of an earlier run stands in the output, and whether it is of this input.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Context;
use csv::ByteRecord;
use serde_json::{Map, Value};

use super::columns::{self, Answer, COST, ERROR};
use super::journal::Journal;
use super::report::Report;
use crate::app::App;
use crate::cli::arguments::usage;
use crate::cli::rows::{Input, Original};
use crate::pricing::Usd;

/// What is there already.
#[derive(Default)]
pub struct Found {
    /// Whole rows.
    pub rows: u64,
    /// How far they reach in the file.
    pub bytes: u64,
    /// Rows among them that have an error.
    pub errors: u64,
    /// What they cost, as far as is known; the rest counts as what it was allowed.
    pub spent: Usd,
}

/// What earlier runs of this output bought or may have bought for rows that are neither written nor kept:
/// calls in flight at a kill, and answers that came in its last moment. One whose cost is not known counts
/// as what is reserved for it.
pub async fn lost(app: &App, journal: &Journal, first: u64) -> anyhow::Result<Usd> {
    let mut lost = Usd::ZERO;
    for run in journal.runs() {
        for attempt in app.run_attempts(*run, first).await? {
            if attempt.texts > 1 || !journal.knows_cost_of(attempt.row) {
                lost = lost + attempt.amount;
            }
        }
    }
    Ok(lost)
}

/// The last whole row as it stands in the output, or what is there where no row is whole.
enum Last {
    Nothing,
    Csv(ByteRecord),
    JsonLines(Vec<u8>),
    /// Of JSON lines.
    Torn(Vec<u8>),
}

/// What the rows of the output are held against.
struct Expected<'a> {
    columns: &'a [&'static str],
    text_column: &'a str,
    allowed: &'a dyn Fn(&str) -> Usd,
}

/// Counts the whole rows of the output, for the report as well, and takes as many from the input.
///
/// # Errors
/// Wrong usage where the file holds anything but these rows: nothing of it is changed then.
pub fn find(
    path: &Path,
    input: &mut Input,
    columns: &[&'static str],
    allowed: &dyn Fn(&str) -> Usd,
    report: Option<&mut Report>,
) -> anyhow::Result<Found> {
    let is_file = std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > 0);
    if !is_file {
        return Ok(Found::default());
    }
    let header = input.header_with(columns);
    let text_column = input.text_column().to_owned();
    let expected = Expected { columns, text_column: &text_column, allowed };
    let scanned = match &header {
        Some(header) => scan_csv(path, header, &expected, report),
        None => scan_json(path, &expected, report),
    };
    let (found, last) = scanned.with_context(|| format!("{} cannot be read", path.display()))?;
    let is_of_this_input = match last {
        None => false,
        Some(Last::Nothing) => true,
        Some(Last::Torn(bytes)) => match input.peek() {
            Some(row) => starts_like(&bytes, &row?.original),
            None => false,
        },
        Some(last) => match input.by_ref().nth(found.rows.saturating_sub(1) as usize) {
            Some(row) => is_same(&last, &row?.original),
            None => false,
        },
    };
    if !is_of_this_input {
        let message = format!(
            "{} is there already and does not hold the rows of this input with these columns; \
             remove it or name another file",
            path.display()
        );
        return Err(usage("--output", message));
    }
    Ok(found)
}

/// `None` in place of the last row: these are not rows of this header.
fn scan_csv(
    path: &Path,
    header: &ByteRecord,
    expected: &Expected<'_>,
    mut report: Option<&mut Report>,
) -> anyhow::Result<(Found, Option<Last>)> {
    let mut found = Found::default();
    let mut file = std::fs::File::open(path)?;
    let line = {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_byte_record(header)?;
        writer.into_inner()?
    };
    let mut start = Vec::new();
    file.by_ref().take(line.len() as u64).read_to_end(&mut start)?;
    if !line.starts_with(&start) {
        return Ok((found, None));
    }
    if start.len() < line.len() {
        return Ok((found, Some(Last::Nothing)));
    }
    found.bytes = line.len() as u64;
    let at = |name: &str| header.iter().rposition(|column| column == name.as_bytes());
    let (cost_at, error_at) = (at(COST), at(ERROR));
    let text_at = header.iter().position(|column| column == expected.text_column.as_bytes());
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.has_headers(false).flexible(true).from_reader(BufReader::new(file));
    let mut bytes = std::fs::File::open(path)?;
    let length = bytes.metadata()?.len();
    let mut last = Last::Nothing;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        let end = line.len() as u64 + reader.position().byte();
        // Only the last row can be torn.
        if end == length && !ends_a_line(&mut bytes, length)? {
            break;
        }
        if record.len() != header.len() {
            if end == length {
                break;
            }
            return Ok((found, None));
        }
        let cell = |at: Option<usize>| at.map_or(&b""[..], |at| &record[at]);
        let is_error = !cell(error_at).is_empty();
        let cost = std::str::from_utf8(cell(cost_at)).ok().and_then(|cost| cost.parse().ok());
        let text = || String::from_utf8_lossy(cell(text_at)).into_owned();
        found.add(is_error, cost, || (expected.allowed)(&text()));
        if let Some(report) = &mut report {
            report.add(&text(), &answer(expected.columns, &record));
        }
        found.bytes = end;
        last = Last::Csv(record.clone());
    }
    Ok((found, Some(last)))
}

/// What stands in the columns that were added to a row: the last ones.
fn answer(columns: &[&'static str], record: &ByteRecord) -> Answer {
    let cells = record.iter().skip(record.len() - columns.len());
    let values = columns.iter().zip(cells);
    values
        .filter_map(|(column, cell)| Some(((*column).to_owned(), columns::value(column, cell)?)))
        .collect()
}

fn scan_json(
    path: &Path,
    expected: &Expected<'_>,
    mut report: Option<&mut Report>,
) -> anyhow::Result<(Found, Option<Last>)> {
    let mut found = Found::default();
    let mut reader = BufReader::new(std::fs::File::open(path)?);
    let mut last = Last::Nothing;
    loop {
        let mut line = Vec::new();
        let read = reader.read_until(b'\n', &mut line)? as u64;
        if !line.ends_with(b"\n") {
            if found.rows == 0 && read > 0 {
                last = Last::Torn(line);
            }
            return Ok((found, Some(last)));
        }
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(&line) else {
            return Ok((found, None));
        };
        let is_error = object.contains_key(ERROR);
        let is_there = |column: &&str| {
            object.contains_key(*column) || *column == ERROR || (is_error && *column != COST)
        };
        let is_whole = expected.columns.iter().all(is_there);
        let is_other = |name: &String| {
            name.starts_with("undertone_") && !expected.columns.contains(&name.as_str())
        };
        if !is_whole || object.keys().any(is_other) {
            return Ok((found, None));
        }
        let cost = object.get(COST).and_then(Value::as_str).and_then(|cost| cost.parse().ok());
        let text = object.get(expected.text_column).and_then(Value::as_str).unwrap_or_default();
        found.add(is_error, cost, || (expected.allowed)(text));
        if let Some(report) = &mut report {
            report.add(text, &object);
        }
        found.bytes += read;
        last = Last::JsonLines(line);
    }
}

impl Found {
    fn add(&mut self, is_error: bool, cost: Option<Usd>, allowed: impl FnOnce() -> Usd) {
        self.rows += 1;
        self.errors += u64::from(is_error);
        self.spent = self.spent + cost.unwrap_or_else(allowed);
    }
}

fn ends_a_line(file: &mut std::fs::File, length: u64) -> std::io::Result<bool> {
    let mut byte = [0];
    file.seek(SeekFrom::Start(length.saturating_sub(1)))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}

fn is_same(written: &Last, original: &Original) -> bool {
    match (written, original) {
        (Last::Csv(written), Original::Csv(original)) => {
            original.iter().zip(written).all(|(original, written)| original == written)
        }
        (Last::JsonLines(written), Original::JsonLines(open)) => written.starts_with(open),
        _ => false,
    }
}

/// A first row that was torn begins as the input's does; anything else is somebody's own file.
fn starts_like(torn: &[u8], original: &Original) -> bool {
    match original {
        Original::Csv(_) => false,
        Original::JsonLines(open) => torn.starts_with(open) || open.starts_with(torn),
    }
}
