//! When to try a provider again, and after how long: the policy of the vendors' own SDKs, except
//! that no wait is cut short; the caller's deadline decides whether one is worth it.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// The largest part of a wait that chance takes off, so that callers do not return in step.
const JITTER: f64 = 0.25;

/// What a provider's error reply says of trying again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryAdvice {
    /// `x-should-retry`, which overrules what the status would mean.
    pub should_retry: Option<bool>,
    /// `retry-after-ms`, else `retry-after`.
    pub wait: Option<Duration>,
}

impl RetryAdvice {
    /// Reads the headers; what cannot be read counts as absent. A date in the past means at once.
    pub fn from_headers(headers: &HeaderMap, now: SystemTime) -> RetryAdvice {
        let text =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let should_retry = match text("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let milliseconds = || duration(text("retry-after-ms")?.parse::<f64>().ok()? / 1000.0);
        let seconds = || duration(text("retry-after")?.parse().ok()?);
        let date = || {
            let date = httpdate::parse_http_date(text("retry-after")?).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        };
        RetryAdvice { should_retry, wait: milliseconds().or_else(seconds).or_else(date) }
    }
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// The wait before retry `n` (the first is 0) where the provider names none: 0.5 s · 2ⁿ up to 8 s,
/// less up to a quarter by `chance`, which is 0 to 1.
pub(super) fn backoff(n: u32, chance: f64) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(n)).min(LONGEST_WAIT);
    wait.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_whether_and_when_to_try_again() {
        let now = httpdate::parse_http_date("Tue, 03 Nov 2026 10:00:00 GMT").unwrap();
        let ms = |ms| Some(Duration::from_millis(ms));
        let check = |rows: &[(&'static str, &str)], should_retry, wait| {
            let headers = rows
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            let advice = RetryAdvice::from_headers(&headers, now);
            assert_eq!(advice, RetryAdvice { should_retry, wait }, "{rows:?}");
        };
        check(&[], None, None);
        check(&[("x-should-retry", "true")], Some(true), None);
        check(&[("x-should-retry", "false"), ("retry-after", "2")], Some(false), ms(2000));
        check(&[("x-should-retry", "maybe")], None, None);
        check(&[("retry-after-ms", "150"), ("retry-after", "9")], None, ms(150));
        check(&[("retry-after-ms", "soon"), ("retry-after", "9")], None, ms(9000));
        check(&[("retry-after", "1.5")], None, ms(1500));
        check(&[("retry-after", "0")], None, ms(0));
        check(&[("retry-after", "Tue, 03 Nov 2026 10:00:07 GMT")], None, ms(7000));
        check(&[("retry-after", "Tue, 03 Nov 2026 09:00:00 GMT")], None, ms(0));
        check(&[("retry-after", "-1")], None, None);
        check(&[("retry-after", "NaN")], None, None);
        check(&[("retry-after", "1e300")], None, None);
    }

    #[test]
    fn waits_double_up_to_eight_seconds_less_up_to_a_quarter() {
        for (n, without, least) in
            [(0, 500, 375), (1, 1000, 750), (4, 8000, 6000), (99, 8000, 6000)]
        {
            assert_eq!(backoff(n, 0.0), Duration::from_millis(without));
            assert_eq!(backoff(n, 1.0), Duration::from_millis(least));
        }
    }
}
