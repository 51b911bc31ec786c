//! Whether a reader knows which of its answers are wrong: how well its doubt tells them, and whether
//! the doubt is the chance that it claims to be.

use super::confidence::{ReliabilityBin, area_under_curve, calibration_error, reliability};
use super::quality::occurring;
use super::{Dataset, Prediction, Subject, right};
use crate::sentiment::SarcasmScore;

/// How well P(wrong), the chance that a reader gives for its own answer being wrong, tells the
/// answers that are.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// How often a wrong answer has a higher P(wrong) than a right one; `None` where all are of one
    /// kind.
    pub auroc: Option<f64>,
    /// The same of 1 − the margin between the two likeliest labels, which any reader has. `None` too
    /// where a text has several labels.
    pub margin_auroc: Option<f64>,
    /// The expected calibration error of P(wrong), in 15 bins.
    pub ece: f64,
    /// By P(wrong): the mean of it, and the share that was wrong.
    pub reliability: Vec<ReliabilityBin>,
}

impl Doubt {
    /// `p_wrong` has a chance for each prediction.
    pub fn of(dataset: &Dataset, predictions: &[Prediction], p_wrong: &[f64]) -> Doubt {
        let is_wrong: Vec<bool> = right(dataset, predictions).into_iter().map(|is| !is).collect();
        let with = |doubts: &[f64]| -> Vec<(f64, bool)> {
            doubts.iter().copied().zip(is_wrong.iter().copied()).collect()
        };
        let scored = with(p_wrong);
        let bins = reliability(&scored);
        Doubt {
            auroc: area_under_curve(&scored),
            margin_auroc: margin_doubts(dataset, predictions)
                .and_then(|margins| area_under_curve(&with(&margins))),
            ece: calibration_error(&bins),
            reliability: bins,
        }
    }
}

/// 1 − the margin between the two likeliest of the labels that occur in the file, their scores
/// renormalised; 1 of a reader with nothing to say. `None` where a text has several labels.
pub fn margin_doubts(dataset: &Dataset, predictions: &[Prediction]) -> Option<Vec<f64>> {
    let labels = occurring(dataset);
    let doubt = |prediction: &Prediction| match prediction {
        Prediction::Sentiment(scores) => {
            let mut known: Vec<f64> = labels.iter().map(|label| scores[*label as usize]).collect();
            let sum: f64 = known.iter().sum();
            known.sort_by(|one, other| other.total_cmp(one));
            match known.as_slice() {
                [first, second, ..] if sum > 0.0 => 1.0 - (first - second) / sum,
                [_] if sum > 0.0 => 0.0,
                _ => 1.0,
            }
        }
        Prediction::Sarcasm(SarcasmScore(score)) => 1.0 - (2.0 * f64::from(*score) - 1.0).abs(),
        _ => 1.0,
    };
    match dataset.subject {
        Subject::Sentiment | Subject::Sarcasm => Some(predictions.iter().map(doubt).collect()),
        Subject::Emotions | Subject::Aspects => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{Example, Truth};
    use crate::sentiment::Label;

    fn dataset(labels: &[Label]) -> Dataset {
        let example = |label: &Label| Example { text: "".into(), truth: Truth::Sentiment(*label) };
        Dataset { subject: Subject::Sentiment, examples: labels.iter().map(example).collect() }
    }

    #[test]
    fn doubt_is_measured_against_what_was_wrong() {
        let dataset = dataset(&[Label::Negative, Label::Positive, Label::Positive]);
        let scores = [[0.9, 0.0, 0.1, 0.0], [0.6, 0.0, 0.4, 0.0], [0.2, 0.0, 0.8, 0.0]];
        let predictions = scores.map(Prediction::Sentiment);
        // The second alone is wrong. P(wrong) puts the first above it, the margin none.
        let doubt = Doubt::of(&dataset, &predictions, &[0.7, 0.5, 0.1]);
        assert_eq!((doubt.auroc, doubt.margin_auroc), (Some(0.5), Some(1.0)));
        // Each has a bin to itself: (|0.7 − 0| + |0.5 − 1| + |0.1 − 0|) / 3.
        assert!((doubt.ece - 1.3 / 3.0).abs() < 1e-12, "{}", doubt.ece);
        let all_right =
            Doubt::of(&dataset, &[0, 2, 2].map(|at| predictions[at].clone()), &[0.0; 3]);
        assert_eq!((all_right.auroc, all_right.margin_auroc, all_right.ece), (None, None, 0.0));
    }

    #[test]
    fn a_margin_is_of_the_labels_that_occur() {
        let dataset = dataset(&[Label::Negative, Label::Positive]);
        // Mixed leads and occurs nowhere: what is left is as good as even.
        let split = Prediction::Sentiment([0.2, 0.0, 0.2, 0.6]);
        let sure = Prediction::Sentiment([0.3, 0.7, 0.1, 0.0]);
        let doubts = margin_doubts(&dataset, &[split, sure, Prediction::Nothing]).expect("labels");
        for (found, expected) in doubts.iter().zip([1.0, 0.5, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "{doubts:?}");
        }
        let emotions = Dataset { subject: Subject::Emotions, examples: Vec::new() };
        assert_eq!(margin_doubts(&emotions, &[]), None);
    }
}
