//! One bill split among several, in integers that sum to it.

use super::{Usage, Usd};

/// Parts of `total` in proportion to `weights`, by largest remainder: each is at most one off its
/// exact part, and together they are `total`. Weights that are all 0 count as equal; of equal
/// remainders the first is rounded up.
fn split(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let equal = vec![1; weights.len()];
    let (weights, sum) = if sum == 0 { (&equal[..], equal.len() as u128) } else { (weights, sum) };
    let exact = |weight: &u64| u128::from(total) * u128::from(*weight);
    // A part of a `u64` is one.
    let mut parts: Vec<u64> = weights.iter().map(|w| (exact(w) / sum) as u64).collect();
    let left = total - parts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(exact(&weights[*at]) % sum));
    for at in order.into_iter().take(left as usize) {
        parts[at] += 1;
    }
    parts
}

impl Usd {
    /// Parts in proportion to `weights` that sum to this amount, which is not negative.
    pub fn split(self, weights: &[u64]) -> Vec<Usd> {
        let parts = split(self.pico().max(0).unsigned_abs(), weights);
        parts.into_iter().map(|part| Usd::from_pico(part.cast_signed())).collect()
    }
}

impl Usage {
    /// Parts in proportion to `weights`; each bucket sums to this one's.
    pub fn split(&self, weights: &[u64]) -> Vec<Usage> {
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = [
            self.input,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.output,
            self.reasoning,
        ]
        .map(|bucket| split(bucket, weights));
        (0..weights.len())
            .map(|at| Usage {
                input: input[at],
                cache_read: cache_read[at],
                cache_write_5m: cache_write_5m[at],
                cache_write_1h: cache_write_1h[at],
                output: output[at],
                reasoning: reasoning[at],
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_goes_to_the_largest_remainders() {
        for (total, weights, expected) in [
            (10, &[1, 1, 1][..], &[4, 3, 3][..]),
            (7, &[1, 2, 4], &[1, 2, 4]),
            (100, &[0, 3, 3, 1], &[0, 43, 43, 14]),
            (2, &[0, 0, 0], &[1, 1, 0]),
            (0, &[5, 9], &[0, 0]),
        ] {
            assert_eq!(split(total, weights), expected, "{total} by {weights:?}");
        }
        assert_eq!(Usd::from_pico(577_500_001).split(&[1, 1])[0], Usd::from_pico(288_750_001));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole_and_are_at_most_one_off(
            total in 0..=i64::MAX.unsigned_abs(), weights in vec(0..1_000_000_u64, 1..60),
        ) {
            let parts = split(total, &weights);
            prop_assert_eq!(parts.iter().sum::<u64>(), total);
            let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
            for (part, weight) in parts.iter().zip(&weights).filter(|_| sum > 0) {
                let floor = (u128::from(total) * u128::from(*weight) / sum) as u64;
                prop_assert!(*part == floor || *part == floor + 1);
                prop_assert!(*weight > 0 || *part == 0, "who brought nothing pays nothing");
            }
        }

        #[test]
        fn every_bucket_sums_to_the_bills(tokens in proptest::array::uniform6(0..1_u64 << 40),
                                          weights in vec(0..5_000_u64, 1..20)) {
            let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = tokens;
            let usage =
                Usage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning };
            let parts = usage.split(&weights);
            prop_assert_eq!(parts.into_iter().fold(Usage::default(), |sum, part| sum + part), usage);
        }
    }
}
