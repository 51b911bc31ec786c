//! How far event time has come, and who comes after it.

use std::time::Duration;

/// An event time further ahead of the clock than this is taken for an error of its sender.
const AHEAD_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The greatest event time that was seen of one partition. A record is late by what came before it there:
/// so it depends on nobody's speed, and is the same after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// Milliseconds since the epoch; `None` before the first.
    pub greatest_ms: Option<i64>,
}

impl Watermark {
    /// Takes the next record, and says whether it is late: whether its window had been over for at least
    /// `lateness_ms` by what came before.
    pub fn pass(&mut self, at_ms: i64, window_end_ms: i64, lateness_ms: i64, now_ms: i64) -> bool {
        let before = self.greatest_ms;
        if counts_towards_it(at_ms, now_ms) {
            self.greatest_ms = before.max(Some(at_ms));
        }
        before.is_some_and(|greatest| window_end_ms.saturating_add(lateness_ms) <= greatest)
    }
}

/// Whether an event time moves the watermark. One far in the future would make everything after it late:
/// its text is counted in the window that it names, and moves nothing.
fn counts_towards_it(at_ms: i64, now_ms: i64) -> bool {
    at_ms <= now_ms.saturating_add(AHEAD_LIMIT.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000_000;

    #[test]
    fn late_is_who_comes_after_its_windows_patience() {
        let mut watermark = Watermark::default();
        let minute = 60_000;
        // Event time, whether it is late: windows of a minute, 10 s of patience.
        for (at_ms, late) in [
            (5_000, false),
            (69_999, false),
            (1_000, false),
            (70_000, false),
            (59_000, true),
            (61_000, false),
            (-5, true),
        ] {
            let end_ms = at_ms.max(0) / minute * minute + minute;
            assert_eq!(watermark.pass(at_ms, end_ms, 10_000, NOW), late, "{at_ms}");
        }
        assert_eq!(watermark.greatest_ms, Some(70_000));
    }

    #[test]
    fn a_time_in_the_far_future_moves_nothing() {
        let day = 24 * 60 * 60 * 1000;
        let mut watermark = Watermark::default();
        watermark.pass(NOW, NOW + 1, 0, NOW);
        watermark.pass(NOW + day + 1, NOW + day + 2, 0, NOW);
        watermark.pass(i64::MAX, i64::MAX, 0, NOW);
        assert_eq!(watermark.greatest_ms, Some(NOW));
        watermark.pass(NOW + day, NOW + day + 1, 0, NOW);
        assert_eq!(watermark.greatest_ms, Some(NOW + day));
    }
}
