//! Anthropic's exports: `/v1/organizations/cost_report` and `/v1/organizations/usage_report/messages` as
//! JSON, and the same as the Console saves them in CSV.

use serde_json::{Map, Value};
use time::Date;

use super::amount::Amount;
use super::export::{Line, Sheet, count, pages, word};
use super::{Statement, StatementError, Tokens};

fn form() -> StatementError {
    StatementError::Form {
        provider: "Anthropic",
        expected: "the JSON of /v1/organizations/cost_report or \
                   /v1/organizations/usage_report/messages, or the CSV of costs or of tokens that the \
                   Console saves",
    }
}

pub(super) fn json(text: &str) -> Result<Statement, StatementError> {
    let mut statement = Statement::default();
    for day in pages(text, form())? {
        statement.covers(day.day);
        for result in &day.results {
            if result.contains_key("amount") {
                cost(&mut statement, day.day, result)?;
            } else if result.contains_key("uncached_input_tokens") {
                usage(&mut statement, day.day, result)?;
            } else {
                return Err(form());
            }
        }
    }
    Ok(statement)
}

/// The report's amounts are cents.
fn cost(
    statement: &mut Statement,
    day: Date,
    result: &Map<String, Value>,
) -> Result<(), StatementError> {
    let place = || format!("{day}, amount");
    let currency = word(result, "currency").unwrap_or_else(|| "USD".to_owned());
    if !currency.eq_ignore_ascii_case("usd") {
        return Err(StatementError::bad(place(), format!("is in {currency}: only USD is read")));
    }
    let amount = result["amount"].as_str().and_then(Amount::cents);
    let amount =
        amount.ok_or_else(|| StatementError::bad(place(), "is no decimal string of cents"))?;
    let item = word(result, "model").or_else(|| word(result, "description"));
    statement.add_cost(day, item, amount)
}

fn usage(
    statement: &mut Statement,
    day: Date,
    result: &Map<String, Value>,
) -> Result<(), StatementError> {
    let written = result.get("cache_creation").and_then(Value::as_object);
    let written = written.map_or(0, |written| {
        count(written, "ephemeral_5m_input_tokens") + count(written, "ephemeral_1h_input_tokens")
    });
    let cache_read = count(result, "cache_read_input_tokens");
    let tokens = Tokens {
        prompt: count(result, "uncached_input_tokens") + written + cache_read,
        cache_read,
        output: count(result, "output_tokens"),
    };
    statement.add_tokens(day, word(result, "model"), tokens)
}

pub(super) fn csv(text: &str) -> Result<Statement, StatementError> {
    let sheet = Sheet::parse(text)?;
    let read: fn(&mut Statement, &Line<'_>) -> Result<(), StatementError> =
        if sheet.has(&["usage_date_utc", "model", "cost_usd"]) {
            cost_line
        } else if sheet.has(&["usage_date_utc", "model_version", "usage_input_tokens_no_cache"]) {
            usage_line
        } else {
            return Err(form());
        };
    let mut statement = Statement::default();
    for line in sheet.lines() {
        statement.covers(line.day("usage_date_utc")?);
        read(&mut statement, &line)?;
    }
    Ok(statement)
}

fn cost_line(statement: &mut Statement, line: &Line<'_>) -> Result<(), StatementError> {
    let amount = line.cell("cost_usd").unwrap_or("0");
    let amount = Amount::dollars(amount).ok_or_else(|| line.bad("cost_usd", "is no amount"))?;
    let item = line.cell("model").map(str::to_owned);
    statement.add_cost(line.day("usage_date_utc")?, item, amount)
}

fn usage_line(statement: &mut Statement, line: &Line<'_>) -> Result<(), StatementError> {
    let cache_read = line.count("usage_input_tokens_cache_read")?;
    let tokens = Tokens {
        prompt: line.count("usage_input_tokens_no_cache")?
            + line.count("usage_input_tokens_cache_write_5m")?
            + line.count("usage_input_tokens_cache_write_1h")?
            + cache_read,
        cache_read,
        output: line.count("usage_output_tokens")?,
    };
    let model = line.cell("model_version").map(str::to_owned);
    statement.add_tokens(line.day("usage_date_utc")?, model, tokens)
}
