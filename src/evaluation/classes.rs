//! One label a text: accuracy, F1, confusion, calibration.

use serde::Serialize;

use super::confidence::{ReliabilityBin, calibration_error, reliability};
use super::wilson;

/// A text with its true label and what a reader made of it; labels by their place in the list that
/// they are measured by.
#[derive(Clone, Debug)]
pub struct Judged {
    pub truth: usize,
    /// A score for each label; all 0 says nothing, and is wrong whatever is true.
    pub scores: Vec<f64>,
}

/// How well one label a text was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    pub accuracy: f64,
    /// Wilson's 95 % interval.
    pub accuracy_interval: (f64, f64),
    /// The mean over the labels that occur.
    pub macro_f1: f64,
    pub per_label: Vec<(&'static str, LabelFigures)>,
    pub confusion: Confusion,
    pub ece: f64,
    pub reliability: Vec<ReliabilityBin>,
}

/// How well one label was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LabelFigures {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Texts that truly have it.
    pub support: usize,
}

/// How often each label was taken for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    pub labels: Vec<&'static str>,
    /// A row for each true label, a column for each that was said.
    pub counts: Vec<Vec<usize>>,
    /// For each true label, how often nothing usable was said.
    pub nothing: Vec<usize>,
}

impl LabelFigures {
    /// 0 where nothing was predicted or nothing is there, as is usual.
    pub fn of(hits: usize, predicted: usize, actual: usize) -> LabelFigures {
        let share = |of: usize| if hits == 0 { 0.0 } else { hits as f64 / of as f64 };
        LabelFigures {
            precision: share(predicted),
            recall: share(actual),
            f1: f1(hits, predicted, actual),
            support: actual,
        }
    }
}

/// 0 where nothing was predicted or nothing is there, as is usual.
pub fn f1(hits: usize, predicted: usize, actual: usize) -> f64 {
    if hits == 0 { 0.0 } else { 2.0 * hits as f64 / (predicted + actual) as f64 }
}

/// The mean F1 of the labels that occur among these texts.
pub fn macro_f1(figures: &[(&'static str, LabelFigures)]) -> f64 {
    let occurring: Vec<f64> =
        figures.iter().filter(|(_, of)| of.support > 0).map(|(_, of)| of.f1).collect();
    occurring.iter().sum::<f64>() / (occurring.len() as f64).max(1.0)
}

impl Classes {
    /// `labels` are those that are measured by, in the order of `Judged::scores`.
    pub fn of(labels: &[&'static str], judged: &[Judged]) -> Classes {
        let mut confusion = Confusion {
            labels: labels.to_vec(),
            counts: vec![vec![0; labels.len()]; labels.len()],
            nothing: vec![0; labels.len()],
        };
        let mut top = Vec::with_capacity(judged.len());
        for Judged { truth, scores } in judged {
            let sum: f64 = scores.iter().sum();
            if sum.is_nan() || sum <= 0.0 {
                confusion.nothing[*truth] += 1;
                top.push((1.0 / labels.len() as f64, false));
                continue;
            }
            // Of equals the first, as the gateway has it.
            let best = (1..scores.len()).fold(0, |best, at| match scores[at] > scores[best] {
                true => at,
                false => best,
            });
            confusion.counts[*truth][best] += 1;
            top.push((scores[best] / sum, best == *truth));
        }
        let right: usize = (0..labels.len()).map(|at| confusion.counts[at][at]).sum();
        let per_label: Vec<(&'static str, LabelFigures)> =
            labels.iter().enumerate().map(|(at, label)| (*label, confusion.figures(at))).collect();
        let bins = reliability(&top);
        Classes {
            accuracy: right as f64 / (judged.len() as f64).max(1.0),
            accuracy_interval: wilson(right as u64, judged.len() as u64),
            macro_f1: macro_f1(&per_label),
            per_label,
            confusion,
            ece: calibration_error(&bins),
            reliability: bins,
        }
    }
}

impl Confusion {
    fn figures(&self, label: usize) -> LabelFigures {
        let predicted = self.counts.iter().map(|row| row[label]).sum();
        let actual = self.counts[label].iter().sum::<usize>() + self.nothing[label];
        LabelFigures::of(self.counts[label][label], predicted, actual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(truth: usize, scores: [f64; 3]) -> Judged {
        Judged { truth, scores: scores.into() }
    }

    #[test]
    fn figures_are_as_reckoned_by_hand() {
        let labels = ["negative", "neutral", "positive"];
        let texts = [
            judged(0, [0.8, 0.1, 0.1]),
            judged(0, [0.2, 0.2, 0.6]),
            judged(2, [0.1, 0.2, 0.7]),
            judged(2, [0.0, 0.0, 1.0]),
        ];
        let classes = Classes::of(&labels, &texts);
        assert_eq!(classes.accuracy, 0.75);
        // negative: 1 hit of 1 said and 2 true; positive: 2 of 3 and 2; neutral doesn't occur.
        let figures = |at: usize| classes.per_label[at].1;
        assert_eq!((figures(0).precision, figures(0).recall), (1.0, 0.5));
        assert!((figures(0).f1 - 2.0 / 3.0).abs() < 1e-12);
        assert!((figures(2).f1 - 0.8).abs() < 1e-12);
        assert!((classes.macro_f1 - (2.0 / 3.0 + 0.8) / 2.0).abs() < 1e-12);
        assert_eq!(classes.confusion.counts, [[1, 0, 1], [0, 0, 0], [0, 0, 2]]);
        // Top scores 0.8, 0.6, 0.7 and 1 lie in bins of their own: (0.2 + 0.6 + 0.3 + 0) / 4.
        assert!((classes.ece - 0.275).abs() < 1e-9, "{}", classes.ece);
    }

    #[test]
    fn who_says_nothing_is_wrong_whatever_is_true() {
        let labels = ["negative", "positive"];
        let nothing = |truth| Judged { truth, scores: vec![0.0, 0.0] };
        let classes = Classes::of(&labels, &[nothing(0), nothing(1)]);
        assert_eq!((classes.accuracy, classes.macro_f1), (0.0, 0.0));
        assert_eq!(classes.confusion.nothing, [1, 1]);
        assert_eq!(classes.ece, 0.5, "as sure as the toss of a coin, and never right");
    }
}
