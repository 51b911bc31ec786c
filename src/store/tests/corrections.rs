//! What closes open attempts: once, with the money where finance expects it.

use time::macros::datetime;

use super::*;

on_either_store! {
    a_correction_closes_an_attempt_and_its_money_counts_from_then_on,
    a_closed_month_keeps_its_sums_and_loses_its_open_attempts,
    what_is_in_flight_settled_corrected_or_unknown_is_refused_and_none_of_its_group_is_written,
    a_late_settlement_of_a_corrected_attempt_counts_nothing_twice,
    a_correction_gives_the_reservation_back_in_the_attempts_own_period,
    a_budget_set_after_a_correction_counts_it,
    a_correction_counts_by_the_attempts_own_columns,
    charges_sum_to_the_report_and_tell_corrections_apart,
    usage_counts_a_correction_on_the_attempts_own_day,
    of_many_that_correct_the_same_attempt_one_succeeds,
    a_settled_attempt_is_corrected_by_the_difference_and_its_month_stays,
    a_month_past_what_one_number_holds_is_exact_and_can_be_corrected,
}

/// Long after anything of `NOON` could be in flight.
const LATER: OffsetDateTime = datetime!(2026-12-03 9:00 UTC);

fn correction(attempt: AttemptId, cost: &str) -> Correction {
    Correction {
        attempt,
        kind: CorrectionKind::Resolve,
        cost: usd(cost),
        price_version: None,
        note: Some("invoice 7".into()),
    }
}

async fn correct(store: &Store, attempt: AttemptId, cost: &str) -> Result<(), Error> {
    store.correct(vec![correction(attempt, cost)], LATER.into()).await
}

/// An attempt whose reply was lost, and one without a price.
async fn two_open(store: &Store) -> [AttemptId; 2] {
    let mut ids = [Uuid::nil(); 2];
    for (id, state) in ids.iter_mut().zip([AttemptState::Unresolved, AttemptState::Unpriced]) {
        let attempt = reservation(NOON);
        *id = attempt.id;
        record(store, attempt, open_ended(state)).await;
    }
    ids
}

fn december(group_by: &[&str]) -> CostQuery {
    let (from, to) = month_of(LATER.into());
    CostQuery { from, to, ..query(group_by) }
}

async fn a_correction_closes_an_attempt_and_its_money_counts_from_then_on(place: Place) {
    let store = place.open().await;
    let [lost, unpriced] = two_open(&store).await;
    correct(&store, lost, "0.003").await.expect("corrected");
    correct(&store, unpriced, "0").await.expect("corrected");
    assert_eq!(store.open_attempts(LATER.into()).await, Ok(vec![]));
    let total = store.costs(december(&[]), LATER.into()).await.expect("a report").total;
    assert_eq!(total, Figures { cost_usd: usd("0.003"), ..Figures::default() });
    let by_day = grouped(&store, december(&["day"]), |figures| figures.cost_usd).await;
    assert_eq!(by_day, [(vec![Some("2026-12-03".into())], usd("0.003"))]);
}

async fn a_closed_month_keeps_its_sums_and_loses_its_open_attempts(place: Place) {
    let store = place.open().await;
    record(&store, reservation(NOON), settled("0.001")).await;
    let [lost, _] = two_open(&store).await;
    let before = total(&store).await;
    correct(&store, lost, "0.003").await.expect("corrected");
    let expected = Figures { unresolved: 0, unresolved_usd: Usd::ZERO, ..before };
    assert_eq!(before.unresolved, 1);
    assert_eq!(total(&store).await, expected);
    assert_eq!((expected.cost_usd, expected.unpriced), (usd("0.001"), 1));
}

async fn what_is_in_flight_settled_corrected_or_unknown_is_refused_and_none_of_its_group_is_written(
    place: Place,
) {
    let store = place.open().await;
    let [lost, unpriced] = two_open(&store).await;
    let (done, flying) = (reservation(NOON), reservation(LATER));
    let (settled_id, flying_id) = (done.id, flying.id);
    record(&store, done, settled("0.001")).await;
    store.reserve(flying).await.expect("reserved");
    correct(&store, unpriced, "0.002").await.expect("corrected");
    for (id, expected) in [
        (flying_id, "is in flight: its reply may still come until 2026-12-03 9:00:30.0 +00:00:00"),
        (settled_id, "is settled at 0.001 US dollars"),
        (unpriced, "was corrected on 2026-12-03 9:00:00.0 +00:00:00, which stands"),
    ] {
        // Of what is settled a person alone may say otherwise.
        let reconciled = Correction { kind: CorrectionKind::Reconcile, ..correction(id, "1") };
        let group = vec![correction(lost, "1"), reconciled];
        let error = store.correct(group, LATER.into()).await.expect_err(expected);
        assert_eq!(error.to_string(), format!("attempt {id} {expected}"));
    }
    let unknown = Uuid::now_v7();
    assert_eq!(correct(&store, unknown, "1").await, Err(Error::UnknownAttempt(unknown)));
    let open = store.open_attempts(LATER.into()).await.expect("a list");
    assert_eq!(open.iter().map(|open| open.id).collect::<Vec<_>>(), [lost, flying_id]);
    let expired = LATER + Duration::from_secs(30);
    store.correct(vec![correction(flying_id, "0")], expired.into()).await.expect("nobody waits");
}

async fn a_late_settlement_of_a_corrected_attempt_counts_nothing_twice(place: Place) {
    let store = place.open().await;
    set_month(&store).await;
    let attempt = reservation(NOON);
    let id = attempt.id;
    store.reserve(attempt).await.expect("reserved");
    correct(&store, id, "0.003").await.expect("it expired");
    store.settle(id, settled("0.002")).await.expect("nothing is wrong with it");
    assert_eq!(total(&store).await.cost_usd, Usd::ZERO, "its own month stays as it was");
    let total = store.costs(december(&[]), LATER.into()).await.expect("a report").total;
    assert_eq!(total.cost_usd, usd("0.003"), "the correction stands");
    assert_eq!(gone(&store).await, (usd("0.003"), Usd::ZERO));
    assert!(matches!(correct(&store, id, "0.002").await, Err(Error::NotOpen(..))));
}

async fn set_month(store: &Store) {
    let team = Subject::Team("care".into());
    let limit = Some((usd("1"), true));
    store.set_budget(team, Period::Month, limit, NOON.into()).await.expect("set");
}

/// What is spent and reserved of the budget in November.
async fn gone(store: &Store) -> (Usd, Usd) {
    let state = store.budgets(NOON.into()).await.expect("a list").remove(0);
    (state.spent, state.reserved)
}

async fn a_correction_gives_the_reservation_back_in_the_attempts_own_period(place: Place) {
    let store = place.open().await;
    set_month(&store).await;
    let [lost, unpriced] = two_open(&store).await;
    assert_eq!(gone(&store).await, (Usd::ZERO, usd("0.008")));
    correct(&store, lost, "0.003").await.expect("corrected");
    assert_eq!(gone(&store).await, (usd("0.003"), usd("0.004")));
    correct(&store, unpriced, "0").await.expect("corrected");
    assert_eq!(gone(&store).await, (usd("0.003"), Usd::ZERO));
}

async fn a_budget_set_after_a_correction_counts_it(place: Place) {
    let store = place.open().await;
    record(&store, reservation(NOON), settled("0.001")).await;
    let [lost, _] = two_open(&store).await;
    correct(&store, lost, "0.003").await.expect("corrected");
    set_month(&store).await;
    assert_eq!(gone(&store).await, (usd("0.004"), usd("0.004")));
}

async fn a_correction_counts_by_the_attempts_own_columns(place: Place) {
    let store = place.open().await;
    let mut attempt = reservation(NOON);
    attempt.caller.tags = BTreeMap::from([("feature".into(), "inbox".into())]);
    attempt.caller.key_id = Some("k-1".into());
    let id = attempt.id;
    record(&store, attempt, open_ended(AttemptState::Unpriced)).await;
    correct(&store, id, "0.003").await.expect("corrected");
    for (by, expected) in [
        ("team", "care"),
        ("key", "k-1"),
        ("model", "gpt-4o-2024-08-06"),
        ("endpoint", "sentiment"),
        ("route", "llm"),
        ("tag:feature", "inbox"),
        ("month", "2026-12"),
    ] {
        let rows = grouped(&store, december(&[by]), |figures| figures.cost_usd).await;
        assert_eq!(rows, [(vec![Some(expected.to_owned())], usd("0.003"))], "{by}");
    }
}

async fn charges_sum_to_the_report_and_tell_corrections_apart(place: Place) {
    let store = place.open().await;
    let tagged = || {
        let mut attempt = reservation(NOON);
        attempt.caller.tags = BTreeMap::from([("a".into(), "=1".into()), ("b".into(), "2".into())]);
        attempt
    };
    record(&store, tagged(), settled("0.001")).await;
    record(&store, tagged(), settled("0.002")).await;
    record(&store, reservation(NOON), settled("0.004")).await;
    let [lost, unpriced] = two_open(&store).await;
    correct(&store, lost, "0.008").await.expect("corrected");
    let same_month = NOON + Duration::from_secs(86400);
    let in_month = vec![correction(unpriced, "0.016")];
    store.correct(in_month, same_month.into()).await.expect("corrected");

    let charges = async |query: CostQuery| {
        let charges = store.charges(query.from, query.to).await.expect("a list");
        let report = store.costs(query, LATER.into()).await.expect("a report");
        let sum: Usd = charges.iter().map(|charge| charge.cost).sum();
        assert_eq!(sum, report.total.cost_usd);
        charges
    };
    let november = charges(query(&[])).await;
    let mut told: Vec<_> = november
        .iter()
        .map(|charge| {
            let (tags, correction) = (charge.tags.len(), charge.correction.as_deref());
            (charge.day.as_str(), tags, correction, charge.late, charge.calls, charge.cost)
        })
        .collect();
    // Databases differ on whether none comes before some.
    told.sort_unstable_by_key(|row| (row.0, std::cmp::Reverse(row.1)));
    assert_eq!(
        told,
        [
            ("2026-11-20", 2, None, false, 2, usd("0.003")),
            ("2026-11-20", 0, None, false, 1, usd("0.004")),
            ("2026-11-21", 0, Some("resolve"), false, 1, usd("0.016")),
        ]
    );
    let december = charges(december(&[])).await;
    assert_eq!(december.len(), 1);
    assert!(december[0].late && december[0].correction.as_deref() == Some("resolve"));
}

async fn usage_counts_a_correction_on_the_attempts_own_day(place: Place) {
    let store = place.open().await;
    record(&store, reservation(NOON), settled("0.001")).await;
    let [lost, _] = two_open(&store).await;
    correct(&store, lost, "0.003").await.expect("corrected");
    let elsewhere = Reservation { provider: "anthropic".into(), ..reservation(NOON) };
    record(&store, elsewhere, settled("0.5")).await;
    let CostQuery { from, to, .. } = query(&[]);
    let usage = store.usage("openai".into(), from, to).await.expect("a list");
    let tokens = Usage { input: 429, cache_read: 21, output: 66, ..Usage::default() };
    let expected = DayUsage {
        day: "2026-11-20".into(),
        model: "gpt-4o-2024-08-06".into(),
        calls: 3,
        usage: tokens,
        cost: usd("0.004"),
    };
    assert_eq!(usage, [expected]);
}

async fn of_many_that_correct_the_same_attempt_one_succeeds(place: Place) {
    let stores = [place.open().await, place.open().await];
    set_month(&stores[0]).await;
    let [lost, unpriced] = two_open(&stores[0]).await;
    let tries = (0..10).map(|at| {
        let group = match at % 3 {
            0 => vec![correction(lost, "0.003"), correction(unpriced, "0.001")],
            _ => vec![correction(unpriced, "0.001"), correction(lost, "0.003")],
        };
        stores[at % 2].correct(group, LATER.into())
    });
    let results = futures::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(gone(&stores[1]).await, (usd("0.004"), Usd::ZERO));
}

async fn a_settled_attempt_is_corrected_by_the_difference_and_its_month_stays(place: Place) {
    let store = place.open().await;
    set_month(&store).await;
    let attempt = reservation(NOON);
    let id = attempt.id;
    record(&store, attempt, settled("0.5")).await;
    record(&store, reservation(NOON), settled("0.001")).await;
    let before = total(&store).await;
    let dear = store.attempts_over_reservation().await.expect("a list");
    assert_eq!(
        dear.iter().map(|one| (one.id, one.cost_usd)).collect::<Vec<_>>(),
        [(id, Some(usd("0.5")))]
    );

    correct(&store, id, "0.002").await.expect("corrected");
    assert_eq!(total(&store).await, before, "the closed month stays as it was");
    let later = store.costs(december(&[]), LATER.into()).await.expect("a report").total;
    assert_eq!(later, Figures { cost_usd: usd("-0.498"), ..Figures::default() });
    assert_eq!(gone(&store).await, (usd("0.003"), Usd::ZERO), "its own period has the room again");
    let charges = store.charges(december(&[]).from, december(&[]).to).await.expect("a list");
    let told: Vec<_> = charges
        .iter()
        .map(|charge| (charge.cost, charge.calls, charge.usage.total(), charge.late))
        .collect();
    assert_eq!(told, [(usd("-0.498"), 0, 0, true)], "its call and its tokens are November's");
    let CostQuery { from, to, .. } = query(&[]);
    let usage = store.usage("openai".into(), from, to).await.expect("a list");
    assert_eq!((usage[0].calls, usage[0].cost), (2, usd("0.003")));
    assert!(matches!(correct(&store, id, "0").await, Err(Error::NotOpen(..))), "once");
    assert!(store.attempts_over_reservation().await.expect("a list").is_empty());
    set_month(&store).await;
    assert_eq!(gone(&store).await, (usd("0.003"), Usd::ZERO), "so does a budget that is set now");
}

async fn a_month_past_what_one_number_holds_is_exact_and_can_be_corrected(place: Place) {
    let store = place.open().await;
    set_month(&store).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        // Sent before the budget was used up, as calls in flight are.
        let attempt = Reservation { worst_case: Some(usd("0.1")), ..reservation(NOON) };
        ids.push(attempt.id);
        store.reserve(attempt).await.expect("reserved");
    }
    for id in &ids {
        store.settle(*id, settled("2500000.000000000001")).await.expect("settled");
    }
    let next = reservation(NOON);
    assert!(matches!(store.reserve(next).await, Err(Error::OverBudget { .. })));
    assert_eq!(total(&store).await.cost_usd.to_string(), "12500000.000000000005");
    for by in ["day", "model", "tag:feature"] {
        let rows = grouped(&store, query(&[by]), |figures| figures.cost_usd.to_string()).await;
        assert_eq!(rows[0].1, "12500000.000000000005", "{by}");
    }
    let CostQuery { from, to, .. } = query(&[]);
    // A period that cuts a day reads the attempts themselves.
    let cut = CostQuery {
        from: from + Duration::from_secs(1),
        to: NOON + Duration::from_secs(1),
        ..query(&[])
    };
    let cut = store.costs(cut, NOON.into()).await.expect("a report").total;
    assert_eq!(cut.cost_usd.to_string(), "12500000.000000000005");
    let charged: Usd =
        store.charges(from, to).await.expect("a list").iter().map(|charge| charge.cost).sum();
    assert_eq!(charged.to_string(), "12500000.000000000005");
    let usage = store.usage("openai".into(), from, to).await.expect("a list");
    assert_eq!(usage[0].cost.to_string(), "12500000.000000000005");
    let mut spared = Counts { cached: 1, ..Counts::default() };
    spared.saved = usd("5000000");
    for _ in 0..3 {
        let counts = vec![(key("sentiment", VerdictBy::Llm), spared)];
        store.add_counts(counts).await.expect("counted");
    }
    assert_eq!(total(&store).await.cached, 3);

    let corrections = ids.iter().map(|id| correction(*id, "0.0005")).collect();
    store.correct(corrections, NOON.into()).await.expect("corrected");
    assert_eq!(total(&store).await.cost_usd, usd("0.0025"));
    assert_eq!(gone(&store).await, (usd("0.0025"), Usd::ZERO));
    let after = reservation(NOON);
    store.reserve(after).await.expect("there is room again");
}
