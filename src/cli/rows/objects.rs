//! Rows as objects of named values, whatever the form of the file: for what a file says beside texts.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::Context;
use csv::ByteRecord;
use serde_json::{Map, Value};

use super::records::{Record, Records};
use super::{Shape, begin, json_object, unclosed, uneven};
use crate::cli::arguments::usage;

/// The rows of a file.
pub enum Objects {
    Csv { records: Box<Records<Box<dyn Read + Send>>>, header: Vec<String> },
    JsonLines { reader: Box<dyn BufRead + Send>, line: u64 },
}

/// A row: where it starts, counted from 1, and what it holds, or what is wrong with it.
pub struct Object {
    pub line: u64,
    pub values: Result<Map<String, Value>, String>,
}

impl Objects {
    /// # Errors
    /// A file that cannot be read, or has no header where it needs one.
    pub fn open(path: &Path) -> anyhow::Result<Objects> {
        let (shape, reader) = begin(Some(path))?;
        Ok(match shape {
            Shape::JsonLines => Objects::JsonLines { reader: Box::new(reader), line: 0 },
            Shape::Csv => {
                let reader: Box<dyn Read + Send> = Box::new(reader);
                let mut records = Records::of(reader);
                let first = records.next().transpose();
                let first = first.with_context(|| format!("{}: no header", path.display()))?;
                let first = first.ok_or_else(|| {
                    usage("FILE", "is empty; it needs a header with names of columns, and rows")
                })?;
                if let Some(line) = first.unclosed {
                    return Err(usage("FILE", format!("the header, {}", unclosed(line))));
                }
                let name = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
                let header = first.fields.iter().map(name).collect();
                Objects::Csv { records: Box::new(records), header }
            }
        })
    }
}

impl Iterator for Objects {
    type Item = std::io::Result<Object>;

    fn next(&mut self) -> Option<std::io::Result<Object>> {
        match self {
            Objects::Csv { records, header } => Some(records.next()?.map(|record| {
                let Record { line, fields, unclosed: quote } = record;
                let values = match quote {
                    Some(quote) => Err(unclosed(quote)),
                    None => csv_object(&fields, header),
                };
                Object { line, values }
            })),
            Objects::JsonLines { reader, line } => loop {
                let mut bytes = Vec::new();
                *line += 1;
                match reader.read_until(b'\n', &mut bytes) {
                    Ok(0) => return None,
                    Err(error) => return Some(Err(error)),
                    Ok(_) if bytes.trim_ascii().is_empty() => {}
                    Ok(_) => {
                        let values = json_object(bytes.trim_ascii());
                        return Some(Ok(Object { line: *line, values }));
                    }
                }
            },
        }
    }
}

/// An empty field is null: CSV has no other word for it.
fn csv_object(fields: &ByteRecord, header: &[String]) -> Result<Map<String, Value>, String> {
    if fields.len() != header.len() {
        return Err(uneven(fields.len(), header.len()));
    }
    let value = |(name, field): (&String, &[u8])| {
        let text =
            std::str::from_utf8(field).map_err(|_| format!("the field \"{name}\" is not UTF-8"))?;
        let value = if text.is_empty() { Value::Null } else { Value::String(text.to_owned()) };
        Ok((name.clone(), value))
    };
    header.iter().zip(fields).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row's line, and its values as JSON or what is wrong with it.
    fn read(name: &str, content: &str) -> Vec<(u64, String)> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("it can be written");
        let objects = Objects::open(&path).expect("it can be opened");
        let shown = |object: std::io::Result<Object>| {
            let Object { line, values } = object.expect("it can be read");
            (line, values.map_or_else(|fault| fault, |values| Value::Object(values).to_string()))
        };
        objects.map(shown).collect()
    }

    #[test]
    fn rows_are_objects_in_either_form() {
        let csv = read("a.csv", "id,label\n1,\"of two\nlines\"\n2,\n3\n");
        let expected = [
            (2, "{\"id\":\"1\",\"label\":\"of two\\nlines\"}"),
            (4, "{\"id\":\"2\",\"label\":null}"),
            (5, "the row has 1 field and the header has 2"),
        ];
        assert_eq!(csv, expected.map(|(line, shown)| (line, shown.to_owned())));
        let lines = read("a.jsonl", "\u{feff}{\"id\": 1, \"a\": {\"m\": null}}\n\n[1]\n{\n");
        assert_eq!(lines[0], (1, "{\"id\":1,\"a\":{\"m\":null}}".to_owned()));
        assert_eq!(lines[1], (3, "the line is not a JSON object".to_owned()));
        assert!(lines[2].1.starts_with("the line is not JSON: "), "{lines:?}");
    }
}
