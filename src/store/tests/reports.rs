//! What finance reads: periods, groups, savings.

use serde_json::json;
use time::Date;
use time::macros::datetime;

use super::*;
use crate::pricing::{PriceBook, Service};

on_either_store! {
    counts_that_are_added_up_by_the_day_stay_in_every_sum,
    a_settled_attempt_is_reported_as_the_contract_writes_it,
    an_attempt_belongs_to_the_period_in_which_it_was_reserved,
    rows_are_told_apart_by_every_dimension,
    a_period_is_exact_however_it_cuts_the_days,
    names_and_values_of_tags_are_data,
    savings_are_known_from_a_hundred_settled_calls_on,
}

async fn a_settled_attempt_is_reported_as_the_contract_writes_it(place: Place) {
    let store = place.open().await;
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

async fn an_attempt_belongs_to_the_period_in_which_it_was_reserved(place: Place) {
    let store = place.open().await;
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

async fn rows_are_told_apart_by_every_dimension(place: Place) {
    let store = place.open().await;
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

/// What is summed by the day and what is read one by one come to the same.
async fn a_period_is_exact_however_it_cuts_the_days(place: Place) {
    let store = place.open().await;
    let hour = Duration::from_secs(60 * 60);
    let (start, mut all) = (datetime!(2026-11-18 20:00 UTC), Vec::new());
    for n in 0..40_u32 {
        let mut one = reservation(start + hour * (2 * n));
        one.caller.team = (n % 3 > 0).then(|| format!("team-{}", n % 3));
        one.model = format!("model-{}", n % 2);
        let (id, team, model) = (one.id, one.caller.team.clone(), one.model.clone());
        let state = match n % 5 {
            3 => AttemptState::Unpriced,
            4 => AttemptState::Unresolved,
            _ => AttemptState::Settled,
        };
        let cost = Usd::from_pico(1 << n);
        let settlement = match state {
            AttemptState::Settled => Settlement { cost: Some(cost), ..settled("0") },
            state => open_ended(state),
        };
        record(&store, one, Settlement { model_served: None, ..settlement }).await;
        // What is corrected counts neither as open nor, here, as a cost of the period.
        let is_corrected = n % 10 == 9;
        if is_corrected {
            let correction = Correction {
                attempt: id,
                kind: CorrectionKind::Resolve,
                cost: usd("1"),
                price_version: None,
                note: None,
            };
            let later = datetime!(2027-01-01 0:00 UTC);
            store.correct(vec![correction], later.into()).await.expect("corrected");
        }
        all.push((start + hour * (2 * n), vec![team, Some(model)], state, cost, is_corrected));
    }
    let second = Duration::from_secs(1);
    let midnight = datetime!(2026-11-19 0:00 UTC);
    for (from, to) in [
        (midnight, midnight + hour * 48),
        (midnight - second, midnight + hour * 48),
        (midnight + second, midnight + hour * 48 + second),
        (start, start + hour * 80),
        (midnight + hour * 2, midnight + hour * 6),
        (midnight + hour * 23, midnight + hour * 25),
        (midnight, midnight),
        (start, midnight + hour * 24),
    ] {
        let mut expected: BTreeMap<Vec<Option<String>>, Figures> = BTreeMap::new();
        for (at, group, state, cost, is_corrected) in &all {
            if *at < from || *at >= to {
                continue;
            }
            let row = expected.entry(group.clone()).or_default();
            row.calls += 1;
            row.input_tokens += 143;
            match state {
                AttemptState::Settled => row.cost_usd = row.cost_usd + *cost,
                AttemptState::Unpriced => row.unpriced += u64::from(!is_corrected),
                AttemptState::Unresolved => row.unresolved += u64::from(!is_corrected),
            }
        }
        let figures = |row: &Figures| {
            (row.calls, row.input_tokens, row.unpriced, row.unresolved, row.cost_usd)
        };
        let asked = CostQuery { from, to, ..query(&["team", "model"]) };
        let found = grouped(&store, asked, figures).await;
        let expected: Vec<_> =
            expected.into_iter().map(|(group, row)| (group, figures(&row))).collect();
        assert_eq!(found, expected, "{from} to {to}");
    }
}

async fn names_and_values_of_tags_are_data(place: Place) {
    let store = place.open().await;
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

async fn savings_are_known_from_a_hundred_settled_calls_on(place: Place) {
    let store = place.open().await;
    let book = PriceBook::built_in();
    let today: Date = NOON.date();
    let price = book
        .price("gpt-4o", Service::anywhere("default"), today)
        .expect("gpt-4o has a price")
        .clone();
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

async fn counts_that_are_added_up_by_the_day_stay_in_every_sum(place: Place) {
    let store = place.open().await;
    let counts = Counts { local: 1, local_bytes: 7, ..Counts::default() };
    let midnight = NOON - Duration::from_secs(12 * 60 * 60);
    let at = |minute: u64| CountKey {
        minute: Minute::of((midnight + Duration::from_secs(minute * 60)).into()),
        ..key("sentiment", VerdictBy::Local)
    };
    let tagged = |minute: u64| CountKey { tags: [("a".into(), "b".into())].into(), ..at(minute) };
    let minutes = [0, 1, 2, 700, 719, 720, 1439];
    let all = minutes.into_iter().flat_map(|minute| [at(minute), tagged(minute)]);
    store.add_counts(all.map(|key| (key, counts)).collect()).await.expect("added");
    let noon = NOON.into();
    let before = grouped(&store, query(&["day", "tag:a"]), |row| row.local).await;
    while store.add_up_days(noon).await.expect("added up") {}
    assert_eq!(grouped(&store, query(&["day", "tag:a"]), |row| row.local).await, before);
    assert_eq!(total(&store).await.requests, 14);
    // The morning is in one minute now, the afternoon as it was.
    let part = async |from: u64, to: u64| {
        let at = |minute: u64| midnight + Duration::from_secs(minute * 60);
        let query = CostQuery { from: at(from), to: at(to), group_by: vec![], price: None };
        store.costs(query, noon).await.expect("a report").total.local
    };
    assert_eq!((part(0, 1).await, part(1, 720).await, part(720, 1440).await), (10, 0, 4));
    // A count that comes late is added to the same day.
    store.add_counts(vec![(at(3), counts)]).await.expect("added");
    while store.add_up_days(noon).await.expect("added up") {}
    assert_eq!((part(0, 1).await, part(1, 720).await), (11, 0));
}
