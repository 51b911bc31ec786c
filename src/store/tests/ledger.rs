//! Attempts, counts and kept answers, and stores that are opened, shared and closed.

use super::*;

on_either_store! {
    an_open_attempt_is_in_flight_until_it_expires_and_unresolved_from_then_on,
    what_is_unresolved_or_unpriced_costs_nothing_yet_and_is_counted_apart,
    of_two_settlements_the_first_counts,
    a_refused_record_leaves_its_neighbours_alone,
    many_that_meet_a_new_store_at_once_all_open_it,
    two_processes_may_share_a_store,
    closing_commits_what_waits_and_what_was_written_is_there_again,
    an_answer_that_was_bought_is_kept_once_for_its_question_alone,
}

async fn an_open_attempt_is_in_flight_until_it_expires_and_unresolved_from_then_on(place: Place) {
    let store = place.open().await;
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

async fn what_is_unresolved_or_unpriced_costs_nothing_yet_and_is_counted_apart(place: Place) {
    let store = place.open().await;
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

async fn of_two_settlements_the_first_counts(place: Place) {
    let store = place.open().await;
    let attempt = reservation(NOON);
    let id = attempt.id;
    record(&store, attempt, settled("0.001")).await;
    store.settle(id, settled("0.002")).await.expect("nothing is wrong with asking twice");
    assert_eq!(total(&store).await.cost_usd, usd("0.001"));

    let unknown = Uuid::now_v7();
    assert_eq!(store.settle(unknown, settled("1")).await, Err(Error::UnknownAttempt(unknown)));
}

async fn a_refused_record_leaves_its_neighbours_alone(place: Place) {
    let store = place.open().await;
    let attempt = reservation(NOON);
    let (again, other) = (attempt.clone(), reservation(NOON));
    let (first, second, third) =
        tokio::join!(store.reserve(attempt), store.reserve(again), store.reserve(other));
    assert_eq!((first, third), (Ok(()), Ok(())));
    assert!(matches!(second, Err(Error::Refused(_))), "{second:?}");
    assert_eq!(total(&store).await.calls, 2);
}

async fn many_that_meet_a_new_store_at_once_all_open_it(place: Place) {
    let stores = futures::future::join_all((0..6).map(|_| place.open())).await;
    assert_eq!(stores.len(), 6);
}

async fn two_processes_may_share_a_store(place: Place) {
    let (one, other) = tokio::join!(place.open(), place.open());
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

async fn closing_commits_what_waits_and_what_was_written_is_there_again(place: Place) {
    let first = place.open().await;
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
    assert_eq!(total(&place.open().await).await.local, 1);
}

async fn an_answer_that_was_bought_is_kept_once_for_its_question_alone(place: Place) {
    let store = place.open().await;
    let interview = |prompt: &str| Interview {
        provider: "openai".into(),
        model: "gpt-4o".into(),
        endpoint: "sentiment".into(),
        prompt: prompt.into(),
    };
    let answer = KeptAnswer {
        question: "q1".into(),
        model_served: "gpt-4o-2024-08-06".into(),
        content: KeptContent::Verdict("{}".into()),
        cost: Some(Usd::from_pico(577_500_000)),
        latency: Duration::from_micros(811_250),
        alone: true,
        bought_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_100_000_123),
    };
    let refused = KeptAnswer {
        question: "q2".into(),
        content: KeptContent::Failure("refused".into()),
        cost: None,
        alone: false,
        ..answer.clone()
    };
    let again = KeptAnswer { cost: Some(Usd::ZERO), ..answer.clone() };
    for kept in [&answer, &refused, &again] {
        store.keep_answer(interview("p1"), kept.clone()).await.expect("kept");
    }
    let kept = store.kept_answers(interview("p1")).await.expect("read");
    assert_eq!(kept, [answer, refused]);
    assert_eq!(store.kept_answers(interview("p2")).await, Ok(Vec::new()));
    let open = store.open_attempts(SystemTime::now()).await.expect("read");
    assert!(open.is_empty(), "what is kept is no attempt");
}
