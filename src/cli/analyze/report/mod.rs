//! `--report`: a page about all rows of a file, for a reader who wants no rows.
//!
//! In reading order: `row` reads what a written row says, `tally` sums it up, `terms` and `quote`
//! keep what is judged and in which words, `page` and `opinions` show it. Rows that an earlier run
//! wrote are folded in as they are found again, so that a run that was interrupted and went on
//! reports what an unbroken one does. The memory does not grow with the file.

mod opinions;
mod page;
mod quote;
mod row;
mod tally;
mod terms;

use time::OffsetDateTime;

use super::columns::Answer;
use crate::cli::page::Destination;
use crate::pricing::Usd;
use crate::sentiment::Task;

use row::Row;
use tally::Tally;

/// A report that is being collected.
pub struct Report {
    destination: Destination,
    about: About,
    tally: Tally,
}

/// What was asked of which texts, and of whom.
#[derive(Clone, Debug)]
pub struct About {
    /// The file's name, without its folder.
    pub source: String,
    pub tasks: Vec<Task>,
    pub local_model: String,
    /// The models that are asked where the local one is in doubt, in order; none without a key.
    pub llms: Vec<String>,
    pub ceiling: Option<Usd>,
}

/// How the run ended that the report is of.
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    /// Not all rows are in.
    pub is_interrupted: bool,
    /// Rows of this run alone that did not fit the ceiling: no column says so of earlier ones.
    pub over_budget: u64,
}

impl Report {
    pub fn new(destination: Destination, about: About) -> Report {
        Report { destination, about, tally: Tally::default() }
    }

    /// Counts a row that is in the output, in its turn. `text` is what was read of it.
    pub fn add(&mut self, text: &str, answer: &Answer) {
        self.tally.add(text, Row::of(answer));
    }

    /// Writes the page, whole or not at all, and says where it is.
    pub fn publish(&self, end: End) -> anyhow::Result<()> {
        let page = page::page(&self.tally, &self.about, end, OffsetDateTime::now_utc());
        self.destination.publish(&page)?;
        let so_far = if end.is_interrupted { " so far" } else { "" };
        eprintln!("undertone: the report{so_far} is in {}", self.destination.path().display());
        Ok(())
    }
}
