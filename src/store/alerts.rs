//! Alerts as the store keeps them: how far each rule has been looked at, and what is still to be told. Of
//! several gateways one looks at a window, and one at a time tells an alert.

use std::collections::HashMap;

use super::{Error, Store};
use crate::trends::WindowKey;

/// A window broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiredAlert {
    /// A UUID; the same at each try to tell it.
    pub id: String,
    pub key: WindowKey,
    pub start_ms: i64,
    pub width_seconds: u32,
    /// As it is sent.
    pub body: String,
}

/// An alert that is to be told now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueAlert {
    pub id: String,
    pub rule: String,
    pub body: String,
    /// How often it has been tried, this time included.
    pub attempts: i64,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertOutcome {
    Delivered,
    /// It is not tried again.
    Failed,
    /// It is, at that time: milliseconds since the epoch.
    Again(i64),
}

impl AlertOutcome {
    /// As the columns `outcome` and `next_ms` say it.
    pub(super) fn columns(self) -> (Option<&'static str>, Option<i64>) {
        match self {
            AlertOutcome::Delivered => (Some("delivered"), None),
            AlertOutcome::Failed => (Some("failed"), None),
            AlertOutcome::Again(next_ms) => (None, Some(next_ms)),
        }
    }
}

/// A stretch of windows that a rule has been looked at for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    pub rule: String,
    /// Where the store has to be for this to count.
    pub from_ms: i64,
    /// Where it is then.
    pub to_ms: i64,
    pub now_ms: i64,
    pub fired: Vec<FiredAlert>,
}

impl Store {
    /// From which window on each rule has still to be looked at.
    pub async fn alert_progress(&self) -> Result<HashMap<String, i64>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.alert_progress().await,
            Store::Postgres(postgres) => postgres.alert_progress().await,
        }
    }

    /// Begins with a rule at a window, unless somebody has.
    pub async fn begin_rule(&self, rule: String, from_ms: i64) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.begin_rule(rule, from_ms).await,
            Store::Postgres(postgres) => postgres.begin_rule(rule, from_ms).await,
        }
    }

    /// Notes that a rule was looked at, with the alerts that fired: both or, where another gateway did so
    /// (`false`) or after an error, neither.
    pub async fn fire_alerts(&self, looked: Looked) -> Result<bool, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.fire_alerts(looked).await,
            Store::Postgres(postgres) => postgres.fire_alerts(looked).await,
        }
    }

    /// Takes it upon this gateway to tell alerts, until then: a gateway that dies over it leaves them to
    /// another one.
    pub async fn claim_alerts(
        &self,
        now_ms: i64,
        until_ms: i64,
        most: u32,
    ) -> Result<Vec<DueAlert>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.claim_alerts(now_ms, until_ms, most).await,
            Store::Postgres(postgres) => postgres.claim_alerts(now_ms, until_ms, most).await,
        }
    }

    /// Notes what came of a try.
    pub async fn settle_alert(&self, id: String, outcome: AlertOutcome) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.settle_alert(id, outcome).await,
            Store::Postgres(postgres) => postgres.settle_alert(id, outcome).await,
        }
    }

    /// How far event time has come in the partition that is furthest behind, of those that moved since;
    /// `None` where none did.
    pub async fn slowest_partition_ms(&self, moved_since_us: i64) -> Result<Option<i64>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.slowest_partition_ms(moved_since_us).await,
            Store::Postgres(postgres) => postgres.slowest_partition_ms(moved_since_us).await,
        }
    }
}
