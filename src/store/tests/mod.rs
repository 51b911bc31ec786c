//! The ledger's meanings, through the handle alone: each store is held to them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::postgres_server::Database;
use super::*;
use crate::pricing::{AttemptState, Caller, Usage, Usd};

const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// Where a new store is made, of either kind.
pub(super) enum Place {
    File(tempfile::TempDir),
    Database(Database, tempfile::TempDir),
}

impl Place {
    pub fn file() -> Place {
        Place::File(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn database() -> Place {
        Place::Database(Database::new(), tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn url(&self) -> String {
        match self {
            Place::File(folder) => {
                format!("sqlite://{}", folder.path().join("data/ledger.db").display())
            }
            Place::Database(database, _) => database.url(),
        }
    }

    fn config(&self) -> Config {
        let (Place::File(folder) | Place::Database(_, folder)) = self;
        let journal = folder.path().join("journal");
        Config { journal, ..Config::new(self.url(), Durability::Process) }
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.config()).await.expect("a new store opens")
    }

    /// Takes the ledger away as an accident would, while nobody has it open.
    async fn lose(&self) {
        match self {
            Place::File(folder) => {
                let data = folder.path().join("data");
                std::fs::remove_file(data.join("ledger.db")).expect("it was there");
            }
            Place::Database(database, _) => {
                let connected =
                    tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await;
                let (client, connection) = connected.expect("it can be reached");
                tokio::spawn(connection);
                let empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
                client.batch_execute(empty).await.expect("emptied");
            }
        }
    }
}

/// Each case is a test of each kind of store.
macro_rules! on_either_store {
    ($($case:ident,)+) => {
        mod sqlite {
            $(#[tokio::test] async fn $case() { super::$case(super::Place::file()).await; })+
        }
        mod postgres {
            $(
                #[tokio::test]
                #[ignore = "needs PostgreSQL: make test-all"]
                async fn $case() { super::$case(super::Place::database()).await; }
            )+
        }
    };
}

mod access;
mod corrections;
mod journal;
mod learning;
mod ledger;
mod reports;
mod signals;
mod trends;

fn usd(text: &str) -> Usd {
    text.parse().expect("an amount")
}

fn reservation(at: OffsetDateTime) -> Reservation {
    Reservation {
        id: Uuid::now_v7(),
        reserved_at: at.into(),
        expires_at: (at + Duration::from_secs(30)).into(),
        caller: Caller {
            request_id: "r-1".into(),
            key_id: None,
            team: Some("care".into()),
            tags: BTreeMap::new(),
        },
        endpoint: "sentiment".into(),
        texts: 1,
        text_bytes: 400,
        provider: "openai".into(),
        model: "gpt-4o".into(),
        region: None,
        worst_case: Some(usd("0.004")),
    }
}

fn settled(cost: &str) -> Settlement {
    Settlement {
        state: AttemptState::Settled,
        model_served: Some("gpt-4o-2024-08-06".into()),
        tier: Some("default".into()),
        region: None,
        usage: Usage { input: 143, cache_read: 7, output: 22, ..Usage::default() },
        cost: Some(usd(cost)),
        price_version: Some("gpt-4o-2024-08-06/default/2024-10-01@0123abcd".into()),
        error: None,
        latency: Duration::from_millis(811),
    }
}

fn open_ended(state: AttemptState) -> Settlement {
    Settlement { state, cost: None, price_version: None, ..settled("0") }
}

fn query(group_by: &[&str]) -> CostQuery {
    let (from, to) = month_of(NOON.into());
    let group_by = group_by.iter().map(|by| by.parse().expect("a dimension")).collect();
    CostQuery { from, to, group_by, price: None }
}

async fn total(store: &Store) -> Figures {
    store.costs(query(&[]), NOON.into()).await.expect("a report").total
}

/// Writes an attempt and how it ended.
async fn record(store: &Store, reservation: Reservation, settlement: Settlement) {
    let id = reservation.id;
    store.reserve(reservation).await.expect("reserved");
    store.settle(id, settlement).await.expect("settled");
}

fn key(endpoint: &'static str, route: VerdictBy) -> CountKey {
    CountKey {
        minute: Minute::of(NOON.into()),
        team: Some("care".into()),
        key_id: None,
        tags: BTreeMap::new(),
        endpoint,
        route,
        model: Some("undertone-mini".into()),
    }
}

/// The groups of a report's rows beside one of their figures.
async fn grouped<T>(
    store: &Store,
    query: CostQuery,
    figure: impl Fn(&Figures) -> T,
) -> Vec<(Vec<Option<String>>, T)> {
    let report = store.costs(query, NOON.into()).await.expect("a report");
    let group = |row: &CostRow| row.group.iter().map(|(_, value)| value.clone()).collect();
    report.rows.iter().map(|row| (group(row), figure(&row.figures))).collect()
}
