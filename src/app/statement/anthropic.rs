//! Anthropic's exports: `/v1/organizations/cost_report` and `/v1/organizations/usage_report/messages` as
//! JSON, and the same as the Console saves them in CSV.

use serde_json::{Map, Value};

use super::amount::Amount;
use super::export::{Line, count, word};
use super::form::{Dollars, Form, Item, Wrong};
use super::{StatementError, Tokens};

pub(super) const FORM: Form = Form {
    provider: "Anthropic",
    expected: "the JSON of /v1/organizations/cost_report or \
               /v1/organizations/usage_report/messages, or the CSV of costs or of tokens that the \
               Console saves",
    usage_field: "uncached_input_tokens",
    cost,
    usage,
    day_column: "usage_date_utc",
    cost_columns: &["model", "cost_usd"],
    usage_columns: &["model_version", "usage_input_tokens_no_cache"],
    cost_line,
    usage_line,
};

/// The report's amounts are cents.
fn cost(result: &Map<String, Value>) -> Result<Item<Amount>, Wrong> {
    let currency = result.get("currency").and_then(Value::as_str).filter(|name| !name.is_empty());
    let amount = result["amount"].as_str().and_then(Amount::cents);
    let amount = Dollars { currency, amount }.known("is not a decimal number of cents")?;
    Ok((word(result, "model").or_else(|| word(result, "description")), amount))
}

fn usage(result: &Map<String, Value>) -> Item<Tokens> {
    let written = result.get("cache_creation").and_then(Value::as_object);
    let written = written.map_or(0, |written| {
        let (short, long) = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens");
        count(written, short).saturating_add(count(written, long))
    });
    let cache_read = count(result, "cache_read_input_tokens");
    let uncached = count(result, "uncached_input_tokens");
    let tokens = Tokens {
        prompt: uncached.saturating_add(written).saturating_add(cache_read),
        cache_read,
        output: count(result, "output_tokens"),
    };
    (word(result, "model"), tokens)
}

fn cost_line(line: &Line<'_>) -> Result<Option<Item<Amount>>, StatementError> {
    let amount = line.cell("cost_usd").unwrap_or("0");
    let amount = Amount::dollars(amount).ok_or_else(|| line.bad("cost_usd", "is no amount"))?;
    Ok(Some((line.cell("model").map(str::to_owned), amount)))
}

fn usage_line(line: &Line<'_>) -> Result<Option<Item<Tokens>>, StatementError> {
    let cache_read = line.count("usage_input_tokens_cache_read")?;
    let prompt = [
        line.count("usage_input_tokens_no_cache")?,
        line.count("usage_input_tokens_cache_write_5m")?,
        line.count("usage_input_tokens_cache_write_1h")?,
        cache_read,
    ];
    let tokens = Tokens {
        prompt: prompt.into_iter().fold(0, u64::saturating_add),
        cache_read,
        output: line.count("usage_output_tokens")?,
    };
    Ok(Some((line.cell("model_version").map(str::to_owned), tokens)))
}
