//! What `/metrics` and the log tell operators: each family with its help, an access line a request, and
//! JSON that is JSON to the last line.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::double::{Double, Script};
use crate::gateway::Setup;
use crate::metrics::{metric, reaches};
use crate::verdict::outcome;

const DOCUMENTED: &str = include_str!("../../docs/reference/metrics.md");

#[tokio::test]
async fn every_family_has_its_help_its_type_and_its_place_in_the_documentation() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("cascade.sample_share", "1.0").start().await;
    double.script([Script::status(500).header("retry-after-ms", 1)]);
    for text in ["Hm.", "Hm.", "Great phone."] {
        assert_eq!(outcome(&gateway.sentiment(json!({"text": text})).await), "answered");
    }
    gateway.post("/v1/sentiment", &json!({"text": ""})).await.problem(422);
    let client = gateway.client();
    reaches(&client, "undertone_store_up", &[], 1.0).await;
    let text = gateway.get("/metrics").await.text();
    let mut helped = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) =
            line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
        {
            assert!(help.len() > 20, "{line}");
            helped.insert(name.to_owned(), help.to_owned());
        }
        if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            assert!(helped.contains_key(name), "{name} has no help:\n{text}");
            assert!(DOCUMENTED.contains(&format!("| `{name}` | {kind} |")), "{line}");
        }
    }
    for name in [
        "undertone_build_info",
        "undertone_llm_cost_usd_total",
        "undertone_llm_tokens_total",
        "undertone_classifier_queue_texts",
        "undertone_classifier_queue_seconds",
        "undertone_connections_open",
        "undertone_in_flight_bytes",
        "undertone_store_up",
        "undertone_store_last_commit_timestamp_seconds",
        "undertone_journal_bytes",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(helped.contains_key(name), "{name} is not served:\n{text}");
    }
    let openai = [("provider", "openai")];
    let cost = metric(&client, "undertone_llm_cost_usd_total", &openai).await;
    let billed: f64 = double.bill().known().usd().parse().unwrap();
    assert!((cost - billed).abs() < 1e-9 && cost > 0.0, "{cost} of {billed}");
    for bucket in ["input", "output"] {
        let labels = [("provider", "openai"), ("bucket", bucket)];
        assert!(metric(&client, "undertone_llm_tokens_total", &labels).await > 0.0, "{bucket}");
    }
    let version = [("version", env!("CARGO_PKG_VERSION")), ("model", "undertone-mini")];
    assert_eq!(metric(&client, "undertone_build_info", &version).await, 1.0);
    assert!(metric(&client, "process_resident_memory_bytes", &[]).await > 2e7);
    assert!(metric(&client, "process_open_fds", &[]).await > 5.0);
}

#[tokio::test]
async fn a_store_that_takes_nothing_leaves_a_trace_in_the_metrics() {
    let gateway = Setup::local().start().await;
    let client = gateway.client();
    reaches(&client, "undertone_store_up", &[], 1.0).await;
    let holder = rusqlite::Connection::open(gateway.path("undertone.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    reaches(&client, "undertone_store_up", &[], 0.0).await;
    let failures = gateway.get("/metrics").await.text();
    assert!(failures.contains("undertone_store_failures_total{kind="), "{failures}");
    holder.execute_batch("ROLLBACK").unwrap();
    reaches(&client, "undertone_store_up", &[], 1.0).await;
}

/// The lines of a log, each of which has to be an object.
#[track_caller]
fn parsed(log: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_object(), "{line}");
        value
    };
    log.lines().map(parse).collect()
}

fn access_lines(log: &[Value]) -> Vec<&Value> {
    log.iter()
        .filter(|line| line["target"] == "undertone::access")
        .map(|line| &line["fields"])
        .collect()
}

#[tokio::test]
async fn each_request_has_one_access_line_and_every_line_is_json() {
    const SECRET: &str = "zyxwv-canary-90125";
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let setup = setup.set("telemetry.format", "json").set("llm.max_retries", 0);
    let created = setup
        .run(&["keys", "create", "--team", "care", "--scopes", "analyze", "--format", "json"])
        .await
        .json();
    let (key, key_id) = (created["key"].as_str().unwrap(), created["id"].as_str().unwrap());
    let mut gateway = setup.start().await;
    let client = gateway.client().with_key(key);
    let ask = async |id: &str, body: Value| {
        let request = client.request(Method::POST, "/v1/sentiment").header("X-Request-Id", id);
        Reply::of(request.json(&body)).await
    };
    assert_eq!(ask("answered-1", json!({"text": SECRET})).await.status, 200);
    assert_eq!(ask("cached-1", json!({"text": SECRET})).await.status, 200);
    double.script([Script::status(500)]);
    assert_eq!(
        ask("failed-1", json!({"text": format!("{SECRET}?"), "route": "llm"})).await.status,
        502
    );
    ask("wrong-1", json!({"text": ""})).await.problem(422);
    gateway.get("/v1/sentiment/7f3").await.problem(404);
    let lines =
        format!("{{\"text\": \"{SECRET}\"}}\n{{\"text\": 7}}\n{{\"text\": \"{SECRET}!\"}}\n");
    let batch = client.request(Method::POST, "/v1/batch?task=sentiment");
    let batch =
        batch.header("Content-Type", "application/x-ndjson").header("X-Request-Id", "batch-1");
    assert_eq!(Reply::of(batch.body(lines)).await.status, 200);
    gateway.terminate();
    gateway.ended().await;

    let text = gateway.log();
    for secret in [SECRET, key] {
        assert!(!text.contains(secret), "{text}");
    }
    let log = parsed(&text);
    let lines = access_lines(&log);
    let line = |id: &str| {
        let found: Vec<_> = lines.iter().filter(|line| line["request_id"] == id).collect();
        assert_eq!(found.len(), 1, "{id}: {found:?}");
        *found[0]
    };
    let answered = line("answered-1");
    for (field, value) in [
        ("method", json!("POST")),
        ("route", json!("/v1/sentiment")),
        ("status", json!(200)),
        ("team", json!("care")),
        ("key_id", json!(key_id)),
        ("caller", json!("127.0.0.1")),
        ("outcome", json!("answered")),
        ("escalated", json!(true)),
        ("cached", json!(false)),
    ] {
        assert_eq!(answered[field], value, "{field} of {answered}");
    }
    assert!(answered["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{answered}");
    assert!(
        answered["cost_usd"].as_str().is_some_and(|cost| cost.starts_with("0.0")),
        "{answered}"
    );
    let cached = line("cached-1");
    assert_eq!(
        (&cached["cached"], &cached["escalated"], &cached["cost_usd"]),
        (&json!(true), &json!(false), &json!("0"))
    );
    assert_eq!(
        (&line("failed-1")["status"], &line("failed-1")["cost_usd"]),
        (&json!(502), &json!("0"))
    );
    assert_eq!(line("wrong-1")["status"], 422);
    let batch = line("batch-1");
    for (field, count) in [("texts", 3), ("failed", 1), ("escalated", 1), ("cached", 1)] {
        assert_eq!(batch[field], count, "{field} of {batch}");
    }
    assert!(lines.iter().any(|line| line["route"] == "unmatched" && line["status"] == 404));
    assert!(!text.contains("7f3"), "a path as it was sent is in the log");
    assert!(lines.iter().all(|line| line["route"] != "/readyz"), "probes are at DEBUG");
    let warned = log.iter().find(|line| {
        line["fields"]["message"]
            == "a call to an LLM gave no \
        usable answer"
    });
    assert_eq!(warned.expect("it is logged")["span"]["request_id"], "failed-1");
}

#[tokio::test]
async fn a_start_that_fails_says_so_in_json_too() {
    let setup = Setup::local().set("telemetry.format", "json");
    for (key, value) in [
        ("classifier.model", "/nowhere/undertone-mini"),
        ("server.listen", "here"),
        ("server.write_timeout_seconds", "0"),
        ("server.max_in_flight_bytes", "1000"),
        ("server.trusted_proxies", "[\"proxy.example\"]"),
    ] {
        let finished = setup.clone().set(key, value).run(&["serve"]).await;
        assert_ne!(finished.code, Some(0), "{key}");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(!parsed(&said).is_empty(), "{key}");
        assert!(said.contains(key) || said.contains(value), "{key}: {said}");
    }
}
