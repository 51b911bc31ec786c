//! The ledger beside a provider's own figures, by day and model: what differs, and which open attempts
//! the difference explains.

mod compare;
mod difference;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use time::{Date, OffsetDateTime};

use self::compare::{Ours, costs, next_day, tokens};
pub use self::difference::{Difference, Reconciliation, Verdict};
use super::statement::{Billed, Statement, Tokens};
use crate::pricing::{PriceBook, Usd};
use crate::store::{self, Correction, CorrectionKind, Store};

/// Compares. Attempts of a day that is not over are explained only `with_today`: a provider's figures lag
/// behind, and what they do not show yet may still come.
pub async fn reconcile(
    store: &Store,
    book: &PriceBook,
    provider: &str,
    statement: &Statement,
    with_today: bool,
) -> Result<Reconciliation, store::Error> {
    let now = OffsetDateTime::now_utc();
    let over_before = if with_today { next_day(now.date()) } else { now };
    let (first_day, last_day) = statement.days.unwrap_or((now.date(), now.date()));
    let (from, to) = (first_day.midnight().assume_utc(), next_day(last_day));
    // A report of costs may name no model at all.
    let by_model = statement.rows.keys().all(|(_, model)| model.is_some());
    let name = |model: &str| by_model.then(|| canonical(book, model));

    let mut theirs: BTreeMap<(Date, Option<String>), Billed> = BTreeMap::new();
    for ((day, model), billed) in &statement.rows {
        let all = theirs.entry((*day, model.as_deref().and_then(name))).or_default();
        all.amounts += billed.amounts;
        all.cost = sum(all.cost, billed.cost);
        all.tokens = sum_tokens(all.tokens, billed.tokens);
    }
    let mut ours: BTreeMap<(Date, Option<String>), Ours> = BTreeMap::new();
    for used in store.usage(provider.to_owned(), from, to).await? {
        let Some(day) = day(&used.day) else { continue };
        let row = ours.entry((day, name(&used.model))).or_default();
        row.usage = row.usage + used.usage;
        row.cost = row.cost + used.cost;
    }
    for attempt in store.open_attempts(now.into()).await? {
        let at = attempt.reserved_at;
        if attempt.provider == provider && at >= from && at < to {
            ours.entry((at.date(), name(&attempt.model))).or_default().open.push(attempt);
        }
    }

    let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).cloned().collect();
    let (mut rows, mut agreeing) = (Vec::new(), 0);
    for (day, model) in keys {
        let ours = ours.remove(&(day, model.clone())).unwrap_or_default();
        let theirs = theirs.get(&(day, model.clone())).copied().unwrap_or_default();
        let compared = match statement.has_costs() {
            true => costs(day, model, ours, theirs, statement.decimals, over_before),
            false => tokens(day, model, ours, theirs.tokens.unwrap_or_default(), book, over_before),
        };
        match compared {
            Some(difference) => rows.push(difference),
            None => agreeing += 1,
        }
    }
    let provider = provider.to_owned();
    Ok(Reconciliation { provider, first_day, last_day, agreeing, rows })
}

/// Closes the open attempts of what is explained: all of them or, after an error, none.
pub async fn close(
    store: &Store,
    reconciliation: &Reconciliation,
    note: &str,
) -> Result<usize, store::Error> {
    let closing = reconciliation.rows.iter().flat_map(|row| &row.closing);
    let corrections: Vec<Correction> = closing
        .map(|(attempt, cost)| Correction {
            attempt: *attempt,
            kind: CorrectionKind::Reconcile,
            cost: *cost,
            price_version: None,
            note: Some(note.to_owned()),
        })
        .collect();
    let closed = corrections.len();
    if closed > 0 {
        store.correct(corrections, SystemTime::now()).await?;
    }
    Ok(closed)
}

/// The id in the price book of what a statement or a reply names: by id, by alias, or as a page shows it
/// (`Claude Haiku 4.5`).
fn canonical(book: &PriceBook, model: &str) -> String {
    let slug = model.trim().to_lowercase().replace([' ', '.'], "-");
    let entry = book.model(model).or_else(|| book.model(&slug));
    entry.map_or_else(|| model.to_owned(), |entry| entry.id.clone())
}

fn sum(one: Option<Usd>, other: Option<Usd>) -> Option<Usd> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

fn sum_tokens(one: Option<Tokens>, other: Option<Tokens>) -> Option<Tokens> {
    let (Some(one), Some(other)) = (one, other) else { return one.or(other) };
    Some(Tokens {
        prompt: one.prompt.saturating_add(other.prompt),
        cache_read: one.cache_read.saturating_add(other.cache_read),
        output: one.output.saturating_add(other.output),
    })
}

fn day(text: &str) -> Option<Date> {
    Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()
}
