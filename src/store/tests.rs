//! The ledger's meanings, through the handle alone, so that every store can be held to them.

use std::collections::BTreeMap;

use serde_json::json;
use time::macros::datetime;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::pricing::{AttemptState, Caller, PriceBook, Usage, Usd};

const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

async fn store(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", folder.path().join("data/ledger.db").display());
    Store::open(&Config { url, durability: Durability::Process }).await.expect("a new store opens")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

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
        endpoint: "sentiment",
        texts: 1,
        text_bytes: 400,
        provider: "openai",
        model: "gpt-4o".into(),
        worst_case: Some(usd("0.004")),
    }
}

fn settled(cost: &str) -> Settlement {
    Settlement {
        state: AttemptState::Settled,
        model_served: Some("gpt-4o-2024-08-06".into()),
        tier: Some("default".into()),
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

#[tokio::test]
async fn a_settled_attempt_is_reported_as_the_contract_writes_it() {
    let folder = folder();
    let store = store(&folder).await;
    record(&store, reservation(NOON), settled("0.0005775")).await;
    let escalated = Counts { escalated: 1, ..Counts::default() };
    let model = Some("gpt-4o-2024-08-06".into());
    let key = CountKey { model, ..key("sentiment", VerdictBy::Llm) };
    store.add_counts(vec![(key, escalated)]).await.expect("counted");

    let report = store.costs(query(&["team", "tag:feature"]), NOON.into()).await;
    let figures = json!({
        "requests": 1, "local": 0, "cached": 0, "escalated": 1, "calls": 1, "unpriced": 0,
        "unresolved": 0, "unresolved_usd": "0", "input_tokens": 143, "output_tokens": 22,
        "cache_read_tokens": 7, "cache_write_tokens": 0, "cost_usd": "0.0005775",
        "saved_usd": null,
    });
    let mut row = figures.clone();
    row["group"] = json!({"team": "care", "tag:feature": null});
    let expected = json!({
        "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z",
        "group_by": ["team", "tag:feature"], "total": figures, "rows": [row],
    });
    assert_eq!(serde_json::to_value(report.expect("a report")).expect("JSON"), expected);
}

#[tokio::test]
async fn an_open_attempt_is_in_flight_until_it_expires_and_unresolved_from_then_on() {
    let folder = folder();
    let store = store(&folder).await;
    let attempt = reservation(NOON);
    let id = attempt.id;
    store.reserve(attempt).await.expect("reserved");
    for (seconds, expected) in [(29, OpenState::InFlight), (30, OpenState::Unresolved)] {
        let now = NOON + Duration::from_secs(seconds);
        let open = store.open_attempts(now.into()).await.expect("a list");
        let found: Vec<_> = open.iter().map(|open| (open.id, open.state)).collect();
        assert_eq!(found, [(id, expected)], "after {seconds} s");
        let figures = total(&store).await;
        assert_eq!((figures.unresolved, figures.unresolved_usd), (1, usd("0.004")));
        assert_eq!((figures.calls, figures.cost_usd), (1, Usd::ZERO));
    }
    store.settle(id, settled("0.5")).await.expect("settled late, and above its reservation");
    assert_eq!(store.open_attempts(NOON.into()).await, Ok(vec![]));
    let figures = total(&store).await;
    assert_eq!((figures.unresolved, figures.cost_usd), (0, usd("0.5")));
}

#[tokio::test]
async fn what_is_unresolved_or_unpriced_costs_nothing_yet_and_is_counted_apart() {
    let folder = folder();
    let store = store(&folder).await;
    record(&store, reservation(NOON), open_ended(AttemptState::Unpriced)).await;
    let unknown = Reservation { worst_case: None, ..reservation(NOON) };
    record(&store, unknown, open_ended(AttemptState::Unresolved)).await;
    record(&store, reservation(NOON), open_ended(AttemptState::Unresolved)).await;
    record(&store, reservation(NOON), Settlement { usage: Usage::default(), ..settled("0") }).await;

    let figures = total(&store).await;
    assert_eq!((figures.calls, figures.unpriced, figures.unresolved), (4, 1, 2));
    assert_eq!((figures.cost_usd, figures.unresolved_usd), (Usd::ZERO, usd("0.004")));
    let open = store.open_attempts(NOON.into()).await.expect("a list");
    let states: Vec<_> = open.iter().map(|open| open.state).collect();
    assert_eq!(states, [OpenState::Unpriced, OpenState::Unresolved, OpenState::Unresolved]);
}

#[tokio::test]
async fn of_two_settlements_the_first_counts() {
    let folder = folder();
    let store = store(&folder).await;
    let attempt = reservation(NOON);
    let id = attempt.id;
    record(&store, attempt, settled("0.001")).await;
    store.settle(id, settled("0.002")).await.expect("nothing is wrong with asking twice");
    assert_eq!(total(&store).await.cost_usd, usd("0.001"));

    let unknown = Uuid::now_v7();
    assert_eq!(store.settle(unknown, settled("1")).await, Err(Error::UnknownAttempt(unknown)));
}

#[tokio::test]
async fn a_refused_record_leaves_its_neighbours_alone() {
    let folder = folder();
    let store = store(&folder).await;
    let attempt = reservation(NOON);
    let (again, other) = (attempt.clone(), reservation(NOON));
    let (first, second, third) =
        tokio::join!(store.reserve(attempt), store.reserve(again), store.reserve(other));
    assert_eq!((first, third), (Ok(()), Ok(())));
    assert!(matches!(second, Err(Error::Refused(_))), "{second:?}");
    assert_eq!(total(&store).await.calls, 2);
}

#[tokio::test]
async fn an_attempt_belongs_to_the_period_in_which_it_was_reserved() {
    let folder = folder();
    let store = store(&folder).await;
    for (at, cost) in [
        (datetime!(2026-10-31 23:59:59.999 UTC), "1"),
        (datetime!(2026-11-01 0:00 UTC), "2"),
        (datetime!(2026-11-30 23:59:59.999 UTC), "4"),
        (datetime!(2026-12-01 0:00 UTC), "8"),
        (datetime!(2026-12-01 0:30 +1), "16"),
    ] {
        record(&store, reservation(at), settled(cost)).await;
    }
    assert_eq!(total(&store).await.cost_usd, usd("22"));
    let year = CostQuery { from: NOON - Duration::from_secs(100 * 86400), ..query(&["month"]) };
    let year = CostQuery { to: NOON + Duration::from_secs(100 * 86400), ..year };
    let months = grouped(&store, year, |figures| figures.cost_usd).await;
    let month = |name: &str, cost| (vec![Some(name.to_owned())], usd(cost));
    assert_eq!(months, [month("2026-10", "1"), month("2026-11", "22"), month("2026-12", "8")]);
}

#[tokio::test]
async fn rows_are_told_apart_by_every_dimension() {
    let folder = folder();
    let store = store(&folder).await;
    let mut tagged = reservation(NOON);
    tagged.caller.key_id = Some("k-1".into());
    tagged.caller.tags = [("feature".to_owned(), "inbox".to_owned())].into();
    record(&store, tagged, settled("1")).await;
    let mut other = reservation(NOON + Duration::from_secs(86400));
    other.caller.team = Some(String::new());
    other.model = "gpt-6-luna".into();
    record(&store, other, Settlement { model_served: None, ..settled("2") }).await;
    let tags = [("feature".to_owned(), "inbox".to_owned())].into();
    let local = CountKey { tags, ..key("sentiment", VerdictBy::Local) };
    let counts = Counts { local: 3, local_bytes: 90, ..Counts::default() };
    store.add_counts(vec![(local.clone(), counts)]).await.expect("counted");
    store.add_counts(vec![(local, counts)]).await.expect("counted on top");

    for (by, expected) in [
        ("day", vec![(Some("2026-11-20"), 6, "1"), (Some("2026-11-21"), 0, "2")]),
        ("month", vec![(Some("2026-11"), 6, "3")]),
        ("team", vec![(None, 0, "2"), (Some("care"), 6, "1")]),
        ("key", vec![(None, 6, "2"), (Some("k-1"), 0, "1")]),
        (
            "model",
            vec![
                (Some("gpt-4o-2024-08-06"), 0, "1"),
                (Some("gpt-6-luna"), 0, "2"),
                (Some("undertone-mini"), 6, "0"),
            ],
        ),
        ("endpoint", vec![(Some("sentiment"), 6, "3")]),
        ("route", vec![(Some("llm"), 0, "3"), (Some("local"), 6, "0")]),
        ("tag:feature", vec![(None, 0, "2"), (Some("inbox"), 6, "1")]),
        ("tag:other", vec![(None, 6, "3")]),
    ] {
        let rows = grouped(&store, query(&[by]), |row| (row.local, row.cost_usd)).await;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(group, local, cost)| (vec![group.map(str::to_owned)], (local, usd(cost))))
            .collect();
        assert_eq!(rows, expected, "by {by}");
    }
    let rows = grouped(&store, query(&["team", "tag:feature", "route"]), |row| row.requests).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
}

#[tokio::test]
async fn names_and_values_of_tags_are_data() {
    let folder = folder();
    let store = store(&folder).await;
    for name in ["a.b", "$", "'; DROP TABLE attempts; --", "a\"b\\c", "?", "ünïcode", "[0]"] {
        let value = format!("value of {name}");
        let mut attempt = reservation(NOON);
        attempt.caller.tags = [(name.to_owned(), value.clone())].into();
        record(&store, attempt, settled("1")).await;
        let by = query(&[&format!("tag:{name}")]);
        let rows = grouped(&store, by, |figures| figures.cost_usd).await;
        assert_eq!(rows.last(), Some(&(vec![Some(value)], usd("1"))), "{name}");
    }
}

#[test]
fn what_can_be_grouped_by_is_read_back_and_anything_else_refused() {
    for name in ["day", "month", "team", "key", "model", "endpoint", "route", "tag:feature"] {
        assert_eq!(name.parse::<GroupBy>().expect(name).to_string(), name);
    }
    for name in ["", "week", "tag:", "tag", "Team"] {
        let error = name.parse::<GroupBy>().expect_err(name).to_string();
        assert!(error.contains("tag:NAME") && error.contains(&format!("\"{name}\"")), "{error}");
    }
}

#[tokio::test]
async fn savings_are_known_from_a_hundred_settled_calls_on() {
    let folder = folder();
    let store = store(&folder).await;
    let book = PriceBook::built_in();
    let today: Date = NOON.date();
    let price = book.price("gpt-4o", "default", today).expect("gpt-4o has a price").clone();
    let saved = async |by: &[&str]| {
        let query = CostQuery { price: Some(price.clone()), ..query(by) };
        let report = store.costs(query, NOON.into()).await.expect("a report");
        report.total.saved_usd
    };
    let cached = Counts { cached: 2, saved: usd("0.001"), ..Counts::default() };
    let local = Counts { local: 10, local_bytes: 1_000, ..Counts::default() };
    store
        .add_counts(vec![
            (key("sentiment", VerdictBy::Llm), cached),
            (key("sentiment", VerdictBy::Local), local),
        ])
        .await
        .expect("counted");
    let earlier = NOON - Duration::from_secs(60);
    for _ in 0..99 {
        record(&store, reservation(earlier), settled("0.0005775")).await;
    }
    let failed = Settlement { usage: Usage::default(), ..settled("0") };
    record(&store, reservation(earlier), failed).await;
    assert_eq!(saved(&[]).await, None, "the hundredth was never answered");

    record(&store, reservation(earlier), settled("0.0005775")).await;
    // A call has 400 bytes, 150 tokens in and 22 out: 1,000 bytes in 10 texts would have had 375
    // tokens in and 220 out.
    assert_eq!(saved(&[]).await, Some(usd("0.0041375")));
    assert_eq!(saved(&["route"]).await, Some(usd("0.0041375")));
    let report = store.costs(query(&[]), NOON.into()).await.expect("a report");
    assert_eq!(report.total.saved_usd, None, "without a price to compare with");

    let unknown = Counts { cached: 1, saved_unknown: 1, ..Counts::default() };
    store.add_counts(vec![(key("sentiment", VerdictBy::Llm), unknown)]).await.expect("counted");
    assert_eq!(saved(&[]).await, None, "a cached call's cost is not known");
}

#[tokio::test]
async fn many_that_meet_a_new_file_at_once_all_open_it() {
    for _ in 0..10 {
        let folder = folder();
        let stores = futures::future::join_all((0..6).map(|_| store(&folder))).await;
        assert_eq!(stores.len(), 6);
    }
}

#[tokio::test]
async fn two_processes_may_share_a_store() {
    let folder = folder();
    let (one, other) = tokio::join!(store(&folder), store(&folder));
    let writes = (0..40).map(|number| {
        let store = if number % 2 == 0 { &one } else { &other };
        record(store, reservation(NOON), settled("0.01"))
    });
    futures::future::join_all(writes).await;
    for store in [&one, &other] {
        let figures = total(store).await;
        assert_eq!((figures.calls, figures.cost_usd), (40, usd("0.4")));
    }
    one.close().await;
    record(&other, reservation(NOON), settled("0.01")).await;
    assert_eq!(total(&other).await.calls, 41);
}

#[tokio::test]
async fn closing_commits_what_waits_and_what_was_written_is_there_again() {
    let folder = folder();
    let first = store(&folder).await;
    let counts = Counts { local: 1, ..Counts::default() };
    let waiting = tokio::spawn({
        let first = first.clone();
        async move { first.add_counts(vec![(key("sentiment", VerdictBy::Local), counts)]).await }
    });
    tokio::task::yield_now().await;
    first.clone().close().await;
    assert_eq!(waiting.await.expect("no panic"), Ok(()));
    assert_eq!(first.reserve(reservation(NOON)).await, Err(Error::Closed));
    assert_eq!(first.ping().await, Err(Error::Closed));
    first.close().await;
    assert_eq!(total(&store(&folder).await).await.local, 1);
}

#[test]
fn a_month_ends_where_the_next_begins() {
    for (now, from, to) in [
        (NOON, datetime!(2026-11-01 0:00 UTC), datetime!(2026-12-01 0:00 UTC)),
        (
            datetime!(2027-12-31 23:59:59 UTC),
            datetime!(2027-12-01 0:00 UTC),
            datetime!(2028-01-01 0:00 UTC),
        ),
        (
            datetime!(2028-02-29 0:00 UTC),
            datetime!(2028-02-01 0:00 UTC),
            datetime!(2028-03-01 0:00 UTC),
        ),
    ] {
        assert_eq!(month_of(now.into()), (from, to));
    }
}
