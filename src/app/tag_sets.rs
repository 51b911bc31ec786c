//! How many different sets of tags a caller has in a day. Reports tell apart whatever tags say, row by row,
//! so that tags which are new with each text would fill the disk: further sets count under one marked value.
//! No text and no cost leaves the sums.

use std::collections::btree_map::BTreeMap;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::pricing::Caller;

/// What stands for a value, or for a name, that found no place.
pub const OTHER: &str = "(other)";

/// The names of tags without a place for their values: so many sets of them are told apart still.
const MOST_NAMES: usize = 100;

/// From so many sets on, a caller's texts are counted by the hour, not by the minute.
const BY_MINUTE: usize = 100;

const DAY_SECONDS: u64 = 24 * 60 * 60;

pub type Tags = BTreeMap<String, String>;

/// How a caller's text is counted.
pub struct Fitted {
    /// `None`: under the tags as they are.
    pub tags: Option<Tags>,
    pub by_hour: bool,
}

pub struct TagSets {
    /// Sets of a caller and day.
    most: usize,
    hasher: RandomState,
    today: Mutex<Today>,
}

#[derive(Default)]
struct Today {
    day: u64,
    /// By the id of the key; without keys all are one.
    callers: HashMap<Option<String>, Sets>,
}

/// Hashes, so that a caller's sets take little memory.
#[derive(Default)]
struct Sets {
    known: HashSet<u64>,
    names: HashSet<u64>,
    is_told: bool,
}

impl TagSets {
    pub fn new(most: usize) -> TagSets {
        TagSets { most, hasher: RandomState::new(), today: Mutex::default() }
    }

    pub fn fit(&self, caller: &Caller) -> Fitted {
        self.fit_at(caller, SystemTime::now())
    }

    fn fit_at(&self, caller: &Caller, now: SystemTime) -> Fitted {
        if caller.tags.is_empty() {
            return Fitted { tags: None, by_hour: false };
        }
        let day = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY_SECONDS;
        let set = self.hasher.hash_one(&caller.tags);
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.day != day {
            *today = Today { day, callers: HashMap::new() };
        }
        let sets = today.callers.entry(caller.key_id.clone()).or_default();
        let has_place = sets.known.contains(&set) || sets.known.len() < self.most;
        if has_place {
            sets.known.insert(set);
            return Fitted { tags: None, by_hour: sets.known.len() > BY_MINUTE };
        }
        let first = !std::mem::replace(&mut sets.is_told, true);
        let names: Vec<&String> = caller.tags.keys().collect();
        let name_set = self.hasher.hash_one(&names);
        let has_place = sets.names.contains(&name_set) || sets.names.len() < MOST_NAMES;
        let tags = match has_place {
            true => {
                sets.names.insert(name_set);
                names.into_iter().map(|name| (name.clone(), OTHER.to_owned())).collect()
            }
            false => Tags::from([(OTHER.to_owned(), OTHER.to_owned())]),
        };
        drop(today);
        self.tell(caller, first);
        Fitted { tags: Some(tags), by_hour: true }
    }

    fn tell(&self, caller: &Caller, first: bool) {
        metrics::counter!("undertone_tags_crowded_total").increment(1);
        if first {
            tracing::warn!(
                key = caller.key_id.as_deref().unwrap_or("none"),
                limit = self.most,
                "more different sets of tags came from one caller today than store.tag_sets_per_day \
                 allows: texts and calls with further ones are counted under the value {OTHER} until \
                 midnight UTC. Put what is different for each text (an order, a customer) in no tag"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn caller(key: Option<&str>, tags: &[(&str, &str)]) -> Caller {
        let tags = tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Caller { request_id: "r".into(), key_id: key.map(str::to_owned), team: None, tags }
    }

    #[test]
    fn tags_that_are_new_with_each_text_take_a_bounded_number_of_places() {
        let (sets, now) = (TagSets::new(1000), UNIX_EPOCH + Duration::from_secs(12 * 60 * 60));
        let mut seen = HashSet::new();
        let mut hours = 0;
        for number in 0..5000 {
            let caller = caller(Some("k"), &[("order", &number.to_string()), ("feature", "inbox")]);
            let fitted = sets.fit_at(&caller, now);
            hours += u64::from(fitted.by_hour);
            seen.insert(fitted.tags.unwrap_or(caller.tags));
        }
        assert_eq!((seen.len(), hours), (1001, 4900));
        let other = [("order", OTHER), ("feature", OTHER)];
        assert!(seen.contains(&caller(None, &other).tags));
        // Names that are new with each text end in one set as well.
        let mut seen = HashSet::new();
        for number in 0..500 {
            let caller = caller(Some("k"), &[(&format!("name{number}"), "x")]);
            seen.extend(sets.fit_at(&caller, now).tags);
        }
        assert_eq!(seen.len(), MOST_NAMES);
        assert!(seen.contains(&caller(None, &[(OTHER, OTHER)]).tags));

        let known = caller(Some("k"), &[("order", "7"), ("feature", "inbox")]);
        assert!(sets.fit_at(&known, now).tags.is_none(), "what has a place keeps it");
        let new = caller(Some("k"), &[("order", "new")]);
        let others = caller(Some("l"), &[("order", "new")]);
        assert!(sets.fit_at(&others, now).tags.is_none(), "another caller has places of its own");
        assert!(sets.fit_at(&new, now).tags.is_some());
        let tomorrow = now + Duration::from_secs(DAY_SECONDS);
        assert!(sets.fit_at(&new, tomorrow).tags.is_none(), "each day begins anew");
        assert!(sets.fit_at(&caller(None, &[]), now).tags.is_none());
    }
}
