//! One day and model: whether both sides say the same, and whether open attempts can be the difference.

use time::{Date, OffsetDateTime};

use super::difference::{Difference, Verdict};
use crate::app::statement::{Billed, Tokens};
use crate::pricing::{AttemptId, PriceBook, Service, Usage, Usd};
use crate::store::{OpenAttempt, OpenState};

/// What the ledger has of one day and model.
#[derive(Clone, Default)]
pub(super) struct Ours {
    pub usage: Usage,
    pub cost: Usd,
    pub open: Vec<OpenAttempt>,
}

/// Compares costs: to the last digit that the provider gives, at least to the cent.
pub(super) fn costs(
    day: Date,
    model: Option<String>,
    ours: Ours,
    theirs: Billed,
    decimals: u32,
    over_before: OffsetDateTime,
) -> Option<Difference> {
    let billed = theirs.cost.unwrap_or_default();
    let difference = billed.saturating_sub(ours.cost).pico();
    // Each amount may be rounded by half of its last digit.
    let half = 10_i64.pow(12 - decimals.clamp(2, 12)) / 2;
    let agrees = difference.abs() <= half.saturating_mul(i64::from(theirs.amounts.max(1)));
    if agrees && ours.open.is_empty() {
        return None;
    }
    let left = if agrees { 0 } else { difference };
    let (verdict, closing) = explain(left, &ours.open, day, over_before);
    Some(Difference {
        day,
        model,
        ours_usd: ours.cost,
        theirs_usd: Some(billed),
        difference_usd: Some(Usd::from_pico(difference)),
        ours_tokens: total(&ours.usage),
        theirs_tokens: None,
        difference_tokens: None,
        open: ours.open.len(),
        verdict,
        closing,
    })
}

/// Compares tokens; those that are left are priced by the book. The tokens of unpriced attempts are
/// known: what closes these is a price.
pub(super) fn tokens(
    day: Date,
    model: Option<String>,
    ours: Ours,
    theirs: Tokens,
    book: &PriceBook,
    over_before: OffsetDateTime,
) -> Option<Difference> {
    let used = &ours.usage;
    let lost: Vec<OpenAttempt> =
        ours.open.iter().filter(|one| one.state != OpenState::Unpriced).cloned().collect();
    let minus = |theirs: u64, ours: u64| {
        i64::try_from(i128::from(theirs) - i128::from(ours)).unwrap_or(i64::MAX)
    };
    let prompt = minus(theirs.prompt, used.prompt());
    let cached = minus(theirs.cache_read, used.cache_read);
    let output = minus(theirs.output, used.output);
    let agrees = (prompt, cached, output) == (0, 0, 0);
    if agrees && lost.is_empty() {
        return None;
    }
    let (verdict, closing) = if prompt < 0 || cached < 0 || output < 0 || cached > prompt {
        (Verdict::BilledLess, Vec::new())
    } else if agrees {
        explain(0, &lost, day, over_before)
    } else {
        let left = Usage {
            input: (prompt - cached).unsigned_abs(),
            cache_read: cached.unsigned_abs(),
            output: output.unsigned_abs(),
            ..Usage::default()
        };
        match price(&left, model.as_deref(), &lost, book, day) {
            _ if lost.is_empty() => (Verdict::NothingOpen, Vec::new()),
            Some(cost) => explain(cost.pico(), &lost, day, over_before),
            None => (Verdict::NoPrice, Vec::new()),
        }
    };
    let theirs_tokens = theirs.prompt.saturating_add(theirs.output);
    Some(Difference {
        day,
        model,
        ours_usd: ours.cost,
        theirs_usd: None,
        difference_usd: None,
        ours_tokens: total(used),
        theirs_tokens: Some(theirs_tokens),
        difference_tokens: Some(minus(theirs_tokens, total(used))),
        open: lost.len(),
        verdict,
        closing,
    })
}

/// What the lost calls cost that used so much, in the tier that a call is served at where none is asked
/// for, and in the region that all were bound to.
fn price(
    left: &Usage,
    model: Option<&str>,
    lost: &[OpenAttempt],
    book: &PriceBook,
    day: Date,
) -> Option<Usd> {
    let model = model?;
    let region = lost.first()?.region.as_deref();
    if lost.iter().any(|one| one.region.as_deref() != region) {
        return None;
    }
    let region = region.unwrap_or_default();
    let price = ["default", "standard"]
        .into_iter()
        .find_map(|tier| book.price(model, Service { tier, region }, day))?;
    price.cost_of_calls(u64::try_from(lost.len()).ok()?, left)
}

/// Whether the open attempts can have cost what is left, and each one's part of it.
fn explain(
    left: i64,
    open: &[OpenAttempt],
    day: Date,
    over_before: OffsetDateTime,
) -> (Verdict, Vec<(AttemptId, Usd)>) {
    let most =
        open.iter().try_fold(0_i64, |sum, one| Some(sum.saturating_add(one.reserved_usd?.pico())));
    let verdict = if open.is_empty() {
        Verdict::NothingOpen
    } else if next_day(day) > over_before || open.iter().any(|one| one.state == OpenState::InFlight)
    {
        Verdict::TooEarly
    } else if left < 0 {
        Verdict::BilledLess
    } else if most.is_some_and(|most| left > most) {
        Verdict::BilledMore
    } else {
        return (Verdict::Explained, shares(left, open));
    };
    (verdict, Vec::new())
}

/// Each attempt's part, by what was reserved for it; the parts sum to the whole.
fn shares(whole: i64, open: &[OpenAttempt]) -> Vec<(AttemptId, Usd)> {
    let reserved = |one: &OpenAttempt| one.reserved_usd.map(|usd| i128::from(usd.pico()));
    let weights: Option<Vec<i128>> = open.iter().map(reserved).collect();
    let weights = weights
        .filter(|weights| weights.iter().sum::<i128>() > 0)
        .unwrap_or_else(|| vec![1; open.len()]);
    let total: i128 = weights.iter().sum();
    let (mut before, mut given) = (0, 0);
    let parts = open.iter().zip(weights).map(|(one, weight)| {
        before += weight;
        let so_far = i128::from(whole) * before / total;
        let part = so_far - given;
        given = so_far;
        (one.id, Usd::from_pico(i64::try_from(part).unwrap_or(i64::MAX)))
    });
    parts.collect()
}

fn total(usage: &Usage) -> u64 {
    usage.prompt().saturating_add(usage.output)
}

pub(super) fn next_day(day: Date) -> OffsetDateTime {
    day.midnight().assume_utc() + time::Duration::days(1)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn open(reserved: Option<i64>) -> OpenAttempt {
        OpenAttempt {
            id: AttemptId::now_v7(),
            state: OpenState::Unresolved,
            reserved_at: OffsetDateTime::UNIX_EPOCH,
            request_id: "r".into(),
            team: None,
            key_id: None,
            endpoint: "sentiment".into(),
            provider: "openai".into(),
            model: "m".into(),
            reserved_usd: reserved.map(Usd::from_pico),
            cost_usd: None,
            error: None,
            model_served: None,
            tier: None,
            region: None,
            usage: Usage::default(),
        }
    }

    #[test]
    fn shares_sum_to_the_whole_whatever_was_reserved() {
        for reserved in [
            vec![Some(1)],
            vec![Some(3), Some(3), Some(3)],
            vec![Some(1), Some(i64::MAX), Some(7)],
            vec![None, Some(5)],
            vec![Some(0), Some(0)],
        ] {
            let open: Vec<_> = reserved.iter().copied().map(open).collect();
            for whole in [0, 1, 2, 100, 577_500_000, i64::MAX] {
                let parts: Vec<i64> =
                    shares(whole, &open).iter().map(|(_, usd)| usd.pico()).collect();
                assert_eq!(parts.iter().sum::<i64>(), whole, "{reserved:?}");
                assert!(parts.iter().all(|part| *part >= 0), "{reserved:?}: {parts:?}");
            }
        }
    }

    #[test]
    fn costs_agree_to_the_last_digit_that_is_given() {
        let day = date!(2026 - 11 - 01);
        let compare = |ours: &str, theirs: &str, amounts, decimals, open: &[i64]| {
            let usd = |text: &str| text.parse::<Usd>().expect("an amount");
            let open = open.iter().map(|pico| self::open(Some(*pico))).collect();
            let ours = Ours { cost: usd(ours), open, ..Ours::default() };
            let theirs = Billed { cost: Some(usd(theirs)), amounts, tokens: None };
            let compared = costs(day, None, ours, theirs, decimals, next_day(day));
            compared.map(|row| {
                let closing: Usd = row.closing.iter().map(|(_, usd)| *usd).sum();
                (row.verdict, closing.to_string())
            })
        };
        let row = |verdict, closing: &str| Some((verdict, closing.to_owned()));
        const CENT: i64 = 10_000_000_000;
        for (ours, theirs, amounts, decimals, open, expected) in [
            ("0.0123", "0.01", 1, 2, &[][..], None),
            ("0.0151", "0.01", 1, 2, &[], row(Verdict::BilledLess, "0")),
            ("0.0123", "0.01", 1, 4, &[], row(Verdict::BilledLess, "0")),
            ("0.02", "0.01", 2, 2, &[], None),
            ("0.0123", "0.01", 1, 2, &[CENT], row(Verdict::Explained, "0")),
            ("0.0123", "0.02", 1, 2, &[CENT], row(Verdict::Explained, "0.0077")),
            ("0.0123", "0.03", 1, 2, &[CENT], row(Verdict::BilledMore, "0")),
            ("0.0123", "0.03", 1, 2, &[CENT, CENT], row(Verdict::Explained, "0.0177")),
            ("0.0123", "0.012300000001", 1, 12, &[CENT], row(Verdict::Explained, "0.000000000001")),
            ("0", "1", 1, 0, &[], row(Verdict::NothingOpen, "0")),
        ] {
            let found = compare(ours, theirs, amounts, decimals, open);
            // Without open attempts nothing else than that is to be said.
            let expected = match (open, expected) {
                ([], Some(_)) => row(Verdict::NothingOpen, "0"),
                (_, expected) => expected,
            };
            assert_eq!(found, expected, "{ours} beside {theirs}, {decimals} decimals, {open:?}");
        }
    }
}
