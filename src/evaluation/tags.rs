//! Several labels a text: emotions, each by itself, and aspects by their place and polarity.

use std::collections::BTreeSet;

use super::AspectSpan;
use super::classes::{LabelFigures, macro_f1};
use crate::sentiment::Emotion;

/// How well emotions were detected.
#[derive(Clone, Debug, PartialEq)]
pub struct Tags {
    /// The mean over the emotions that occur.
    pub macro_f1: f64,
    /// Of all emotions of all texts together.
    pub micro_f1: f64,
    pub per_label: Vec<(&'static str, LabelFigures)>,
}

impl Tags {
    /// Measured by `labels`: what else is detected doesn't count. `None` in place of what was
    /// detected is a reader that had nothing to say.
    pub fn of(labels: &[Emotion], texts: &[(&[Emotion], Option<&[Emotion]>)]) -> Tags {
        let mut totals = [0; 3];
        let mut per_label = Vec::with_capacity(labels.len());
        for label in labels {
            let mut counts = [0; 3];
            for (truth, detected) in texts {
                let is_true = truth.contains(label);
                let is_detected = detected.is_some_and(|detected| detected.contains(label));
                counts[0] += usize::from(is_true && is_detected);
                counts[1] += usize::from(is_detected);
                counts[2] += usize::from(is_true);
            }
            totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            per_label.push((label.name(), LabelFigures::of(counts[0], counts[1], counts[2])));
        }
        Tags {
            macro_f1: macro_f1(&per_label),
            micro_f1: LabelFigures::of(totals[0], totals[1], totals[2]).f1,
            per_label,
        }
    }
}

/// How well aspects were found: right where the place and the polarity are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spans {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl Spans {
    pub fn of(texts: &[(&BTreeSet<AspectSpan>, Option<&BTreeSet<AspectSpan>>)]) -> Spans {
        let (mut hits, mut predicted, mut actual) = (0, 0, 0);
        for (truth, found) in texts {
            actual += truth.len();
            if let Some(found) = found {
                hits += truth.intersection(found).count();
                predicted += found.len();
            }
        }
        let LabelFigures { precision, recall, f1, .. } = LabelFigures::of(hits, predicted, actual);
        Spans { precision, recall, f1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::Label;

    #[test]
    fn emotions_are_counted_each_by_itself() {
        use Emotion::{Anger, Joy, Love};
        let texts: [(&[Emotion], Option<&[Emotion]>); 3] =
            [(&[Joy, Love], Some(&[Joy, Anger])), (&[Joy], Some(&[Love])), (&[Love], None)];
        let tags = Tags::of(&[Joy, Love], &texts);
        // Joy: 1 hit, 1 said, 2 true; love: 0 hits, 1 said, 2 true. Anger doesn't occur.
        assert!((tags.per_label[0].1.f1 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(tags.per_label[1].1.f1, 0.0);
        assert!((tags.macro_f1 - 1.0 / 3.0).abs() < 1e-12);
        assert!((tags.micro_f1 - 2.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn an_aspect_is_right_where_place_and_polarity_are() {
        let span = |from, to, polarity| AspectSpan { from, to, polarity };
        let truth = [span(0, 4, Label::Positive), span(9, 12, Label::Negative)].into();
        let found = [
            span(0, 4, Label::Positive),
            span(9, 12, Label::Neutral),
            span(9, 13, Label::Negative),
        ]
        .into();
        let spans = Spans::of(&[(&truth, Some(&found)), (&truth, None)]);
        assert!((spans.precision - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(spans.recall, 0.25);
        assert!((spans.f1 - 2.0 / 7.0).abs() < 1e-12);
    }
}
