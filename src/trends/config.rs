//! How wide windows are, how long they wait, and how much of them is kept.

use serde::{Deserialize, Serialize};

use super::DAY_SECONDS;

/// The keys `window_seconds` and `lateness_seconds` of the section `[stream]`, which hold for every door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windowing {
    /// The width of a window; it divides a day.
    pub window_seconds: u32,
    /// How long after its end a window waits for texts that are not yet called late.
    pub lateness_seconds: u32,
}

/// The most that may be waited for late texts: a week.
const LATENESS_LIMIT_SECONDS: u32 = 7 * DAY_SECONDS;

impl Windowing {
    /// What is wrong, by the keys' full names.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let width = self.window_seconds;
        if width == 0 || !DAY_SECONDS.is_multiple_of(width) {
            faults.push(format!(
                "stream.window_seconds is {width}; it has to divide a day ({DAY_SECONDS}), as 60 does"
            ));
        }
        if self.lateness_seconds > LATENESS_LIMIT_SECONDS {
            faults.push(format!(
                "stream.lateness_seconds is {}; the limit is {LATENESS_LIMIT_SECONDS}",
                self.lateness_seconds
            ));
        }
        faults
    }
}

/// The section `[trends]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whose windows of the results topic are read.
    pub topic_windows: TopicWindows,
    /// How long a window is kept after it last changed.
    pub keep_days: u32,
    pub keys_per_window: usize,
    /// Those of a team of the gateway's callers.
    pub keys_per_team: usize,
    /// Aspect terms of a window and key.
    pub terms_per_window: usize,
    /// The most windows of one answer, and the most terms of each.
    pub max_windows: usize,
    pub max_terms: usize,
    /// Who may listen to `/v1/live` at a time.
    pub live_clients: usize,
    /// How many of the newest windows a listener is sent first.
    pub live_recent_windows: u32,
}

/// Who makes the windows of what comes by way of Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicWindows {
    /// `serve`, from the results topic.
    Gateway,
    /// A Flink job, which writes them to the same database; `serve` leaves the topic alone.
    Flink,
}

impl Config {
    /// What is wrong, by the keys' full names.
    pub fn faults(&self) -> Vec<String> {
        let bounded = [
            ("keep_days", self.keep_days as usize, 36_500),
            ("keys_per_window", self.keys_per_window, 100_000),
            ("keys_per_team", self.keys_per_team, 100_000),
            ("terms_per_window", self.terms_per_window, 10_000),
            ("max_windows", self.max_windows, 1_000_000),
            ("max_terms", self.max_terms, 10_000),
            ("live_clients", self.live_clients, 100_000),
            ("live_recent_windows", self.live_recent_windows as usize, 1_440),
        ];
        let wrong = bounded.into_iter().filter(|(_, value, limit)| !(1..=*limit).contains(value));
        wrong
            .map(|(key, value, limit)| format!("trends.{key} is {value}; 1 to {limit} are allowed"))
            .collect()
    }
}
