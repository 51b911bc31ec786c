//! Windows of verdicts.

use std::collections::BTreeMap;

use super::*;
use crate::trends::{Bounds, Sums, Window, WindowId, WindowKey};

on_either_store! {
    what_is_folded_is_read_back_summed,
    another_key_or_none_is_another_window,
    wider_windows_are_put_together_and_what_does_not_fit_comes_as_it_is,
    a_fold_counts_only_from_where_the_topic_is,
    folds_of_two_gateways_at_once_count_each_record_once,
    keys_and_terms_beyond_the_bounds_count_without_a_name,
    changes_are_found_by_the_stores_clock,
    windows_that_have_not_changed_for_long_are_forgotten,
}

const ROOMY: Bounds = Bounds { keys: 1000, terms: 1000, cells: 100_000 };
const MINUTE: i64 = 60_000;

fn window(start_ms: i64, key: Option<&str>, count: u64) -> Window {
    let sums = Sums {
        count,
        late: count / 2,
        labels: [count, 0, 0, 0],
        score_micros: -250_000 * i64::try_from(count).expect("small"),
        emotions: BTreeMap::from([("anger", count)]),
        aspects: BTreeMap::from([("app".to_owned(), [count, 0, 0, 1])]),
    };
    Window { id: WindowId::of(start_ms, WindowKey::of(key), 60), sums }
}

fn own(windows: Vec<Window>) -> WindowsFold {
    WindowsFold { windows, bounds: ROOMY, advance: None }
}

fn all(width_seconds: u32) -> WindowQuery {
    WindowQuery { from_ms: 0, to_ms: i64::MAX, key: None, width_seconds, most: 1000 }
}

fn from_topic(partition: i32, from: Option<i64>, to: i64, windows: Vec<Window>) -> WindowsFold {
    let one = PartitionAdvance { partition, from, to, greatest_ms: Some(to * 1000) };
    let advance = Advance { topic: "results".into(), partitions: vec![one] };
    WindowsFold { windows, bounds: ROOMY, advance: Some(advance) }
}

async fn texts(store: &Store) -> u64 {
    let windows = store.windows(all(60)).await.expect("windows");
    windows.iter().map(|window| window.sums.count).sum()
}

async fn what_is_folded_is_read_back_summed(place: Place) {
    let store = place.open().await;
    store.fold_windows(own(vec![window(0, Some("a"), 2)])).await.expect("folded");
    store.fold_windows(own(vec![window(0, Some("a"), 3)])).await.expect("folded");
    let read = store.windows(all(60)).await.expect("windows");
    let mut expected = window(0, Some("a"), 5);
    expected.sums.late = 2;
    expected.sums.aspects = BTreeMap::from([("app".to_owned(), [5, 0, 0, 2])]);
    assert_eq!(read, [expected]);
}

async fn another_key_or_none_is_another_window(place: Place) {
    let store = place.open().await;
    let keys = [None, Some(""), Some("a"), Some("=a"), Some("A"), Some("a\0b"), Some("żółć")];
    let windows = keys.iter().map(|key| window(0, *key, 1)).collect();
    store.fold_windows(own(windows)).await.expect("folded");
    let read = store.windows(all(60)).await.expect("windows");
    assert_eq!(read.len(), keys.len());
    for key in keys {
        let query = WindowQuery { key: Some(WindowKey::of(key)), ..all(60) };
        let read = store.windows(query).await.expect("windows");
        let names: Vec<_> = read.iter().map(|window| window.id.key.clone()).collect();
        assert_eq!(names, [WindowKey::of(key)]);
    }
    let query = WindowQuery { from_ms: MINUTE, ..all(60) };
    assert_eq!(store.windows(query).await, Ok(Vec::new()));
    let query = WindowQuery { most: 3, ..all(60) };
    assert_eq!(store.windows(query).await.expect("windows").len(), 4, "one more than asked for");
}

async fn wider_windows_are_put_together_and_what_does_not_fit_comes_as_it_is(place: Place) {
    let store = place.open().await;
    let windows = (0..10).map(|minute| window(minute * MINUTE, None, 2)).collect();
    store.fold_windows(own(windows)).await.expect("folded");
    // As stored while the configuration said 420 s.
    let mut odd = window(0, None, 1);
    odd.id = WindowId::of(0, WindowKey::default(), 420);
    store.fold_windows(own(vec![odd])).await.expect("folded");
    let read = store.windows(all(300)).await.expect("windows");
    let summary: Vec<_> = read
        .iter()
        .map(|window| (window.id.start_ms, window.id.width_seconds, window.sums.count))
        .collect();
    assert_eq!(summary, [(0, 300, 10), (0, 420, 1), (5 * MINUTE, 300, 10)]);
    assert_eq!((read[0].sums.emotions["anger"], read[0].sums.aspects["app"][0]), (10, 10));
}

async fn a_fold_counts_only_from_where_the_topic_is(place: Place) {
    let store = place.open().await;
    let fold = |from, to| store.fold_windows(from_topic(0, from, to, vec![window(0, None, 1)]));
    let moved = |stored| Err(Error::Moved { topic: "results".into(), partition: 0, stored });
    assert_eq!(fold(Some(0), 5).await, moved(None), "nothing is folded yet");
    assert_eq!(fold(None, 5).await, Ok(()));
    assert_eq!(fold(None, 5).await, moved(Some(5)), "somebody has begun");
    assert_eq!(fold(Some(5), 9).await, Ok(()));
    assert_eq!(fold(Some(5), 9).await, moved(Some(9)));
    assert_eq!(texts(&store).await, 2, "what is refused adds nothing");
    store.clone().close().await;
    let store = place.open().await;
    let positions = store.positions("results".into()).await.expect("positions");
    assert_eq!(positions.len(), 1);
    assert_eq!((positions[0].partition, positions[0].next_offset), (0, 9));
    assert_eq!(positions[0].greatest_ms, Some(9_000));
    assert!(positions[0].updated_us > 1_000_000_000_000_000);
    assert_eq!(store.positions("other".into()).await, Ok(Vec::new()));
}

/// Several gateways read the same partitions from the start, each at its own pace.
async fn folds_of_two_gateways_at_once_count_each_record_once(place: Place) {
    const RECORDS: i64 = 120;
    let gateways = [place.open().await, place.open().await, place.open().await];
    let partitions = [0, 1];
    let mut tasks = tokio::task::JoinSet::new();
    for (number, store) in gateways.iter().enumerate() {
        for partition in partitions {
            let store = store.clone();
            tasks.spawn(async move {
                let step = 3 + i64::try_from(number).expect("small");
                let mut from: Option<i64> = None;
                while from.unwrap_or_default() < RECORDS {
                    let to = (from.unwrap_or_default() + step).min(RECORDS);
                    let count = u64::try_from(to - from.unwrap_or_default()).expect("onwards");
                    let windows =
                        vec![window(0, None, count), window(to * 10_000, Some("b"), count)];
                    match store.fold_windows(from_topic(partition, from, to, windows)).await {
                        Ok(()) => from = Some(to),
                        Err(Error::Moved { stored, .. }) => from = stored,
                        Err(error) => panic!("{error}"),
                    }
                    // The gateway's own texts go in between.
                    store.fold_windows(own(vec![window(0, Some("own"), 1)])).await.expect("own");
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no fold fails");
    }
    let read = gateways[0].windows(all(60)).await.expect("windows");
    let sum = |key: Option<&str>| -> u64 {
        let key = WindowKey::of(key);
        let of_key = read.iter().filter(|window| window.id.key == key);
        of_key.map(|window| window.sums.count).sum()
    };
    assert_eq!((sum(None), sum(Some("b"))), (240, 240));
}

async fn keys_and_terms_beyond_the_bounds_count_without_a_name(place: Place) {
    let store = place.open().await;
    let bounds = Bounds { keys: 3, terms: 4, ..ROOMY };
    for round in 0..4 {
        let windows: Vec<Window> = (0..2)
            .map(|number| {
                let mut one = window(0, Some(&format!("k{}", round + number)), 1);
                one.sums.aspects =
                    (0..3).map(|term| (format!("t{round}{term}"), [1, 0, 0, 0])).collect();
                one
            })
            .collect();
        store.fold_windows(WindowsFold { windows, bounds, advance: None }).await.expect("folded");
    }
    let read = store.windows(all(60)).await.expect("windows");
    let counts: Vec<_> =
        read.iter().map(|window| (window.id.key.name(), window.sums.count)).collect();
    assert_eq!(counts, [(None, 3), (Some("k0"), 1), (Some("k1"), 2), (Some("k2"), 2)]);
    for window in &read {
        let terms = &window.sums.aspects;
        assert!(terms.len() <= 5, "{terms:?}");
        let judgements: u64 = terms.values().flatten().sum();
        assert_eq!(judgements, 3 * window.sums.count, "none is lost: {terms:?}");
    }
}

async fn changes_are_found_by_the_stores_clock(place: Place) {
    let store = place.open().await;
    let ids = |changes: &Changes| -> Vec<i64> {
        let mut starts: Vec<i64> = changes.windows.iter().map(|(id, _)| id.start_ms).collect();
        starts.sort_unstable();
        starts
    };
    let windows = vec![window(0, None, 1), window(MINUTE, None, 1)];
    store.fold_windows(own(windows)).await.expect("folded");
    let first = store.changed_windows(0, 10).await.expect("changes");
    assert_eq!(ids(&first), [0, MINUTE]);
    let latest = first.windows.iter().map(|(_, at)| *at).max().expect("two");
    let since = store.changed_windows(latest, 10).await.expect("changes");
    assert_eq!(ids(&since), [0; 0]);
    assert!(since.now_us >= latest, "one clock");
    store.fold_windows(own(vec![window(MINUTE, None, 1)])).await.expect("folded");
    let since = store.changed_windows(latest, 10).await.expect("changes");
    assert_eq!(ids(&since), [MINUTE]);
    assert_eq!(store.changed_windows(0, 1).await.expect("changes").windows, since.windows);
}

async fn windows_that_have_not_changed_for_long_are_forgotten(place: Place) {
    let store = place.open().await;
    store
        .fold_windows(own(vec![window(0, None, 1), window(0, Some("a"), 1)]))
        .await
        .expect("folded");
    let changes = store.changed_windows(0, 10).await.expect("changes");
    let latest = changes.windows.iter().map(|(_, at)| *at).max().expect("two");
    store.forget_windows(latest - 60_000_000).await.expect("done");
    assert_eq!(texts(&store).await, 2, "old windows that changed lately stay");
    store.fold_windows(own(vec![window(0, Some("b"), 4)])).await.expect("folded");
    store.forget_windows(latest + 1).await.expect("done");
    assert_eq!(texts(&store).await, 4);
    // Nothing of the forgotten is left to be found under a new window.
    store
        .fold_windows(own(vec![{
            let mut bare = window(0, Some("a"), 1);
            bare.sums.emotions.clear();
            bare.sums.aspects.clear();
            bare
        }]))
        .await
        .expect("folded");
    let query = WindowQuery { key: Some(WindowKey::of(Some("a"))), ..all(60) };
    let read = store.windows(query).await.expect("windows");
    assert!(read[0].sums.emotions.is_empty() && read[0].sums.aspects.is_empty(), "{read:?}");
}

/// Another program's rows, as a Flink job upserts them.
#[tokio::test]
async fn rows_of_another_writer_are_summed_and_their_changes_found() {
    let place = Place::database();
    let store = place.open().await;
    store.fold_windows(own(vec![window(0, Some("a"), 2)])).await.expect("folded");
    let before = store.changed_windows(0, 10).await.expect("changes").now_us;
    let (client, connection) =
        tokio_postgres::connect(&place.url(), tokio_postgres::NoTls).await.expect("connected");
    tokio::spawn(connection);
    for texts in [3, 5] {
        let upsert = format!(
            "INSERT INTO trend_windows (start_ms, window_key, width_seconds, source, texts, late,
                negative, neutral, positive, mixed, score_micros)
             VALUES (0, '=a', 60, 'flink', {texts}, 0, 0, 0, {texts}, 0, 900000)
             ON CONFLICT (start_ms, window_key, width_seconds, source) DO UPDATE SET
                texts = excluded.texts, positive = excluded.positive"
        );
        client.batch_execute(&upsert).await.expect("upserted");
    }
    let changes = store.changed_windows(before, 10).await.expect("changes");
    assert_eq!(changes.windows.len(), 1);
    let latest = changes.windows[0].1;
    // Its parts come by statements of their own.
    client
        .batch_execute(
            "INSERT INTO trend_emotions (start_ms, window_key, width_seconds, source, emotion, texts)
             VALUES (0, '=a', 60, 'flink', 'joy', 4), (0, '=a', 60, 'flink', 'hunger', 4);
             INSERT INTO trend_aspects (start_ms, window_key, width_seconds, source, term,
                negative, neutral, positive, mixed)
             VALUES (0, '=a', 60, 'flink', 'app', 0, 0, 7, 0)",
        )
        .await
        .expect("inserted");
    assert_eq!(store.changed_windows(latest, 10).await.expect("changes").windows.len(), 1);
    let read = store.windows(all(60)).await.expect("windows");
    let sums = &read[0].sums;
    assert_eq!((read.len(), sums.count, sums.labels), (1, 7, [2, 0, 5, 0]));
    assert_eq!(sums.emotions, BTreeMap::from([("anger", 2), ("joy", 4)]));
    assert_eq!(sums.aspects["app"], [2, 0, 7, 1]);
}

mod alerts {
    use super::*;

    on_either_store! {
        a_rule_is_looked_at_by_one_and_an_alert_told_by_one,
    }

    async fn a_rule_is_looked_at_by_one_and_an_alert_told_by_one(place: Place) {
        let (one, other) = (place.open().await, place.open().await);
        let fired = |id: &str| FiredAlert {
            id: id.into(),
            key: WindowKey::of(Some("acme")),
            start_ms: 0,
            width_seconds: 60,
            body: "{}".into(),
        };
        let looked = |id: &str| Looked {
            rule: "angry".into(),
            from_ms: 0,
            to_ms: MINUTE,
            now_ms: 1_000,
            fired: vec![fired(id)],
        };
        assert_eq!(one.fire_alerts(looked("a")).await, Ok(false), "nobody has begun");
        one.begin_rule("angry".into(), 0).await.expect("begun");
        other.begin_rule("angry".into(), 5 * MINUTE).await.expect("begun already");
        let (first, second) =
            tokio::join!(one.fire_alerts(looked("a")), other.fire_alerts(looked("b")));
        assert!(first.expect("looked") ^ second.expect("looked"));
        let progress = other.alert_progress().await.expect("progress");
        assert_eq!(progress["angry"], MINUTE);

        assert_eq!(one.claim_alerts(999, 5_000, 8).await, Ok(Vec::new()), "it is not time");
        let (first, second) =
            tokio::join!(one.claim_alerts(1_000, 5_000, 8), other.claim_alerts(1_000, 5_000, 8));
        let due: Vec<DueAlert> =
            [first, second].into_iter().flat_map(|due| due.expect("due")).collect();
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].rule.as_str(), due[0].attempts), ("angry", 1));
        let id = due[0].id.clone();
        one.settle_alert(id.clone(), AlertOutcome::Again(7_000)).await.expect("noted");
        assert_eq!(other.claim_alerts(6_999, 9_000, 8).await, Ok(Vec::new()));
        // Whoever claimed it and died leaves it to another.
        assert_eq!(other.claim_alerts(7_000, 9_000, 8).await.expect("due")[0].attempts, 2);
        assert_eq!(one.claim_alerts(9_000, 11_000, 8).await.expect("due")[0].attempts, 3);
        one.settle_alert(id.clone(), AlertOutcome::Delivered).await.expect("noted");
        other.settle_alert(id, AlertOutcome::Again(0)).await.expect("too late");
        assert_eq!(one.claim_alerts(i64::MAX, 0, 8).await, Ok(Vec::new()));

        let position = PartitionAdvance { partition: 0, from: None, to: 1, greatest_ms: Some(77) };
        let advance = Advance { topic: "results".into(), partitions: vec![position] };
        let fold = WindowsFold { windows: Vec::new(), bounds: ROOMY, advance: Some(advance) };
        one.fold_windows(fold).await.expect("folded");
        assert_eq!(one.slowest_partition_ms(0).await, Ok(Some(77)));
        assert_eq!(one.slowest_partition_ms(i64::MAX).await, Ok(None), "none moved lately");
    }
}
