//! How long texts take, one at a time.

use serde::Serialize;

/// Milliseconds that a caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

/// One text's time, and for how many texts it stands: where only some of a kind were timed, each of
/// them stands for more than itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    pub milliseconds: f64,
    pub weight: f64,
}

impl Timing {
    pub fn of(milliseconds: f64) -> Timing {
        Timing { milliseconds, weight: 1.0 }
    }
}

impl Latency {
    /// `None` of no texts.
    pub fn of(mut timings: Vec<Timing>) -> Option<Latency> {
        timings.retain(|timing| timing.weight > 0.0);
        timings.sort_by(|a, b| a.milliseconds.total_cmp(&b.milliseconds));
        let all: f64 = timings.iter().map(|timing| timing.weight).sum();
        // The nearest rank: the first time within which that share of the texts was done.
        let percentile = |share: f64| {
            let mut reached = 0.0;
            let found = timings.iter().find(|timing| {
                reached += timing.weight;
                reached >= share * all - 1e-9
            });
            found.or(timings.last()).map(|timing| timing.milliseconds)
        };
        Some(Latency { p50: percentile(0.5)?, p95: percentile(0.95)?, p99: percentile(0.99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let timings = (1..=100).rev().map(|n| Timing::of(f64::from(n))).collect();
        let latency = Latency::of(timings).unwrap();
        assert_eq!((latency.p50, latency.p95, latency.p99), (50.0, 95.0, 99.0));
        let one = Latency::of(vec![Timing::of(7.0)]).unwrap();
        assert_eq!((one.p50, one.p99), (7.0, 7.0));
        assert_eq!(Latency::of(Vec::new()), None);
    }

    #[test]
    fn a_time_that_stands_for_several_texts_weighs_as_much() {
        let slow = Timing { milliseconds: 800.0, weight: 3.0 };
        let latency = Latency::of(vec![Timing::of(2.0), slow, Timing::of(1.0)]).unwrap();
        assert_eq!((latency.p50, latency.p95), (800.0, 800.0));
    }
}
