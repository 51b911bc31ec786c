//! Labels and their scores.

use serde::{Deserialize, Serialize};

use super::{Aspect, Emotions};

/// What a text feels. The order is that of [`Scores`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    Negative,
    Neutral,
    Positive,
    Mixed,
}

impl Label {
    pub const ALL: [Label; 4] = [Label::Negative, Label::Neutral, Label::Positive, Label::Mixed];

    pub fn name(self) -> &'static str {
        match self {
            Label::Negative => "negative",
            Label::Neutral => "neutral",
            Label::Positive => "positive",
            Label::Mixed => "mixed",
        }
    }

    /// Whether the parts of a text lean the other way than the whole, and none its way.
    pub fn is_contradicted_by(self, parts: impl Iterator<Item = Label>) -> bool {
        let (own, other) = match self {
            Label::Positive => (Label::Positive, Label::Negative),
            Label::Negative => (Label::Negative, Label::Positive),
            Label::Neutral | Label::Mixed => return false,
        };
        let (mut is_own, mut is_other) = (false, false);
        for part in parts {
            is_own |= part == own;
            is_other |= part == other;
        }
        is_other && !is_own
    }

    /// The label of that name, whatever its case; `None` for any other name.
    pub fn named(name: &str) -> Option<Label> {
        Label::ALL.into_iter().find(|label| label.name().eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A probability for each label; they sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    negative: f32,
    neutral: f32,
    positive: f32,
    mixed: f32,
}

impl Scores {
    /// Those of a text that says nothing of what its writer thinks.
    pub const NEUTRAL: Scores = Scores { negative: 0.0, neutral: 1.0, positive: 0.0, mixed: 0.0 };

    /// Normalises non-negative weights, in the order of [`Label::ALL`]. Weights that have no
    /// finite, positive sum say nothing, and give the uniform distribution.
    pub fn from_weights(weights: [f32; 4]) -> Scores {
        let sum: f32 = weights.iter().sum();
        let [negative, neutral, positive, mixed] = if sum.is_finite() && sum > 0.0 {
            weights.map(|weight| weight / sum)
        } else {
            [0.25; 4]
        };
        Scores { negative, neutral, positive, mixed }
    }

    pub fn as_array(&self) -> [f32; 4] {
        [self.negative, self.neutral, self.positive, self.mixed]
    }

    pub fn of(&self, label: Label) -> f32 {
        self.as_array()[label as usize]
    }

    /// The likeliest label; of equals, the first in the order of [`Label::ALL`].
    pub fn label(&self) -> Label {
        Label::ALL
            .into_iter()
            .reduce(|best, label| if self.of(label) > self.of(best) { label } else { best })
            .expect("there are four labels")
    }

    /// The score of the likeliest label.
    pub fn confidence(&self) -> f32 {
        self.of(self.label())
    }

    /// How far the likeliest label stands above the next, 0 to 1.
    pub fn margin(&self) -> f32 {
        let mut sorted = self.as_array();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted[0] - sorted[1]
    }

    /// The same order of labels with a confidence of at most `ceiling`, by mixing with the uniform
    /// distribution over the labels that score above 0: what is known is watered down, nothing is
    /// made up.
    pub fn at_most(self, ceiling: f32) -> Scores {
        let top = self.confidence();
        if top <= ceiling {
            return self;
        }
        let known = self.as_array().map(|score| score > 0.0);
        let count = known.iter().filter(|known| **known).count();
        if count < 2 {
            return Scores::from_weights([1.0; 4]);
        }
        let uniform = 1.0 / count as f32;
        // Of two labels none can be below a half: both then stand there.
        let keep = ((ceiling - uniform) / (top - uniform)).clamp(0.0, 1.0);
        let mut weights = self.as_array().map(|score| keep * score + (1.0 - keep) * uniform);
        for (weight, known) in weights.iter_mut().zip(known) {
            if !known {
                *weight = 0.0;
            }
        }
        Scores::from_weights(weights)
    }
}

/// How likely it is that a text means the opposite of what it says, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct SarcasmScore(pub f32);

impl SarcasmScore {
    /// More likely than not.
    pub fn detected(self) -> bool {
        self.0 > 0.5
    }
}

/// What somebody, the local model or an LLM, makes of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub scores: Scores,
    pub sarcasm: SarcasmScore,
    pub findings: Findings,
}

/// What a task wants to know beside the sentiment.
#[derive(Clone, Debug, PartialEq)]
pub enum Findings {
    /// Nothing: the task is the sentiment itself.
    None,
    /// In the order of the text.
    Aspects(Vec<Aspect>),
    Emotions(Emotions),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_become_probabilities_and_the_largest_is_the_label() {
        let scores = Scores::from_weights([1.0, 1.0, 6.0, 0.0]);
        assert_eq!(scores.as_array(), [0.125, 0.125, 0.75, 0.0]);
        assert_eq!((scores.label(), scores.confidence()), (Label::Positive, 0.75));
        assert!((scores.margin() - 0.625).abs() < 1e-6);
        for nothing in [[0.0; 4], [f32::NAN, 0.0, 0.0, 1.0]] {
            assert_eq!(Scores::from_weights(nothing).as_array(), [0.25; 4]);
        }
    }

    #[test]
    fn a_ceiling_waters_down_what_is_known_and_invents_nothing() {
        let sure = Scores::from_weights([0.02, 0.03, 0.95, 0.0]);
        let capped = sure.at_most(0.5);
        assert_eq!(capped.label(), Label::Positive);
        assert!((capped.confidence() - 0.5).abs() < 1e-6);
        assert_eq!(capped.of(Label::Mixed), 0.0);
        assert!((capped.as_array().iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let unsure = Scores::from_weights([0.3, 0.3, 0.4, 0.0]);
        assert_eq!(unsure.at_most(0.5), unsure);
        let of_two = Scores::from_weights([0.01, 0.0, 0.99, 0.0]);
        assert_eq!(of_two.at_most(0.5).as_array(), [0.5, 0.0, 0.5, 0.0]);
        let of_one = Scores::from_weights([0.0, 0.0, 1.0, 0.0]);
        assert_eq!(of_one.at_most(0.5).confidence(), 0.25);
    }

    #[test]
    fn labels_are_found_by_name_whatever_the_case() {
        assert_eq!(Label::named("NEGATIVE"), Some(Label::Negative));
        assert_eq!(Label::named("LABEL_0"), None);
    }
}
