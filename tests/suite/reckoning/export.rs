//! The bill as the providers' own reports of costs have it, by day and line item.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{Date, Duration};

use crate::double::{Bill, Charge, Provider, Tokens};
use crate::money::{self, Pico};

pub fn costs(provider: Provider, bill: &Bill) -> Value {
    let mut days: BTreeMap<Date, BTreeMap<(String, &str), Pico>> = BTreeMap::new();
    for charge in &bill.of(provider).0 {
        let day = days.entry(charge.at.date()).or_default();
        for (kind, tokens) in kinds(charge) {
            *day.entry((charge.model.clone(), kind)).or_default() +=
                money::cost(&charge.model, &tokens);
        }
    }
    let buckets: Vec<Value> = days
        .into_iter()
        .map(|(day, items)| match provider {
            Provider::OpenAi => openai(day, items),
            Provider::Anthropic => anthropic(day, items),
        })
        .collect();
    json!({"object": "page", "data": buckets, "has_more": false, "next_page": null})
}

/// What is read and what is written are items of their own.
fn kinds(charge: &Charge) -> [(&'static str, Tokens); 2] {
    let Tokens { input, output, .. } = charge.tokens;
    [("input", Tokens::of(input, 0)), ("output", Tokens::of(0, output))]
}

fn openai(day: Date, items: BTreeMap<(String, &str), Pico>) -> Value {
    let start = day.midnight().assume_utc().unix_timestamp();
    let results: Vec<Value> = items
        .into_iter()
        .map(|((model, kind), pico)| {
            let usd: f64 = money::decimal(pico).parse().expect("a number");
            json!({
                "object": "organization.costs.result", "line_item": format!("{model}, {kind}"),
                "amount": {"value": usd, "currency": "usd"}, "project_id": null,
            })
        })
        .collect();
    json!({"object": "bucket", "start_time": start, "end_time": start + 86_400, "results": results})
}

/// Its amounts are cents.
fn anthropic(day: Date, items: BTreeMap<(String, &str), Pico>) -> Value {
    let results: Vec<Value> = items
        .into_iter()
        .map(|((model, kind), pico)| {
            json!({
                "currency": "USD", "amount": money::decimal(pico * 100), "cost_type": "tokens",
                "model": model, "token_type": kind, "description": format!("{model} {kind}"),
            })
        })
        .collect();
    let at = |day: Date| format!("{day}T00:00:00Z");
    json!({"starting_at": at(day), "ending_at": at(day + Duration::days(1)), "results": results})
}
