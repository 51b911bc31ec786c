//! The form in which a verdict is kept in the store: without any of the text's words.

use serde::{Deserialize, Serialize};

use crate::sentiment::{Aspect, Emotion, Emotions, Findings, Label, SarcasmScore, Scores, Verdict};

/// A verdict without any of the text's words.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptVerdict {
    scores: [f32; 4],
    sarcasm: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aspects: Option<Vec<KeptAspect>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    emotions: Option<Vec<(Emotion, f32, bool)>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptAspect {
    span: Option<(usize, usize)>,
    category: Option<String>,
    sentiment: Option<Label>,
    confidence: f32,
}

impl KeptVerdict {
    pub fn of(verdict: &Verdict) -> KeptVerdict {
        let aspect = |aspect: &Aspect| KeptAspect {
            span: aspect.span,
            category: aspect.category.clone(),
            sentiment: aspect.sentiment,
            confidence: aspect.confidence,
        };
        let (aspects, emotions) = match &verdict.findings {
            Findings::None => (None, None),
            Findings::Aspects(aspects) => (Some(aspects.iter().map(aspect).collect()), None),
            Findings::Emotions(emotions) => (None, Some(emotions.sorted())),
        };
        let scores = verdict.scores.as_array();
        KeptVerdict { scores, sarcasm: verdict.sarcasm.0, aspects, emotions }
    }

    /// With the words that the text has at each place.
    pub fn verdict(self, text: &str) -> Verdict {
        let words = |(start, end): (usize, usize)| -> String {
            text.chars().skip(start).take(end.saturating_sub(start)).collect()
        };
        let aspect = |kept: KeptAspect| Aspect {
            term: kept.span.map(words).unwrap_or_default(),
            category: kept.category,
            sentiment: kept.sentiment,
            opinion: None,
            confidence: kept.confidence,
            span: kept.span,
        };
        let findings = match (self.aspects, self.emotions) {
            (Some(aspects), _) => Findings::Aspects(aspects.into_iter().map(aspect).collect()),
            (None, Some(listed)) => {
                // A threshold for each that says again what was said of it.
                let (mut scores, mut thresholds) = ([0.0; 28], [f32::INFINITY; 28]);
                for (emotion, score, detected) in listed {
                    scores[emotion as usize] = score;
                    if detected {
                        thresholds[emotion as usize] = score;
                    }
                }
                Findings::Emotions(Emotions::new(scores, &thresholds))
            }
            (None, None) => Findings::None,
        };
        let scores = Scores::from_weights(self.scores);
        Verdict { scores, sarcasm: SarcasmScore(self.sarcasm), findings }
    }
}
