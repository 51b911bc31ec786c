//! Keys, and budgets that no number of gateways overruns.

use super::*;

on_either_store! {
    a_lost_ledger_with_keys_does_not_become_an_open_one,
    without_keys_a_lost_ledger_is_begun_anew,
    a_key_is_kept_by_its_hash_until_it_is_revoked_or_expires,
    of_a_budget_the_worst_case_is_reserved_and_the_rest_returned,
    an_attempt_counts_in_the_budgets_of_the_period_in_which_it_was_reserved,
    a_call_must_fit_the_budgets_of_its_key_and_of_its_team,
    a_soft_budget_refuses_nothing_and_counts_all_the_same,
    what_has_no_price_is_refused_by_a_hard_budget_alone,
    a_bill_above_its_reservation_is_counted_whole,
    a_budget_set_amid_a_period_counts_what_has_gone_already,
    a_warning_is_given_by_one_gateway_once,
    many_at_once_over_two_gateways_never_overrun_the_last_dollar,
}

fn stored(id: &str) -> StoredKey {
    StoredKey {
        id: id.into(),
        hash: *blake3::hash(id.as_bytes()).as_bytes(),
        team: "care".into(),
        scopes: "analyze costs:read".into(),
        created_at: NOON,
        expires_at: None,
        revoked_at: None,
        requests_per_minute: Some(7),
        texts_per_minute: Some(70),
        tokens_per_minute: None,
    }
}

async fn a_lost_ledger_with_keys_does_not_become_an_open_one(place: Place) {
    let store = place.open().await;
    store.add_key(stored("k-1")).await.expect("added");
    store.close().await;
    let again = place.open().await;
    assert!(again.access_state(NOON).await.expect("a state").any_key);
    again.close().await;

    place.lose().await;
    let error = Store::open(&place.config()).await.expect_err("refused").to_string();
    let marker = error.split_whitespace().find(|word| word.ends_with(".keys")).expect(&error);
    assert!(error.contains("keys have existed") && error.contains("backup"), "{error}");
    assert!(Store::open(&place.config()).await.is_err(), "trying does not make a new one");

    // A ledger of another id is another ledger.
    let text = std::fs::read_to_string(marker).expect("the file that the error names");
    std::fs::remove_file(marker).expect("removed");
    let new = place.open().await;
    assert!(!new.access_state(NOON).await.expect("a state").any_key, "begun anew on purpose");
    new.close().await;
    std::fs::write(marker, text).expect("written");
    let error = Store::open(&place.config()).await.expect_err("refused").to_string();
    assert!(error.contains("it holds the ledger"), "{error}");

    // One that cannot be read keeps the door shut all the same.
    std::fs::write(marker, "").expect("written");
    assert!(place.open().await.access_state(NOON).await.expect("a state").any_key);
}

async fn without_keys_a_lost_ledger_is_begun_anew(place: Place) {
    let store = place.open().await;
    assert!(!store.access_state(NOON).await.expect("a state").any_key);
    store.close().await;
    place.lose().await;
    assert!(!place.open().await.access_state(NOON).await.expect("a state").any_key);
}

async fn set(store: &Store, subject: Subject, period: Period, limit: &str, hard: bool) {
    let limit = Some((usd(limit), hard));
    store.set_budget(subject, period, limit, NOON.into()).await.expect("set");
}

fn team() -> Subject {
    Subject::Team("care".into())
}

/// What is spent and reserved of the first budget of that subject.
async fn gone(store: &Store, subject: &Subject) -> (Usd, Usd) {
    let budgets = store.budgets(NOON.into()).await.expect("a list");
    let found = budgets.iter().find(|state| state.budget.subject == *subject).expect("it is set");
    (found.spent, found.reserved)
}

fn is_over_budget(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::OverBudget { .. }))
}

async fn a_key_is_kept_by_its_hash_until_it_is_revoked_or_expires(place: Place) {
    let store = place.open().await;
    let state = store.access_state(NOON).await.expect("a state");
    assert!(!state.any_key && state.keys.is_empty());
    let expires_at = Some(NOON + Duration::from_secs(60));
    let (lasting, passing) = (stored("k-1"), StoredKey { expires_at, ..stored("k-2") });
    for key in [&lasting, &passing] {
        store.add_key(key.clone()).await.expect("added");
    }
    assert!(store.add_key(stored("k-1")).await.is_err(), "ids are given once");
    let live = async |seconds: u64| {
        let state = store.access_state(NOON + Duration::from_secs(seconds)).await;
        let mut keys = state.expect("a state").keys;
        keys.sort_by(|one, other| one.id.cmp(&other.id));
        keys
    };
    assert_eq!(live(59).await, [lasting.clone(), passing.clone()]);
    assert_eq!(live(60).await, std::slice::from_ref(&lasting));

    let other = place.open().await;
    assert_eq!(other.revoke_key("k-1".into(), NOON).await, Ok(true));
    let later = NOON + Duration::from_secs(9);
    assert_eq!(other.revoke_key("k-1".into(), later).await, Ok(true), "the first counts");
    assert_eq!(other.revoke_key("k-9".into(), NOON).await, Ok(false));
    assert!(live(60).await.is_empty());
    let state = store.access_state(later + Duration::from_secs(99)).await.expect("a state");
    assert!(state.any_key, "keys stay required for good");
    let revoked = StoredKey { revoked_at: Some(NOON), ..lasting };
    assert_eq!(store.keys().await, Ok(vec![revoked, passing]));
}

async fn of_a_budget_the_worst_case_is_reserved_and_the_rest_returned(place: Place) {
    let store = place.open().await;
    set(&store, team(), Period::Month, "0.01", true).await;
    let first = reservation(NOON);
    let id = first.id;
    assert_eq!(store.reserve(first).await, Ok(()));
    assert_eq!(store.reserve(reservation(NOON)).await, Ok(()));
    assert_eq!(gone(&store, &team()).await, (Usd::ZERO, usd("0.008")));
    let refused = store.reserve(reservation(NOON)).await;
    assert_eq!(
        refused.expect_err("0.012 would not fit").to_string(),
        "the month budget of the team care is 0.01 US dollars, of which 0 is spent and 0.008 reserved; \
         this call may cost up to 0.004; the budget starts anew at 2026-12-01T00:00:00Z"
    );
    assert_eq!(total(&store).await.calls, 2, "what is refused is not on the ledger");

    store.settle(id, settled("0.0005")).await.expect("settled");
    store.settle(id, settled("0.0009")).await.expect("the first counts");
    assert_eq!(gone(&store, &team()).await, (usd("0.0005"), usd("0.004")));
    let lost = reservation(NOON);
    let id = lost.id;
    assert_eq!(store.reserve(lost).await, Ok(()));
    store.settle(id, open_ended(AttemptState::Unresolved)).await.expect("on record");
    assert_eq!(gone(&store, &team()).await, (usd("0.0005"), usd("0.008")), "it keeps what it took");
    assert!(is_over_budget(&store.reserve(reservation(NOON)).await));

    let unbound = Reservation {
        caller: Caller { team: Some("sales".into()), ..reservation(NOON).caller },
        ..reservation(NOON)
    };
    assert_eq!(store.reserve(unbound).await, Ok(()));
    store.set_budget(team(), Period::Month, None, NOON.into()).await.expect("lifted");
    assert_eq!(store.reserve(reservation(NOON)).await, Ok(()));
    assert_eq!(store.budgets(NOON.into()).await, Ok(vec![]));
}

async fn an_attempt_counts_in_the_budgets_of_the_period_in_which_it_was_reserved(place: Place) {
    let store = place.open().await;
    set(&store, team(), Period::Day, "0.005", true).await;
    let evening = NOON + Duration::from_secs(12 * 60 * 60 - 1);
    let (today, tomorrow) = (reservation(evening), reservation(evening + Duration::from_secs(1)));
    let id = today.id;
    assert_eq!(store.reserve(today).await, Ok(()));
    assert!(is_over_budget(&store.reserve(reservation(evening)).await));
    assert_eq!(store.reserve(tomorrow).await, Ok(()), "another day, another budget");
    store.settle(id, settled("0.003")).await.expect("settled after midnight");
    for (at, spent, reserved) in
        [(evening, "0.003", "0"), (evening + Duration::from_secs(1), "0", "0.004")]
    {
        let states = store.budgets(at.into()).await.expect("a list");
        assert_eq!((states[0].spent, states[0].reserved), (usd(spent), usd(reserved)), "{at}");
        assert_eq!(states[0].resets_at().time(), time::Time::MIDNIGHT);
    }
}

async fn a_call_must_fit_the_budgets_of_its_key_and_of_its_team(place: Place) {
    let store = place.open().await;
    store.add_key(stored("k-1")).await.expect("added");
    let by_key = || {
        let mut attempt = reservation(NOON);
        attempt.caller.key_id = Some("k-1".into());
        attempt
    };
    let key = Subject::Key("k-1".into());
    set(&store, team(), Period::Month, "0.009", true).await;
    set(&store, key.clone(), Period::Day, "0.005", true).await;
    assert_eq!(store.reserve(by_key()).await, Ok(()));
    assert!(is_over_budget(&store.reserve(by_key()).await), "the key's is used up");
    assert_eq!(gone(&store, &team()).await.1, usd("0.004"), "a refusal takes nothing anywhere");
    assert_eq!(store.reserve(reservation(NOON)).await, Ok(()));
    assert!(is_over_budget(&store.reserve(reservation(NOON)).await), "the team's is used up");

    let states = store.budgets(NOON.into()).await.expect("a list");
    let rows: Vec<_> = states
        .iter()
        .map(|state| (state.team.as_deref(), state.budget.subject.clone(), state.reserved))
        .collect();
    let team_row = (Some("care"), team(), usd("0.008"));
    assert_eq!(rows, [team_row, (Some("care"), key.clone(), usd("0.004"))]);
    let mut hard = store.access_state(NOON).await.expect("a state").hard;
    hard.sort();
    assert_eq!(hard, [key, team()]);
}

async fn a_soft_budget_refuses_nothing_and_counts_all_the_same(place: Place) {
    let store = place.open().await;
    set(&store, team(), Period::Month, "0.001", false).await;
    for _ in 0..3 {
        record(&store, reservation(NOON), settled("0.002")).await;
    }
    assert_eq!(gone(&store, &team()).await, (usd("0.006"), Usd::ZERO));
    assert!(store.access_state(NOON).await.expect("a state").hard.is_empty());
}

async fn what_has_no_price_is_refused_by_a_hard_budget_alone(place: Place) {
    let store = place.open().await;
    let unpriced = || Reservation { worst_case: None, ..reservation(NOON) };
    set(&store, team(), Period::Month, "1000", false).await;
    assert_eq!(store.reserve(unpriced()).await, Ok(()));
    set(&store, team(), Period::Month, "1000", true).await;
    assert!(is_over_budget(&store.reserve(unpriced()).await));
}

async fn a_bill_above_its_reservation_is_counted_whole(place: Place) {
    let store = place.open().await;
    set(&store, team(), Period::Month, "0.01", true).await;
    record(&store, reservation(NOON), settled("0.5")).await;
    assert_eq!(gone(&store, &team()).await, (usd("0.5"), Usd::ZERO));
    assert!(is_over_budget(&store.reserve(reservation(NOON)).await));
}

async fn a_budget_set_amid_a_period_counts_what_has_gone_already(place: Place) {
    let store = place.open().await;
    record(&store, reservation(NOON), settled("0.002")).await;
    record(&store, reservation(NOON), open_ended(AttemptState::Unpriced)).await;
    let in_flight = reservation(NOON);
    let id = in_flight.id;
    store.reserve(in_flight).await.expect("reserved");
    let last_month = NOON - Duration::from_secs(30 * 86400);
    record(&store, reservation(last_month), settled("0.7")).await;
    set(&store, team(), Period::Month, "1", true).await;
    assert_eq!(gone(&store, &team()).await, (usd("0.002"), usd("0.008")));
    store.settle(id, settled("0.001")).await.expect("settled");
    assert_eq!(gone(&store, &team()).await, (usd("0.003"), usd("0.004")));
}

async fn a_warning_is_given_by_one_gateway_once(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    set(&one, team(), Period::Month, "0.004", false).await;
    record(&one, reservation(NOON), settled("0.002")).await;
    let state = one.budgets(NOON.into()).await.expect("a list").remove(0);
    let (now, soon) = (NOON.into(), (NOON + Duration::from_secs(60)).into());
    let claim = async |store: &Store, percent, now, until| {
        store.claim_warning(state.clone(), percent, now, until).await
    };
    assert_eq!(claim(&one, 50, now, soon).await, Ok(true));
    assert_eq!(claim(&other, 50, now, soon).await, Ok(false), "the first is at it");
    assert_eq!(claim(&other, 50, soon, soon).await, Ok(true), "the first has died of it");
    other.warned(state.clone(), 50).await.expect("on record");
    assert_eq!(claim(&one, 50, soon, soon).await, Ok(false), "once is enough");
    assert_eq!(one.budgets(NOON.into()).await.expect("a list")[0].warned, 50);
    assert_eq!(claim(&one, 80, now, soon).await, Ok(true), "the next step is told as well");
}

async fn many_at_once_over_two_gateways_never_overrun_the_last_dollar(place: Place) {
    let stores = [place.open().await, place.open().await];
    store_limits(&stores[0]).await;
    let calls = (0..500).map(|at| {
        let store = &stores[at % 2];
        async move {
            let attempt = reservation(NOON);
            let id = attempt.id;
            match store.reserve(attempt).await {
                Ok(()) => {
                    store.settle(id, settled("0.003")).await.expect("settled");
                    true
                }
                Err(Error::OverBudget { .. }) => false,
                Err(error) => panic!("{error}"),
            }
        }
    });
    let answered = futures::future::join_all(calls).await.into_iter().filter(|yes| *yes).count();
    let (spent, reserved) = gone(&stores[1], &team()).await;
    assert_eq!((spent.pico(), reserved), (3_000_000_000 * answered as i64, Usd::ZERO));
    assert!(spent <= usd("0.1"), "{spent}");
    assert!(answered >= 25, "25 worst cases fit at once: {answered}");
    assert_eq!(total(&stores[0]).await.cost_usd, spent);
}

async fn store_limits(store: &Store) {
    set(store, team(), Period::Month, "0.1", true).await;
    set(store, team(), Period::Day, "5", true).await;
}
