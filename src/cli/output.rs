//! How commands print.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::app::logs_are_json;

/// How a table is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// Comma-separated, with a header.
    Csv,
    /// As the gateway answers.
    Json,
}

/// How a table that is no spreadsheet is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TableOrJson {
    /// For people.
    #[default]
    Table,
    /// One object, for scripts.
    Json,
}

/// Prints a value as indented JSON.
pub fn json(value: &impl Serialize) -> anyhow::Result<ExitCode> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints a text and ends it with a line break. A reader that has gone away (`| head`) is no error.
pub fn line(text: &str) -> anyhow::Result<ExitCode> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints where a server is: as JSON where the log, which commonly goes the same way, is.
pub fn address(said: &str, url: &str) -> anyhow::Result<ExitCode> {
    match logs_are_json() {
        true => line(&serde_json::json!({"message": said, "url": url}).to_string()),
        false => line(said),
    }
}

/// A number of things: `1 row`, `2 rows`.
pub fn several(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        _ => format!("{count} {thing}s"),
    }
}

/// Right-aligned numbers after `words` columns of words.
pub fn table(header: &[String], rows: &[Vec<String>], words: usize) -> anyhow::Result<ExitCode> {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    line(&table.to_string())
}

/// A spreadsheet's table: no cell of it is run as a formula, and numbers stay numbers.
pub fn csv(header: &[String], rows: &[Vec<String>]) -> anyhow::Result<ExitCode> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| spreadsheet_text(cell)))?;
    }
    line(String::from_utf8(writer.into_inner()?)?.trim_end())
}

/// A spreadsheet runs a cell that starts like a formula; an apostrophe makes it text.
pub fn spreadsheet_text(cell: &str) -> String {
    let is_number = cell.parse::<crate::pricing::Usd>().is_ok();
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') if !is_number => format!("'{cell}"),
        _ => cell.to_owned(),
    }
}
