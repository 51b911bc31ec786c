//! Alerts: each complete window is looked at once for each rule, by one of the gateways on a store, and what
//! fired is told until it has arrived. All of it is in the store, so that a restart goes on where it was.

mod delivery;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::trends::{now_ms, window_key};
use super::{App, Config};
use crate::mask::WebhookUrl;
use crate::store::{self, FiredAlert, Looked, Store, WindowQuery};
use crate::trends::{
    AlertKind, AlertRule, Breach, DAY_SECONDS, TopicWindows, Window, WindowId, WindowKey, Windowing,
};
use crate::webhook::Webhook;

const DAY_MS: i64 = DAY_SECONDS as i64 * 1000;

/// How often it is looked whether a window is complete, or an alert is to be told.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far back windows are looked at that were complete while no gateway ran: what is older is no news.
const CATCH_UP_MS: i64 = DAY_MS;

/// A partition that has not moved for so long has no more to say for now, and holds nothing up.
const IDLE_US: i64 = 60_000_000;

/// A Flink job writes a window once it is complete itself; it gets so long to do it.
const FLINK_GRACE_MS: i64 = 30_000;

/// The most windows that one look takes in.
const MOST_WINDOWS: usize = 100_000;

/// The section `[alerts]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// Empty: alerts are told by the log and the metrics alone.
    pub webhook: WebhookUrl,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<AlertRule>,
}

impl AlertsConfig {
    /// What is wrong, by the keys' full names.
    pub fn faults(&self, stored_seconds: u32) -> Vec<String> {
        let webhook = Webhook::of("alerts.webhook", &self.webhook, None).err();
        let mut faults: Vec<String> = webhook.iter().map(ToString::to_string).collect();
        for (at, rule) in self.rules.iter().enumerate() {
            let mut fault = |error: String| faults.push(format!("alerts.rules[{at}]: {error}"));
            if let Err(error) = rule.check(stored_seconds) {
                fault(error);
            }
            if let Some(Err(error)) = rule.key.as_deref().map(window_key) {
                fault(error.to_string());
            }
            if self.rules[..at].iter().any(|other| other.name == rule.name) {
                fault(format!("the name {:?} belongs to another rule already", rule.name));
            }
        }
        faults
    }
}

/// The rules, and where alerts go.
pub struct Alerts {
    rules: Vec<AlertRule>,
    webhook: Option<Webhook>,
    windowing: Windowing,
    topic_windows: TopicWindows,
}

impl App {
    /// Looks at windows and tells what fired, until the task is aborted.
    pub fn spawn_alerts(self: &Arc<App>) -> JoinHandle<()> {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut failing = false;
            loop {
                ticks.tick().await;
                let looked = app.alerts.look(&app.store, now_ms()).await;
                // Alerts that fired before the rules were taken away are told as well.
                let told = app.alerts.tell(&app.store, now_ms()).await;
                let result = looked.and(told);
                if let Err(error) = &result
                    && !failing
                {
                    tracing::warn!(%error, "alerts cannot be judged until the store answers");
                }
                failing = result.is_err();
            }
        })
    }
}

impl Alerts {
    pub fn new(config: &Config, webhook: Option<Webhook>) -> Alerts {
        Alerts {
            rules: config.alerts.rules.clone(),
            webhook,
            windowing: config.stream.windowing(),
            topic_windows: config.trends.topic_windows,
        }
    }

    /// Looks at the windows that are complete now and were not looked at.
    async fn look(&self, store: &Store, now_ms: i64) -> Result<(), store::Error> {
        if self.rules.is_empty() {
            return Ok(());
        }
        let progress = store.alert_progress().await?;
        let lateness_ms = i64::from(self.windowing.lateness_seconds) * 1000;
        for rule in &self.rules {
            let start =
                |at_ms| WindowId::of(at_ms, WindowKey::default(), rule.window_seconds).start_ms;
            let Some(from_ms) = progress.get(&rule.name).copied() else {
                // What was before the rule is none of its business.
                store.begin_rule(rule.name.clone(), start(now_ms)).await?;
                continue;
            };
            // By the clock first: most looks end here.
            if start(now_ms - lateness_ms) <= from_ms {
                continue;
            }
            let complete_ms = start(self.complete_until(store, now_ms).await? - lateness_ms);
            if complete_ms > from_ms {
                look_at(store, rule, from_ms, complete_ms, now_ms).await?;
            }
        }
        Ok(())
    }

    /// How far event time has come: with the clock, unless a topic is being read that is behind it.
    async fn complete_until(&self, store: &Store, now_ms: i64) -> Result<i64, store::Error> {
        if self.topic_windows == TopicWindows::Flink {
            return Ok(now_ms - FLINK_GRACE_MS);
        }
        let slowest = store.slowest_partition_ms(now_ms * 1000 - IDLE_US).await?;
        Ok(slowest.map_or(now_ms, |slowest| slowest.min(now_ms)))
    }
}

/// Looks at windows of a rule: one of the gateways that do so at once is counted.
async fn look_at(
    store: &Store,
    rule: &AlertRule,
    from_ms: i64,
    to_ms: i64,
    now_ms: i64,
) -> Result<(), store::Error> {
    let first = from_ms.max(to_ms - CATCH_UP_MS);
    if first > from_ms {
        tracing::warn!(rule = rule.name, "alerts skip the windows that ended more than a day ago");
    }
    let query = WindowQuery {
        from_ms: first,
        to_ms,
        key: rule.key.as_deref().and_then(|key| window_key(key).ok()),
        width_seconds: rule.window_seconds,
        most: MOST_WINDOWS,
    };
    let before = match rule.kind {
        AlertKind::NegativeShare => Vec::new(),
        AlertKind::NegativeJump => {
            let (from_ms, to_ms) = (first - DAY_MS, to_ms - DAY_MS);
            store.windows(WindowQuery { from_ms, to_ms, ..query.clone() }).await?
        }
    };
    let windows = store.windows(query).await?;
    let fired: Vec<FiredAlert> = windows
        .iter()
        .filter_map(|window| {
            let id = WindowId { start_ms: window.id.start_ms - DAY_MS, ..window.id.clone() };
            let day_before = before.iter().find(|one| one.id == id).map(|one| &one.sums);
            let breach = rule.judge(&window.sums, day_before)?;
            Some(alert(rule, window, breach))
        })
        .collect();
    let (count, name) = (fired.len(), rule.name.clone());
    let looked = Looked { rule: name.clone(), from_ms, to_ms, now_ms, fired };
    if store.fire_alerts(looked).await? && count > 0 {
        tracing::warn!(rule = name, alerts = count, "an alert fires");
        metrics::counter!("undertone_alerts_fired_total", "rule" => name).increment(count as u64);
    }
    Ok(())
}

/// In the form that Standard Webhooks recommends; numbers, names and the key, no word of a text.
fn alert(rule: &AlertRule, window: &Window, breach: Breach) -> FiredAlert {
    let time = |ms: i64| {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
        at.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(&Rfc3339).unwrap_or_default()
    };
    let id = &window.id;
    let body = json!({
        "type": "alert.fired",
        "timestamp": OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        "data": {
            "rule": rule.name,
            "kind": rule.kind.name(),
            "key": id.key.name(),
            "start": time(id.start_ms),
            "end": time(id.end_ms()),
            "count": window.sums.count,
            "negative": window.sums.of(crate::sentiment::Label::Negative),
            "share": rounded(breach.share),
            "share_day_before": breach.day_before.map(rounded),
            "threshold": rule.threshold,
        },
    });
    FiredAlert {
        id: Uuid::now_v7().to_string(),
        key: id.key.clone(),
        start_ms: id.start_ms,
        width_seconds: id.width_seconds,
        body: body.to_string(),
    }
}

fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;
