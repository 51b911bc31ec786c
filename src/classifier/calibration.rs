//! Numbers fitted to a model after it was quantised: temperatures and routing thresholds.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::estimators::Estimators;
use crate::sentiment::{Emotion, Thresholds};

/// The file `calibration.json` beside a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    pub format: u32,
    /// Which graph the numbers were fitted to.
    pub graph_sha256: String,
    /// On what they were fitted, for the reader of the file.
    pub fitted_on: Value,
    pub date: String,
    pub temperatures: Temperatures,
    /// From which score on an emotion counts as detected.
    #[serde(default)]
    pub emotion_thresholds: BTreeMap<String, f32>,
    /// How the label `mixed` follows from the aspect tags.
    #[serde(default)]
    pub mixed: Option<MixedRule>,
    /// What makes the signals probabilities; without them they are the heads' own numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimators: Option<Estimators>,
    pub thresholds: Thresholds,
}

/// By what a head's logits are divided before they become probabilities
/// (Guo et al. 2017, <https://arxiv.org/abs/1706.04599>).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperatures {
    pub sentiment: f32,
    pub sarcasm: f32,
}

/// P(mixed) = σ(intercept + slope · logit(tags) + sentiment_slope · logit(sentiment) + odds_slope ·
/// logit(odds)): how much the tags are at odds (the weaker of the strongest positive and the strongest
/// negative evidence), how much the sentiment head is (the smaller of its negative and its positive
/// probability), and what the head for such texts says, where there is one. Platt's scaling of three
/// numbers (<https://en.wikipedia.org/wiki/Platt_scaling>). The three other
/// labels share the rest.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixedRule {
    pub slope: f32,
    #[serde(default)]
    pub sentiment_slope: f32,
    #[serde(default)]
    pub odds_slope: f32,
    pub intercept: f32,
}

impl MixedRule {
    pub fn probability(&self, tags: f32, sentiment: f32, odds: f32) -> f32 {
        let sum = self.slope * logit(tags)
            + self.sentiment_slope * logit(sentiment)
            + self.odds_slope * logit(odds);
        1.0 / (1.0 + (-(self.intercept + sum)).exp())
    }
}

/// The logarithm of the odds of a probability, which is kept off 0 and 1.
pub fn logit(chance: f32) -> f32 {
    let chance = chance.clamp(1e-4, 1.0 - 1e-4);
    (chance / (1.0 - chance)).ln()
}

impl Default for Temperatures {
    fn default() -> Temperatures {
        Temperatures { sentiment: 1.0, sarcasm: 1.0 }
    }
}

/// From where on an emotion is detected that was given no threshold of its own.
pub const EMOTION_THRESHOLD: f32 = 0.3;

impl Calibration {
    /// In the order of [`Emotion::ALL`].
    pub fn emotion_thresholds(&self) -> [f32; 28] {
        Emotion::ALL.map(|emotion| {
            let own = self.emotion_thresholds.get(emotion.name());
            own.copied().unwrap_or(EMOTION_THRESHOLD)
        })
    }

    /// Reads the file in a model's folder; `None` where there is none.
    pub fn read(folder: &Path) -> Result<Option<Calibration>, String> {
        let path = folder.join("calibration.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let calibration: Calibration =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let Temperatures { sentiment, sarcasm } = calibration.temperatures;
        if !(sentiment > 0.0 && sarcasm > 0.0) {
            return Err(format!("{}: temperatures must be above 0", path.display()));
        }
        Ok(Some(calibration))
    }
}
