//! Limits by the minute: a bucket that fills evenly and holds what a minute brings. What it is
//! charged may be known before, as a request is, or only afterwards, as its tokens are: then it goes
//! into debt, and nobody is let in before that is made good.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One limit of one key.
#[derive(Debug)]
pub(super) struct Bucket {
    per_minute: u32,
    state: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    left: f64,
    at: Instant,
}

/// How a limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until the whole limit is there again.
    pub reset: u64,
}

impl Bucket {
    /// `None`: no limit.
    pub fn new(per_minute: u32) -> Option<Bucket> {
        let state = Mutex::new(Level { left: f64::from(per_minute), at: Instant::now() });
        (per_minute > 0).then_some(Bucket { per_minute, state })
    }

    pub fn limit(&self) -> u32 {
        self.per_minute
    }

    /// Takes one, or says how long to wait for it.
    pub fn take(&self) -> Result<(), Duration> {
        self.take_all(1)
    }

    /// Takes so many, or none and says how long to wait for them; more than the limit are never there,
    /// and the wait is then until the limit is.
    pub fn take_all(&self, count: u32) -> Result<(), Duration> {
        let count = f64::from(count);
        self.with(|level, rate| {
            if level.left < count {
                let most = count.min(f64::from(self.per_minute));
                return Err(Duration::from_secs_f64((most - level.left).max(0.0) / rate));
            }
            level.left -= count;
            Ok(())
        })
    }

    /// Charges what was used, whether or not it was there.
    pub fn charge(&self, used: u64) {
        self.with(|level, _| level.left -= used as f64);
    }

    /// Whether there is anything left, or how long to wait for it.
    pub fn check(&self) -> Result<(), Duration> {
        self.with(|level, rate| match level.left > 0.0 {
            true => Ok(()),
            false => Err(Duration::from_secs_f64((1.0 - level.left) / rate)),
        })
    }

    pub fn standing(&self) -> Standing {
        self.with(|level, rate| Standing {
            limit: self.per_minute,
            remaining: level.left.max(0.0) as u32,
            reset: ((f64::from(self.per_minute) - level.left) / rate).ceil() as u64,
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Level, f64) -> T) -> T {
        let rate = f64::from(self.per_minute) / 60.0;
        let mut level = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let filled = level.left + rate * now.duration_since(level.at).as_secs_f64();
        level.left = filled.min(f64::from(self.per_minute));
        level.at = now;
        act(&mut level, rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minutes_worth_is_there_at_once_and_comes_back_evenly() {
        let bucket = Bucket::new(60).expect("a limit");
        for left in (0..60).rev() {
            assert_eq!(bucket.take(), Ok(()));
            assert_eq!(bucket.standing().remaining, left);
        }
        assert_eq!(bucket.take(), Err(Duration::from_secs(1)));
        assert_eq!(bucket.standing(), Standing { limit: 60, remaining: 0, reset: 60 });
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!((bucket.take(), bucket.take()), (Ok(()), Ok(())));
        assert!(bucket.take().is_err());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(bucket.standing().remaining, 60, "it holds no more than a minute's");
    }

    #[tokio::test(start_paused = true)]
    async fn a_debt_is_made_good_before_anybody_is_let_in() {
        let bucket = Bucket::new(600).expect("a limit");
        assert_eq!(bucket.check(), Ok(()));
        bucket.charge(900);
        let wait = bucket.check().expect_err("300 in debt");
        assert!(wait >= Duration::from_secs(30) && wait < Duration::from_secs(31), "{wait:?}");
        tokio::time::advance(wait).await;
        assert_eq!(bucket.check(), Ok(()));
        assert!(Bucket::new(0).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_limit_never_fits_and_takes_nothing() {
        let bucket = Bucket::new(60).expect("a limit");
        assert_eq!(bucket.take_all(61), Err(Duration::ZERO));
        assert_eq!(bucket.take_all(60), Ok(()));
        assert_eq!(bucket.take_all(30), Err(Duration::from_secs(30)));
        assert_eq!(bucket.take_all(90), Err(Duration::from_secs(60)));
        assert_eq!(bucket.standing().remaining, 0);
    }
}
