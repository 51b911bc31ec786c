//! Rows in: CSV with a header, or JSON lines, one at a time. A row that is bad is a row all the
//! same, with what is wrong with it in place of its text.

mod objects;
mod records;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use csv::ByteRecord;
use serde_json::{Map, Value};

use super::arguments::usage;
use super::output::several;
use crate::http::text_faults;
use crate::json;

use records::{Record, Records};

pub use objects::Objects;

const BUFFER_BYTES: usize = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Csv,
    JsonLines,
}

/// A row as it stands in the file.
pub struct Row {
    /// Counted from 0.
    pub number: u64,
    /// Where it starts in the file, counted from 1.
    pub line: u64,
    pub original: Original,
    /// What is to be analysed, or what is wrong with the row; never with any of its content.
    pub text: Result<Arc<str>, String>,
}

/// What of a row is kept as it is.
pub enum Original {
    /// As many fields as the header has.
    Csv(ByteRecord),
    /// The object without its closing brace.
    JsonLines(Vec<u8>),
}

/// The rows of a file or of standard input.
pub struct Input {
    rows: Rows,
    text_column: String,
    next: u64,
    /// A row that was looked at and not taken.
    peeked: Option<Row>,
}

enum Rows {
    Csv {
        records: Box<Records<Box<dyn Read + Send>>>,
        header: ByteRecord,
        /// Which field holds the text.
        text_at: usize,
    },
    JsonLines {
        reader: Box<dyn BufRead + Send>,
        line: u64,
    },
}

impl Input {
    /// # Errors
    /// Wrong usage where CSV has no such column; a file that cannot be read.
    pub fn open(source: Option<&Path>, text_column: &str) -> anyhow::Result<Input> {
        let (shape, reader) = begin(source)?;
        let name = named(source);
        let rows = match shape {
            Shape::JsonLines => Rows::JsonLines { reader: Box::new(reader), line: 0 },
            Shape::Csv => {
                let reader: Box<dyn Read + Send> = Box::new(reader);
                let mut records = Records::of(reader);
                let first =
                    records.next().transpose().with_context(|| format!("{name}: no header"))?;
                if let Some(Record { unclosed: Some(line), .. }) = first {
                    return Err(usage("FILE", format!("the header, {}", unclosed(line))));
                }
                let header = first.map(|first| first.fields).unwrap_or_default();
                let text_at = header.iter().position(|column| column == text_column.as_bytes());
                let text_at = text_at.ok_or_else(|| no_column(text_column, &header))?;
                Rows::Csv { records: Box::new(records), header, text_at }
            }
        };
        Ok(Input { rows, text_column: text_column.to_owned(), next: 0, peeked: None })
    }

    pub fn shape(&self) -> Shape {
        match self.rows {
            Rows::Csv { .. } => Shape::Csv,
            Rows::JsonLines { .. } => Shape::JsonLines,
        }
    }

    pub fn text_column(&self) -> &str {
        &self.text_column
    }

    /// What a row holds under a name, as text; `None` where it holds nothing there.
    pub fn field(&self, original: &Original, name: &str) -> Option<String> {
        match (original, &self.rows) {
            (Original::Csv(record), Rows::Csv { header, .. }) => {
                let at = header.iter().position(|column| column == name.as_bytes())?;
                Some(String::from_utf8_lossy(record.get(at)?).into_owned())
            }
            (Original::JsonLines(open), _) => match object(open)?.remove(name)? {
                Value::Null => None,
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            },
            _ => None,
        }
    }

    /// The next row, which stays the next.
    pub fn peek(&mut self) -> Option<std::io::Result<&Row>> {
        match self.next()? {
            Ok(row) => Some(Ok(self.peeked.insert(row))),
            Err(error) => Some(Err(error)),
        }
    }

    /// The header that the output has; none for JSON lines.
    pub fn header_with(&self, columns: &[&'static str]) -> Option<ByteRecord> {
        let Rows::Csv { header, .. } = &self.rows else { return None };
        let mut header = header.clone();
        header.extend(columns);
        Some(header)
    }

    /// # Errors
    /// Wrong usage where one of the columns to be added is there already.
    pub fn refuse_columns(&self, columns: &[&'static str]) -> anyhow::Result<()> {
        let Rows::Csv { header, .. } = &self.rows else { return Ok(()) };
        match columns.iter().find(|column| header.iter().any(|name| name == column.as_bytes())) {
            None => Ok(()),
            Some(column) => {
                let message =
                    format!("already has a column {column}; analyze adds that one itself");
                Err(usage("FILE", message))
            }
        }
    }
}

impl Iterator for Input {
    type Item = std::io::Result<Row>;

    fn next(&mut self) -> Option<std::io::Result<Row>> {
        if let Some(row) = self.peeked.take() {
            return Some(Ok(row));
        }
        let read = match &mut self.rows {
            Rows::Csv { records, header, text_at } => match records.next()? {
                Err(error) => Err(error),
                Ok(Record { line, fields, unclosed: quote }) => {
                    let (original, text) = csv_row(fields, header.len(), *text_at);
                    Ok((line, (original, quote.map_or(text, |quote| Err(unclosed(quote))))))
                }
            },
            Rows::JsonLines { reader, line } => loop {
                let mut bytes = Vec::new();
                *line += 1;
                match reader.read_until(b'\n', &mut bytes) {
                    Ok(0) => return None,
                    Err(error) => break Err(error),
                    Ok(_) if bytes.trim_ascii().is_empty() => {}
                    Ok(_) => break Ok((*line, json_row(bytes.trim_ascii(), &self.text_column))),
                }
            },
        };
        Some(read.map(|(line, (original, text))| {
            let number = self.next;
            self.next += 1;
            Row { number, line, original, text }
        }))
    }
}

/// Opens a file for reading, with its name in the error.
pub fn open(path: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn named(source: Option<&Path>) -> String {
    source.map_or_else(|| "standard input".into(), |path| path.display().to_string())
}

/// Opens a file, or standard input, finds out its form, and goes past a byte order mark.
fn begin(source: Option<&Path>) -> anyhow::Result<(Shape, BufReader<Box<dyn Read + Send>>)> {
    let reader: Box<dyn Read + Send> = match source {
        Some(path) => Box::new(open(path)?),
        None => Box::new(std::io::stdin()),
    };
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
    let head = reader.fill_buf().with_context(|| format!("{} cannot be read", named(source)))?;
    let byte_order_mark = head.len() - json::unmarked(head).len();
    let shape = shape(source, &head[byte_order_mark..])?;
    reader.consume(byte_order_mark);
    Ok((shape, reader))
}

/// An object that was left without its closing brace.
fn object(open: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(&[open, b"}"].concat()).ok()
}

/// By the file's extension, else by its first byte that is not blank.
fn shape(source: Option<&Path>, head: &[u8]) -> anyhow::Result<Shape> {
    let extension = source.and_then(Path::extension).and_then(|extension| extension.to_str());
    let by_name = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("jsonl" | "ndjson" | "json") => Some(Shape::JsonLines),
        Some("csv") => Some(Shape::Csv),
        _ => None,
    };
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    match (by_name, first) {
        (Some(Shape::JsonLines), Some(b'[')) => {
            Err(usage("FILE", "is one JSON array; expected JSON lines: an object on each line"))
        }
        (Some(shape), _) => Ok(shape),
        (None, Some(b'{')) => Ok(Shape::JsonLines),
        (None, _) => Ok(Shape::Csv),
    }
}

fn no_column(wanted: &str, header: &ByteRecord) -> anyhow::Error {
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    if names.is_empty() {
        let message = format!("is empty; it needs a header with a column \"{wanted}\", and rows");
        return usage("FILE", message);
    }
    let there = names.join(", ");
    usage("--text-column", format!("there is no column \"{wanted}\"; the columns are: {there}"))
}

type Parsed = (Original, Result<Arc<str>, String>);

/// Too few fields are filled up and too many left out, so that the columns added stand in place.
fn csv_row(mut record: ByteRecord, fields: usize, text_at: usize) -> Parsed {
    let has = record.len();
    let text = match has == fields {
        true => text_of(&record[text_at]),
        false => Err(uneven(has, fields)),
    };
    record.truncate(fields);
    (has..fields).for_each(|_| record.push_field(b""));
    (Original::Csv(record), text)
}

fn uneven(has: usize, fields: usize) -> String {
    format!("the row has {} and the header has {fields}", several(has as u64, "field"))
}

fn unclosed(line: u64) -> String {
    format!("the quote that opens on line {line} is not closed, or one after it is not doubled")
}

fn json_row(line: &[u8], text_column: &str) -> Parsed {
    let object = match json_object(line) {
        Ok(object) => object,
        Err(message) => return (Original::JsonLines(b"{".to_vec()), Err(message)),
    };
    let text = match object.get(text_column) {
        None => Err(format!("the field \"{text_column}\" is missing")),
        Some(Value::String(text)) => text_of(text.as_bytes()),
        Some(_) => Err(format!("the field \"{text_column}\" is not a string")),
    };
    // Spliced rather than written anew: numbers and the order of keys stay as they are.
    let open = line[..line.len() - 1].trim_ascii_end();
    (Original::JsonLines(open.to_vec()), text)
}

fn json_object(line: &[u8]) -> Result<Map<String, Value>, String> {
    let utf8 = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_owned())?;
    serde_json::from_str(utf8).map_err(|_| match json::fault(line) {
        Some(fault) => format!("the line {}", fault.told(&format!("column {}", fault.column))),
        None => "the line is not a JSON object".into(),
    })
}

fn text_of(bytes: &[u8]) -> Result<Arc<str>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_owned())?;
    match text_faults(text).into_iter().next() {
        Some(fault) => Err(format!("the text {fault}")),
        None => Ok(text.into()),
    }
}
