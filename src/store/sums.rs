//! Sums of money beyond what one number of a database holds: SQLite's `sum` ends in an error there. They
//! are added up in parts of 10⁹ picodollars and come as text, the parts in order with spaces between.

use crate::pricing::Usd;

const BASE: i64 = 1_000_000_000;

/// What `settled_days.cost_carry` counts, in picodollars: what a row's `cost_pico` stays below.
#[cfg(test)]
pub(super) const CARRY: i64 = BASE * BASE;

/// The sum of an expression in picodollars, in the words of both databases; of no rows 0.
pub(super) fn sum(pico: &str) -> String {
    format!("{} || ' ' || {}", part(&format!("({pico}) / {BASE}")), rest(pico))
}

/// The same with a column that counts 10¹⁸ picodollars, as `settled_days` has it.
pub(super) fn sum_carried(carry: &str, pico: &str) -> String {
    format!("{} || ' ' || {}", part(carry), sum(pico))
}

fn rest(pico: &str) -> String {
    part(&format!("({pico}) % {BASE}"))
}

fn part(expression: &str) -> String {
    format!("CAST(coalesce(sum({expression}), 0) AS TEXT)")
}

/// What one of these says; `None` where it is none.
pub(super) fn read(text: &str) -> Option<Usd> {
    text.split(' ')
        .try_fold(0_i128, |sum, part| {
            sum.checked_mul(BASE.into())?.checked_add(part.parse::<i128>().ok()?)
        })
        .map(Usd::from_pico_sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_together_again_negative_ones_too() {
        for (text, pico) in [
            ("0 0", 0),
            ("9223372036 854775807", i128::from(i64::MAX)),
            ("-2 -7", -2_000_000_007),
            ("3 -1", 2_999_999_999),
            ("7 1 2000000005", 7 * i128::from(CARRY) + 3_000_000_005),
        ] {
            assert_eq!(read(text), Some(Usd::from_pico_sum(pico)), "{text}");
        }
        assert_eq!(read("1 x"), None);
    }
}
