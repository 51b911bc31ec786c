//! How a provider's exports are read: the same steps for each, by a description of what it calls things.

use serde_json::{Map, Value};

use super::amount::Amount;
use super::export::{Line, Sheet, pages};
use super::{Statement, StatementError, Tokens};

/// What one provider's exports look like.
pub(super) struct Form {
    pub provider: &'static str,
    /// What is told of whatever is none of its exports.
    pub expected: &'static str,
    /// What a result of a report of usage has; one of a report of costs has `amount`.
    pub usage_field: &'static str,
    pub cost: fn(&Map<String, Value>) -> CostItem,
    pub usage: fn(&Map<String, Value>) -> Item<Tokens>,
    /// The column that every one of its tables has.
    pub day_column: &'static str,
    pub cost_columns: &'static [&'static str],
    pub usage_columns: &'static [&'static str],
    /// `None`: the line says nothing of that day.
    pub cost_line: fn(&Line<'_>) -> Result<Option<Item<Amount>>, StatementError>,
    pub usage_line: fn(&Line<'_>) -> Result<Option<Item<Tokens>>, StatementError>,
}

/// What is billed or counted, and of which model, where that is said.
pub(super) type Item<T> = (Option<String>, T);

/// What an item costs, or what is wrong with its amount.
pub(super) type CostItem = Result<Item<Amount>, Wrong>;

/// What is wrong with an amount.
pub(super) struct Wrong(String);

/// An amount of JSON, in dollars if its currency says so or nothing.
pub(super) struct Dollars<'a> {
    pub currency: Option<&'a str>,
    pub amount: Option<Amount>,
}

impl Dollars<'_> {
    pub fn known(self, otherwise: &str) -> Result<Amount, Wrong> {
        let currency = self.currency.unwrap_or("usd");
        if !currency.eq_ignore_ascii_case("usd") {
            return Err(Wrong(format!("is in {currency}: only usd is read")));
        }
        self.amount.ok_or_else(|| Wrong(otherwise.to_owned()))
    }
}

impl Form {
    pub fn json(&self, text: &str) -> Result<Statement, StatementError> {
        let mut statement = Statement::default();
        for day in pages(text, self.unknown())? {
            statement.covers(day.day);
            for result in &day.results {
                if result.contains_key("amount") {
                    let (model, amount) = (self.cost)(result).map_err(|Wrong(message)| {
                        StatementError::bad(format!("{}, amount", day.day), message)
                    })?;
                    statement.add_cost(day.day, model, amount)?;
                } else if result.contains_key(self.usage_field) {
                    let (model, tokens) = (self.usage)(result);
                    statement.add_tokens(day.day, model, tokens)?;
                } else {
                    return Err(self.unknown());
                }
            }
        }
        Ok(statement)
    }

    pub fn csv(&self, text: &str) -> Result<Statement, StatementError> {
        let sheet = Sheet::parse(text)?;
        let is_table = |columns: &[&str]| sheet.has(&[self.day_column]) && sheet.has(columns);
        let is_of_costs = is_table(self.cost_columns);
        if !is_of_costs && !is_table(self.usage_columns) {
            return Err(self.unknown());
        }
        let mut statement = Statement::default();
        for line in sheet.lines() {
            let day = line.day(self.day_column)?;
            statement.covers(day);
            if is_of_costs {
                if let Some((model, amount)) = (self.cost_line)(&line)? {
                    statement.add_cost(day, model, amount)?;
                }
            } else if let Some((model, tokens)) = (self.usage_line)(&line)? {
                statement.add_tokens(day, model, tokens)?;
            }
        }
        Ok(statement)
    }

    fn unknown(&self) -> StatementError {
        StatementError::Form { provider: self.provider, expected: self.expected }
    }
}
