//! Texts counted in memory and written to the store once a second: a crash loses at most the last
//! second of counts, never a cost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::tag_sets::{Fitted, OTHER, TagSets};
use crate::cascade::Analysis;
use crate::pricing::Caller;
use crate::sentiment::{Outcome, Task};
use crate::store::{CountKey, Counts, Minute, VerdictBy};

/// The counters of the current second.
pub struct Counter {
    counts: Mutex<HashMap<CountKey, Counts>>,
    tag_sets: Arc<TagSets>,
    /// When old counts are added up next.
    add_up_at: Mutex<Instant>,
}

/// How often it is looked for counts that can be added up.
const ADD_UP_EVERY: Duration = Duration::from_secs(60 * 60);

impl Counter {
    pub fn new(tag_sets: Arc<TagSets>) -> Counter {
        Counter { counts: Mutex::default(), tag_sets, add_up_at: Mutex::new(Instant::now()) }
    }

    /// Counts a text that got its verdict: once, as cached, escalated or local.
    pub fn count(&self, task: Task, text_bytes: u64, caller: &Caller, analysis: &Analysis) {
        let mut counts = Counts::default();
        if analysis.cached {
            counts.cached = 1;
            counts.saved = analysis.saved.unwrap_or_default();
            counts.saved_unknown = analysis.saved.is_none().into();
        } else if analysis.bill.attempts > 0 {
            counts.escalated = 1;
        } else {
            counts.local = 1;
            counts.local_bytes = text_bytes;
        }
        let by = match analysis.outcome {
            Outcome::Answered => VerdictBy::Llm,
            _ => VerdictBy::Local,
        };
        self.add(self.key(task, caller, by, Some(&analysis.model)), counts);
    }

    /// Counts a text of several tasks: once, under the first that a provider was called for, else under
    /// the first that came from the cache, else under the first.
    pub fn count_together(&self, text_bytes: u64, caller: &Caller, analyses: &[(Task, Analysis)]) {
        let called = |(_, analysis): &&(Task, Analysis)| analysis.bill.attempts > 0;
        let cached = |(_, analysis): &&(Task, Analysis)| analysis.cached;
        let telling = analyses.iter().find(called).or_else(|| analyses.iter().find(cached));
        if let Some((task, analysis)) = telling.or(analyses.first()) {
            self.count(*task, text_bytes, caller, analysis);
        }
    }

    /// Counts a text for which a provider was called and whose sender got no verdict.
    pub fn count_undelivered(&self, task: Task, caller: &Caller, model: Option<&str>) {
        let counts = Counts { escalated: 1, ..Counts::default() };
        self.add(self.key(task, caller, VerdictBy::Llm, model), counts);
    }

    pub fn is_adding_up_due(&self) -> bool {
        *self.add_up_at.lock().unwrap_or_else(PoisonError::into_inner) <= Instant::now()
    }

    /// What is left is added up at once, new ones after a while.
    pub fn added_up(&self, are_more: bool) {
        let wait = if are_more { Duration::ZERO } else { ADD_UP_EVERY };
        *self.add_up_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + wait;
    }

    /// Takes what was counted since the last time.
    pub fn take(&self) -> Vec<(CountKey, Counts)> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *counts).into_iter().collect()
    }

    /// Puts back what could not be written.
    pub fn put_back(&self, counts: Vec<(CountKey, Counts)>) {
        for (key, counts) in counts {
            self.add(key, counts);
        }
    }

    fn add(&self, key: CountKey, counts: Counts) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(key).or_default() += counts;
    }

    fn key(&self, task: Task, caller: &Caller, route: VerdictBy, model: Option<&str>) -> CountKey {
        let Fitted { tags, by_hour } = self.tag_sets.fit(caller);
        let minute = Minute::of(SystemTime::now());
        // Without keys the team is a tag like any other.
        let is_other = tags.is_some() && caller.key_id.is_none() && caller.team.is_some();
        CountKey {
            minute: if by_hour { minute.of_its_hour() } else { minute },
            team: if is_other { Some(OTHER.to_owned()) } else { caller.team.clone() },
            key_id: caller.key_id.clone(),
            tags: tags.unwrap_or_else(|| caller.tags.clone()),
            endpoint: task.name(),
            route,
            model: model.map(str::to_owned),
        }
    }
}
