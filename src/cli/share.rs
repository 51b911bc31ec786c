//! A part of a count, and how far the share that it makes may be off.

use super::page::Interval;

/// The normal distribution's quantile for 95 %, both tails.
pub const Z: f64 = 1.959_964;

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

impl Share {
    pub fn of(part: u64, whole: u64) -> Share {
        Share { part, whole }
    }

    /// 0 to 1; 0 of nothing.
    pub fn value(self) -> f64 {
        if self.whole == 0 { 0.0 } else { self.part as f64 / self.whole as f64 }
    }

    /// Wilson's interval of 95 % (Wilson 1927, <https://doi.org/10.2307/2276774>), which holds for
    /// small counts too; anything is possible where nothing was counted.
    pub fn interval(self) -> Interval {
        if self.whole == 0 {
            return Interval { low: 0.0, high: 1.0 };
        }
        let (n, p) = (self.whole as f64, self.value());
        let scale = 1.0 + Z * Z / n;
        let centre = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval_is_as_in_the_tables() {
        let Interval { low, high } = Share::of(10, 100).interval();
        assert!((low - 0.0552).abs() < 1e-4 && (high - 0.1744).abs() < 1e-4, "{low} {high}");
        let Interval { low, high } = Share::of(0, 50).interval();
        assert!(low == 0.0 && (high - 0.0714).abs() < 1e-3, "{low} {high}");
        assert_eq!(Share::of(0, 0).interval(), Interval { low: 0.0, high: 1.0 });
    }
}
