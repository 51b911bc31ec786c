//! Who is let in: texts of too many tokens, texts that would wait for too long, many texts beside single ones.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{Gateway, Setup};

/// Of twelve tokens each.
fn sentences(count: usize) -> String {
    "I waited for days, and then the wrong parcel came. ".repeat(count)
}

#[track_caller]
fn check_tokens(words: &str) {
    for part in
        ["has 20002 tokens", "the limit is 8192 (classifier.max_tokens)", "send it in parts"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[track_caller]
fn check_problem(problem: &Value) {
    assert_eq!((&problem["status"], &problem["errors"][0]["field"]), (&json!(422), &json!("text")));
    check_tokens(problem["errors"][0]["message"].as_str().expect("it is said why"));
}

#[tokio::test]
async fn a_text_of_too_many_tokens_is_refused_with_both_numbers_at_every_door() {
    // Unoptimised, and beside other tests, counting takes its time.
    let setup = Setup::local().set("llm.deadline_ms", 80_000);
    let gateway = setup.clone().start().await;
    // Each character is a token.
    let text = "产品".repeat(10_000);
    for route in ["sentiment", "aspects", "emotions"] {
        for asked in [json!({"text": text}), json!({"text": text, "include": ["sentences"]})] {
            check_problem(&gateway.post(&format!("/v1/{route}"), &asked).await.problem(422));
        }
    }
    let items = json!([{"id": "long", "text": text}, {"id": "good", "text": "I love it."}]);
    let list = gateway.post("/v1/batch", &json!({"task": "sentiment", "items": items})).await.ok();
    let lines = format!("{}\n{}\n", items[0], items[1]);
    let request = gateway.request(Method::POST, "/v1/batch?task=sentiment");
    let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(lines);
    let lines = Reply::of(request).await.text();
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for answers in [list["items"].as_array().expect("a list"), &lines] {
        assert_eq!((&answers[0]["id"], &answers[1]["label"]), (&json!("long"), &json!("positive")));
        check_problem(&answers[0]["error"]);
    }
    let costs = gateway.costs("").await;
    assert_eq!(costs["total"]["requests"], 2, "what is refused is not counted: {costs}");

    let rows = format!("text,label\nI love it.,positive\n{text},negative\n");
    std::fs::write(setup.path("in.csv"), rows).expect("the folder can be written");
    let analyzed = setup.run(&["analyze", "in.csv"]).await;
    assert_eq!(analyzed.code, Some(1), "{}", analyzed.stderr);
    check_tokens(&analyzed.stdout);
    let estimate = setup.run(&["analyze", "in.csv", "--estimate", "--format", "json"]).await.json();
    assert_eq!((&estimate["sampled"], &estimate["bad"]), (&json!(2), &json!(1)), "{estimate}");
    for command in [
        &["evaluate", "--data", "in.csv", "--strategies", "local"][..],
        &["calibrate", "--data", "in.csv", "--min-accuracy", "0.5"],
    ] {
        let finished = setup.run(command).await;
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains("row 2 "), "{}", finished.stderr);
        check_tokens(&finished.stderr);
    }
}

#[tokio::test]
async fn a_text_that_would_wait_for_too_long_is_refused_at_once_and_told_when_to_come_back() {
    let setup = Setup::local().set("classifier.threads", 1).set("classifier.max_wait_ms", 500);
    let gateway = setup.set("llm.deadline_ms", 80_000).start().await;
    let asked = json!({"text": sentences(300), "route": "local"});
    // From the first on it is known how fast texts are read.
    gateway.post("/v1/sentiment", &asked).await.ok();
    let mut calls: FuturesUnordered<_> =
        (0..20).map(|_| gateway.post("/v1/sentiment", &asked)).collect();
    let mut statuses = Vec::new();
    while let Some(reply) = calls.next().await {
        statuses.push(reply.status);
        if reply.status != 200 {
            let problem = reply.problem(429);
            let detail = problem["detail"].as_str().expect("it is said why");
            assert!(detail.contains("classifier.max_wait_ms"), "{detail}");
            let after: u64 = reply.header("retry-after").parse().expect("seconds");
            assert!((1..=60).contains(&after), "{after}");
        }
    }
    let read = statuses.iter().position(|status| *status == 200).expect("one is read");
    assert_eq!(read, 19, "all others are told before one is read: {statuses:?}");
}

/// How many passes have been made.
async fn passes(gateway: &Gateway) -> String {
    let metrics = gateway.get("/metrics").await.text();
    let count = metrics.lines().find(|line| line.starts_with("undertone_texts_per_pass_count"));
    count.expect("it is counted").to_owned()
}

#[tokio::test]
async fn a_callers_batch_of_long_texts_turns_no_single_text_of_others_away() {
    let setup = Setup::local().set("classifier.threads", 1).set("classifier.queue", 8);
    let gateway = setup.start().await;
    let items: Vec<Value> =
        (0..60).map(|_| json!({"text": sentences(100), "route": "local"})).collect();
    let body = json!({"task": "sentiment", "items": items});
    let before = passes(&gateway).await;
    let client = gateway.client();
    let batch = tokio::spawn(async move { client.post("/v1/batch", &body).await });
    while passes(&gateway).await == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..5 {
        gateway.post("/v1/sentiment", &json!({"text": "I love it.", "route": "local"})).await.ok();
    }
    assert!(!batch.is_finished(), "the single texts were read after the batch");
    batch.abort();
    // What nobody waits for is not read: a long text finds its session at leisure.
    gateway.post("/v1/sentiment", &json!({"text": sentences(100), "route": "local"})).await.ok();
}

#[tokio::test]
async fn sentences_are_held_to_a_number_and_to_the_deadline() {
    let gateway = Setup::local().start().await;
    let asked = |text: String| json!({"text": text, "route": "local", "include": ["sentences"]});
    let problem = gateway.post("/v1/sentiment", &asked("Ok.\n\n".repeat(1_001))).await.problem(422);
    let error = &problem["errors"][0];
    assert_eq!(error["field"], "include");
    let message = error["message"].as_str().expect("it is said why");
    assert!(message.contains("1001") && message.contains("1000"), "{message}");
    let gateway = Setup::local().set("llm.deadline_ms", 50).start().await;
    let text = (0..900).map(|at| format!("It broke {at} times.\n\n")).collect::<String>();
    let late = gateway.post("/v1/sentiment", &asked(text)).await;
    assert!([429, 503].contains(&late.status), "{}", late.text());
}
