//! Where reports find attempts: those of whole days that are settled, summed as the database keeps them
//! (`settled_days`); those of a day that a period cuts, and all that are not settled, one by one.

/// A day, in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A period in milliseconds since the epoch, `to` not included, and the whole days (UTC) in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    from: i64,
    to: i64,
    /// The first milliseconds of the first whole day and of the one after the last.
    first: i64,
    last: i64,
}

impl Span {
    pub fn new(from: i64, to: i64) -> Span {
        let first = day_after(from.saturating_sub(1));
        let last = day_of(to);
        // Within one day, or across one midnight, there is no whole day.
        let (first, last) = if first < last { (first, last) } else { (to, to) };
        Span { from, to, first, last }
    }

    /// A subquery of attempts, or of sums over them, with the columns that tell groups apart
    /// (`reserved_at`, where of sums the day counts) and those that are summed: `calls`, `unpriced`,
    /// `unresolved`, `unresolved_pico`, the tokens, `cost_carry` and `cost_pico`.
    pub fn attempts(self) -> String {
        const WHOSE: &str = "team, key_id, tags, endpoint";
        const TOKENS: &str =
            "input, output, cache_read, cache_write_5m + cache_write_1h AS cache_write";
        const OPEN: &str = "state IN ('reserved', 'unresolved') AND corrected_at IS NULL";
        let Span { from, to, .. } = self;
        let mut parts = self.settled(
            &format!(
                "day AS reserved_at, {WHOSE}, model, calls, 0 AS unpriced, 0 AS unresolved,
                 0 AS unresolved_pico, {TOKENS}, cost_carry, cost_pico"
            ),
            &format!(
                "reserved_at, {WHOSE}, coalesce(model_served, model_asked) AS model, 1 AS calls,
                 0 AS unpriced, 0 AS unresolved, 0 AS unresolved_pico, {TOKENS}, 0 AS cost_carry,
                 cost_pico"
            ),
        );
        parts.push(format!(
            "SELECT reserved_at, {WHOSE}, coalesce(model_served, model_asked) AS model, 1 AS calls,
                CASE WHEN state = 'unpriced' AND corrected_at IS NULL THEN 1 ELSE 0 END AS unpriced,
                CASE WHEN {OPEN} THEN 1 ELSE 0 END AS unresolved,
                CASE WHEN {OPEN} THEN coalesce(reserved_pico, 0) ELSE 0 END AS unresolved_pico,
                {TOKENS}, 0 AS cost_carry, 0 AS cost_pico
             FROM attempts
             WHERE state <> 'settled' AND reserved_at >= {from} AND reserved_at < {to}"
        ));
        union(&parts)
    }

    /// A subquery of the settled ones that were answered, by `endpoint`: `calls`, `texts`,
    /// `text_bytes`, `prompt_tokens`, `output_tokens`.
    pub fn answered(self) -> String {
        const PROMPT: &str = "input + cache_read + cache_write_5m + cache_write_1h";
        let columns = |calls: &str| {
            format!(
                "endpoint, {calls} AS calls, texts, text_bytes, {PROMPT} AS prompt_tokens,
                 output AS output_tokens"
            )
        };
        let sums = format!("{}, answered", columns("answered"));
        let single = format!("{}, CASE WHEN {PROMPT} > 0 THEN 1 ELSE 0 END", columns("1"));
        format!(
            "(SELECT * FROM {} AS settled WHERE answered > 0)",
            union(&self.settled(&sums, &single))
        )
    }

    /// The parts of a subquery: `sums` are columns of `settled_days`, `single` of `attempts`.
    fn settled(self, sums: &str, single: &str) -> Vec<String> {
        let Span { from, to, first, last } = self;
        let mut parts =
            vec![format!("SELECT {sums} FROM settled_days WHERE day >= {first} AND day < {last}")];
        for (from, to) in [(from, first), (last, to)] {
            if from < to {
                parts.push(format!(
                    "SELECT {single} FROM attempts
                     WHERE state = 'settled' AND reserved_at >= {from} AND reserved_at < {to}"
                ));
            }
        }
        parts
    }
}

/// The first millisecond of the day (UTC).
pub(super) fn day_of(at: i64) -> i64 {
    at - at.rem_euclid(DAY)
}

/// That of the next one.
pub(super) fn day_after(at: i64) -> i64 {
    day_of(at).saturating_add(DAY)
}

fn union(parts: &[String]) -> String {
    format!("({})", parts.join(" UNION ALL "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_cut_at_its_whole_days() {
        let whole = |from, to| {
            let Span { first, last, .. } = Span::new(from, to);
            (first < last).then_some((first / DAY, last / DAY))
        };
        for (from, to, expected) in [
            (0, DAY, Some((0, 1))),
            (0, 30 * DAY, Some((0, 30))),
            (1, 30 * DAY, Some((1, 30))),
            (0, 30 * DAY - 1, Some((0, 29))),
            (DAY - 1, DAY + 1, None),
            (1, DAY - 1, None),
            (5, 5, None),
            (DAY, 0, None),
        ] {
            assert_eq!(whole(from, to), expected, "{from}..{to}");
        }
    }
}
