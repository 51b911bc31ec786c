//! How well a reader did on a file, whatever it is about.

use super::classes::{Classes, Judged};
use super::confidence::area_under_curve;
use super::tags::{Spans, Tags};
use super::{Dataset, Prediction, Subject, Truth};
use crate::sentiment::{Emotion, Label, SarcasmScore};

/// The two labels of sarcasm, in the order in which they are measured.
const SARCASM: [&str; 2] = ["not_sarcastic", "sarcastic"];

#[derive(Clone, Debug, PartialEq)]
pub enum Quality {
    Sentiment(Classes),
    Sarcasm {
        classes: Classes,
        /// Of the sarcastic ones.
        f1: f64,
        /// `None` where all texts are of one kind.
        auroc: Option<f64>,
    },
    Emotions(Tags),
    Aspects(Spans),
}

impl Quality {
    /// The figure that one would compare readers by.
    pub fn headline(&self) -> (&'static str, f64) {
        match self {
            Quality::Sentiment(classes) => ("accuracy", classes.accuracy),
            Quality::Sarcasm { f1, .. } => ("f1", *f1),
            Quality::Emotions(tags) => ("macro_f1", tags.macro_f1),
            Quality::Aspects(spans) => ("f1", spans.f1),
        }
    }

    /// Of one label a text.
    pub fn classes(&self) -> Option<&Classes> {
        match self {
            Quality::Sentiment(classes) | Quality::Sarcasm { classes, .. } => Some(classes),
            Quality::Emotions(_) | Quality::Aspects(_) => None,
        }
    }
}

/// Measures the predictions by the texts' labels; `None` in place of one: that text isn't measured.
/// Scores count as far as they are of labels that occur in the file. `None` where nothing is
/// measured.
pub fn quality(dataset: &Dataset, predictions: &[Option<Prediction>]) -> Option<Quality> {
    let pairs: Vec<(&Truth, &Prediction)> = dataset
        .examples
        .iter()
        .zip(predictions)
        .filter_map(|(example, prediction)| Some((&example.truth, prediction.as_ref()?)))
        .collect();
    if pairs.is_empty() {
        return None;
    }
    Some(match dataset.subject {
        Subject::Sentiment => Quality::Sentiment(sentiment(&occurring(dataset), &pairs)),
        Subject::Sarcasm => sarcasm(dataset, &pairs),
        Subject::Emotions => Quality::Emotions(emotions(dataset, &pairs)),
        Subject::Aspects => Quality::Aspects(aspects(&pairs)),
    })
}

/// The labels of sentiment that occur in the file.
pub(super) fn occurring(dataset: &Dataset) -> Vec<Label> {
    let occurs = |label: &Label| {
        dataset.examples.iter().any(|example| example.truth == Truth::Sentiment(*label))
    };
    Label::ALL.into_iter().filter(occurs).collect()
}

fn sentiment(labels: &[Label], pairs: &[(&Truth, &Prediction)]) -> Classes {
    let judged = pairs.iter().filter_map(|(truth, prediction)| {
        let Truth::Sentiment(truth) = truth else { return None };
        let scores = match prediction {
            Prediction::Sentiment(scores) => *scores,
            _ => [0.0; 4],
        };
        Some(Judged {
            truth: labels.iter().position(|label| label == truth)?,
            scores: labels.iter().map(|label| scores[*label as usize]).collect(),
        })
    });
    let names: Vec<&'static str> = labels.iter().map(|label| label.name()).collect();
    Classes::of(&names, &judged.collect::<Vec<_>>())
}

fn sarcasm(dataset: &Dataset, pairs: &[(&Truth, &Prediction)]) -> Quality {
    let occurs =
        |is: bool| dataset.examples.iter().any(|example| example.truth == Truth::Sarcasm(is));
    let kinds: Vec<bool> = [false, true].into_iter().filter(|is| occurs(*is)).collect();
    let mut judged = Vec::with_capacity(pairs.len());
    let mut scored = Vec::with_capacity(pairs.len());
    for (truth, prediction) in pairs {
        let Truth::Sarcasm(truth) = truth else { continue };
        let score = match prediction {
            Prediction::Sarcasm(score) => Some(*score),
            _ => None,
        };
        // An undecided reader has not detected any: the first of equals is `not_sarcastic`.
        let chance = |is: bool| match score {
            Some(SarcasmScore(score)) if is => f64::from(score),
            Some(SarcasmScore(score)) => 1.0 - f64::from(score),
            None => 0.0,
        };
        judged.push(Judged {
            truth: kinds.iter().position(|kind| kind == truth).unwrap_or_default(),
            scores: kinds.iter().map(|kind| chance(*kind)).collect(),
        });
        // Of a reader with nothing to say either is as likely.
        scored.push((score.map_or(0.5, |SarcasmScore(score)| f64::from(score)), *truth));
    }
    let names: Vec<&'static str> = kinds.iter().map(|is| SARCASM[usize::from(*is)]).collect();
    let classes = Classes::of(&names, &judged);
    let f1 = classes.per_label.iter().find(|(name, _)| *name == SARCASM[1]);
    Quality::Sarcasm {
        f1: f1.map_or(0.0, |(_, figures)| figures.f1),
        auroc: area_under_curve(&scored),
        classes,
    }
}

fn emotions(dataset: &Dataset, pairs: &[(&Truth, &Prediction)]) -> Tags {
    let occurs = |emotion: &Emotion| {
        dataset.examples.iter().any(
            |example| matches!(&example.truth, Truth::Emotions(listed) if listed.contains(emotion)),
        )
    };
    let labels: Vec<Emotion> = Emotion::ALL.into_iter().filter(occurs).collect();
    let texts = pairs.iter().filter_map(|(truth, prediction)| {
        let Truth::Emotions(truth) = truth else { return None };
        let detected = match prediction {
            Prediction::Emotions(detected) => Some(detected.as_slice()),
            _ => None,
        };
        Some((truth.as_slice(), detected))
    });
    Tags::of(&labels, &texts.collect::<Vec<_>>())
}

fn aspects(pairs: &[(&Truth, &Prediction)]) -> Spans {
    let texts = pairs.iter().filter_map(|(truth, prediction)| {
        let Truth::Aspects(truth) = truth else { return None };
        let found = match prediction {
            Prediction::Aspects(found) => Some(found),
            _ => None,
        };
        Some((truth, found))
    });
    Spans::of(&texts.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Example;

    fn dataset(subject: Subject, truths: Vec<Truth>) -> Dataset {
        let example = |truth| Example { text: "a text".into(), truth };
        Dataset { subject, examples: truths.into_iter().map(example).collect() }
    }

    #[test]
    fn scores_count_as_far_as_their_labels_occur() {
        let truths = [Label::Negative, Label::Positive, Label::Positive].map(Truth::Sentiment);
        let dataset = dataset(Subject::Sentiment, truths.into());
        // Neutral leads the first one and mixed is all of the last: neither occurs in the file.
        let predictions = [[0.2, 0.7, 0.1, 0.0], [0.1, 0.5, 0.4, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let predictions = predictions.map(|scores| Some(Prediction::Sentiment(scores)));
        let Some(Quality::Sentiment(classes)) = quality(&dataset, &predictions) else {
            panic!("nothing is measured")
        };
        assert_eq!(classes.confusion.labels, ["negative", "positive"]);
        assert_eq!(classes.confusion.counts, [[1, 0], [0, 1]]);
        assert_eq!(classes.confusion.nothing, [0, 1]);
        assert!((classes.accuracy - 2.0 / 3.0).abs() < 1e-12);
        let sure: Vec<f64> = classes.reliability.iter().map(|bin| bin.confidence).collect();
        assert!((sure[0] - 0.5).abs() < 1e-9 && (sure[1] - 2.0 / 3.0).abs() < 1e-9, "{sure:?}");
    }

    #[test]
    fn texts_that_nobody_read_are_left_out() {
        let truths = [Label::Negative, Label::Positive].map(Truth::Sentiment);
        let dataset = dataset(Subject::Sentiment, truths.into());
        let quality_of = |predictions: &[Option<Prediction>]| quality(&dataset, predictions);
        let one = quality_of(&[None, Some(Prediction::label(Label::Positive))]).unwrap();
        assert_eq!(one.headline(), ("accuracy", 1.0));
        assert_eq!(quality_of(&[None, None]), None);
    }

    #[test]
    fn sarcasm_has_an_f1_of_its_own_and_an_undecided_reader_detects_none() {
        let truths = [true, true, false, false].map(Truth::Sarcasm);
        let dataset = dataset(Subject::Sarcasm, truths.into());
        let scores = [0.75, 0.5, 0.25, 0.625];
        let predictions = scores.map(|score| Some(Prediction::Sarcasm(SarcasmScore(score))));
        let Some(Quality::Sarcasm { classes, f1, auroc }) = quality(&dataset, &predictions) else {
            panic!("nothing is measured")
        };
        assert_eq!(classes.accuracy, 0.5);
        assert_eq!(f1, 0.5);
        assert_eq!(auroc, Some(0.75));
    }

    #[test]
    fn who_is_always_right_scores_one() {
        use crate::evaluation::AspectSpan;
        let span = AspectSpan { from: 0, to: 3, polarity: Label::Mixed };
        for (subject, truth) in [
            (Subject::Sentiment, Truth::Sentiment(Label::Mixed)),
            (Subject::Sarcasm, Truth::Sarcasm(true)),
            (Subject::Emotions, Truth::Emotions(vec![Emotion::Joy])),
            (Subject::Aspects, Truth::Aspects([span].into())),
        ] {
            let right = Prediction::right(&truth);
            let all = quality(&dataset(subject, vec![truth]), &[Some(right)]).unwrap();
            assert_eq!(all.headline().1, 1.0, "{subject:?}");
        }
    }
}
