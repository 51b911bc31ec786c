//! Windows of all texts, over the socket: every door, the answers' bounds, and events as they happen.

use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::double::Double;
use crate::gateway::Setup;
use crate::keys::create;
use crate::postgres::server::Database;

/// Longer than any event takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn trends(gateway: &Client, query: &str) -> Vec<Value> {
    let answer = gateway.get(&format!("/v1/trends{query}")).await.ok();
    answer["windows"].as_array().expect("a list").clone()
}

/// The texts under a key, over all windows that the answer holds.
fn count(windows: &[Value], key: &Value) -> u64 {
    let of_key = windows.iter().filter(|window| window["key"] == *key);
    of_key.map(|window| window["count"].as_u64().expect("a number")).sum()
}

/// A client of `/v1/live`, as a browser's would be.
struct Live {
    stream: futures::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    buffer: String,
}

/// An event: its id, where it has one, and its data; a comment has neither.
#[derive(Debug)]
struct Event {
    id: Option<String>,
    window: Option<Value>,
}

impl Live {
    async fn open(client: &Client, query: &str, after: Option<&str>) -> Live {
        let request = client.request(Method::GET, &format!("/v1/live{query}"));
        let request = match after {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        let reply = request.send().await.expect("a reply");
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        assert_eq!(reply.headers()["cache-control"], "no-store");
        Live { stream: reply.bytes_stream().boxed(), buffer: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let event = event.to_owned();
                self.buffer = rest.to_owned();
                return Some(read(&event));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            let chunk = chunk.expect("something within the patience")?.expect("no broken stream");
            self.buffer.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    /// Reads on until a window is as wanted; returns it with the last id.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> (Value, Option<String>) {
        let mut last = None;
        loop {
            let event = self.next().await.expect("the stream goes on");
            last = event.id.or(last);
            if let Some(window) = event.window
                && wanted(&window)
            {
                // The id stands with the last event of its group.
                while last.is_none() {
                    last = self.next().await.expect("the stream goes on").id;
                }
                return (window, last);
            }
        }
    }

    async fn ends(&mut self) {
        while self.next().await.is_some() {}
    }
}

fn read(text: &str) -> Event {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    if text.starts_with(':') {
        return Event { id: None, window: None };
    }
    assert_eq!(field("event").as_deref(), Some("window"), "{text}");
    let data = field("data").expect("data");
    Event { id: field("id"), window: Some(serde_json::from_str(&data).expect("JSON")) }
}

/// A day's windows as one, so that no test hangs on the minute in which it runs.
const DAY: &str = "?window_seconds=86400";

#[tokio::test]
async fn every_door_counts_each_text_once_under_its_key() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).start().await;
    let tags = json!({"key": "acme"});
    let liked = json!({"text": "I love this phone.", "route": "local", "tags": tags});
    gateway.sentiment(liked.clone()).await;
    gateway
        .post(
            "/v1/emotions",
            &json!({"text": "I am so happy, thank you!", "route": "local", "tags": tags}),
        )
        .await
        .ok();
    let asked = json!({"text": "The screen is great.", "route": "local", "tags": tags});
    let verdict = gateway.post("/v1/aspects", &asked).await.ok();
    assert_eq!(verdict["aspects"][0]["term"], "screen", "{verdict}");
    let bad = json!({"text": "", "tags": tags});
    gateway.post("/v1/sentiment", &bad).await.problem(422);
    let items = json!([liked, {"text": "Awful.", "route": "local"}, {"text": " "}]);
    gateway.post("/v1/batch", &json!({"task": "sentiment", "items": items})).await.ok();
    let lines =
        "{\"text\": \"Fine.\", \"route\": \"local\", \"tags\": {\"key\": \"lines\"}}\n".repeat(3);
    let sent = gateway
        .request(Method::POST, "/v1/batch?task=sentiment")
        .header("Content-Type", "application/x-ndjson")
        .body(lines);
    assert_eq!(crate::client::Reply::of(sent).await.status, 200);
    // An LLM's verdict counts, from the cache as well.
    for _ in 0..2 {
        let asked = json!({"text": "Hm.", "route": "llm", "tags": {"key": "llm"}});
        gateway.sentiment(asked).await;
    }
    let file = gateway.path("texts.csv");
    std::fs::write(&file, "text\nI love it.\nI hate it.\n").expect("written");
    let file = file.display().to_string();
    let options = ["--task", "sentiment,aspects,emotions", "--route", "local", "--tag", "key=file"];
    let done = gateway.run(&[&["analyze", &file], &options[..]].concat()).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);

    let windows = trends(&gateway, DAY).await;
    for (key, expected) in [
        (json!("acme"), 4),
        (json!(null), 1),
        (json!("lines"), 3),
        (json!("llm"), 2),
        (json!("file"), 2),
    ] {
        assert_eq!(count(&windows, &key), expected, "{key}: {windows:?}");
    }
    let acme: Vec<_> = windows.iter().filter(|window| window["key"] == "acme").collect();
    // Two where midnight passed.
    if let [window] = acme[..] {
        assert_eq!(window["labels"]["positive"], 4, "{window}");
        assert!(window["mean_score"].as_f64().is_some_and(|score| score > 0.5), "{window}");
        assert!(window["emotions"]["joy"].as_u64().is_some_and(|texts| texts >= 1), "{window}");
        assert_eq!(window["aspects"][0]["term"], "screen", "{window}");
        assert_eq!(window["aspects"][0]["positive"], 1, "{window}");
    }
    assert_eq!(trends(&gateway, "?window_seconds=86400&key=").await.len(), 1, "without a key");
    let one = trends(&gateway, "?window_seconds=86400&key=acme").await;
    assert_eq!(count(&one, &json!("acme")), 4);
    assert!(one.iter().all(|window| window["key"] == "acme"));
    assert!(trends(&gateway, "?key=%22%22").await.is_empty(), "the empty key is a key");
    let metrics = gateway.get("/metrics").await.text();
    assert!(!metrics.contains("undertone_trends_crowded_total"), "{metrics}");
}

#[tokio::test]
async fn windows_outlive_the_process() {
    let gateway = Setup::local().start().await;
    let asked = json!({"text": "I love it.", "tags": {"key": "a"}});
    gateway.sentiment(asked.clone()).await;
    gateway.terminate();
    let mut gateway = gateway;
    assert!(gateway.ended().await.success());
    let gateway = gateway.setup().start().await;
    gateway.sentiment(asked).await;
    assert_eq!(count(&trends(&gateway, DAY).await, &json!("a")), 2);
    // After a SIGKILL all but the last second is there.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let gateway = gateway.kill().start().await;
    assert_eq!(count(&trends(&gateway, DAY).await, &json!("a")), 2);
}

#[tokio::test]
async fn what_cannot_be_answered_is_told_with_field_limit_and_way_out() {
    let gateway = Setup::local().set("trends.max_windows", 2).start().await;
    for (query, field, word) in [
        ("?window_seconds=61", "window_seconds", "multiple of 60"),
        ("?window_seconds=x", "window_seconds", "no number"),
        ("?from=soon", "from", "RFC 3339"),
        ("?from=2026-11-20&to=2026-11-20", "to", "after"),
        ("?key=%22a", "key", "JSON string"),
        ("?colour=red", "colour", "not a query parameter"),
    ] {
        let paths: &[&str] = match field {
            "from" | "to" => &["/v1/trends"],
            _ => &["/v1/trends", "/v1/live"],
        };
        for path in paths {
            let problem = gateway.get(&format!("{path}{query}")).await.problem(422);
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
            let message = problem["errors"][0]["message"].as_str().unwrap_or_default();
            assert!(message.contains(word), "{problem}");
        }
    }
    for key in ["a", "b", "c"] {
        gateway.sentiment(json!({"text": "Fine.", "route": "local", "tags": {"key": key}})).await;
    }
    let problem = gateway.get("/v1/trends").await.problem(422);
    let message = problem["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("more than 2 windows") && message.contains("one key"), "{problem}");
    assert_eq!(trends(&gateway, "?key=a").await.len(), 1);
}

#[tokio::test]
async fn events_come_as_windows_change_and_again_after_a_broken_connection() {
    let gateway = Setup::local().start().await;
    let text = |key: &str| json!({"text": "I love it.", "route": "local", "tags": {"key": key}});
    gateway.sentiment(text("early")).await;
    // What is there comes first; a second later at the latest.
    let mut live = Live::open(&gateway, "", None).await;
    live.until(|window| window["key"] == "early").await;
    let started = Instant::now();
    gateway.sentiment(text("a")).await;
    let (window, id) = live.until(|window| window["key"] == "a").await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!((&window["count"], &window["labels"]["positive"]), (&json!(1), &json!(1)));
    let stored = trends(&gateway, "?key=a").await;
    assert_eq!(stored, [window], "the same object");

    // Another listener hears of one key, in windows of an hour.
    let mut hourly = Live::open(&gateway, "?key=b&window_seconds=3600", None).await;
    gateway.sentiment(text("a")).await;
    gateway.sentiment(text("b")).await;
    let (window, _) = hourly.until(|_| true).await;
    assert_eq!(window["key"], "b", "{window}");
    let width = |window: &Value| {
        let at = |end: &str| {
            let text = window[end].as_str().expect("a time");
            let rfc3339 = &time::format_description::well_known::Rfc3339;
            time::OffsetDateTime::parse(text, rfc3339).expect("a time")
        };
        (at("end") - at("start")).whole_seconds()
    };
    assert_eq!(width(&window), 3_600);

    // What changed while the connection was broken comes after it.
    drop(live);
    gateway.sentiment(text("missed")).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut live = Live::open(&gateway, "", id.as_deref()).await;
    live.until(|window| window["key"] == "missed").await;

    // A stop does not wait for those who listen.
    gateway.terminate();
    let stopped = Instant::now();
    live.ends().await;
    hourly.ends().await;
    let mut gateway = gateway;
    assert!(gateway.ended().await.success());
    assert!(stopped.elapsed() < Duration::from_secs(15), "{:?}", stopped.elapsed());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn what_another_gateway_counts_is_heard_of() {
    let database = Database::new();
    let setup = || Setup::local().set("store.url", database.url());
    let (one, other) = tokio::join!(setup().start(), setup().start());
    let mut live = Live::open(&one, "", None).await;
    live.next().await;
    let started = Instant::now();
    let asked = json!({"text": "I love it.", "route": "local", "tags": {"key": "other"}});
    other.sentiment(asked).await;
    live.until(|window| window["key"] == "other").await;
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn only_keys_with_the_scope_read_and_a_revoked_one_hears_no_more() {
    let setup = Setup::local().set("trends.live_clients", 1);
    let (_, blind) = create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    let (id, reader) = create(&setup, &["--team", "care", "--scopes", "trends:read"]).await;
    let gateway = setup.start().await;
    for path in ["/v1/trends", "/v1/live"] {
        gateway.get(path).await.problem(401);
        let problem = gateway.with_key(&blind).get(path).await.problem(403);
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("trends:read")));
    }
    let reader = gateway.with_key(&reader);
    assert!(trends(&reader, "").await.is_empty());
    let mut live = Live::open(&reader, "", None).await;
    let full = reader.get("/v1/live").await;
    let problem = full.problem(429);
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("live_clients")));
    assert!(full.header("retry-after").parse::<u32>().is_ok());
    gateway.run(&["keys", "revoke", &id]).await;
    let revoked = Instant::now();
    live.ends().await;
    assert!(revoked.elapsed() < Duration::from_secs(8), "{:?}", revoked.elapsed());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn windows_wait_for_a_store_that_is_down() {
    let server = crate::postgres::server::Server::start();
    let gateway = Setup::local().set("store.url", server.database().url()).start().await;
    let asked = json!({"text": "I love it.", "route": "local", "tags": {"key": "a"}});
    gateway.sentiment(asked.clone()).await;
    assert_eq!(count(&trends(&gateway, DAY).await, &json!("a")), 1);
    server.stop("immediate");
    gateway.sentiment(asked.clone()).await;
    let start = Instant::now();
    while !gateway.get("/readyz").await.ok().to_string().contains("until the store answers") {
        assert!(start.elapsed() < PATIENCE, "{}", gateway.get("/readyz").await.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    gateway.get("/v1/trends").await.problem(503);
    server.start_again();
    let start = Instant::now();
    loop {
        let answer = gateway.get(&format!("/v1/trends{DAY}")).await;
        if answer.status == 200 {
            let windows = answer.json()["windows"].as_array().expect("a list").clone();
            if count(&windows, &json!("a")) == 2 {
                break;
            }
        }
        assert!(start.elapsed() < PATIENCE, "{}", answer.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
