//! Rules about windows, and whether a window breaks one.

use serde::{Deserialize, Serialize};

use super::{DAY_SECONDS, Sums};
use crate::sentiment::Label;

/// A rule of `[[alerts.rules]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// Tells rules apart, and alerts by what rule they are; what is known of a rule goes by it.
    pub name: String,
    pub kind: AlertKind,
    /// For a share, the share itself; for a jump, how much it rose: 0 to 1.
    pub threshold: f64,
    /// Windows of fewer texts say too little.
    pub min_texts: u64,
    /// A multiple of `stream.window_seconds` that divides a day.
    pub window_seconds: u32,
    /// Of this key alone; empty: of texts without a key. Without it each key's windows are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The share of negative texts is above the threshold.
    NegativeShare,
    /// It is by more than the threshold above that of the same window of the day before.
    NegativeJump,
}

impl AlertKind {
    pub fn name(self) -> &'static str {
        match self {
            AlertKind::NegativeShare => "negative_share",
            AlertKind::NegativeJump => "negative_jump",
        }
    }
}

/// How a window broke a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breach {
    /// The share of negative texts.
    pub share: f64,
    /// The same of the day before, where the rule is about that.
    pub day_before: Option<f64>,
}

/// The longest name of a rule.
const NAME_LIMIT: usize = 64;

impl AlertRule {
    /// # Errors
    /// What is wrong with it; windows are stored at `stored_seconds`.
    pub fn check(&self, stored_seconds: u32) -> Result<(), String> {
        let length = self.name.chars().count();
        if !(1..=NAME_LIMIT).contains(&length) || self.name.chars().any(char::is_control) {
            return Err(format!(
                "name has {length} characters; 1 to {NAME_LIMIT} are allowed, none of them control \
                 characters"
            ));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(format!("threshold is {}; it has to be from 0 to 1", self.threshold));
        }
        if self.min_texts == 0 {
            return Err("min_texts is 0; it has to be at least 1".into());
        }
        let width = self.window_seconds;
        let fits = width > 0
            && width.is_multiple_of(stored_seconds.max(1))
            && DAY_SECONDS.is_multiple_of(width);
        if !fits {
            return Err(format!(
                "window_seconds is {width}; it has to be a multiple of {stored_seconds} \
                 (stream.window_seconds) that divides a day ({DAY_SECONDS})"
            ));
        }
        Ok(())
    }

    /// Whether a window breaks the rule. Without enough texts the day before there is no jump to speak of.
    pub fn judge(&self, window: &Sums, day_before: Option<&Sums>) -> Option<Breach> {
        let share = |sums: &Sums| {
            (sums.count >= self.min_texts)
                .then(|| sums.of(Label::Negative) as f64 / sums.count as f64)
        };
        let now = share(window)?;
        match self.kind {
            AlertKind::NegativeShare => {
                (now > self.threshold).then_some(Breach { share: now, day_before: None })
            }
            AlertKind::NegativeJump => {
                let before = share(day_before?)?;
                let breach = Breach { share: now, day_before: Some(before) };
                (now - before > self.threshold).then_some(breach)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: AlertKind, threshold: f64) -> AlertRule {
        let name = "angry".into();
        AlertRule { name, kind, threshold, min_texts: 10, window_seconds: 300, key: None }
    }

    fn sums(count: u64, negative: u64) -> Sums {
        Sums { count, labels: [negative, count - negative, 0, 0], ..Sums::default() }
    }

    #[test]
    fn a_share_above_the_threshold_breaks_a_rule() {
        let rule = rule(AlertKind::NegativeShare, 0.5);
        for (count, negative, breaks) in
            [(10, 6, true), (10, 5, false), (9, 9, false), (0, 0, false), (1000, 501, true)]
        {
            assert_eq!(rule.judge(&sums(count, negative), None).is_some(), breaks, "{count}");
        }
    }

    #[test]
    fn a_jump_needs_enough_texts_on_both_days() {
        let rule = rule(AlertKind::NegativeJump, 0.2);
        for (before, breaks) in [
            (Some(sums(10, 1)), true),
            (Some(sums(10, 4)), false),
            (Some(sums(9, 0)), false),
            (None, false),
        ] {
            let breach = rule.judge(&sums(10, 5), before.as_ref());
            assert_eq!(breach.is_some(), breaks, "{before:?}");
        }
    }

    #[test]
    fn a_rule_that_cannot_hold_says_why() {
        let sound = rule(AlertKind::NegativeShare, 0.5);
        assert_eq!(sound.check(60), Ok(()));
        for (wrong, word) in [
            (AlertRule { name: String::new(), ..sound.clone() }, "name"),
            (AlertRule { threshold: 40.0, ..sound.clone() }, "40"),
            (AlertRule { threshold: f64::NAN, ..sound.clone() }, "threshold"),
            (AlertRule { min_texts: 0, ..sound.clone() }, "min_texts"),
            (AlertRule { window_seconds: 90, ..sound.clone() }, "90"),
            (AlertRule { window_seconds: 420, ..sound.clone() }, "day"),
        ] {
            let error = wrong.check(60).expect_err("unsound");
            assert!(error.contains(word), "{error}");
        }
    }
}
