//! What a reading says of its own trustworthiness: logistic regressions over a few of its numbers,
//! fitted to the model by `training/deferral.py` on texts whose answers are known.
//!
//! A rule over the largest score alone misses what a small model is confidently wrong about (Jitkrittum
//! et al. 2023, <https://arxiv.org/abs/2307.02764>): sarcasm, praise beside scorn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibration::logit;
use super::tags::{Evidence, Term};
use crate::sentiment::{Emotion, Label, Scores};

/// The names of [`Features`], in their order; behind them comes `emotion_NAME` for each emotion.
const NAMES: [&str; 20] = [
    "margin",
    "entropy",
    "top",
    "sarcasm",
    "odds",
    "tags_odds",
    "tags_positive",
    "tags_negative",
    "tags_neutral",
    "tags_margin",
    "sides",
    "p_negative",
    "p_neutral",
    "p_positive",
    "tokens",
    "liked_yet_negative",
    "disliked_yet_positive",
    "conflict",
    "emotions_doubt",
    "emotions_contradict",
];

const COUNT: usize = NAMES.len() + Emotion::ALL.len();

/// The numbers of a reading that estimators weigh. Probabilities of a long text are means over its
/// windows; `logit` keeps them off 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Features([f32; COUNT]);

/// What features are computed from.
pub struct Facts<'a> {
    /// With the share of `mixed`, before anything was watered down.
    pub scores: Scores,
    /// Of negative, neutral, positive and mixed, as the sentiment head has them.
    pub head: [f32; 4],
    pub sarcasm: f32,
    /// What the head for texts at odds says; 0.5, which says nothing, without one.
    pub odds: f32,
    pub evidence: Evidence,
    pub terms: &'a [Term],
    pub emotions: [f32; 28],
    pub emotions_doubt: f32,
    pub emotions_contradict: bool,
    /// Special ones included, over all windows.
    pub tokens: usize,
}

impl Features {
    pub fn of(facts: &Facts<'_>) -> Features {
        let Evidence { positive, negative, neutral } = facts.evidence;
        let head = |label: Label| facts.head[label as usize];
        let scores = facts.scores.as_array();
        let entropy = -scores.iter().filter(|s| **s > 0.0).map(|s| s * s.ln()).sum::<f32>();
        let liked_yet_negative = positive.min(head(Label::Negative));
        let disliked_yet_positive = negative.min(head(Label::Positive));
        let own = [
            logit(facts.scores.margin()),
            entropy,
            logit(facts.scores.confidence()),
            logit(facts.sarcasm),
            logit(facts.odds),
            logit(positive.min(negative)),
            logit(positive),
            logit(negative),
            logit(neutral),
            facts.terms.iter().map(|term| term.margin).fold(1.0, f32::min),
            logit(head(Label::Negative).min(head(Label::Positive))),
            head(Label::Negative),
            head(Label::Neutral),
            head(Label::Positive),
            (facts.tokens.max(1) as f32).ln(),
            liked_yet_negative,
            disliked_yet_positive,
            liked_yet_negative.max(disliked_yet_positive),
            facts.emotions_doubt,
            f32::from(u8::from(facts.emotions_contradict)),
        ];
        let mut all = [0.0; COUNT];
        all[..NAMES.len()].copy_from_slice(&own);
        for (place, chance) in all[NAMES.len()..].iter_mut().zip(facts.emotions) {
            *place = logit(chance);
        }
        Features(all)
    }
}

/// σ(intercept + Σ weight · feature): a probability.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Estimator {
    intercept: f32,
    weights: [f32; COUNT],
}

/// As it stands in `calibration.json`: a feature that isn't named weighs nothing.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    intercept: f32,
    weights: BTreeMap<String, f32>,
}

impl Estimator {
    pub fn probability(&self, features: &Features) -> f32 {
        let sum: f32 = self.weights.iter().zip(&features.0).map(|(w, x)| w * x).sum();
        1.0 / (1.0 + (-(self.intercept + sum)).exp())
    }
}

impl TryFrom<Written> for Estimator {
    type Error = String;

    fn try_from(written: Written) -> Result<Estimator, String> {
        let mut weights = [0.0; COUNT];
        for (name, weight) in written.weights {
            let at = place(&name).ok_or_else(|| format!("there is no feature {name:?}"))?;
            weights[at] = weight;
        }
        Ok(Estimator { intercept: written.intercept, weights })
    }
}

impl From<Estimator> for Written {
    fn from(estimator: Estimator) -> Written {
        let named = |(at, weight): (usize, f32)| (weight != 0.0).then(|| (name(at), weight));
        let weights = estimator.weights.into_iter().enumerate().filter_map(named).collect();
        Written { intercept: estimator.intercept, weights }
    }
}

fn place(name: &str) -> Option<usize> {
    let emotion = |name: &str| Emotion::named(name).map(|emotion| NAMES.len() + emotion as usize);
    match name.strip_prefix("emotion_") {
        Some(name) => emotion(name),
        None => NAMES.iter().position(|known| *known == name),
    }
}

fn name(at: usize) -> String {
    match NAMES.get(at) {
        Some(name) => (*name).to_owned(),
        None => format!("emotion_{}", Emotion::ALL[at - NAMES.len()].name()),
    }
}

/// One for each signal that is learned; `ambiguous` has one a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimators {
    /// The text is sarcastic.
    pub sarcasm: Estimator,
    /// It likes one thing and dislikes another.
    pub multi_aspect: Estimator,
    /// The label of the sentiment is wrong.
    pub ambiguous: Estimator,
    /// The terms or their polarities are.
    pub ambiguous_aspects: Estimator,
    /// The emotions are.
    pub ambiguous_emotions: Estimator,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts<'static> {
        Facts {
            scores: Scores::from_weights([0.2, 0.1, 0.6, 0.1]),
            head: [0.25, 0.125, 0.625, 0.0],
            sarcasm: 0.5,
            odds: 0.5,
            evidence: Evidence { positive: 0.9, negative: 0.3, neutral: 0.5 },
            terms: &[],
            emotions: [0.5; 28],
            emotions_doubt: 0.4,
            emotions_contradict: true,
            tokens: 1,
        }
    }

    fn estimator(json: &str) -> Result<Estimator, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_feature_has_the_value_that_its_name_says() {
        let odds = |p: f32| (p / (1.0 - p)).ln();
        for (name, expected) in [
            ("margin", odds(0.4)),
            ("entropy", -(2.0 * 0.1 * 0.1f32.ln() + 0.2 * 0.2f32.ln() + 0.6 * 0.6f32.ln())),
            ("top", odds(0.6)),
            ("sarcasm", 0.0),
            ("tags_odds", odds(0.3)),
            ("tags_positive", odds(0.9)),
            ("tags_neutral", 0.0),
            ("tags_margin", 1.0),
            ("sides", odds(0.25)),
            ("p_neutral", 0.125),
            ("tokens", 0.0),
            ("liked_yet_negative", 0.25),
            ("disliked_yet_positive", 0.3),
            ("conflict", 0.3),
            ("emotions_doubt", 0.4),
            ("emotions_contradict", 1.0),
            ("emotion_grief", 0.0),
        ] {
            let found = Features::of(&facts()).0[place(name).expect("it is known")];
            assert!((found - expected).abs() < 1e-4, "{name}: {found}, not {expected}");
        }
    }

    #[test]
    fn an_estimator_is_a_logistic_regression() {
        let json =
            r#"{"intercept": -1.0, "weights": {"p_positive": 2.0, "emotions_contradict": 1.0}}"#;
        let estimator = estimator(json).expect("it is one");
        let expected = 1.0 / (1.0 + (-(-1.0 + 2.0 * 0.625 + 1.0f32)).exp());
        assert!((estimator.probability(&Features::of(&facts())) - expected).abs() < 1e-6);
        assert_eq!(serde_json::to_string(&estimator).expect("it is plain"), {
            r#"{"intercept":-1.0,"weights":{"emotions_contradict":1.0,"p_positive":2.0}}"#
        });
    }

    #[test]
    fn a_feature_that_is_not_known_is_refused_by_name() {
        for name in ["magin", "emotion_hunger", ""] {
            let json = format!(r#"{{"intercept": 0, "weights": {{"{name}": 1}}}}"#);
            let error = estimator(&json).expect_err("there is no such feature").to_string();
            assert!(error.contains(&format!("there is no feature {name:?}")), "{error}");
        }
    }
}
