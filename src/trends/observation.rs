//! What windows take of a verdict, brought into the form in which it is counted.

use crate::sentiment::{Emotion, Label};

/// The most characters of a key; what is longer is cut there.
const KEY_LIMIT: usize = 256;

/// The most characters of an aspect's term; what is longer is cut there.
const TERM_LIMIT: usize = 100;

/// By what texts are set apart: a brand, a product, a channel. A text may have none, which is not the
/// empty key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
// As the store holds it: empty for none, else an equals sign and the key.
pub struct WindowKey(String);

impl WindowKey {
    pub fn of(key: Option<&str>) -> WindowKey {
        match key {
            None => WindowKey::default(),
            Some(key) => WindowKey(format!("={}", bounded(key, KEY_LIMIT))),
        }
    }

    /// The key itself; `None` where the texts have none.
    pub fn name(&self) -> Option<&str> {
        self.0.strip_prefix('=')
    }

    /// In the form that fits a column which cannot be NULL.
    pub fn stored(&self) -> &str {
        &self.0
    }

    /// From that form. What is in neither form counts as no key.
    pub fn from_stored(text: String) -> WindowKey {
        match text.starts_with('=') {
            true => WindowKey(text),
            false => WindowKey::default(),
        }
    }
}

/// A text that got its verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the text happened: milliseconds since the epoch.
    pub at_ms: i64,
    pub key: WindowKey,
    pub label: Label,
    /// P(positive) − P(negative), see [`score_micros`].
    pub score_micros: i64,
    /// Those that were detected; empty where nobody asked.
    pub emotions: Vec<Emotion>,
    /// Every entry of the answer that says how the text feels of a term, by [`term_of`].
    pub aspects: Vec<(String, Label)>,
}

/// P(positive) − P(negative) in millionths, rounded half away from zero: an integer, so that a sum of them
/// does not depend on the order in which it is formed, nor on who forms it.
pub fn score_micros(positive: f64, negative: f64) -> i64 {
    let score = (positive - negative) * 1e6;
    // A cast of what is no number gives 0.
    score.round().clamp(-1e6, 1e6) as i64
}

/// The form in which a term is counted: lower case, single spaces, at most 100 characters. `None` where
/// nothing is left of it.
pub fn term_of(written: &str) -> Option<String> {
    let words: Vec<&str> = written.split_whitespace().collect();
    let term = bounded(&words.join(" ").to_lowercase(), TERM_LIMIT);
    Some(term.trim_end().to_owned()).filter(|term| !term.is_empty())
}

/// Its first characters. PostgreSQL's text has no place for the character 0.
fn bounded(text: &str, limit: usize) -> String {
    text.chars().take(limit).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_and_the_empty_key_are_two() {
        for key in [None, Some(""), Some("acme"), Some("=acme"), Some("a\0b")] {
            let stored = WindowKey::of(key).stored().to_owned();
            let expected = key.map(|key| key.replace('\0', "\u{fffd}"));
            let read = WindowKey::from_stored(stored);
            assert_eq!(read.name(), expected.as_deref());
        }
        assert_ne!(WindowKey::of(None), WindowKey::of(Some("")));
        assert_eq!(
            WindowKey::of(Some(&"é".repeat(300))).name().map(|key| key.chars().count()),
            Some(256)
        );
    }

    #[test]
    fn scores_are_whole_millionths_within_their_bounds() {
        for (positive, negative, micros) in [
            (0.91, 0.03, 880_000),
            (0.0, 1.0, -1_000_000),
            (0.000_000_5, 0.0, 1),
            (0.0, 0.000_000_5, -1),
            (0.000_000_4, 0.0, 0),
            (7.0, 0.0, 1_000_000),
            (f64::NAN, 0.0, 0),
        ] {
            assert_eq!(score_micros(positive, negative), micros, "{positive} {negative}");
        }
    }

    #[test]
    fn a_term_is_counted_in_one_form() {
        for (written, term) in [
            ("Battery Life", Some("battery life")),
            ("  battery \n life ", Some("battery life")),
            ("ÉCRAN", Some("écran")),
            (" \t", None),
        ] {
            assert_eq!(term_of(written).as_deref(), term, "{written:?}");
        }
        assert_eq!(term_of(&"ab ".repeat(60)).map(|term| term.chars().count()), Some(100));
    }
}
