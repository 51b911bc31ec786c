//! A circuit breaker: a provider that keeps failing is left alone for a while. Pure: the time is
//! passed in, the lock belongs to whoever shares it.

use std::time::Duration;

use tokio::time::Instant;

/// The most that pauses grow: 2³ times the first one.
const DOUBLINGS: u32 = 3;

/// How long to leave alone what has failed to come back so often in a row, the first time included:
/// twice as long each time, up to eight times.
pub(super) fn pause(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2_u32.pow(times.saturating_sub(1).min(DOUBLINGS)))
}

/// What a breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets everything through.
    Closed,
    /// Lets nothing through.
    Open,
    /// Lets one call through to see whether the provider is back.
    HalfOpen,
}

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Breaker {
    limit: u32,
    cooldown: Duration,
    failures: u32,
    /// How often in a row it has opened without a success between.
    openings: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// One call is out. Should it never report (its task was dropped), another may go after `until`.
    Probing {
        until: Instant,
    },
}

impl Breaker {
    /// Opens after `limit` failures in a row, for `cooldown`, and for longer each time that a probe
    /// fails.
    pub fn new(limit: u32, cooldown: Duration) -> Breaker {
        Breaker { limit, cooldown, failures: 0, openings: 0, state: State::Closed }
    }

    /// Whether a call may go now. Whoever is let through reports how it ended.
    pub fn admit(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } | State::Probing { until } if now >= until => {
                self.state = State::Probing { until: now + self.cooldown };
                true
            }
            State::Open { .. } | State::Probing { .. } => false,
        }
    }

    /// The provider answered. One success closes the breaker, also a late one from before it opened.
    pub fn succeeded(&mut self) {
        (self.failures, self.openings) = (0, 0);
        self.state = State::Closed;
    }

    /// A call that was let through was not made: the next may probe in its stead.
    pub fn pass(&mut self, now: Instant) {
        if let State::Probing { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            // Calls that were out when it opened do not keep it open longer.
            State::Open { .. } => {}
            State::Closed if self.failures < self.limit => {}
            State::Closed | State::Probing { .. } => {
                self.openings = self.openings.saturating_add(1);
                self.state = State::Open { until: now + pause(self.cooldown, self.openings) };
            }
        }
    }

    pub fn state(&self, now: Instant) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { until } if now < until => BreakerState::Open,
            State::Open { .. } | State::Probing { .. } => BreakerState::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(15);

    fn open_at(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(3, COOLDOWN);
        for _ in 0..3 {
            assert!(breaker.admit(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_starts_the_count_again() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3, COOLDOWN);
        breaker.failed(now);
        breaker.failed(now);
        breaker.succeeded();
        breaker.failed(now);
        breaker.failed(now);
        assert_eq!(breaker.state(now), BreakerState::Closed);
        breaker.failed(now);
        assert_eq!(breaker.state(now), BreakerState::Open);
        assert!(!breaker.admit(now));
    }

    #[test]
    fn after_the_cooldown_one_call_probes_and_its_end_decides() {
        let start = Instant::now();
        let later = start + COOLDOWN;

        let mut back = open_at(start);
        assert!(!back.admit(later - Duration::from_millis(1)));
        assert_eq!(back.state(later), BreakerState::HalfOpen);
        assert!(back.admit(later));
        assert!(!back.admit(later), "a second call while one probes");
        back.succeeded();
        assert!(back.admit(later) && back.admit(later));

        let mut still_down = open_at(start);
        assert!(still_down.admit(later));
        still_down.failed(later);
        assert_eq!(still_down.state(later), BreakerState::Open);
        assert!(!still_down.admit(later + COOLDOWN));
        assert!(still_down.admit(later + 2 * COOLDOWN));
    }

    #[test]
    fn pauses_double_up_to_eight_times_and_a_success_makes_the_next_a_short_one() {
        let mut now = Instant::now();
        let mut breaker = open_at(now);
        for times in [1, 2, 4, 8, 8] {
            assert!(!breaker.admit(now + COOLDOWN * times - Duration::from_millis(1)));
            now += COOLDOWN * times;
            assert!(breaker.admit(now), "{times}");
            breaker.failed(now);
        }
        breaker.succeeded();
        (0..3).for_each(|_| breaker.failed(now));
        assert!(breaker.admit(now + COOLDOWN));
    }

    #[test]
    fn a_probe_that_never_reports_does_not_lock_the_provider_out() {
        let start = Instant::now();
        let mut breaker = open_at(start);
        assert!(breaker.admit(start + COOLDOWN));
        assert!(breaker.admit(start + 2 * COOLDOWN));
    }

    #[test]
    fn calls_that_fail_late_do_not_keep_it_open_longer() {
        let start = Instant::now();
        let mut breaker = open_at(start);
        breaker.failed(start + COOLDOWN / 2);
        assert!(breaker.admit(start + COOLDOWN));
    }
}
