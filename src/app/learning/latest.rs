//! The latest verdicts, by their ids and without their texts: enough to tell an id that is known from
//! one that is not, whose it is, and whether somebody agrees with the verdict.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::sentiment::Gist;
use crate::store::{Asker, Owner};

/// So many verdicts are remembered, in two megabytes.
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
pub struct Latest {
    ring: Mutex<Ring>,
    /// Keyed by chance, so that nobody can look for an id that hashes to another's.
    hasher: RandomState,
}

#[derive(Default)]
struct Ring {
    places: Vec<Place>,
    next: usize,
}

/// Hashes, and what they stand for: of two verdicts that share them, the later is found.
struct Place {
    id: u64,
    key: u64,
    team: u64,
    remembered: Remembered,
}

impl Latest {
    pub fn remember(&self, id: &str, owner: &Owner, gist: Gist, by_llm: bool) {
        let place = Place {
            id: self.hasher.hash_one(id),
            key: self.hasher.hash_one(&owner.key_id),
            team: self.hasher.hash_one(&owner.team),
            remembered: Remembered { gist, by_llm },
        };
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ring.next;
        match ring.places.get_mut(next) {
            Some(oldest) => *oldest = place,
            None => ring.places.push(place),
        }
        ring.next = (next + 1) % LATEST;
    }

    /// That of the asker's own, or of the team whose verdicts they review.
    pub fn find(&self, id: &str, asker: &Asker) -> Option<Remembered> {
        let (id, key) = (self.hasher.hash_one(id), self.hasher.hash_one(&asker.key_id));
        let team =
            asker.reviewed_team.is_some().then(|| self.hasher.hash_one(&asker.reviewed_team));
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let (newer, older) = ring.places.split_at(ring.next.min(ring.places.len()));
        let mut latest_first = newer.iter().rev().chain(older.iter().rev());
        latest_first
            .find(|place| place.id == id && (place.key == key || Some(place.team) == team))
            .map(|place| place.remembered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::Label;

    #[test]
    fn the_latest_are_found_and_the_oldest_give_way() {
        let latest = Latest::default();
        let (owner, asker) = (Owner::default(), Asker::default());
        let of = |label| Gist { label, dominant: None };
        latest.remember("first", &owner, of(Label::Positive), false);
        latest.remember("again", &owner, of(Label::Positive), false);
        latest.remember("again", &owner, of(Label::Mixed), true);
        let found = latest.find("again", &asker).expect("it is remembered");
        assert_eq!(found, Remembered { gist: of(Label::Mixed), by_llm: true });
        assert_eq!(latest.find("never", &asker), None);
        for number in 0..LATEST - 3 {
            latest.remember(&number.to_string(), &owner, of(Label::Neutral), false);
        }
        assert!(latest.find("first", &asker).is_some());
        latest.remember("one more", &owner, of(Label::Neutral), false);
        assert!(latest.find("first", &asker).is_none() && latest.find("again", &asker).is_some());
        latest.remember("again", &owner, of(Label::Negative), false);
        let found = latest.find("again", &asker).expect("it is remembered");
        assert_eq!(found.gist.label, Label::Negative, "the later one, though it stands before");
    }

    #[test]
    fn one_id_of_two_callers_is_two_and_a_third_finds_none() {
        let latest = Latest::default();
        let gist = |label| Gist { label, dominant: None };
        let owner = |key: &str, team: &str| Owner {
            key_id: Some(key.to_owned()),
            team: Some(team.to_owned()),
        };
        let asker = |key: &str, reviewed: Option<&str>| Asker {
            key_id: Some(key.to_owned()),
            reviewed_team: reviewed.map(str::to_owned),
        };
        latest.remember("r1", &owner("k-1", "care"), gist(Label::Positive), false);
        latest.remember("r1", &owner("k-2", "press"), gist(Label::Negative), false);
        let label = |asker: Asker| latest.find("r1", &asker).map(|found| found.gist.label);
        assert_eq!(label(asker("k-1", None)), Some(Label::Positive));
        assert_eq!(label(asker("k-2", None)), Some(Label::Negative));
        assert_eq!(label(asker("k-3", None)), None);
        assert_eq!(label(asker("k-3", Some("care"))), Some(Label::Positive));
        assert_eq!(label(Asker::default()), None);
    }
}
