//! A sample of the texts' signals for `undertone replay`: drawn in memory, handed to the store once a
//! minute. What is logged is numbers and names, no word of a text.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::cascade::Analysis;
use crate::sentiment::{Reason, Route, Task};
use crate::store::LoggedSignals;

/// How long signals are kept.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// From which a sample is drawn.
const WINDOW: Duration = Duration::from_secs(60);

/// Windows whose rows may wait for a store that fails; then the oldest are let go.
const MOST_WAITING: usize = 5;

/// Of a ticket, the bits that count the texts of its window; those above tell windows apart.
const COUNT_BITS: u32 = 40;

/// So many texts, drawn evenly from all of a window: reservoir sampling, algorithm R (Vitter 1985,
/// <https://doi.org/10.1145/3147.3165>). A text that isn't drawn takes one atomic addition and a random
/// number, and meets no lock.
pub struct SignalLog {
    /// The most texts of a window; 0: nothing is logged.
    slots: usize,
    /// The current window, and how many of its texts have come by.
    tickets: AtomicU64,
    drawn: Mutex<Drawn>,
}

struct Drawn {
    window: u64,
    since: Instant,
    rows: Vec<LoggedSignals>,
    /// Of earlier windows, weighed.
    waiting: Vec<LoggedSignals>,
}

impl SignalLog {
    pub fn new(per_minute: u32) -> SignalLog {
        let drawn =
            Drawn { window: 0, since: Instant::now(), rows: Vec::new(), waiting: Vec::new() };
        SignalLog {
            slots: per_minute as usize,
            tickets: AtomicU64::new(0),
            drawn: Mutex::new(drawn),
        }
    }

    /// Notes a text that got its verdict, if it is drawn.
    pub fn offer(&self, task: Task, route: Route, text_bytes: u64, analysis: &Analysis) {
        self.draw(|| row(task, route, text_bytes, analysis));
    }

    fn draw(&self, row: impl FnOnce() -> LoggedSignals) {
        if self.slots == 0 {
            return;
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (window, before) = (ticket >> COUNT_BITS, ticket & ((1 << COUNT_BITS) - 1));
        let place = match before < self.slots as u64 {
            true => before,
            false => rand::random_range(0..=before),
        };
        let Ok(place) = usize::try_from(place) else { return };
        if place >= self.slots {
            return;
        }
        let row = row();
        let mut drawn = self.lock();
        // Its window was closed in the meantime, with the text counted: those drawn stand for it.
        if drawn.window != window {
            return;
        }
        // One that took its ticket earlier may come later.
        if drawn.rows.len() < self.slots {
            drawn.rows.push(row);
        } else {
            drawn.rows[place] = row;
        }
    }

    /// The rows of windows that are over; of the current one too where it is cut short by the end. `None`
    /// where it goes on, and nothing waits.
    pub fn take(&self, is_end: bool) -> Option<Vec<LoggedSignals>> {
        let mut drawn = self.lock();
        let is_over = is_end || drawn.since.elapsed() >= WINDOW;
        if is_over {
            drawn.since = Instant::now();
            drawn.window = (drawn.window + 1) & (u64::MAX >> COUNT_BITS);
            let before = self.tickets.swap(drawn.window << COUNT_BITS, Ordering::Relaxed);
            let texts = before & ((1 << COUNT_BITS) - 1);
            let mut rows = std::mem::take(&mut drawn.rows);
            let weight = texts as f64 / (rows.len() as f64).max(1.0);
            rows.iter_mut().for_each(|row| row.weight = weight);
            drawn.waiting.append(&mut rows);
        }
        (is_over || !drawn.waiting.is_empty()).then(|| std::mem::take(&mut drawn.waiting))
    }

    /// Puts back what could not be written.
    pub fn put_back(&self, mut rows: Vec<LoggedSignals>) {
        let mut drawn = self.lock();
        rows.append(&mut drawn.waiting);
        let excess = rows.len().saturating_sub(MOST_WAITING * self.slots);
        rows.drain(..excess);
        drawn.waiting = rows;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(task: Task, route: Route, text_bytes: u64, analysis: &Analysis) -> LoggedSignals {
    let asked = analysis.bill.attempts > 0;
    let signals = &analysis.signals;
    LoggedSignals {
        at: SystemTime::now(),
        weight: 1.0,
        task: task.name().to_owned(),
        route: route.name().to_owned(),
        text_bytes,
        ambiguous: signals.ambiguous,
        sarcasm: signals.sarcasm,
        multi_aspect: signals.multi_aspect,
        out_of_domain: signals.out_of_domain,
        reasons: analysis.reasons.iter().copied().map(Reason::name).map(str::to_owned).collect(),
        outcome: analysis.outcome.name().to_owned(),
        cached: analysis.cached,
        asked,
        cost: analysis.bill.cost.filter(|_| asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u64) -> LoggedSignals {
        LoggedSignals {
            at: SystemTime::UNIX_EPOCH,
            weight: 1.0,
            task: "sentiment".into(),
            route: "auto".into(),
            text_bytes: number,
            ambiguous: 0.0,
            sarcasm: 0.0,
            multi_aspect: 0.0,
            out_of_domain: 0.0,
            reasons: Vec::new(),
            outcome: "not_needed".into(),
            cached: false,
            asked: false,
            cost: None,
        }
    }

    #[test]
    fn few_texts_are_all_kept_and_many_are_stood_for() {
        let log = SignalLog::new(20);
        (0..7).for_each(|number| log.draw(|| numbered(number)));
        assert_eq!(log.take(false), None, "the window is not over");
        let rows = log.take(true).unwrap_or_default();
        assert!(rows.len() == 7 && rows.iter().all(|row| row.weight == 1.0));

        (0..1_000).for_each(|number| log.draw(|| numbered(number)));
        let rows = log.take(true).unwrap_or_default();
        assert_eq!(rows.len(), 20);
        assert!((rows.iter().map(|row| row.weight).sum::<f64>() - 1_000.0).abs() < 1e-9);
        assert_eq!(log.take(true), Some(Vec::new()));
    }

    #[test]
    fn every_text_is_drawn_as_often_as_any_other() {
        let log = SignalLog::new(20);
        let mut early = 0;
        for _ in 0..500 {
            (0..200).for_each(|number| log.draw(|| numbered(number)));
            early += log.take(true).iter().flatten().filter(|row| row.text_bytes < 100).count();
        }
        // Half of 10,000, give or take six standard deviations.
        assert!((4_700..5_300).contains(&early), "{early}");
    }

    #[test]
    fn many_threads_lose_no_weight() {
        let log = SignalLog::new(100);
        let taken = Mutex::new(0.0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|number| log.draw(|| numbered(number))));
            }
            for _ in 0..50 {
                let weight: f64 = log.take(true).iter().flatten().map(|row| row.weight).sum();
                *taken.lock().unwrap() += weight;
                std::thread::yield_now();
            }
        });
        let rest: f64 = log.take(true).iter().flatten().map(|row| row.weight).sum();
        let all = *taken.lock().unwrap() + rest;
        // A window of which every row came late is lost, which takes as many at once as there are threads.
        assert!(all <= 20_000.0 + 1e-6 && all > 19_000.0, "{all}");
    }

    #[test]
    fn what_waits_for_the_store_is_bounded() {
        let log = SignalLog::new(20);
        log.put_back((0..1_000).map(numbered).collect());
        let rows = log.take(false).unwrap_or_default();
        assert_eq!((rows.len(), rows[0].text_bytes), (20 * MOST_WAITING, 900), "the oldest go");
        let off = SignalLog::new(0);
        off.draw(|| panic!("nothing is looked at"));
        assert_eq!(off.take(true), Some(Vec::new()));
    }
}
