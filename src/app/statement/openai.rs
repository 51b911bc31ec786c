//! OpenAI's exports: `/v1/organization/costs` and `/v1/organization/usage/completions` as JSON, and the
//! same as the dashboard saves them in CSV.

use serde_json::{Map, Value};
use time::Date;

use super::amount::Amount;
use super::export::{Line, Sheet, count, pages, word};
use super::{Statement, StatementError, Tokens};

fn form() -> StatementError {
    StatementError::Form {
        provider: "OpenAI",
        expected: "the JSON of /v1/organization/costs or /v1/organization/usage/completions, or the \
                   CSV of costs or of completions usage that the dashboard saves",
    }
}

pub(super) fn json(text: &str) -> Result<Statement, StatementError> {
    let mut statement = Statement::default();
    for day in pages(text, form())? {
        statement.covers(day.day);
        for result in &day.results {
            if result.contains_key("amount") {
                cost(&mut statement, day.day, result)?;
            } else if result.contains_key("input_tokens") {
                usage(&mut statement, day.day, result)?;
            } else {
                return Err(form());
            }
        }
    }
    Ok(statement)
}

fn cost(
    statement: &mut Statement,
    day: Date,
    result: &Map<String, Value>,
) -> Result<(), StatementError> {
    let place = || format!("{day}, amount");
    let currency = result["amount"]["currency"].as_str().unwrap_or("usd");
    if !currency.eq_ignore_ascii_case("usd") {
        return Err(StatementError::bad(place(), format!("is in {currency}: only usd is read")));
    }
    let amount = match &result["amount"]["value"] {
        Value::String(text) => Amount::dollars(text),
        Value::Number(number) => Amount::dollars(&number.to_string()),
        _ => None,
    };
    let amount = amount.ok_or_else(|| StatementError::bad(place(), "has no value"))?;
    statement.add_cost(day, word(result, "line_item").map(model), amount)
}

fn usage(
    statement: &mut Statement,
    day: Date,
    result: &Map<String, Value>,
) -> Result<(), StatementError> {
    let tokens = Tokens {
        prompt: count(result, "input_tokens"),
        cache_read: count(result, "input_cached_tokens"),
        output: count(result, "output_tokens"),
    };
    statement.add_tokens(day, word(result, "model"), tokens)
}

/// A line item of a model names it before a comma: `gpt-4o-2024-08-06, cached input`.
fn model(line_item: String) -> String {
    line_item.split_once(", ").map_or(line_item.clone(), |(model, _)| model.to_owned())
}

pub(super) fn csv(text: &str) -> Result<Statement, StatementError> {
    let sheet = Sheet::parse(text)?;
    let read: fn(&mut Statement, &Line<'_>) -> Result<(), StatementError> =
        if sheet.has(&["start_time", "amount_value", "amount_currency"]) {
            cost_line
        } else if sheet.has(&["start_time", "input_tokens", "output_tokens"]) {
            usage_line
        } else {
            return Err(form());
        };
    let mut statement = Statement::default();
    for line in sheet.lines() {
        statement.covers(line.day("start_time")?);
        read(&mut statement, &line)?;
    }
    Ok(statement)
}

/// A day on which nothing was billed has a line without an amount.
fn cost_line(statement: &mut Statement, line: &Line<'_>) -> Result<(), StatementError> {
    let Some(amount) = line.cell("amount_value") else { return Ok(()) };
    let currency = line.cell("amount_currency").unwrap_or("usd");
    if !currency.eq_ignore_ascii_case("usd") {
        return Err(line.bad("amount_currency", "is no currency that is read: only usd"));
    }
    let amount = Amount::dollars(amount).ok_or_else(|| line.bad("amount_value", "is no amount"))?;
    let item = line.cell("line_item").map(|item| model(item.to_owned()));
    statement.add_cost(line.day("start_time")?, item, amount)
}

fn usage_line(statement: &mut Statement, line: &Line<'_>) -> Result<(), StatementError> {
    if line.cell("input_tokens").is_none() && line.cell("output_tokens").is_none() {
        return Ok(());
    }
    let tokens = Tokens {
        prompt: line.count("input_tokens")?,
        cache_read: line.count("input_cached_tokens")?,
        output: line.count("output_tokens")?,
    };
    statement.add_tokens(line.day("start_time")?, line.cell("model").map(str::to_owned), tokens)
}
