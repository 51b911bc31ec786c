//! The two parts that a cascade makes of a file: what stays with the local model, and what goes on.

use super::{Dataset, Prediction, Quality, quality};

/// How good the verdicts of each part are.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    pub kept: Part,
    /// As it comes out in the end.
    pub escalated: Part,
    /// What the local model alone would have made of the texts that were escalated.
    pub escalated_local: Option<Quality>,
}

/// Some of the texts, and how well they were read; `None` where there are none, or where it is not
/// known.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub texts: usize,
    pub quality: Option<Quality>,
}

impl Parts {
    /// `escalated` are places in the file; `last` has what a caller gets in the end, or nothing where
    /// that is not known.
    pub fn of(
        dataset: &Dataset,
        local: &[Prediction],
        last: Option<&[Prediction]>,
        escalated: &[usize],
    ) -> Parts {
        let mut is_escalated = vec![false; dataset.examples.len()];
        escalated.iter().for_each(|at| is_escalated[*at] = true);
        let part = |predictions: &[Prediction], is: bool| {
            let of_part = predictions.iter().zip(&is_escalated);
            let of_part = of_part.map(|(prediction, at)| (*at == is).then(|| prediction.clone()));
            quality(dataset, &of_part.collect::<Vec<_>>())
        };
        let (texts, asked) = (dataset.examples.len(), escalated.len());
        Parts {
            kept: Part { texts: texts - asked, quality: part(local, false) },
            escalated: Part { texts: asked, quality: last.and_then(|last| part(last, true)) },
            escalated_local: part(local, true),
        }
    }
}

/// The places of the texts that score highest, `share` of them to the nearest text, in the order of
/// the file. Of texts that score the same, which ones are in is a matter of their hashes: a file may
/// be sorted by label.
pub fn highest(share: f64, scores: &[f64], dataset: &Dataset) -> Vec<usize> {
    let wanted = (share.clamp(0.0, 1.0) * scores.len() as f64).round() as usize;
    let drawn = |at: usize| *blake3::hash(dataset.examples[at].text.as_bytes()).as_bytes();
    let mut ranked: Vec<(f64, [u8; 32], usize)> =
        scores.iter().enumerate().map(|(at, score)| (*score, drawn(at), at)).collect();
    ranked.sort_by(|(one, drawn, at), (other, beside, place)| {
        other.total_cmp(one).then(drawn.cmp(beside)).then(at.cmp(place))
    });
    let mut places: Vec<usize> = ranked.into_iter().take(wanted).map(|(.., at)| at).collect();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{Example, Subject, Truth};
    use crate::sentiment::Label;

    fn dataset(labels: &[Label]) -> Dataset {
        let example = |(at, label): (usize, &Label)| Example {
            text: format!("text {at}").into(),
            truth: Truth::Sentiment(*label),
        };
        let examples = labels.iter().enumerate().map(example).collect();
        Dataset { subject: Subject::Sentiment, examples }
    }

    #[test]
    fn each_part_is_measured_by_itself() {
        use Label::{Negative, Positive};
        let dataset = dataset(&[Negative, Positive, Positive, Negative]);
        let local = [Negative, Negative, Positive, Positive].map(Prediction::label);
        // The second is mended, the fourth is not.
        let last = [Negative, Positive, Positive, Positive].map(Prediction::label);
        let parts = Parts::of(&dataset, &local, Some(&last), &[1, 3]);
        let accuracy = |quality: &Option<Quality>| quality.as_ref().map(|of| of.headline().1);
        assert_eq!((parts.kept.texts, accuracy(&parts.kept.quality)), (2, Some(1.0)));
        assert_eq!((parts.escalated.texts, accuracy(&parts.escalated.quality)), (2, Some(0.5)));
        assert_eq!(accuracy(&parts.escalated_local), Some(0.0));
        let unknown = Parts::of(&dataset, &local, None, &[1, 3]);
        assert_eq!(unknown.escalated, Part { texts: 2, quality: None });
        let all = Parts::of(&dataset, &local, Some(&last), &[0, 1, 2, 3]);
        assert_eq!(all.kept, Part { texts: 0, quality: None });
    }

    #[test]
    fn exactly_the_share_is_taken_and_no_text_before_a_needier_one() {
        let dataset = dataset(&[Label::Neutral; 10]);
        let scores = [0.1, 0.9, 0.2, 1.0, 0.3, 1.0, 0.4, 1.0, 0.0, 0.5];
        assert_eq!(highest(0.4, &scores, &dataset), [1, 3, 5, 7]);
        assert_eq!(highest(0.46, &scores, &dataset), [1, 3, 5, 7, 9], "to the nearest text");
        assert_eq!(highest(0.0, &scores, &dataset), [] as [usize; 0]);
        assert_eq!(highest(1.0, &scores, &dataset).len(), 10);
    }

    #[test]
    fn of_equals_the_hash_decides_and_not_the_place() {
        let dataset = dataset(&[Label::Neutral; 64]);
        let half = highest(0.5, &[0.5; 64], &dataset);
        assert_eq!(half.len(), 32);
        assert!(half.iter().any(|at| *at >= 32), "the first half of the file alone: {half:?}");
        assert_eq!(half, highest(0.5, &[0.5; 64], &dataset), "the same on every run");
    }
}
