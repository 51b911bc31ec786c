//! How far the mean of values from 0 to 1 can be believed, whatever their distribution and however
//! few they are.
//!
//! Of values that are all 0 or 1 the number of ones is binomial, and the bounds are Clopper's and
//! Pearson's (1934, <https://doi.org/10.1093/biomet/26.4.404>), which are exact. Of any others they are
//! Hoeffding's and Bentkus' inequalities, whichever is tighter, as in "Distribution-Free, Risk-Controlling
//! Prediction Sets" (Bates et al. 2021, <https://arxiv.org/abs/2101.02703>, section 3.1).

/// Halvings of an interval until nothing of it is left that counts.
const HALVINGS: u32 = 50;

/// The sample of a mean: independent values from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    size: u64,
    sum: f64,
    is_binary: bool,
}

impl Sample {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Sample {
        let nothing = Sample { size: 0, sum: 0.0, is_binary: true };
        values.into_iter().fold(nothing, |sample, value| Sample {
            size: sample.size + 1,
            sum: sample.sum + value,
            is_binary: sample.is_binary && (value == 0.0 || value == 1.0),
        })
    }

    pub fn mean(&self) -> f64 {
        self.sum / (self.size as f64).max(1.0)
    }

    /// How likely a sample as high as this one is, at most, where the true mean is `level` or less: the
    /// p-value by which "it is above `level`" is believed.
    pub fn if_at_most(&self, level: f64) -> f64 {
        let mirrored = Sample { sum: self.size as f64 - self.sum, ..*self };
        mirrored.if_at_least(1.0 - level)
    }

    /// The same of a sample as low as this one, where the true mean is `level` or more.
    pub fn if_at_least(&self, level: f64) -> f64 {
        if self.size == 0 || level <= self.mean() {
            return 1.0;
        }
        if self.is_binary {
            return binomial_cdf(self.size, level, self.sum.round() as u64);
        }
        let size = self.size as f64;
        let hoeffding = (-size * divergence(self.mean(), level)).exp();
        // A sum of thirds and sevenths may end a hair above a whole number.
        let ones = (self.sum - 1e-9).ceil().max(0.0) as u64;
        let bentkus = std::f64::consts::E * binomial_cdf(self.size, level, ones);
        hoeffding.min(bentkus).min(1.0)
    }

    /// The true mean is no less, but with a chance of `error`.
    pub fn at_least(&self, error: f64) -> f64 {
        let mirrored = Sample { sum: self.size as f64 - self.sum, ..*self };
        1.0 - mirrored.at_most(error)
    }

    /// The true mean is no more, but with a chance of `error`.
    pub fn at_most(&self, error: f64) -> f64 {
        let (mut low, mut high) = (self.mean(), 1.0);
        for _ in 0..HALVINGS {
            let middle = low.midpoint(high);
            match self.if_at_least(middle) > error {
                true => low = middle,
                false => high = middle,
            }
        }
        high
    }
}

/// Kullback's and Leibler's divergence of two coins.
fn divergence(one: f64, other: f64) -> f64 {
    let part = |one: f64, other: f64| if one > 0.0 { one * (one / other).ln() } else { 0.0 };
    part(one, other) + part(1.0 - one, 1.0 - other)
}

/// The chance of at most `hits` in so many tosses of a coin.
fn binomial_cdf(tosses: u64, chance: f64, hits: u64) -> f64 {
    if hits >= tosses || chance <= 0.0 {
        return 1.0;
    }
    if chance >= 1.0 {
        return 0.0;
    }
    // Summed on the side of the mean on which terms fall.
    match hits as f64 <= tosses as f64 * chance {
        true => lower_tail(tosses, chance, hits),
        false => 1.0 - lower_tail(tosses, 1.0 - chance, tosses - hits - 1),
    }
}

/// For `hits` below the mean.
fn lower_tail(tosses: u64, chance: f64, hits: u64) -> f64 {
    let (n, k) = (tosses as f64, hits as f64);
    let ways = ln_factorial(tosses) - ln_factorial(hits) - ln_factorial(tosses - hits);
    let mut term = (ways + k * chance.ln() + (n - k) * (-chance).ln_1p()).exp();
    let (mut sum, mut hits) = (term, hits);
    while hits > 0 && term > sum * 1e-16 {
        term *= hits as f64 / (tosses - hits + 1) as f64 * ((1.0 - chance) / chance);
        sum += term;
        hits -= 1;
    }
    sum.min(1.0)
}

/// By Stirling's series, which is off by less than 10⁻¹² from 20 on.
fn ln_factorial(number: u64) -> f64 {
    if number < 20 {
        return (2..=number).map(|factor| (factor as f64).ln()).sum();
    }
    let n = number as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coins(ones: u64, of: u64) -> Sample {
        Sample { size: of, sum: ones as f64, is_binary: true }
    }

    #[test]
    fn exact_bounds_are_as_in_the_tables() {
        // One-sided, 95 %, as binom.test of R has them.
        for (ones, of, at_least, at_most) in [
            (0, 31, 0.0, 0.092_115),
            (8, 10, 0.493_099, 0.963_228),
            (81, 263, 0.260_950, 0.358_268),
            (850, 1000, 0.830_229, 0.868_245),
            (31, 31, 0.907_885, 1.0),
        ] {
            let sample = coins(ones, of);
            assert!(
                (sample.at_least(0.05) - at_least).abs() < 2e-4,
                "{sample:?}: {}",
                sample.at_least(0.05)
            );
            assert!(
                (sample.at_most(0.05) - at_most).abs() < 2e-4,
                "{sample:?}: {}",
                sample.at_most(0.05)
            );
        }
    }

    #[test]
    fn a_binomial_is_summed_whatever_its_size() {
        // By hand: 1 + 4 + 6 of 16; and symmetric about the mean at any size.
        assert!((binomial_cdf(4, 0.5, 2) - 11.0 / 16.0).abs() < 1e-12);
        for tosses in [101, 10_001, 1_000_001] {
            assert!((binomial_cdf(tosses, 0.5, tosses / 2) - 0.5).abs() < 1e-6, "{tosses}");
        }
    }

    #[test]
    fn values_between_are_bounded_less_tightly_and_never_beyond_the_ends() {
        let mixed = Sample::of((0..200).map(|at| if at % 4 == 0 { 0.9 } else { 1.0 }));
        assert!(!mixed.is_binary && (mixed.mean() - 0.975).abs() < 1e-12);
        let (low, high) = (mixed.at_least(0.05), mixed.at_most(0.05));
        assert!(low < 0.975 && low > 0.93 && high > 0.975 && high < 1.0, "{low} {high}");
        let nothing = Sample::of([]);
        assert_eq!((nothing.at_least(0.05), nothing.at_most(0.05)), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn a_level_is_believed_exactly_where_the_bound_lies_above_it(
            ones in 0u64..=60, more in 0u64..60, level in 0.01f64..0.99, is_binary: bool,
        ) {
            let sample = Sample { size: ones + more + 1, sum: ones as f64, is_binary };
            let bound = sample.at_least(0.05);
            prop_assume!((bound - level).abs() > 1e-9);
            prop_assert_eq!(sample.if_at_most(level) <= 0.05, bound > level);
            prop_assert!(bound <= sample.mean() && sample.mean() <= sample.at_most(0.05));
        }
    }
}
