//! What is known of one strategy, and how it stands against another.

use super::{Doubt, Latency, Parts, Quality};
use crate::pricing::Usd;

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Answers were bought, now or by an earlier evaluation.
    Measured,
    /// Nobody was called: tokens were counted.
    Projected,
    /// The answers are somebody else's, with what they had cost.
    Recorded,
    /// The answers are somebody else's, and what some or all of them cost was counted from tokens.
    Counted,
    /// There is no price to tell by.
    Unknown,
}

impl Basis {
    pub fn name(self) -> &'static str {
        match self {
            Basis::Measured => "measured",
            Basis::Projected => "projected",
            Basis::Recorded => "recorded",
            Basis::Counted => "counted",
            Basis::Unknown => "unknown",
        }
    }
}

/// What the providers charge for a thousand texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub per_1k: Option<Usd>,
    pub basis: Basis,
}

impl Cost {
    /// No provider is ever called.
    pub const NONE: Cost = Cost { per_1k: Some(Usd::ZERO), basis: Basis::Measured };
    pub const UNKNOWN: Cost = Cost { per_1k: None, basis: Basis::Unknown };
}

/// Whose answers were taken from a file, where nobody was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub model: String,
    /// The file that holds them.
    pub file: String,
    pub sha256: String,
    /// Of the texts that the model was wanted for: those with an answer, those with one that holds
    /// nothing usable, and those without any.
    pub answered: usize,
    pub unusable: usize,
    pub missing: usize,
}

/// What was found out about one strategy.
#[derive(Clone, Debug)]
pub struct Measured {
    /// `None`: not measured.
    pub quality: Option<Quality>,
    /// Where the LLM's part was not measured: the quality with an LLM no better than the local model,
    /// and with one that is always right.
    pub band: Option<(Quality, Quality)>,
    /// Texts that `quality` is of.
    pub texts: usize,
    /// How well the local model knows what it reads wrong; `None` where it gives no such chance.
    pub doubt: Option<Doubt>,
    /// Of a cascade: what it keeps and what it escalates.
    pub parts: Option<Parts>,
    /// Where the LLM's answers are recorded ones.
    pub recorded: Option<Recorded>,
    /// The share of the texts for which an LLM is asked.
    pub escalated: f64,
    pub latency: Option<Latency>,
    pub throughput_per_s: Option<f64>,
    pub cost: Cost,
    /// What this machine's processor costs for a thousand texts.
    pub compute_per_1k: Option<Usd>,
    /// Calls of this run, and answers that earlier ones had bought.
    pub bought: usize,
    pub reused: usize,
    /// What is to be known of the figures, in sentences.
    pub notes: Vec<String>,
    /// Not all of it could be measured that was to be.
    pub is_partial: bool,
}

impl Measured {
    /// What a thousand texts cost in all, provider and processor.
    pub fn price_per_1k(&self) -> Option<Usd> {
        Some(self.cost.per_1k? + self.compute_per_1k?)
    }

    pub fn price_ratio(&self, first: &Measured) -> Option<f64> {
        let dollars = |measured: &Measured| Some(measured.price_per_1k()?.pico() as f64);
        ratio(dollars(self)?, dollars(first)?)
    }

    /// Of the medians.
    pub fn latency_ratio(&self, first: &Measured) -> Option<f64> {
        ratio(self.latency?.p50, first.latency?.p50)
    }
}

/// `None` against nothing.
pub fn ratio(value: f64, against: f64) -> Option<f64> {
    (against > 0.0).then(|| value / against)
}

/// What a thousand texts cost where so many cost that much, rounded half up to a picodollar.
pub fn per_thousand(total: Usd, texts: usize) -> Option<Usd> {
    let texts = i128::try_from(texts).ok().filter(|texts| *texts > 0)?;
    let rounded = (total.pico_sum() * 1_000 + texts / 2) / texts;
    i64::try_from(rounded).ok().map(Usd::from_pico)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_against_something() {
        assert_eq!(ratio(3.0, 2.0), Some(1.5));
        assert_eq!(ratio(3.0, 0.0), None);
    }

    #[test]
    fn a_thousand_texts_cost_a_thousand_times_the_mean() {
        let total = Usd::from_pico(2_000_000);
        assert_eq!(per_thousand(total, 3), Some(Usd::from_pico(666_666_667)));
        assert_eq!(per_thousand(total, 0), None);
        assert_eq!(per_thousand(Usd::ZERO, 7), Some(Usd::ZERO));
    }
}
