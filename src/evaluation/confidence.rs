//! How far a reader's confidence can be believed: calibration error, its curve, and the area under
//! the curve of a detector.

use serde::Serialize;

/// Bins of equal width of the top score.
pub const ECE_BINS: usize = 15;

/// The texts whose top score fell into one bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// The bin: its lower end included, its upper one not, but for the last.
    pub from: f64,
    pub to: f64,
    pub texts: usize,
    /// The mean top score.
    pub confidence: f64,
    /// The share that was right.
    pub accuracy: f64,
}

/// The bins that hold a text, from each one's top score and whether it was right.
pub fn reliability(top: &[(f64, bool)]) -> Vec<ReliabilityBin> {
    let mut sums = [(0usize, 0.0, 0usize); ECE_BINS];
    for (confidence, is_right) in top {
        let bin = ((confidence * ECE_BINS as f64) as usize).min(ECE_BINS - 1);
        let (texts, sum, right) = &mut sums[bin];
        *texts += 1;
        *sum += confidence;
        *right += usize::from(*is_right);
    }
    let width = 1.0 / ECE_BINS as f64;
    let filled = sums.into_iter().enumerate().filter(|(_, (texts, _, _))| *texts > 0);
    filled
        .map(|(bin, (texts, sum, right))| ReliabilityBin {
            from: bin as f64 * width,
            to: (bin + 1) as f64 * width,
            texts,
            confidence: sum / texts as f64,
            accuracy: right as f64 / texts as f64,
        })
        .collect()
}

/// The expected calibration error (Guo et al. 2017, <https://arxiv.org/abs/1706.04599>); 0 of no
/// texts.
pub fn calibration_error(bins: &[ReliabilityBin]) -> f64 {
    let all: usize = bins.iter().map(|bin| bin.texts).sum();
    let gap = |bin: &ReliabilityBin| (bin.confidence - bin.accuracy).abs() * bin.texts as f64;
    bins.iter().map(gap).sum::<f64>() / (all as f64).max(1.0)
}

/// The chance that a positive scores above a negative, ties counting half; `None` where there is
/// nothing of one kind.
pub fn area_under_curve(scored: &[(f64, bool)]) -> Option<f64> {
    let mut sorted: Vec<(f64, bool)> = scored.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = sorted.iter().filter(|(_, is)| *is).count();
    let negatives = sorted.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut below, mut pairs) = (0usize, 0.0);
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let of_both = tied.iter().filter(|(_, is)| *is).count();
        let others = tied.len() - of_both;
        pairs += of_both as f64 * (below as f64 + others as f64 / 2.0);
        below += others;
    }
    Some(pairs / (positives as f64 * negatives as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_mean_gap_of_the_bins_by_their_texts() {
        // 0.95 and 0.99 share the last bin (from 14/15 on), 0.5 has the eighth to itself.
        let bins = reliability(&[(0.95, true), (0.99, false), (0.5, true)]);
        assert_eq!(bins.iter().map(|bin| bin.texts).collect::<Vec<_>>(), [1, 2]);
        assert!((bins[1].confidence - 0.97).abs() < 1e-12 && bins[1].accuracy == 0.5);
        // (|0.5 − 1| · 1 + |0.97 − 0.5| · 2) / 3
        assert!((calibration_error(&bins) - 0.48).abs() < 1e-12);
        assert_eq!(reliability(&[(1.0, true)])[0].to, 1.0);
        assert_eq!(calibration_error(&[]), 0.0);
    }

    #[test]
    fn ties_count_half() {
        let scored = [(0.9, true), (0.5, true), (0.5, false), (0.1, false)];
        // Of four pairs, three are right and one is tied.
        assert_eq!(area_under_curve(&scored), Some(0.875));
        assert_eq!(area_under_curve(&[(0.1, true), (0.9, false)]), Some(0.0));
        assert_eq!(area_under_curve(&[(0.1, true)]), None);
    }
}
