//! Counts of values in fixed cells, and how far two such counts are apart.

use std::sync::atomic::{AtomicU64, Ordering};

/// Cells of a dimension: fine enough to cut a tenth of a baseline off at.
pub const CELLS: usize = 64;

/// Bins of about equal weight that the cells of a continuous dimension are put together to.
const BINS: u64 = 10;

/// Log-odds that the outermost cells begin at: 0.25 % and 99.75 %.
const MOST_LOG_ODDS: f32 = 6.0;

/// Cells for each doubling of a length; 80,000 bytes, the most that a text has, are in the last.
const CELLS_A_DOUBLING: f32 = 3.8;

/// Counters of one dimension, added to by many threads.
pub struct Counters([AtomicU64; CELLS]);

impl Default for Counters {
    fn default() -> Counters {
        Counters([const { AtomicU64::new(0) }; CELLS])
    }
}

impl Counters {
    pub fn add(&self, cell: usize) {
        self.0[cell.min(CELLS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted since the last time.
    pub fn take(&self) -> Vec<u64> {
        self.0.iter().map(|cell| cell.swap(0, Ordering::Relaxed)).collect()
    }
}

/// The cell of a probability: even in log-odds, since most lie close to 0 or to 1.
pub fn of_probability(value: f32) -> usize {
    let log_odds = (value / (1.0 - value)).ln().clamp(-MOST_LOG_ODDS, MOST_LOG_ODDS);
    // What is no number counts as 0.
    ((log_odds + MOST_LOG_ODDS) / (2.0 * MOST_LOG_ODDS) * CELLS as f32) as usize
}

/// The cell of a length in bytes: even in its logarithm.
pub fn of_length(bytes: usize) -> usize {
    ((bytes as f32 + 1.0).log2() * CELLS_A_DOUBLING) as usize
}

/// The population stability index of a window against a baseline, Σ (q − p) ln (q / p) over ten
/// bins, each of about a tenth of the baseline; of categories each is a bin. Above 0.2 the two are
/// usually held to differ (Siddiqi, "Credit Risk Scorecards", 2006). Of equal distributions it is
/// about (bins − 1) (1/n + 1/m) for n and m texts (Yurdakul 2018,
/// <https://scholarworks.wmich.edu/dissertations/3208>): 0.01 for 1,000 against 10,000. Half a text is
/// added to every bin, so that an empty one is rare, not impossible.
pub fn stability_index(baseline: &[u64], window: &[u64], categories: bool) -> f64 {
    let bins = match categories {
        true => (0..baseline.len()).map(|cell| cell..cell + 1).collect(),
        false => tenths(baseline),
    };
    let share = |counts: &[u64], bin: &std::ops::Range<usize>| {
        let all: u64 = counts.iter().sum();
        let within: u64 = counts[bin.clone()].iter().sum();
        (within as f64 + 0.5) / (all as f64 + 0.5 * bins.len() as f64)
    };
    bins.iter()
        .map(|bin| (share(baseline, bin), share(window, bin)))
        .map(|(p, q)| (q - p) * (q / p).ln())
        .sum()
}

/// Cells put together to bins of about a tenth of the counts each. The last holds what is left,
/// even if that is nothing: what is new there would go unseen in its neighbour.
fn tenths(counts: &[u64]) -> Vec<std::ops::Range<usize>> {
    let all: u64 = counts.iter().sum();
    let mut bins = Vec::new();
    let (mut start, mut within, mut before) = (0, 0, 0);
    for (cell, count) in counts.iter().enumerate() {
        within += count;
        // Counted from the first cell on, so that what one bin has too much of the next ones share.
        let due = all * (bins.len() as u64 + 1) / BINS;
        if within > 0 && before + within >= due.max(1) && bins.len() as u64 + 1 < BINS {
            bins.push(start..cell + 1);
            (start, before, within) = (cell + 1, before + within, 0);
        }
    }
    if start < counts.len() {
        bins.push(start..counts.len());
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_cells_in_their_order() {
        let cells = [0.0, 0.001, 0.01, 0.3, 0.5, 0.7, 0.99, 1.0].map(of_probability);
        assert!(cells.is_sorted(), "{cells:?}");
        assert_eq!((cells[0], cells[4], of_probability(f32::NAN)), (0, CELLS / 2, 0));
        let lengths = [0, 1, 40, 80, 4_000, 80_000].map(of_length);
        assert!(lengths.is_sorted() && lengths[5] < CELLS, "{lengths:?}");
        let counters = Counters::default();
        counters.add(of_probability(1.0));
        assert_eq!(counters.take()[CELLS - 1], 1);
        assert_eq!(counters.take().iter().sum::<u64>(), 0);
    }

    #[test]
    fn bins_hold_a_tenth_each_and_the_rest_is_seen() {
        let even = vec![10; 40];
        assert_eq!(tenths(&even).len(), 10);
        assert!(tenths(&even).iter().all(|bin| bin.len() == 4));
        let mut pointed = vec![0; CELLS];
        pointed[0] = 1_000;
        assert_eq!(tenths(&pointed), [0..1, 1..CELLS]);
    }

    #[test]
    fn the_index_is_what_the_formula_says() {
        // (0.8 − 0.5) ln (0.8 / 0.5) + (0.2 − 0.5) ln (0.2 / 0.5)
        let by_hand = 0.3 * 1.6f64.ln() - 0.3 * 0.4f64.ln();
        let index = stability_index(&[50_000, 50_000], &[80_000, 20_000], true);
        assert!((index - by_hand).abs() < 1e-4, "{index} and {by_hand}");
        assert_eq!(stability_index(&[7, 7], &[7, 7], true), 0.0);
    }

    #[test]
    fn what_the_baseline_never_saw_is_an_alarm_and_chance_is_none() {
        let mut known = vec![0; CELLS];
        known[0] = 10_000;
        let mut window = vec![0; CELLS];
        (window[0], window[CELLS - 1]) = (900, 100);
        assert!(stability_index(&known, &window, false) > 0.2);
        let wide: Vec<u64> = (0..CELLS as u64).map(|cell| 100 + cell % 7).collect();
        let sample: Vec<u64> = (0..CELLS as u64).map(|cell| 8 + (cell * 37) % 16).collect();
        let index = stability_index(&wide, &sample, false);
        assert!(index < 0.05, "{index}");
    }
}
