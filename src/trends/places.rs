//! Which keys and terms find a place among those that a store has already.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Bounds, Crowded, Sums, Window, WindowId, WindowKey};

/// What a store has of the windows that are about to be added to.
#[derive(Clone, Debug, Default)]
pub struct StoredKeys {
    /// How many keys a window has, by its start and width.
    pub counts: HashMap<(i64, u32), usize>,
    /// Those of the windows to come that are there.
    pub known: HashSet<WindowId>,
}

/// The same of terms.
#[derive(Clone, Debug, Default)]
pub struct StoredTerms {
    pub counts: HashMap<WindowId, usize>,
    pub known: HashMap<WindowId, HashSet<String>>,
}

/// Counts the texts of keys without a place under no key. Windows come and go in their order.
pub fn fit_keys(
    windows: Vec<Window>,
    mut stored: StoredKeys,
    bounds: Bounds,
) -> (Vec<Window>, Crowded) {
    let mut fitted: BTreeMap<WindowId, Sums> = BTreeMap::new();
    let mut crowded = Crowded::default();
    for Window { id, sums } in windows {
        let keys = stored.counts.entry((id.start_ms, id.width_seconds)).or_default();
        let is_new = id.key.name().is_some() && !stored.known.contains(&id);
        let id = match is_new && *keys >= bounds.keys {
            true => {
                crowded.keys += sums.count;
                WindowId { key: WindowKey::default(), ..id }
            }
            false => {
                *keys += usize::from(is_new);
                id
            }
        };
        fitted.entry(id).or_default().merge(sums);
    }
    (fitted.into_iter().map(|(id, sums)| Window { id, sums }).collect(), crowded)
}

/// Counts the judgements of terms without a place under no name. Of new terms, those that are judged most
/// often come first.
pub fn fit_terms(windows: &mut [Window], stored: &StoredTerms, bounds: Bounds) -> Crowded {
    let mut crowded = Crowded::default();
    for window in windows {
        let known = stored.known.get(&window.id);
        let is_known = |term: &str| known.is_some_and(|known| known.contains(term));
        let there = stored.counts.get(&window.id).copied().unwrap_or_default();
        let mut places = bounds.terms.saturating_sub(there);
        let sums = &window.sums;
        let new: Vec<String> = sums
            .top_terms(usize::MAX)
            .into_iter()
            .filter(|(term, _)| !is_known(term))
            .map(|(term, _)| term.to_owned())
            .collect();
        for term in new {
            if places > 0 {
                places -= 1;
            } else if let Some(counts) = window.sums.aspects.remove(&term) {
                crowded.terms += counts.iter().sum::<u64>();
                window.sums.add_term("", counts);
            }
        }
    }
    crowded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(key: Option<&str>, count: u64, terms: &[(&str, u64)]) -> Window {
        let aspects = terms.iter().map(|(term, times)| ((*term).to_owned(), [*times, 0, 0, 0]));
        let sums = Sums { count, aspects: aspects.collect(), ..Sums::default() };
        Window { id: WindowId::of(0, WindowKey::of(key), 60), sums }
    }

    fn bounds(keys: usize, terms: usize) -> Bounds {
        Bounds { keys, terms, cells: 1000 }
    }

    #[test]
    fn a_key_that_is_there_keeps_its_place_and_a_new_one_takes_what_is_left() {
        let windows = vec![
            window(None, 1, &[]),
            window(Some("a"), 2, &[]),
            window(Some("b"), 4, &[]),
            window(Some("c"), 8, &[]),
        ];
        let stored = StoredKeys {
            counts: HashMap::from([((0, 60), 2)]),
            known: HashSet::from([windows[3].id.clone()]),
        };
        let (fitted, crowded) = fit_keys(windows, stored, bounds(3, 10));
        let counts: Vec<_> = fitted.iter().map(|one| (one.id.key.name(), one.sums.count)).collect();
        assert_eq!(counts, [(None, 5), (Some("a"), 2), (Some("c"), 8)]);
        assert_eq!(crowded.keys, 4);
    }

    #[test]
    fn the_terms_judged_most_often_take_the_places_that_are_left() {
        let mut windows = [window(None, 9, &[("rare", 1), ("often", 5), ("there", 1), ("", 2)])];
        let id = windows[0].id.clone();
        let stored = StoredTerms {
            counts: HashMap::from([(id.clone(), 9)]),
            known: HashMap::from([(id, HashSet::from(["there".to_owned()]))]),
        };
        let crowded = fit_terms(&mut windows, &stored, bounds(10, 10));
        let terms: Vec<_> = windows[0]
            .sums
            .aspects
            .iter()
            .map(|(term, counts)| (term.as_str(), counts[0]))
            .collect();
        assert_eq!(terms, [("", 3), ("often", 5), ("there", 1)]);
        assert_eq!(crowded.terms, 1);
    }
}
