//! `POST /v1/batch`: many texts at once, in order, each with its own answer or its own error.

use std::time::{Duration, Instant};

use futures::channel::mpsc;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Reply;
use crate::double::{Double, Gate, Script};
use crate::gateway::{Gateway, Setup};
use crate::verdict::{check_scores, outcome};

const NDJSON: &str = "application/x-ndjson";
const LINES: &str = "/v1/batch?task=sentiment";
const GOOD: &str = "I love this phone, the battery lasts all day.";
const BAD: &str = "Terrible. It broke after a day and nobody answers my mails.";

async fn batch(gateway: &Gateway, items: Value) -> Reply {
    gateway.post("/v1/batch", &json!({"task": "sentiment", "items": items})).await
}

/// Sends NDJSON whole and returns the lines of the answer.
async fn lines(gateway: &Gateway, body: impl Into<reqwest::Body>) -> Vec<Value> {
    let request = gateway.request(Method::POST, LINES).header(CONTENT_TYPE, NDJSON);
    let reply = Reply::of(request.body(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), NDJSON);
    reply.text().lines().map(parse).collect()
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The problem in an item's place: its status, with the id of the item.
#[track_caller]
fn problem(answer: &Value, id: Value) -> u64 {
    assert_eq!(answer.get("id"), Some(&id), "{answer}");
    let problem = &answer["error"];
    for field in ["type", "title", "detail", "request_id"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {answer}");
    }
    problem["status"].as_u64().unwrap_or_else(|| panic!("no status in {answer}"))
}

#[tokio::test]
async fn a_list_is_answered_in_order_under_its_ids() {
    let gateway = Setup::local().start().await;
    let items = json!([
        {"id": "a", "text": GOOD},
        {"text": BAD, "include": ["signals", "sentences"]},
        {"id": "c", "text": GOOD, "route": "local"},
        {"id": null, "text": BAD},
    ]);
    let answer = batch(&gateway, items).await.ok();
    let answers = answer["items"].as_array().expect("a list");
    let labels: Vec<_> = answers.iter().map(|answer| answer["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["positive", "negative", "positive", "negative"]);
    assert_eq!((&answers[0]["id"], &answers[2]["id"]), (&json!("a"), &json!("c")));
    for at in [1, 3] {
        let id = answers[at]["id"].as_str().expect("it is given one");
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    }
    assert!(answers[1]["signals"].is_array() && answers[1]["sentences"].is_array());
    assert!(answers[0].get("signals").is_none());
    let alone = gateway.sentiment(json!({"text": GOOD})).await;
    assert_eq!(alone["scores"], answers[0]["scores"], "alone or among others");
    answers.iter().for_each(check_scores);
    assert_eq!(gateway.costs("").await["total"]["requests"], 5, "each counts once");
}

#[tokio::test]
async fn an_items_error_is_its_own_and_the_endpoints() {
    let gateway = Setup::local().start().await;
    let bad = [
        json!({"id": "b"}),
        json!({"id": "b", "text": "  "}),
        json!({"id": "b", "text": "x".repeat(30_000)}),
        json!({"id": "b", "text": 7}),
        json!({"id": "b", "text": GOOD, "txet": 1}),
        json!({"id": "b", "text": GOOD, "include": ["all"]}),
        json!({"id": "b", "text": GOOD, "route": "llm"}),
    ];
    let mut items = vec![json!({"id": "first", "text": GOOD})];
    items.extend(bad.clone());
    items.extend([json!({"text": 7}), json!({"id": 7, "text": GOOD}), json!("text")]);
    items.push(json!({"id": "last", "text": BAD}));
    let written: String = items.iter().map(|item| format!("{item}\n")).collect();
    let request = gateway.request(Method::POST, "/v1/batch").header("x-request-id", "mine");
    let request = request.json(&json!({"task": "sentiment", "items": items}));
    let listed = Reply::of(request).await.ok()["items"].as_array().expect("a list").clone();
    for answers in [&listed, &lines(&gateway, written).await] {
        assert_eq!(answers.len(), items.len());
        assert_eq!(
            (&answers[0]["id"], &answers[0]["label"]),
            (&json!("first"), &json!("positive"))
        );
        let last = &answers[items.len() - 1];
        assert_eq!((&last["id"], &last["label"]), (&json!("last"), &json!("negative")));
        for (answer, item) in answers[1..].iter().zip(&bad) {
            let mut alone = item.clone();
            alone.as_object_mut().unwrap().remove("id");
            let reply = gateway.post("/v1/sentiment", &alone).await;
            assert_eq!(problem(answer, json!("b")), u64::from(reply.status), "{item:.80}");
            let mut expected = reply.json();
            expected["request_id"] = answer["error"]["request_id"].clone();
            assert_eq!(answer["error"], expected, "{item:.80}");
        }
        for answer in &answers[1 + bad.len()..items.len() - 1] {
            assert_eq!(problem(answer, Value::Null), 422);
        }
        assert_eq!(answers[9]["error"]["errors"][0]["field"], "id");
    }
    assert_eq!(listed[1]["error"]["request_id"], "mine");
}

#[tokio::test]
async fn an_envelope_that_is_wrong_fails_as_a_whole() {
    let gateway = Setup::local().start().await;
    let item = json!({"text": GOOD});
    for (body, field) in [
        (json!({"items": [item]}), "task"),
        (json!({"task": "mood", "items": [item]}), "task"),
        (json!({"task": 1, "items": [item]}), "task"),
        (json!({"task": "sentiment"}), "items"),
        (json!({"task": "sentiment", "items": {"text": GOOD}}), "items"),
        (json!({"task": "sentiment", "items": []}), "items"),
        (json!({"task": "sentiment", "items": vec![item.clone(); 1_001]}), "items"),
        (json!({"task": "sentiment", "items": [item], "route": "local"}), "route"),
    ] {
        let problem = gateway.post("/v1/batch", &body).await.problem(422);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        if body["items"].as_array().is_some_and(|items| items.len() > 1_000) {
            let message = problem["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains("1001") && message.contains("1000"), "{message}");
        }
    }
    for (path, kind, status) in [
        ("/v1/batch", "application/json", 400),
        ("/v1/batch", "text/plain", 415),
        ("/v1/batch", NDJSON, 422),
        ("/v1/batch?task=mood", NDJSON, 422),
        ("/v1/batch?task=", NDJSON, 422),
        ("/v1/batch?task=sentiment&task=sentiment", NDJSON, 422),
        ("/v1/batch?task=sentiment&route=local", NDJSON, 422),
    ] {
        let request = gateway.request(Method::POST, path).header(CONTENT_TYPE, kind);
        let problem = Reply::of(request.body("{")).await.problem(status);
        if status == 422 {
            let field = if path.contains("route") { "route" } else { "task" };
            assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
        }
    }
}

#[tokio::test]
async fn a_thousand_items_wait_for_a_small_queue() {
    let gateway = Setup::local().set("classifier.queue", 1).start().await;
    let items: Vec<_> = (0..1_000).map(|at| json!({"id": at.to_string(), "text": "Ok."})).collect();
    let answer = batch(&gateway, json!(items)).await.ok();
    for (at, answer) in answer["items"].as_array().expect("a list").iter().enumerate() {
        assert_eq!(answer["id"], at.to_string());
        assert!(answer["label"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn the_limit_of_a_body_binds_a_list_whole_and_lines_one_by_one() {
    let gateway = Setup::local().set("server.max_body_bytes", 2_000).start().await;
    let item = json!({"text": "x ".repeat(450)});
    batch(&gateway, json!([item, item, item])).await.problem(413);
    let long = json!({"id": "b", "text": "x ".repeat(1_500)});
    let good = json!({"id": "a", "text": GOOD});
    let body = format!("{good}\n\n  \r\n{long}\n{item}\r\n{item}\n{good}");
    let answers = lines(&gateway, body).await;
    assert_eq!(answers.len(), 5, "{answers:?}");
    assert_eq!(problem(&answers[1], Value::Null), 413);
    let detail = answers[1]["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("ine 4") && detail.contains("2000"), "{detail}");
    for at in [0, 2, 3, 4] {
        assert!(answers[at]["label"].is_string(), "{}", answers[at]);
    }
    assert_eq!(answers[4]["id"], "a");
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_named_by_its_number() {
    let gateway = Setup::local().start().await;
    let mut body = format!("{}\n", json!({"text": GOOD})).into_bytes();
    body.extend_from_slice(b"\n{\"text\": \"caf\xe9\"}\n{\"text\": \n\"text\"\n");
    body.extend_from_slice(json!({"text": BAD}).to_string().as_bytes());
    let answers = lines(&gateway, body).await;
    assert_eq!(answers.len(), 5, "{answers:?}");
    for (at, status, line) in [(1, 400, "Line 3 "), (2, 400, "Line 4 "), (3, 422, "body")] {
        assert_eq!(problem(&answers[at], Value::Null), status);
        let detail = answers[at]["error"]["detail"].as_str().unwrap();
        assert!(detail.contains(line), "{detail}");
    }
    assert_eq!(
        (&answers[0]["label"], &answers[4]["label"]),
        (&json!("positive"), &json!("negative"))
    );
    assert!(lines(&gateway, "").await.is_empty());
    assert!(lines(&gateway, "\n \n\n").await.is_empty());
}

/// A body whose lines are sent as the test goes.
fn channel() -> (mpsc::UnboundedSender<Result<String, std::io::Error>>, reqwest::Body) {
    let (sender, receiver) = mpsc::unbounded();
    (sender, reqwest::Body::wrap_stream(receiver))
}

/// Reads on until so many whole lines are there.
async fn read_lines(response: &mut reqwest::Response, into: &mut Vec<u8>, wanted: usize) {
    while into.iter().filter(|byte| **byte == b'\n').count() < wanted {
        let chunk = tokio::time::timeout(Duration::from_secs(60), response.chunk()).await;
        let chunk = chunk.expect("an answer in time").expect("a whole answer");
        into.extend_from_slice(&chunk.expect("more answers"));
    }
}

#[tokio::test]
async fn answers_come_while_lines_are_still_being_sent() {
    let gateway = Setup::local().start().await;
    let (sender, body) = channel();
    let send = |range: std::ops::Range<usize>| {
        for at in range {
            let line = json!({"id": at.to_string(), "text": format!("Number {at} is fine.")});
            sender.unbounded_send(Ok(format!("{line}\n"))).expect("the body is still read");
        }
    };
    send(0..1);
    let request = gateway.request(Method::POST, LINES).header(CONTENT_TYPE, NDJSON).body(body);
    let mut response = request.send().await.expect("a reply while the body is open");
    let mut received = Vec::new();
    read_lines(&mut response, &mut received, 1).await;
    send(1..3_000);
    read_lines(&mut response, &mut received, 3_000).await;
    send(3_000..3_001);
    drop(sender);
    while let Some(chunk) = response.chunk().await.expect("a whole answer") {
        received.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(received).expect("it is JSON");
    let ids: Vec<String> =
        text.lines().map(|line| parse(line)["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..3_001).map(|at| at.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_not_taken_stops_what_is_read() {
    let gateway = Setup::local().start().await;
    let mut socket = open(&gateway, "").await;
    // Nothing of it is ever read: the answers fill the buffers, and then the lines stay here.
    let line = format!("{}\n", json!({"text": "Ok.", "tags": {"team": "care"}}));
    let chunk = format!("{:x}\r\n{}\r\n", line.len() * 100, line.repeat(100));
    let mut sent = 0;
    let stopped = loop {
        match tokio::time::timeout(Duration::from_secs(3), socket.write_all(chunk.as_bytes())).await
        {
            Ok(written) => written.expect("the connection stands"),
            Err(_) => break true,
        }
        sent += chunk.len();
        if sent > 64 << 20 {
            break false;
        }
    };
    assert!(stopped, "{sent} bytes were read while no answer was taken");
    gateway.sentiment(json!({"text": GOOD})).await;
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_lines_is_asked() {
    let gateway = Setup::local().start().await;
    let mut socket = open(&gateway, "Expect: 100-continue\r\n").await;
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.expect("it answers");
    assert_eq!(&start, b"HTTP/1.1 100");
}

/// A request for NDJSON whose body, in chunks, is still to be sent.
async fn open(gateway: &Gateway, header: &str) -> TcpStream {
    let address = format!("127.0.0.1:{}", gateway.port());
    let mut socket = TcpStream::connect(&address).await.expect("the gateway listens");
    let head = format!(
        "POST {LINES} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {NDJSON}\r\n{header}\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("it reads");
    socket
}

#[tokio::test]
async fn a_client_that_leaves_takes_nothing_along() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    let gate = Gate::shut();
    double.script([Script::answer("positive").behind(&gate)]);
    let mut socket = open(&gateway, "").await;
    let line = format!("{}\n", json!({"text": "Paid for."}));
    let chunk = format!("{:x}\r\n{line}\r\n{:x}\r\n{{\"te", line.len(), 1_000);
    socket.write_all(chunk.as_bytes()).await.expect("it reads");
    double.arrived(1).await;
    drop(socket);
    gate.open();
    let start = Instant::now();
    loop {
        let total = gateway.costs("").await["total"].clone();
        if total["requests"] == 1 && total["unresolved"] == 0 {
            assert_eq!((&total["escalated"], &total["calls"]), (&json!(1), &json!(1)), "{total}");
            assert_eq!(total["cost_usd"], double.bill().usd(), "{total}");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it stays at {total}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(lines(&gateway, json!({"text": GOOD, "route": "local"}).to_string()).await.len(), 1);
    assert_eq!(gateway.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn an_item_that_goes_to_an_llm_keeps_its_place_and_is_billed_once() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).providers(&["openai"]).start().await;
    let gate = Gate::shut();
    double.script([Script::answer("mixed").behind(&gate)]);
    let mut body = format!("{}\n", json!({"id": "asked", "text": GOOD, "route": "llm"}));
    for at in 0..200 {
        body += &format!("{}\n", json!({"id": at.to_string(), "text": BAD, "route": "local"}));
    }
    body += &json!({"id": "dear", "text": BAD, "route": "llm", "max_cost_usd": "0"}).to_string();
    let answers = lines(&gateway, body.clone());
    let opened = async {
        double.arrived(1).await;
        // Those behind it are read meanwhile.
        let start = Instant::now();
        while gateway.costs("").await["total"]["local"] != 200 {
            assert!(start.elapsed() < Duration::from_secs(30), "they wait for the first");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        gate.open();
    };
    let (answers, ()) = tokio::join!(answers, opened);
    assert_eq!((&answers[0]["id"], outcome(&answers[0])), (&json!("asked"), "answered"));
    assert_eq!(answers[0]["cost_usd"], double.bill().usd());
    for (at, answer) in answers[1..201].iter().enumerate() {
        assert_eq!((&answer["id"], &answer["route"]), (&json!(at.to_string()), &json!("local")));
    }
    assert_eq!(problem(&answers[201], json!("dear")), 402);
    assert_eq!(answers[201]["error"]["cost_usd"], "0");
    let total = gateway.costs("").await["total"].clone();
    assert_eq!((&total["calls"], &total["escalated"]), (&json!(1), &json!(1)), "{total}");
    assert_eq!(total["cost_usd"], double.bill().usd(), "{total}");
}
