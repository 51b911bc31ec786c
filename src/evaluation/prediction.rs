//! What a reader made of a text, as far as it is measured.

use std::collections::BTreeSet;

use super::{AspectSpan, Subject, Truth};
use crate::sentiment::{Emotion, Findings, Label, SarcasmScore, Verdict};

#[derive(Clone, Debug, PartialEq)]
pub enum Prediction {
    /// A score for each label, in the order of [`Label::ALL`].
    Sentiment([f64; 4]),
    Sarcasm(SarcasmScore),
    /// The detected ones.
    Emotions(Vec<Emotion>),
    Aspects(BTreeSet<AspectSpan>),
    /// The reader was asked and has nothing usable to say: counted as wrong.
    Nothing,
}

impl Prediction {
    pub fn of(subject: Subject, verdict: &Verdict) -> Prediction {
        match (subject, &verdict.findings) {
            (Subject::Sentiment, _) => {
                Prediction::Sentiment(verdict.scores.as_array().map(f64::from))
            }
            (Subject::Sarcasm, _) => Prediction::Sarcasm(verdict.sarcasm),
            (Subject::Emotions, Findings::Emotions(emotions)) => {
                let detected = emotions.sorted().into_iter();
                let mut detected: Vec<Emotion> =
                    detected.filter_map(|(emotion, _, is)| is.then_some(emotion)).collect();
                detected.sort_by_key(|emotion| *emotion as usize);
                Prediction::Emotions(detected)
            }
            (Subject::Aspects, Findings::Aspects(aspects)) => {
                let span = |aspect: &crate::sentiment::Aspect| {
                    let (from, to) = aspect.span?;
                    Some(AspectSpan { from, to, polarity: aspect.sentiment? })
                };
                Prediction::Aspects(aspects.iter().filter_map(span).collect())
            }
            (Subject::Emotions | Subject::Aspects, _) => Prediction::Nothing,
        }
    }

    /// What a reader would say that is always right.
    pub fn right(truth: &Truth) -> Prediction {
        match truth {
            Truth::Sentiment(label) => {
                let mut scores = [0.0; 4];
                scores[*label as usize] = 1.0;
                Prediction::Sentiment(scores)
            }
            Truth::Sarcasm(is) => Prediction::Sarcasm(SarcasmScore(f32::from(u8::from(*is)))),
            Truth::Emotions(emotions) => Prediction::Emotions(emotions.clone()),
            Truth::Aspects(spans) => Prediction::Aspects(spans.clone()),
        }
    }

    /// A reader that knows a label and not how sure it is.
    pub fn label(label: Label) -> Prediction {
        Prediction::right(&Truth::Sentiment(label))
    }
}
