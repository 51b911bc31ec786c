//! What is documented and what the program does agree: parameters, deadlines, money, and JSON as programs
//! write it.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::double::{Double, Script};
use crate::gateway::{Gateway, Setup};
use crate::verdict::outcome;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const MARK: &[u8] = b"\xef\xbb\xbf";

async fn post(gateway: &Gateway, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Reply {
    Reply::of(gateway.request(Method::POST, path).header(CONTENT_TYPE, kind).body(body)).await
}

#[track_caller]
fn fault(problem: &Value, field: &str) -> String {
    let errors = problem["errors"].as_array().expect("the fields that are wrong");
    let found = errors.iter().find(|error| error["field"] == field);
    let message = found.and_then(|error| error["message"].as_str());
    message.unwrap_or_else(|| panic!("no word of {field} in {problem}")).to_owned()
}

#[tokio::test]
async fn a_query_parameter_that_no_route_has_was_ignored() {
    let gateway = Setup::local().start().await;
    let text = json!({"text": "I love it."}).to_string();
    let batch = json!({"task": "sentiment", "items": [{"text": "I love it."}]}).to_string();
    for path in ["/v1/sentiment", "/v1/aspects", "/v1/emotions", "/v1/feedback"] {
        let reply = post(&gateway, &format!("{path}?task=AAA"), JSON, text.clone()).await;
        let message = fault(&reply.problem(422), "task");
        assert!(message.contains("is not a query parameter of this route"), "{message}");
    }
    // Even where another form of the body has it.
    let reply = post(&gateway, "/v1/batch?task=AAA", JSON, batch.clone()).await;
    fault(&reply.problem(422), "task");
    let lines = |query: &str| format!("/v1/batch?{query}");
    for (query, field) in [
        ("task=AAA", "task"),
        ("", "task"),
        ("tasks=sentiment", "tasks"),
        ("task=aspects&x=1", "x"),
    ] {
        let reply = post(&gateway, &lines(query), NDJSON, format!("{text}\n")).await;
        fault(&reply.problem(422), field);
    }
    for path in [
        "/v1/costs",
        "/v1/budgets",
        "/v1/trends",
        "/v1/live",
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
    ] {
        let reply = gateway.get(&format!("{path}?tesk=AAA")).await;
        fault(&reply.problem(422), "tesk");
    }
    let twice = gateway.get("/v1/costs?from=2026-11-01&from=2026-11-02").await;
    assert!(fault(&twice.problem(422), "from").contains("more than once"));
    // The pages' own scripts read theirs.
    for path in ["/", "/dashboard", "/docs"] {
        assert_eq!(gateway.get(&format!("{path}?range=day")).await.status, 200, "{path}");
    }
    assert_eq!(gateway.get("/v1/costs?group_by=team").await.status, 200);
}

#[tokio::test]
async fn deadline_ms_shortens_the_configured_deadline_of_a_request_and_of_an_item() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().set("llm.deadline_ms", 30_000).start().await;
    double.otherwise(Script::hang());
    let start = Instant::now();
    let verdict = gateway.sentiment(json!({"text": "Hm.", "deadline_ms": 1_500})).await;
    assert_eq!(outcome(&verdict), "unavailable", "{verdict}");
    let asked = json!({"text": "Hm, hm.", "deadline_ms": 1_500, "route": "llm"});
    gateway.post("/v1/sentiment", &asked).await.problem(504);
    let items = json!([{"text": "Hm, one.", "deadline_ms": 1_500}]);
    let batch = gateway.post("/v1/batch", &json!({"task": "sentiment", "items": items})).await;
    assert_eq!(outcome(&batch.ok()["items"][0]), "unavailable");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    for (value, words) in [
        (json!(0), "1 to 30000 are allowed"),
        (json!(30_001), "llm.deadline_ms"),
        (json!(-1), "expected u64"),
        (json!("soon"), "expected u64"),
        (json!(1.5), "expected u64"),
    ] {
        let body = json!({"text": "Hm.", "deadline_ms": value});
        let message =
            fault(&gateway.post("/v1/sentiment", &body).await.problem(422), "deadline_ms");
        assert!(message.contains(words), "{message}");
    }
    let served = gateway.get("/openapi.json").await.ok();
    let schemas = &served["components"]["schemas"];
    for of in ["AnalysisRequest", "BatchItem"] {
        assert_eq!(schemas[of]["properties"]["deadline_ms"]["minimum"], 1, "{of}: {schemas}");
    }
}

#[tokio::test]
async fn a_json_number_was_taken_for_an_amount_of_money() {
    let gateway = Setup::local().start().await;
    for (number, told) in [
        (json!(0.02), "expected US dollars as a decimal string: \"0.02\""),
        (json!(1), "a decimal string: \"1\""),
        (json!(true), "decimal string"),
    ] {
        let body = json!({"text": "I love it.", "max_cost_usd": number});
        let problem = gateway.post("/v1/sentiment", &body).await.problem(422);
        let message = fault(&problem, "max_cost_usd");
        assert!(message.contains(told), "{message}");
        let items = json!({"task": "sentiment", "items": [body]});
        let answer = gateway.post("/v1/batch", &items).await.ok();
        assert!(fault(&answer["items"][0]["error"], "max_cost_usd").contains(told), "{answer}");
    }
    for amount in [json!("0.02"), json!(null)] {
        gateway.sentiment(json!({"text": "I love it.", "max_cost_usd": amount})).await;
    }
}

#[tokio::test]
async fn a_byte_order_mark_was_refused_before_a_body_and_accepted_before_a_file() {
    let gateway = Setup::local().start().await;
    let marked = |body: &str| [MARK, body.as_bytes()].concat();
    let text = r#"{"text": "I love it."}"#;
    post(&gateway, "/v1/sentiment", JSON, marked(text)).await.ok();
    post(&gateway, "/v1/sentiment", JSON, marked(&format!("\n {text}"))).await.ok();
    let list = format!(r#"{{"task": "sentiment", "items": [{text}]}}"#);
    let answer = post(&gateway, "/v1/batch", JSON, marked(&list)).await.ok();
    assert_eq!(answer["items"][0]["label"], "positive", "{answer}");
    let lines =
        post(&gateway, "/v1/batch?task=sentiment", NDJSON, marked(&format!("{text}\n{text}\n")));
    let lines = lines.await.text();
    assert_eq!(lines.lines().filter(|line| line.contains("\"label\"")).count(), 2, "{lines}");
    // A mark alone is a blank line.
    let blank = post(&gateway, "/v1/batch?task=sentiment", NDJSON, marked(&format!("\n{text}\n")));
    assert_eq!(blank.await.text().lines().count(), 1);

    let setup = gateway.setup();
    for (name, content) in [
        ("texts.csv", "text\nI love it.\n"),
        ("texts.jsonl", "{\"text\": \"I love it.\"}\n"),
        ("texts", "{\"text\": \"I love it.\"}\n"),
    ] {
        std::fs::write(setup.path(name), marked(content)).expect("it can be written");
        let finished = gateway.run(&["analyze", name]).await;
        assert_eq!(finished.code, Some(0), "{name}: {}", finished.stderr);
        assert!(finished.stdout.contains("positive"), "{name}: {}", finished.stdout);
    }
    std::fs::write(setup.path("key"), marked("sk-x\n")).expect("it can be written");
    std::fs::write(setup.path("stricter.toml"), marked("sarcasm = 0.4\n")).expect("written");
    std::fs::write(setup.path("stricter.json"), marked("{\"sarcasm\": 0.4}\n")).expect("written");
    let prices = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/config/prices.toml"));
    let prices = [MARK, &prices.expect("the price book is there")].concat();
    std::fs::write(setup.path("prices.toml"), prices).expect("it can be written");
    let setup = setup
        .set("openai.api_key_file", "key")
        .set("pricing.file", "prices.toml")
        .file("\u{feff}[server]\nmax_body_bytes = 1000000\n");
    for arguments in [
        &["config", "check"][..],
        &["replay", "--thresholds", "stricter.toml"],
        &["replay", "--thresholds", "stricter.json"],
    ] {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.stderr);
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_was_called_not_json() {
    let gateway = Setup::local().start().await;
    let bad = r#"{"id": "a", "text": "I love \ud83d it."}"#;
    let alone = r#"{"text": "I love \ud83d it."}"#;
    let check = |problem: &Value| {
        assert_eq!(problem["status"], 400, "{problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("half of a surrogate pair at "), "{detail}");
        assert!(detail.contains("column ") && !detail.contains("not JSON"), "{detail}");
        assert!(fault(problem, "text").contains("\\ud83d\\ude00"), "{problem}");
    };
    check(&post(&gateway, "/v1/sentiment", JSON, alone).await.problem(400));
    let list = format!(r#"{{"task": "sentiment", "items": [{bad}, {{"text": "I love it."}}]}}"#);
    let answer = post(&gateway, "/v1/batch", JSON, list).await.ok();
    assert_eq!(answer["items"][0]["id"], "a", "{answer}");
    check(&answer["items"][0]["error"]);
    assert_eq!(answer["items"][1]["label"], "positive", "{answer}");
    let lines = format!("{{\"text\": \"I love it.\"}}\n{bad}\n");
    let lines = post(&gateway, "/v1/batch?task=sentiment", NDJSON, lines).await.text();
    let second: Value =
        serde_json::from_str(lines.lines().nth(1).expect("two lines")).expect("JSON");
    check(&second["error"]);
    let detail = second["error"]["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("Line 2 holds half"), "{detail}");

    std::fs::write(gateway.path("in.jsonl"), format!("{alone}\n")).expect("it can be written");
    let finished = gateway.run(&["analyze", "in.jsonl"]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stdout.contains("the line holds half of a surrogate pair at column"));
    // Both halves are a character.
    let whole = r#"{"text": "I love \ud83d\ude00 it."}"#;
    post(&gateway, "/v1/sentiment", JSON, whole).await.ok();
}

#[tokio::test]
async fn an_empty_file_measured_nothing_and_said_so_in_riddles() {
    let setup = Setup::local();
    std::fs::write(setup.path("empty.csv"), "").expect("it can be written");
    std::fs::write(setup.path("empty.jsonl"), "\n").expect("it can be written");
    std::fs::write(setup.path("none.jsonl"), "{\"text\": \"Hm.\", \"aspects\": []}\n")
        .expect("written");
    for (file, task, words) in [
        ("empty.csv", "sentiment", "is empty; it needs a header with a column \"text\""),
        ("empty.csv", "aspects", "is empty; it needs a header"),
        ("empty.jsonl", "aspects", "has no rows: each needs a `text` and a field `aspects`"),
        ("empty.jsonl", "emotions", "a field `labels`"),
        ("none.jsonl", "aspects", "names no aspect in any row"),
    ] {
        let run = ["evaluate", "--data", file, "--strategies", "local", "--task", task];
        let finished = setup.run(&run).await;
        assert!(finished.code != Some(0), "{file}: {}", finished.stdout);
        assert!(finished.stderr.contains(words), "{file} {task}: {}", finished.stderr);
        assert!(finished.stdout.is_empty(), "{}", finished.stdout);
    }
}
