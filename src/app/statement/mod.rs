//! What a provider says was used and billed: its own exports, read into one form.

mod amount;
mod anthropic;
mod export;
mod openai;

use std::collections::BTreeMap;

use time::Date;

use self::amount::Amount;
use crate::pricing::Usd;

/// Why a file is no statement that can be compared with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    #[error("provider \"{0}\" is not known: expected openai or anthropic")]
    Provider(String),
    #[error("this is no export of {provider} that is known here: expected {expected}")]
    Form { provider: &'static str, expected: &'static str },
    #[error(
        "only a part of the report: it says that more pages follow. Save all of them, as a JSON array \
         of pages"
    )]
    Part,
    #[error("costs and usage in one file: compare with one, then with the other")]
    Mixed,
    #[error("it covers no day")]
    Empty,
    #[error("{place}: {message}")]
    Bad { place: String, message: String },
}

impl StatementError {
    fn bad(place: impl Into<String>, message: impl Into<String>) -> StatementError {
        StatementError::Bad { place: place.into(), message: message.into() }
    }
}

/// A provider's figures by day (UTC) and, where it says so, model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    pub rows: BTreeMap<(Date, Option<String>), Billed>,
    /// The days that it covers, both included.
    pub days: Option<(Date, Date)>,
    /// The decimals of a dollar that its amounts have, the most of all.
    pub decimals: u32,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Costs,
    Usage,
}

/// What is billed of one day and model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Billed {
    /// `None` in a report of usage alone.
    pub cost: Option<Usd>,
    /// Amounts that the cost sums, each of which may be rounded.
    pub amounts: u32,
    /// `None` in a report of costs alone.
    pub tokens: Option<Tokens>,
}

/// Tokens as both providers report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All that was read, from the cache or not.
    pub prompt: u64,
    /// The part of `prompt` that was read from the cache.
    pub cache_read: u64,
    pub output: u64,
}

impl Statement {
    /// Reads an export of that provider.
    pub fn parse(provider: &str, text: &str) -> Result<Statement, StatementError> {
        // Spreadsheets put one before what they save.
        let text = text.trim_start_matches('\u{feff}');
        let is_json = text.trim_start().starts_with(['{', '[']);
        let statement = match (provider, is_json) {
            ("openai", true) => openai::json(text),
            ("openai", false) => openai::csv(text),
            ("anthropic", true) => anthropic::json(text),
            ("anthropic", false) => anthropic::csv(text),
            _ => return Err(StatementError::Provider(provider.to_owned())),
        }?;
        match statement.days {
            Some(_) => Ok(statement),
            None => Err(StatementError::Empty),
        }
    }

    /// Whether it says what things cost.
    pub fn has_costs(&self) -> bool {
        self.kind == Some(Kind::Costs)
    }

    fn covers(&mut self, day: Date) {
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
    }

    fn is_of(&mut self, kind: Kind) -> Result<(), StatementError> {
        match self.kind.replace(kind) {
            Some(before) if before != kind => Err(StatementError::Mixed),
            _ => Ok(()),
        }
    }

    fn add_cost(
        &mut self,
        day: Date,
        model: Option<String>,
        amount: Amount,
    ) -> Result<(), StatementError> {
        self.is_of(Kind::Costs)?;
        self.covers(day);
        self.decimals = self.decimals.max(amount.decimals);
        let billed = self.rows.entry((day, model)).or_default();
        billed.cost = Some(billed.cost.unwrap_or_default() + amount.usd);
        billed.amounts += 1;
        Ok(())
    }

    fn add_tokens(
        &mut self,
        day: Date,
        model: Option<String>,
        more: Tokens,
    ) -> Result<(), StatementError> {
        self.is_of(Kind::Usage)?;
        self.covers(day);
        let tokens = self.rows.entry((day, model)).or_default().tokens.get_or_insert_default();
        tokens.prompt = tokens.prompt.saturating_add(more.prompt);
        tokens.cache_read = tokens.cache_read.saturating_add(more.cache_read);
        tokens.output = tokens.output.saturating_add(more.output);
        Ok(())
    }
}
