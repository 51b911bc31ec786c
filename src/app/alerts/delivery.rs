//! Telling alerts: each try is taken from the store and its outcome goes back there, so that another gateway,
//! or the next start, goes on.

use std::time::Duration;

use futures::future::join_all;

use super::Alerts;
use crate::app::trends::now_ms;
use crate::store::{self, AlertOutcome, DueAlert, Store};

/// When a try that failed is followed by the next; after the last one the alert is given up: 16 hours.
const AGAIN_AFTER: [Duration; 10] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(8 * 60 * 60),
];

/// How long a gateway has an alert to itself: longer than a try takes.
const CLAIM_MS: i64 = 30_000;

/// The most that are tried at once.
const AT_ONCE: u32 = 8;

impl Alerts {
    /// Tries to tell what is due.
    pub(super) async fn tell(&self, store: &Store, now_ms: i64) -> Result<(), store::Error> {
        loop {
            let due = store.claim_alerts(now_ms, now_ms + CLAIM_MS, AT_ONCE).await?;
            let is_full = due.len() == AT_ONCE as usize;
            for told in join_all(due.into_iter().map(|alert| self.tell_one(store, alert))).await {
                told?;
            }
            if !is_full {
                return Ok(());
            }
        }
    }

    async fn tell_one(&self, store: &Store, alert: DueAlert) -> Result<(), store::Error> {
        let DueAlert { id, rule, body, attempts } = alert;
        let sent = match &self.webhook {
            Some(webhook) => webhook.send(&id, &body).await,
            // The log and the metrics have told it as it fired.
            None => Ok(()),
        };
        let outcome = match sent {
            Ok(()) => AlertOutcome::Delivered,
            Err(error) => match wait(attempts) {
                Some(wait) => {
                    tracing::warn!(
                        rule,
                        id,
                        attempts,
                        error,
                        "the webhook did not take an alert; the gateway tries again later"
                    );
                    AlertOutcome::Again(now_ms() + i64::try_from(wait.as_millis()).unwrap_or(0))
                }
                None => {
                    tracing::error!(
                        rule,
                        id,
                        attempts,
                        error,
                        "the webhook did not take an alert \
                        at the last try; the gateway gives it up"
                    );
                    AlertOutcome::Failed
                }
            },
        };
        let name = match outcome {
            AlertOutcome::Delivered => "delivered",
            AlertOutcome::Failed => "failed",
            AlertOutcome::Again(_) => "again",
        };
        metrics::counter!("undertone_alert_tries_total", "outcome" => name).increment(1);
        store.settle_alert(id, outcome).await
    }
}

/// How long to wait after so many tries, a fifth more or less, so that many alerts do not all come back at
/// once; `None` after the last.
fn wait(attempts: i64) -> Option<Duration> {
    let tried = usize::try_from(attempts).unwrap_or_default();
    let wait = AGAIN_AFTER.get(tried.saturating_sub(1))?;
    Some(wait.mul_f64(rand::random_range(0.8..1.2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let waits: Vec<_> = (1..=11).map(wait).collect();
        assert!(waits[0].is_some_and(|wait| wait < Duration::from_secs(2)));
        assert!(waits[9].is_some_and(|wait| wait > Duration::from_secs(6 * 60 * 60)));
        assert_eq!(waits[10], None);
    }
}
