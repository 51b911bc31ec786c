//! The latest verdicts, by their ids and without their texts: enough to tell an id that is known from
//! one that is not, and whether somebody agrees with the verdict.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use crate::sentiment::Gist;

/// So many verdicts are remembered, in a megabyte.
pub const LATEST: usize = 65_536;

/// A verdict as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remembered {
    pub gist: Gist,
    pub by_llm: bool,
}

/// A ring of the latest. To remember one costs a lock and a write; to find one, a walk through all,
/// which takes some 50 µs and which only feedback pays for.
#[derive(Default)]
pub struct Latest(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    /// The ids as hashes: of two that share one, the later is found.
    places: Vec<(u64, Remembered)>,
    next: usize,
}

impl Latest {
    pub fn remember(&self, id: &str, gist: Gist, by_llm: bool) {
        let place = (hash(id), Remembered { gist, by_llm });
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ring.next;
        match ring.places.get_mut(next) {
            Some(oldest) => *oldest = place,
            None => ring.places.push(place),
        }
        ring.next = (next + 1) % LATEST;
    }

    pub fn find(&self, id: &str) -> Option<Remembered> {
        let wanted = hash(id);
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (newer, older) = ring.places.split_at(ring.next.min(ring.places.len()));
        let mut latest_first = newer.iter().rev().chain(older.iter().rev());
        latest_first.find(|(id, _)| *id == wanted).map(|(_, remembered)| *remembered)
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::Label;

    #[test]
    fn the_latest_are_found_and_the_oldest_give_way() {
        let latest = Latest::default();
        let of = |label| Gist { label, dominant: None };
        latest.remember("first", of(Label::Positive), false);
        latest.remember("again", of(Label::Positive), false);
        latest.remember("again", of(Label::Mixed), true);
        let found = latest.find("again").expect("it is remembered");
        assert_eq!(found, Remembered { gist: of(Label::Mixed), by_llm: true });
        assert_eq!(latest.find("never"), None);
        for number in 0..LATEST - 3 {
            latest.remember(&number.to_string(), of(Label::Neutral), false);
        }
        assert!(latest.find("first").is_some());
        latest.remember("one more", of(Label::Neutral), false);
        assert!(latest.find("first").is_none() && latest.find("again").is_some());
        latest.remember("again", of(Label::Negative), false);
        let found = latest.find("again").expect("it is remembered");
        assert_eq!(found.gist.label, Label::Negative, "the later one, though it stands before");
    }
}
