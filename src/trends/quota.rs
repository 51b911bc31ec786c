//! How many keys of a window one team may have, so that a team whose keys are many does not take the places of
//! the others.

use std::collections::{HashMap, HashSet};

use super::WindowKey;

/// The keys of each team in the newest window.
#[derive(Debug, Default)]
pub struct Quota {
    start_ms: i64,
    teams: HashMap<String, HashSet<WindowKey>>,
    /// Those that were told of since the start.
    told: HashSet<String>,
}

/// Whether a text may count under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Taken,
    /// None is left of the team's.
    Full {
        /// Nobody was told of it before.
        is_news: bool,
    },
}

impl Quota {
    /// Takes a place among the team's `most` in the window that starts then.
    pub fn take(&mut self, team: &str, key: &WindowKey, start_ms: i64, most: usize) -> Place {
        if start_ms > self.start_ms {
            self.start_ms = start_ms;
            self.teams.clear();
        }
        let keys = self.teams.entry(team.to_owned()).or_default();
        if keys.contains(key) {
            return Place::Taken;
        }
        if keys.len() < most {
            keys.insert(key.clone());
            return Place::Taken;
        }
        Place::Full { is_news: self.told.insert(team.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_with_a_thousand_keys_leaves_the_others_their_places() {
        let mut quota = Quota::default();
        let mut places = 0;
        for number in 0..1000 {
            let key = WindowKey::of(Some(&number.to_string()));
            places += u64::from(quota.take("loud", &key, 0, 200) == Place::Taken);
        }
        assert_eq!(places, 200);
        let key = |name: &str| WindowKey::of(Some(name));
        assert_eq!(quota.take("quiet", &key("brand"), 0, 200), Place::Taken);
        assert_eq!(quota.take("loud", &key("0"), 0, 200), Place::Taken, "it has a place");
        assert_eq!(quota.take("loud", &key("new"), 0, 200), Place::Full { is_news: false });
        assert_eq!(quota.take("loud", &key("new"), 60_000, 200), Place::Taken, "a new window");
    }
}
