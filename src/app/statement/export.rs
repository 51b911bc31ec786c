//! What the exports have in common: pages of buckets in JSON, and tables in CSV.

use serde::Deserialize;
use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, UtcOffset};

use super::StatementError;

/// A page of either provider's reports.
#[derive(Deserialize)]
struct Page {
    data: Vec<Bucket>,
    has_more: bool,
}

#[derive(Deserialize)]
struct Bucket {
    start_time: Option<i64>,
    end_time: Option<i64>,
    starting_at: Option<String>,
    ending_at: Option<String>,
    results: Vec<Map<String, Value>>,
}

/// A day, and what is reported of it.
pub(super) struct Day {
    pub day: Date,
    pub results: Vec<Map<String, Value>>,
}

/// Reads one page, or an array of all of them.
pub(super) fn pages(text: &str, form: StatementError) -> Result<Vec<Day>, StatementError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| StatementError::bad("the file", format!("is not JSON: {error}")))?;
    let pages = match value {
        Value::Array(pages) => pages,
        page => vec![page],
    };
    let pages: Result<Vec<Page>, _> = pages.into_iter().map(serde_json::from_value).collect();
    let Ok(pages) = pages else { return Err(form) };
    if pages.last().is_some_and(|page| page.has_more) {
        return Err(StatementError::Part);
    }
    let buckets = pages.into_iter().flat_map(|page| page.data).enumerate();
    buckets
        .map(|(at, bucket)| {
            let place = format!("data[{at}]");
            let start = moment(bucket.start_time, bucket.starting_at.as_deref());
            let end = moment(bucket.end_time, bucket.ending_at.as_deref());
            let (Some(start), Some(end)) = (start, end) else {
                return Err(StatementError::bad(place, "has no start or no end"));
            };
            let day = start.date();
            // A bucket ends where the next one begins.
            if end <= start || (end - Duration::NANOSECOND).date() != day {
                let message = "spans more than one day (UTC): ask for buckets of a day or less";
                return Err(StatementError::bad(place, message));
            }
            Ok(Day { day, results: bucket.results })
        })
        .collect()
}

fn moment(seconds: Option<i64>, text: Option<&str>) -> Option<OffsetDateTime> {
    match (seconds, text) {
        (Some(seconds), _) => OffsetDateTime::from_unix_timestamp(seconds).ok(),
        (None, text) => {
            Some(OffsetDateTime::parse(text?, &Rfc3339).ok()?.to_offset(UtcOffset::UTC))
        }
    }
}

/// A non-empty text of a result.
pub(super) fn word(result: &Map<String, Value>, name: &str) -> Option<String> {
    result.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A count of a result, 0 where it has none.
pub(super) fn count(result: &Map<String, Value>, name: &str) -> u64 {
    result.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// A table with a header.
pub(super) struct Sheet {
    header: csv::StringRecord,
    records: Vec<csv::StringRecord>,
}

/// A row of it, which knows its line.
pub(super) struct Line<'a> {
    sheet: &'a Sheet,
    record: &'a csv::StringRecord,
    number: usize,
}

impl Sheet {
    pub fn parse(text: &str) -> Result<Sheet, StatementError> {
        let unreadable =
            |error: csv::Error| StatementError::bad("the file", format!("is not CSV: {error}"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().map_err(unreadable)?.clone();
        let records = reader.records().collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(Sheet { header, records })
    }

    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.column(name).is_some())
    }

    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        // The header is the first line.
        let numbered = self.records.iter().zip(2..);
        numbered.map(|(record, number)| Line { sheet: self, record, number })
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|header| header.trim() == name)
    }
}

impl Line<'_> {
    /// The cell, `None` where it is empty or there is no such column.
    pub fn cell(&self, name: &str) -> Option<&str> {
        let cell = self.record.get(self.sheet.column(name)?)?.trim();
        Some(cell).filter(|cell| !cell.is_empty())
    }

    /// A count, 0 where the cell is empty.
    pub fn count(&self, name: &str) -> Result<u64, StatementError> {
        match self.cell(name) {
            None => Ok(0),
            Some(cell) => cell.parse().map_err(|_| self.bad(name, "is no count")),
        }
    }

    /// A day, written as seconds since the epoch or as a date at its start.
    pub fn day(&self, name: &str) -> Result<Date, StatementError> {
        let cell = self.cell(name).unwrap_or_default();
        let date = cell.get(..10).unwrap_or(cell);
        let day = match cell.parse() {
            Ok(seconds) => OffsetDateTime::from_unix_timestamp(seconds).map(|at| at.date()).ok(),
            Err(_) => Date::parse(date, format_description!("[year]-[month]-[day]")).ok(),
        };
        day.ok_or_else(|| self.bad(name, "is no day"))
    }

    pub fn bad(&self, name: &str, message: &str) -> StatementError {
        let cell = self.cell(name).unwrap_or_default();
        StatementError::bad(
            format!("line {}, {name}", self.number),
            format!("\"{cell}\" {message}"),
        )
    }
}
