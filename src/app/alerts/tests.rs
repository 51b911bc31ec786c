//! Alerts on a store, with a clock of the tests' own and a receiver that fails.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::*;
use crate::store::{Durability, WindowsFold};
use crate::trends::{Bounds, Sums};
use crate::webhook::Secret;

const NOON: i64 = 1_795_262_400_000;
const MINUTE: i64 = 60_000;

/// What was received: the headers and the body of each try.
#[derive(Default)]
struct Receiver {
    heard: Mutex<Vec<(HeaderMap, String)>>,
    /// How many tries fail first.
    failing: AtomicU32,
}

impl Receiver {
    async fn start(failing: u32) -> (Arc<Receiver>, String) {
        let receiver = Arc::new(Receiver { failing: failing.into(), ..Receiver::default() });
        let hook = async |State(receiver): State<Arc<Receiver>>,
                          headers: HeaderMap,
                          body: String| {
            receiver.heard.lock().expect("no panic").push((headers, body));
            let left = receiver
                .failing
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left.is_ok() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
        };
        let router = axum::Router::new()
            .route("/hook", axum::routing::post(hook))
            .with_state(Arc::clone(&receiver));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    fn heard(&self) -> Vec<(HeaderMap, String)> {
        self.heard.lock().expect("no panic").clone()
    }
}

async fn store(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", folder.path().join("undertone.db").display());
    let config = store::Config::new(url, Durability::Process);
    Store::open(&config).await.expect("a store opens")
}

fn rule(name: &str, kind: AlertKind, key: Option<&str>) -> AlertRule {
    let key = key.map(str::to_owned);
    let (name, threshold) = (name.to_owned(), 0.4);
    AlertRule { name, kind, threshold, min_texts: 10, window_seconds: 60, key }
}

fn alerts(rules: Vec<AlertRule>, url: &str) -> Alerts {
    let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let webhook = Webhook::of("alerts.webhook", &url.into(), Some(secret)).expect("a URL");
    let windowing = Windowing { window_seconds: 60, lateness_seconds: 30 };
    Alerts { rules, webhook, windowing, topic_windows: TopicWindows::Gateway }
}

async fn count(store: &Store, at_ms: i64, key: &str, texts: u64, negative: u64) {
    let labels = [negative, texts - negative, 0, 0];
    let sums = Sums { count: texts, labels, ..Sums::default() };
    let id = WindowId::of(at_ms, WindowKey::of(Some(key)), 60);
    let bounds = Bounds { keys: 100, terms: 100, cells: 100 };
    let windows = vec![Window { id, sums }];
    store.fold_windows(WindowsFold { windows, bounds, advance: None }).await.expect("counted");
}

fn data(body: &str) -> Value {
    serde_json::from_str::<Value>(body).expect("JSON")["data"].clone()
}

#[tokio::test]
async fn a_complete_window_fires_once_and_is_told_until_it_arrives_whoever_restarts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (receiver, url) = Receiver::start(2).await;
    let rules = || vec![rule("angry", AlertKind::NegativeShare, None)];
    let first = store(&folder).await;
    let alerts_one = alerts(rules(), &url);
    alerts_one.look(&first, NOON).await.expect("begun");
    count(&first, NOON, "acme", 10, 6).await;
    count(&first, NOON, "calm", 10, 1).await;
    count(&first, NOON, "rare", 9, 9).await;
    count(&first, NOON - MINUTE, "past", 10, 10).await;
    alerts_one.look(&first, NOON + 89_999).await.expect("looked");
    assert_eq!(first.claim_alerts(i64::MAX, 0, 9).await, Ok(Vec::new()), "it may still change");

    // Two gateways look at once: one is counted.
    let second = store(&folder).await;
    let alerts_two = alerts(rules(), &url);
    let at = NOON + 90_000;
    let (one, two) = tokio::join!(alerts_one.look(&first, at), alerts_two.look(&second, at));
    one.and(two).expect("looked");
    let (one, two) = tokio::join!(alerts_one.tell(&first, at), alerts_two.tell(&second, at));
    one.and(two).expect("told");
    assert_eq!(receiver.heard().len(), 1, "one alert, one try");

    // The first gateway is gone; the second one tries again when it is time, by its own clock.
    first.close().await;
    alerts_two.tell(&second, at).await.expect("told");
    assert_eq!(receiver.heard().len(), 1, "not yet");
    for tries in [2, 3, 3] {
        alerts_two.tell(&second, now_ms() + DAY_MS).await.expect("told");
        assert_eq!(receiver.heard().len(), tries);
    }
    let heard = receiver.heard();
    let id = |headers: &HeaderMap| headers["webhook-id"].to_str().expect("text").to_owned();
    assert!(
        heard
            .iter()
            .all(|(headers, body)| { id(headers) == id(&heard[0].0) && *body == heard[0].1 })
    );
    assert!(heard[0].0["webhook-signature"].to_str().is_ok_and(|text| text.starts_with("v1,")));
    let told = data(&heard[0].1);
    assert_eq!((&told["rule"], &told["key"]), (&json!("angry"), &json!("acme")), "{told}");
    assert_eq!((&told["share"], &told["count"]), (&json!(0.6), &json!(10)), "{told}");
    assert_eq!(told["start"], "2026-11-21T12:00:00Z", "{told}");

    // What comes late changes the window and not what was said of it.
    count(&second, NOON, "calm", 100, 100).await;
    alerts_two.look(&second, NOON + 10 * MINUTE).await.expect("looked");
    alerts_two.tell(&second, now_ms() + DAY_MS).await.expect("told");
    assert_eq!(receiver.heard().len(), 3);
}

#[tokio::test]
async fn a_jump_is_told_beside_the_day_before_and_a_key_has_rules_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (receiver, url) = Receiver::start(0).await;
    let store = store(&folder).await;
    let rules = vec![
        rule("jump", AlertKind::NegativeJump, None),
        rule("own", AlertKind::NegativeShare, Some("acme")),
    ];
    let alerts = alerts(rules, &url);
    alerts.look(&store, NOON).await.expect("begun");
    for (key, before, now) in [("acme", 1, 6), ("zeta", 9, 10), ("news", 0, 8)] {
        if key != "news" {
            count(&store, NOON - DAY_MS, key, 10, before).await;
        }
        count(&store, NOON, key, 10, now).await;
    }
    alerts.look(&store, NOON + 2 * MINUTE).await.expect("looked");
    alerts.tell(&store, NOON + 2 * MINUTE).await.expect("told");
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    for (_, body) in receiver.heard() {
        let data = data(&body);
        told.insert(data["rule"].as_str().expect("a name").to_owned(), data);
    }
    assert_eq!(receiver.heard().len(), 2, "{told:?}");
    assert_eq!((&told["jump"]["key"], &told["own"]["key"]), (&json!("acme"), &json!("acme")));
    assert_eq!(told["jump"]["share_day_before"], 0.1);
    assert_eq!(told["own"]["share_day_before"], Value::Null);
}

#[tokio::test]
async fn a_topic_that_is_behind_holds_windows_open_until_it_has_caught_up_or_is_idle() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (receiver, url) = Receiver::start(0).await;
    let store = store(&folder).await;
    let alerts = alerts(vec![rule("angry", AlertKind::NegativeShare, None)], &url);
    // The clock of the store's rows is the real one.
    let now = now_ms();
    let start = WindowId::of(now, WindowKey::default(), 60).start_ms - 10 * MINUTE;
    alerts.look(&store, start).await.expect("begun");
    count(&store, start, "acme", 10, 9).await;
    let advance = |from, to, greatest_ms| WindowsFold {
        windows: Vec::new(),
        bounds: Bounds { keys: 1, terms: 1, cells: 1 },
        advance: Some(store::Advance {
            topic: "results".into(),
            partitions: vec![store::PartitionAdvance {
                partition: 0,
                from,
                to,
                greatest_ms: Some(greatest_ms),
            }],
        }),
    };
    store.fold_windows(advance(None, 1, start + 30_000)).await.expect("folded");
    let told = async |at_ms| {
        alerts.look(&store, at_ms).await.expect("looked");
        alerts.tell(&store, at_ms).await.expect("told");
        receiver.heard().len()
    };
    assert_eq!(told(now).await, 0, "its records may still come");
    store.fold_windows(advance(Some(1), 2, start + 90_000)).await.expect("folded");
    assert_eq!(told(now).await, 1);
    count(&store, start + MINUTE, "acme", 10, 9).await;
    assert_eq!(told(now).await, 1);
    assert_eq!(told(now_ms() + 61_000).await, 2, "nothing has come for a minute");
}
