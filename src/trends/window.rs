//! A window, and what was counted in it.

use std::collections::BTreeMap;

use super::{Observation, WindowKey};
use crate::sentiment::Label;

/// Which window: texts of one key from `start_ms` on, `start_ms` + width not included. In the order of
/// time, then key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId {
    /// Milliseconds since the epoch, a multiple of the width.
    pub start_ms: i64,
    pub key: WindowKey,
    pub width_seconds: u32,
}

/// The last millisecond that RFC 3339 has a name for, give or take: the end of 9998.
const LATEST_MS: i64 = 253_370_764_799_999;

impl WindowId {
    /// The window that a moment falls into. What lies before 1970 or after 9998 counts as the first or the
    /// last moment between.
    pub fn of(at_ms: i64, key: WindowKey, width_seconds: u32) -> WindowId {
        let width_ms = i64::from(width_seconds.max(1)) * 1000;
        let at_ms = at_ms.clamp(0, LATEST_MS);
        WindowId { start_ms: at_ms - at_ms % width_ms, key, width_seconds }
    }

    /// The first millisecond after it.
    pub fn end_ms(&self) -> i64 {
        self.start_ms + i64::from(self.width_seconds) * 1000
    }

    /// The same key's window of another width that this one lies in; itself, where none does.
    pub fn within(&self, width_seconds: u32) -> WindowId {
        match width_seconds.is_multiple_of(self.width_seconds.max(1)) {
            true => WindowId::of(self.start_ms, self.key.clone(), width_seconds),
            false => self.clone(),
        }
    }
}

/// How often a term was judged so, in the order of [`Label::ALL`].
pub type AspectCounts = [u64; 4];

/// What was counted: sums, so that windows can be added up in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// All texts, the late ones included.
    pub count: u64,
    pub late: u64,
    /// In the order of [`Label::ALL`].
    pub labels: [u64; 4],
    /// See [`super::score_micros`].
    pub score_micros: i64,
    /// Texts in which an emotion was detected, by its name.
    pub emotions: BTreeMap<&'static str, u64>,
    /// By term; under the empty one what found no place of its own ([`super::Bounds`]).
    pub aspects: BTreeMap<String, AspectCounts>,
}

impl Sums {
    pub fn add(&mut self, text: &Observation, is_late: bool) {
        self.count += 1;
        self.late += u64::from(is_late);
        self.labels[text.label as usize] += 1;
        self.score_micros += text.score_micros;
        for emotion in &text.emotions {
            *self.emotions.entry(emotion.name()).or_default() += 1;
        }
    }

    pub fn merge(&mut self, other: Sums) {
        self.count += other.count;
        self.late += other.late;
        self.score_micros += other.score_micros;
        self.labels.iter_mut().zip(other.labels).for_each(|(own, more)| *own += more);
        for (emotion, more) in other.emotions {
            *self.emotions.entry(emotion).or_default() += more;
        }
        for (term, more) in other.aspects {
            self.add_term(&term, more);
        }
    }

    pub fn add_term(&mut self, term: &str, more: AspectCounts) {
        let counts = match self.aspects.get_mut(term) {
            Some(counts) => counts,
            None => self.aspects.entry(term.to_owned()).or_default(),
        };
        counts.iter_mut().zip(more).for_each(|(own, more)| *own += more);
    }

    pub fn of(&self, label: Label) -> u64 {
        self.labels[label as usize]
    }

    /// The mean of the texts' scores, −1 to 1; 0 where there are no texts.
    pub fn mean_score(&self) -> f64 {
        self.score_micros as f64 / 1e6 / (self.count.max(1) as f64)
    }

    /// The named terms that are judged most often, at most so many.
    pub fn top_terms(&self, most: usize) -> Vec<(&str, &AspectCounts)> {
        let named = self.aspects.iter().filter(|(term, _)| !term.is_empty());
        let mut terms: Vec<_> = named.map(|(term, counts)| (term.as_str(), counts)).collect();
        terms.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u64>()));
        terms.truncate(most);
        terms
    }
}

/// A window with what was counted in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub id: WindowId,
    pub sums: Sums,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_falls_into_one_window() {
        for (at_ms, width, start_ms) in [
            (0, 60, 0),
            (59_999, 60, 0),
            (60_000, 60, 60_000),
            (-5, 60, 0),
            (3_723_004, 3600, 3_600_000),
            (i64::MAX, 60, 253_370_764_740_000),
        ] {
            let id = WindowId::of(at_ms, WindowKey::default(), width);
            assert_eq!(
                (id.start_ms, id.end_ms() - id.start_ms),
                (start_ms, i64::from(width) * 1000)
            );
        }
    }

    #[test]
    fn a_window_lies_in_one_of_a_multiple_of_its_width() {
        let id = WindowId::of(3_660_000, WindowKey::of(Some("a")), 60);
        assert_eq!(id.within(3600).start_ms, 3_600_000);
        assert_eq!(id.within(90), id, "a stored window is not cut");
    }

    #[test]
    fn the_terms_judged_most_often_come_first_and_the_rest_has_no_name() {
        let mut sums = Sums::default();
        for (term, counts) in [
            ("zip", [1, 0, 0, 0]),
            ("", [9, 0, 0, 0]),
            ("app", [0, 1, 1, 0]),
            ("box", [0, 0, 1, 0]),
        ] {
            sums.add_term(term, counts);
        }
        let terms: Vec<&str> = sums.top_terms(2).into_iter().map(|(term, _)| term).collect();
        assert_eq!(terms, ["app", "box"]);
    }
}
