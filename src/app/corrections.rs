//! Closing what stayed open: by a person's word, or by a price that came late.

use std::time::SystemTime;

use serde::Serialize;
use time::OffsetDateTime;

use crate::pricing::{AttemptId, PriceBook, Service, Usd};
use crate::store::{self, Correction, CorrectionKind, OpenAttempt, OpenState, Store};

/// Corrections that are written at once: calls go on between two such groups.
const AT_ONCE: usize = 500;

/// Closes one attempt at what a person says that it cost, a settled one too.
pub async fn resolve(
    store: &Store,
    attempt: AttemptId,
    cost: Usd,
    note: Option<String>,
) -> Result<(), store::Error> {
    let kind = CorrectionKind::Resolve;
    let correction = Correction { attempt, kind, cost, price_version: None, note };
    store.correct(vec![correction], SystemTime::now()).await
}

/// More than any call of ours can have used: a reply that claims them is for a person to judge.
const MOST_TOKENS: u64 = 1 << 22;

/// An attempt that got the price that it lacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repriced {
    pub id: AttemptId,
    #[serde(with = "time::serde::rfc3339")]
    pub reserved_at: OffsetDateTime,
    pub model: String,
    pub tier: String,
    pub cost_usd: Usd,
    pub price_version: String,
}

/// What late prices close, and what still has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repricing {
    pub repriced: Vec<Repriced>,
    pub still_unpriced: Vec<OpenAttempt>,
}

/// Prices the unpriced attempts that were reserved in a period, each at the price of its own day.
pub async fn late_prices(
    store: &Store,
    book: &PriceBook,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
) -> Result<Repricing, store::Error> {
    let mut repricing = Repricing::default();
    for attempt in store.open_attempts(SystemTime::now()).await? {
        let is_meant = attempt.state == OpenState::Unpriced
            && from.is_none_or(|from| attempt.reserved_at >= from)
            && to.is_none_or(|to| attempt.reserved_at < to);
        if !is_meant {
            continue;
        }
        match reprice(&attempt, book) {
            Some(repriced) => repricing.repriced.push(repriced),
            None => repricing.still_unpriced.push(attempt),
        }
    }
    Ok(repricing)
}

/// Writes the late prices down as corrections.
pub async fn write_prices(store: &Store, repriced: &[Repriced]) -> Result<(), store::Error> {
    for group in repriced.chunks(AT_ONCE) {
        let corrections = group.iter().map(|repriced| Correction {
            attempt: repriced.id,
            kind: CorrectionKind::Reprice,
            cost: repriced.cost_usd,
            price_version: Some(repriced.price_version.clone()),
            note: None,
        });
        store.correct(corrections.collect(), SystemTime::now()).await?;
    }
    Ok(())
}

/// `None` where the reply named no model, tier or usage, or the book has no price for them.
fn reprice(attempt: &OpenAttempt, book: &PriceBook) -> Option<Repriced> {
    let (model, tier) = (attempt.model_served.as_ref()?, attempt.tier.as_ref()?);
    let used = attempt.usage.total();
    if attempt.usage.prompt() == 0 || used > MOST_TOKENS {
        return None;
    }
    let service = Service { tier, region: attempt.region.as_deref().unwrap_or_default() };
    let price = book.price(model, service, attempt.reserved_at.date())?;
    Some(Repriced {
        id: attempt.id,
        reserved_at: attempt.reserved_at,
        model: model.clone(),
        tier: tier.clone(),
        cost_usd: price.cost(&attempt.usage)?,
        price_version: price.version(),
    })
}
