//! CSV records as they stand in a file: on which line each starts, and whether its quotes close.
//!
//! `csv` takes any quote for one that closes somewhere, so that a forgotten one swallows the rows
//! after it without a word, and it counts blank lines towards the record behind them. The records are
//! therefore cut apart here, by the same rules, and `csv` reads the fields of one at a time.

use std::io::{self, Cursor, Read};

use csv::ByteRecord;

/// The most bytes that one quote may hold. A text has at most 20,000 characters; what is longer by
/// far is a quote that somebody forgot to close.
const QUOTED_LIMIT: usize = 1 << 20;

const READ_BYTES: usize = 1 << 16;

/// A record, and where it stands.
#[derive(Debug, PartialEq)]
pub struct Record {
    /// Where it starts, counted from 1.
    pub line: u64,
    pub fields: ByteRecord,
    /// The line of a quote that does not close. The record then ends with that line, and the next
    /// one starts on the line after it.
    pub unclosed: Option<u64>,
}

/// The records of a reader.
pub struct Records<R> {
    reader: R,
    fields: csv::Reader<Cursor<Vec<u8>>>,
    /// What was read; from `start` on it has not been given out.
    buffer: Vec<u8>,
    start: usize,
    is_at_end: bool,
    /// On which `start` stands.
    line: u64,
    quoted_limit: usize,
}

/// Where in a record a byte stands: the states of `csv-core`, as far as they matter here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote inside quotes: it closes, or is the first of two.
    AfterQuote,
}

/// Where the quote was opened that came last, and where its line ends, once that is known.
#[derive(Clone, Copy, Default)]
struct Opened {
    at: usize,
    line_end: Option<usize>,
}

/// Where the next record ends.
struct Cut {
    end: usize,
    /// Where a quote opens that does not close.
    unclosed: Option<usize>,
}

impl<R: Read> Records<R> {
    pub fn of(reader: R) -> Records<R> {
        let mut builder = csv::ReaderBuilder::new();
        let fields = builder.has_headers(false).flexible(true).from_reader(Cursor::default());
        let (buffer, quoted_limit) = (Vec::new(), QUOTED_LIMIT);
        Records { reader, fields, buffer, start: 0, is_at_end: false, line: 1, quoted_limit }
    }

    fn read(&mut self) -> io::Result<Option<Record>> {
        if !self.skip_blank_lines()? {
            return Ok(None);
        }
        let Cut { end, unclosed } = self.cut()?;
        let line = self.line;
        let unclosed = unclosed.map(|at| line + line_breaks(&self.buffer[self.start..at]));
        let mut record = self.buffer[self.start..end].to_vec();
        self.line += line_breaks(&record);
        self.start = end;
        if unclosed.is_some() {
            while record.pop_if(|byte| is_break(byte)).is_some() {}
            record.push(b'"');
        }
        // The parser must not come to the end of what it is given: it would never go on.
        record.push(b'\n');
        *self.fields.get_mut() = Cursor::new(record);
        let mut fields = ByteRecord::new();
        self.fields.read_byte_record(&mut fields).map_err(io::Error::other)?;
        Ok(Some(Record { line, fields, unclosed }))
    }

    /// Whether there is a record behind them.
    fn skip_blank_lines(&mut self) -> io::Result<bool> {
        loop {
            let rest = &self.buffer[self.start..];
            let blank = rest.iter().take_while(|byte| is_break(byte)).count();
            if blank < rest.len() {
                self.line += line_breaks(&rest[..blank]);
                self.start += blank;
                return Ok(true);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// Finds where the record ends that begins at `start`.
    fn cut(&mut self) -> io::Result<Cut> {
        let (mut at, mut place, mut opened) = (self.start, Place::FieldStart, Opened::default());
        loop {
            if place == Place::Quoted
                && let Some(end) = opened.line_end
                && at - opened.at > self.quoted_limit
            {
                return Ok(Cut { end, unclosed: Some(opened.at) });
            }
            if at == self.buffer.len() && !self.fill()? {
                let end = opened.line_end.filter(|_| place == Place::Quoted).unwrap_or(at);
                let unclosed = (place == Place::Quoted).then_some(opened.at);
                return Ok(Cut { end, unclosed });
            }
            let byte = self.buffer[at];
            at += 1;
            place = match (place, byte) {
                (Place::FieldStart, b'"') => {
                    opened = Opened { at, line_end: None };
                    Place::Quoted
                }
                (Place::Quoted, b'"') => Place::AfterQuote,
                (Place::AfterQuote, b'"') => Place::Quoted,
                (Place::Quoted, byte) => {
                    if is_break(&byte) && opened.line_end.is_none() {
                        opened.line_end = Some(self.behind_break(at)?);
                    }
                    Place::Quoted
                }
                (_, b',') => Place::FieldStart,
                (_, b'\r' | b'\n') => {
                    return Ok(Cut { end: self.behind_break(at)?, unclosed: None });
                }
                // Something follows the quote that seems to close, lines below the opening one: it
                // opens a field of a later row.
                (Place::AfterQuote, byte) if byte != b' ' && byte != b'\t' => match opened.line_end
                {
                    Some(end) => return Ok(Cut { end, unclosed: Some(opened.at) }),
                    None => Place::Plain,
                },
                _ => Place::Plain,
            };
        }
    }

    /// Behind the line break whose first byte stands before `at`.
    fn behind_break(&mut self, at: usize) -> io::Result<usize> {
        if self.buffer[at - 1] != b'\r' {
            return Ok(at);
        }
        if at == self.buffer.len() {
            self.fill()?;
        }
        Ok(at + usize::from(self.buffer.get(at) == Some(&b'\n')))
    }

    /// Reads on, as much as comes at once: a slow pipe is read row by row. Whether there was more.
    fn fill(&mut self) -> io::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        let before = self.buffer.len();
        self.buffer.resize(before + READ_BYTES, 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(before + read.as_ref().map_or(0, |read| *read));
        self.is_at_end = read? == 0;
        Ok(!self.is_at_end)
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<io::Result<Record>> {
        self.read().transpose()
    }
}

fn is_break(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// `\n`, `\r\n` and `\r` alone are one each.
fn line_breaks(bytes: &[u8]) -> u64 {
    let mut breaks = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let is_first_half = *byte == b'\r' && bytes.get(at + 1) == Some(&b'\n');
        breaks += u64::from(is_break(byte) && !is_first_half);
    }
    breaks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives out so many bytes at a time.
    struct Dripping<'a>(&'a [u8], usize);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn records(text: &str, at_once: usize, quoted_limit: usize) -> Vec<Record> {
        let mut records = Records::of(Dripping(text.as_bytes(), at_once));
        records.quoted_limit = quoted_limit;
        records.map(|record| record.expect("memory can be read")).collect()
    }

    type Expected<'a> = (u64, &'a [&'a str], Option<u64>);

    #[track_caller]
    fn check(text: &str, expected: &[Expected<'_>]) {
        for at_once in [1, 2, 3, 1_000] {
            let found = records(text, at_once, 100);
            let found: Vec<_> = found
                .iter()
                .map(|record| {
                    let fields: Vec<_> =
                        record.fields.iter().map(String::from_utf8_lossy).collect();
                    (record.line, fields, record.unclosed)
                })
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(line, fields, unclosed)| {
                    (*line, fields.iter().map(|field| (*field).into()).collect(), *unclosed)
                })
                .collect();
            assert_eq!(found, expected, "{text:?}, {at_once} bytes at once");
        }
    }

    #[test]
    fn lines_are_counted_past_blank_ones_and_whatever_ends_them() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("{end}a,b{end}{end}{end}1,\"x{end}y\"{end}2,z");
            let quoted = format!("x{end}y");
            check(
                &text,
                &[(2, &["a", "b"], None), (5, &["1", &quoted], None), (7, &["2", "z"], None)],
            );
        }
        check("", &[]);
        check("\r\n\r\n", &[]);
        check("\"a\"\"b\"c,\"d\" \n,", &[(1, &["a\"bc", "d "], None), (2, &["", ""], None)]);
    }

    #[test]
    fn a_quote_that_is_not_closed_swallows_no_other_row() {
        check("1,\"a\n2,b\n", &[(1, &["1", "a"], Some(1)), (2, &["2", "b"], None)]);
        check("1,\"a", &[(1, &["1", "a"], Some(1))]);
        check(
            "1,\"a\r\n2,b\r\n3,\"c\"\r\n",
            &[(1, &["1", "a"], Some(1)), (2, &["2", "b"], None), (3, &["3", "c"], None)],
        );
        check("\"1\n\",\"a, \n2,\"b\"", &[(1, &["1\n", "a, "], Some(2)), (3, &["2", "b"], None)]);
        let long = format!("1,\"a\n{}", "2,b\n".repeat(40));
        let found = records(&long, 7, 100);
        assert_eq!((found.len(), found[0].unclosed, found[40].line), (41, Some(1), 41));
        check("1,\"a\n\" \n2,b", &[(1, &["1", "a\n "], None), (3, &["2", "b"], None)]);
    }

    proptest! {
        #[test]
        fn fields_are_those_that_csv_reads(text in "[a,\" \r\n]{0,40}", at_once in 1usize..9) {
            let found = records(&text, at_once, 100);
            if found.iter().all(|record| record.unclosed.is_none()) {
                let mut builder = csv::ReaderBuilder::new();
                let mut reader =
                    builder.has_headers(false).flexible(true).from_reader(text.as_bytes());
                let expected: Vec<_> = reader.byte_records().map(|record| record.unwrap()).collect();
                let found: Vec<_> = found.into_iter().map(|record| record.fields).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
