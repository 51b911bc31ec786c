//! OpenAI's exports: `/v1/organization/costs` and `/v1/organization/usage/completions` as JSON, and the
//! same as the dashboard saves them in CSV.

use serde_json::{Map, Value};

use super::amount::Amount;
use super::export::{Line, count, word};
use super::form::{Dollars, Form, Item, Wrong};
use super::{StatementError, Tokens};

pub(super) const FORM: Form = Form {
    provider: "OpenAI",
    expected: "the JSON of /v1/organization/costs or /v1/organization/usage/completions, or the CSV of \
               costs or of completions usage that the dashboard saves",
    usage_field: "input_tokens",
    cost,
    usage,
    day_column: "start_time",
    cost_columns: &["amount_value", "amount_currency"],
    usage_columns: &["input_tokens", "output_tokens"],
    cost_line,
    usage_line,
};

fn cost(result: &Map<String, Value>) -> Result<Item<Amount>, Wrong> {
    let amount = &result["amount"];
    let currency = amount["currency"].as_str();
    let amount = match &amount["value"] {
        Value::String(text) => Amount::dollars(text),
        Value::Number(number) => Amount::dollars(&number.to_string()),
        _ => None,
    };
    let amount = Dollars { currency, amount }.known("has no value")?;
    Ok((word(result, "line_item").map(model), amount))
}

fn usage(result: &Map<String, Value>) -> Item<Tokens> {
    let tokens = Tokens {
        prompt: count(result, "input_tokens"),
        cache_read: count(result, "input_cached_tokens"),
        output: count(result, "output_tokens"),
    };
    (word(result, "model"), tokens)
}

/// A line item of a model names it before a comma: `gpt-4o-2024-08-06, cached input`.
fn model(line_item: String) -> String {
    line_item.split_once(", ").map_or(line_item.clone(), |(model, _)| model.to_owned())
}

/// A day on which nothing was billed has a line without an amount.
fn cost_line(line: &Line<'_>) -> Result<Option<Item<Amount>>, StatementError> {
    let Some(amount) = line.cell("amount_value") else { return Ok(None) };
    let currency = line.cell("amount_currency").unwrap_or("usd");
    if !currency.eq_ignore_ascii_case("usd") {
        return Err(line.bad("amount_currency", "is a currency that cannot be read; only usd can"));
    }
    let amount = Amount::dollars(amount).ok_or_else(|| line.bad("amount_value", "is no amount"))?;
    Ok(Some((line.cell("line_item").map(|item| model(item.to_owned())), amount)))
}

fn usage_line(line: &Line<'_>) -> Result<Option<Item<Tokens>>, StatementError> {
    if line.cell("input_tokens").is_none() && line.cell("output_tokens").is_none() {
        return Ok(None);
    }
    let tokens = Tokens {
        prompt: line.count("input_tokens")?,
        cache_read: line.count("input_cached_tokens")?,
        output: line.count("output_tokens")?,
    };
    Ok(Some((line.cell("model").map(str::to_owned), tokens)))
}
