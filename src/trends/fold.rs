//! Folding texts into windows, within bounds: whatever comes, memory and rows stay limited and no text is
//! left out of the count.

use std::collections::{BTreeMap, HashMap};

use super::{Observation, Sums, Window, WindowId, WindowKey};
use crate::sentiment::Label;

/// How much is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Keys of a window; the texts of further ones count under no key.
    pub keys: usize,
    /// Terms of a window and key; further ones count under the empty term. Whoever comes early has the
    /// places, which favours what comes often: of a term that every fiftieth judgement is about, 200 places
    /// let 98 windows of 100 know it.
    pub terms: usize,
    /// Windows times keys in memory; what comes once they are full counts under no key, without terms.
    pub cells: usize,
}

/// Windows under way.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    windows: BTreeMap<WindowId, Sums>,
    /// How many keys each window has, by its start and width.
    keys: HashMap<(i64, u32), usize>,
    crowded: Crowded,
}

/// What found no place of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowded {
    /// Texts that were counted under no key though they had one.
    pub keys: u64,
    /// Judgements that were counted under no term.
    pub terms: u64,
}

impl Fold {
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// How many texts it holds.
    pub fn texts(&self) -> u64 {
        self.windows.values().map(|sums| sums.count).sum()
    }

    pub fn crowded(&self) -> Crowded {
        self.crowded
    }

    /// Counts a text in the window that it happened in.
    pub fn add(&mut self, text: &Observation, width_seconds: u32, is_late: bool, bounds: Bounds) {
        let id = WindowId::of(text.at_ms, text.key.clone(), width_seconds);
        let is_full = self.windows.len() >= bounds.cells;
        let (sums, moved) = self.place(id, bounds);
        sums.add(text, is_late);
        let mut nameless = 0;
        for (term, label) in &text.aspects {
            let mut one = [0; 4];
            one[*label as usize] = 1;
            nameless +=
                u64::from(add_term(sums, term, one, if is_full { 0 } else { bounds.terms }));
        }
        self.crowded.keys += u64::from(moved);
        self.crowded.terms += nameless;
    }

    /// Puts back what could not be written; what of it was crowded has been told.
    pub fn merge(&mut self, other: Fold, bounds: Bounds) {
        for (id, mut more) in other.windows {
            let aspects = std::mem::take(&mut more.aspects);
            let texts = more.count;
            let (sums, moved) = self.place(id, bounds);
            sums.merge(more);
            let mut nameless = 0;
            for (term, counts) in aspects {
                if add_term(sums, &term, counts, bounds.terms) {
                    nameless += counts.iter().sum::<u64>();
                }
            }
            self.crowded.terms += nameless;
            self.crowded.keys += if moved { texts } else { 0 };
        }
    }

    /// The windows in their order.
    pub fn into_windows(self) -> Vec<Window> {
        self.windows.into_iter().map(|(id, sums)| Window { id, sums }).collect()
    }

    /// Where a window's texts are counted, and whether that is under no key for want of room.
    fn place(&mut self, id: WindowId, bounds: Bounds) -> (&mut Sums, bool) {
        let keys = self.keys.get(&(id.start_ms, id.width_seconds)).copied().unwrap_or_default();
        let has_key = id.key.name().is_some();
        let has_room = keys < bounds.keys && self.windows.len() < bounds.cells;
        if !has_key || has_room || self.windows.contains_key(&id) {
            if has_key && !self.windows.contains_key(&id) {
                *self.keys.entry((id.start_ms, id.width_seconds)).or_default() += 1;
            }
            return (self.windows.entry(id).or_default(), false);
        }
        let nameless = WindowId { key: WindowKey::default(), ..id };
        (self.windows.entry(nameless).or_default(), true)
    }
}

/// Counts a term if there is a place for it; whether it is counted under no name.
fn add_term(sums: &mut Sums, term: &str, counts: [u64; Label::ALL.len()], places: usize) -> bool {
    let is_known = sums.aspects.contains_key(term);
    let named = sums.aspects.len() - usize::from(sums.aspects.contains_key(""));
    let is_moved = !is_known && named >= places && !term.is_empty();
    sums.add_term(if is_moved { "" } else { term }, counts);
    is_moved
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sentiment::Emotion;

    const ROOMY: Bounds = Bounds { keys: 1000, terms: 1000, cells: 100_000 };

    fn text(at_ms: i64, key: Option<&str>, label: Label, terms: &[&str]) -> Observation {
        Observation {
            at_ms,
            key: WindowKey::of(key),
            label,
            score_micros: at_ms % 1_000_000,
            emotions: vec![Emotion::Joy],
            aspects: terms.iter().map(|term| ((*term).to_owned(), label)).collect(),
        }
    }

    fn fold(texts: &[Observation], bounds: Bounds) -> Fold {
        let mut fold = Fold::default();
        texts.iter().for_each(|text| fold.add(text, 60, false, bounds));
        fold
    }

    fn total(fold: &Fold) -> (u64, u64, i64) {
        let windows = fold.clone().into_windows();
        let terms = |sums: &Sums| sums.aspects.values().flatten().sum::<u64>();
        (
            fold.texts(),
            windows.iter().map(|window| terms(&window.sums)).sum(),
            windows.iter().map(|window| window.sums.score_micros).sum(),
        )
    }

    #[test]
    fn keys_beyond_the_bound_count_under_none() {
        let keys: Vec<String> = (0..5).map(|number| format!("k{number}")).collect();
        let texts: Vec<_> =
            keys.iter().map(|key| text(0, Some(key), Label::Positive, &["app"])).collect();
        let bounds = Bounds { keys: 3, ..ROOMY };
        let folded = fold(&texts, bounds);
        assert_eq!((folded.texts(), folded.crowded().keys), (5, 2));
        let windows = folded.into_windows();
        let counts: Vec<_> =
            windows.iter().map(|window| (window.id.key.name(), window.sums.count)).collect();
        assert_eq!(counts, [(None, 2), (Some("k0"), 1), (Some("k1"), 1), (Some("k2"), 1)]);
    }

    #[test]
    fn terms_beyond_the_bound_count_under_no_name() {
        let terms: Vec<String> = (0..50).map(|number| format!("t{number}")).collect();
        let texts: Vec<_> =
            terms.iter().map(|term| text(0, None, Label::Negative, &[term])).collect();
        let folded = fold(&texts, Bounds { terms: 10, ..ROOMY });
        assert_eq!((total(&folded).1, folded.crowded().terms), (50, 40));
        let sums = &folded.into_windows()[0].sums;
        assert_eq!((sums.aspects.len(), sums.aspects[""]), (11, [40, 0, 0, 0]));
    }

    #[test]
    fn a_full_memory_still_counts_every_text() {
        let bounds = Bounds { cells: 4, ..ROOMY };
        let texts: Vec<_> = (0..100)
            .map(|number| text(0, Some(&format!("k{number}")), Label::Mixed, &["app"]))
            .collect();
        let folded = fold(&texts, bounds);
        assert_eq!(total(&folded), (100, 100, 0));
        assert!(folded.into_windows().len() <= 5);
    }

    proptest! {
        /// Whoever folds, in whatever parts and order: the sums are the same.
        #[test]
        fn the_order_of_folding_does_not_matter(
            mut rows in prop::collection::vec((0i64..300_000, 0usize..4, 0usize..4, 0usize..3), 0..60),
            cut in 0usize..60,
            seed in any::<u64>(),
        ) {
            let keys = [None, Some(""), Some("acme"), Some("zeta")];
            let terms = [&["app"][..], &["app", "box"], &[]];
            let make = |rows: &[(i64, usize, usize, usize)]| -> Vec<Observation> {
                let one = |&(at, key, label, term): &(i64, usize, usize, usize)| {
                    text(at, keys[key], Label::ALL[label], terms[term])
                };
                rows.iter().map(one).collect()
            };
            let whole = fold(&make(&rows), ROOMY).into_windows();
            let length = rows.len();
            for at in (1..length).rev() {
                rows.swap(at, (seed as usize).wrapping_mul(at + 7) % (at + 1));
            }
            let (one, other) = rows.split_at(cut.min(length));
            let mut parts = fold(&make(one), ROOMY);
            parts.merge(fold(&make(other), ROOMY), ROOMY);
            prop_assert_eq!(parts.into_windows(), whole);
        }

        /// However narrow the bounds: every text, judgement and score is counted once.
        #[test]
        fn bounds_lose_nothing(
            rows in prop::collection::vec((0i64..200_000, 0u8..20, 0u8..20), 0..80),
            keys in 1usize..5, places in 0usize..5, cells in 1usize..8,
        ) {
            let texts: Vec<_> = rows
                .iter()
                .map(|(at, key, term)| {
                    let (key, term) = (format!("k{key}"), format!("t{term}"));
                    text(*at, Some(&key), Label::Positive, &[&term])
                })
                .collect();
            let narrow = fold(&texts, Bounds { keys, terms: places, cells });
            prop_assert_eq!(total(&narrow), total(&fold(&texts, ROOMY)));
        }
    }
}
