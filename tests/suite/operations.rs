//! What operators touch: starting, stopping, health, metrics, the description of the surface.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::client::Reply;
use crate::double::{Double, Gate, Provider, Script};
use crate::gateway::{Finished, Setup};
use crate::verdict::outcome;

#[tokio::test]
async fn health_and_readiness_answer_and_say_what_is_ready() {
    let gateway = Setup::local().start().await;
    assert_eq!(gateway.get("/healthz").await.status, 200);
    let ready = gateway.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let kind = ready.header("content-type");
    assert!(kind.starts_with("application/json"), "{kind}");
    assert!(ready.json().is_object(), "{}", ready.text());
}

#[tokio::test]
async fn metrics_are_prometheus_text_and_count_requests() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    gateway.sentiment(json!({"text": "Hm, canary-77."})).await;
    gateway.sentiment(json!({"text": "Hm, canary-77.", "tags": {"team": "canary-78"}})).await;
    let metrics = gateway.get("/metrics").await;
    assert_eq!(metrics.status, 200, "{}", metrics.text());
    assert!(metrics.header("content-type").starts_with("text/plain"));
    let text = metrics.text();
    assert!(text.lines().any(|line| line.starts_with("# TYPE ")), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (_, value) = line.rsplit_once(' ').unwrap_or_default();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(!text.contains("canary"), "neither texts nor tags are labels:\n{text}");
}

#[tokio::test]
async fn the_description_of_the_surface_names_every_route() {
    let gateway = Setup::local().start().await;
    let served = gateway.get("/openapi.json").await.ok();
    assert!(served["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    for (path, method) in [
        ("/v1/sentiment", "post"),
        ("/v1/batch", "post"),
        ("/v1/feedback", "post"),
        ("/v1/costs", "get"),
        ("/v1/budgets", "get"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
        ("/openapi.json", "get"),
    ] {
        assert!(served["paths"][path][method].is_object(), "{method} {path} in {served}");
    }
    assert_eq!(gateway.run(&["openapi"]).await.json(), served);
}

#[tokio::test]
async fn other_sites_are_given_no_access() {
    let gateway = Setup::local().start().await;
    let origin = "https://evil.example";
    let post = gateway.request(Method::POST, "/v1/sentiment").header("Origin", origin);
    let asked = gateway
        .request(Method::OPTIONS, "/v1/sentiment")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST");
    for request in [post.json(&json!({"text": "Hm."})), asked] {
        let reply = Reply::of(request).await;
        assert!(reply.headers.get("access-control-allow-origin").is_none(), "{:?}", reply.headers);
    }
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_keeps_its_record() {
    let double = Double::start().await;
    let mut gateway = Setup::with(&double).escalating().start().await;
    let gate = Gate::shut();
    double.script([Script::answer("positive").behind(&gate)]);
    let client = gateway.client();
    let call = tokio::spawn(async move { client.sentiment(json!({"text": "Hm."})).await });
    double.arrived(1).await;
    gateway.terminate();
    // Time for the signal to do its worst: once the door is shut, or two seconds at most.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2)
        && Reply::attempt(gateway.request(Method::GET, "/healthz")).await.is_ok()
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gate.open();
    let verdict = call.await.expect("the one in flight is answered");
    assert_eq!((outcome(&verdict), &verdict["label"]), ("answered", &json!("positive")));
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
    let total = gateway.run(&["costs", "--format", "json"]).await.json()["total"].clone();
    assert_eq!(
        (&total["cost_usd"], &total["unresolved"]),
        (&json!(double.bill().usd()), &json!(0))
    );
    assert_eq!(total["requests"], 1, "{total}");
}

#[track_caller]
fn check_failure(finished: &Finished, codes: &[i32], says: &[&str]) {
    let code = finished.code.expect("it ended by itself");
    assert!(codes.contains(&code), "{code} is none of {codes:?}: {}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(!finished.stdout.contains("Undertone listens"), "{}", finished.stdout);
    let told = says.iter().any(|word| finished.stderr.contains(word));
    assert!(told, "none of {says:?} in: {}", finished.stderr);
}

#[tokio::test]
async fn no_other_address_than_loopback_is_bound_before_there_are_keys() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8787"] {
        let setup = Setup::local();
        let finished = setup.run(&["serve", "--listen", address]).await;
        check_failure(&finished, &[1, 2], &["loopback"]);
        let finished = setup.set("server.listen", address).run(&["serve"]).await;
        check_failure(&finished, &[1, 2], &["loopback"]);
    }
}

#[tokio::test]
async fn a_start_that_cannot_succeed_says_what_to_do() {
    let missing = Setup::local().set("classifier.model", "/nowhere/undertone-mini");
    check_failure(&missing.run(&["serve"]).await, &[1], &["/nowhere/undertone-mini"]);
    let missing = Setup::local().variable("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so");
    let finished = missing.run(&["serve"]).await;
    check_failure(&finished, &[1], &["make vendor", "make run", "ORT_DYLIB_PATH"]);
    check_failure(&finished, &[1], &["/nowhere/libonnxruntime.so"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = Setup::local().set("server.listen", &address).run(&["serve"]).await;
    check_failure(&finished, &[1], &[&address]);
}

#[tokio::test]
async fn a_configuration_that_makes_no_sense_is_wrong_usage_and_named() {
    for (key, value, named) in [
        ("server.listem", "127.0.0.1:0", "listem"),
        ("sever.listen", "127.0.0.1:0", "sever"),
        ("server.listen", "here", "listen"),
        ("llm.deadline_ms", "soon", "deadline_ms"),
        ("llm.deadline_ms", "-5", "deadline_ms"),
        ("llm.providers", "[\"openai\", \"skynet\"]", "skynet"),
        ("store.durability", "eventually", "durability"),
        ("cascade.sarcasm", "often", "sarcasm"),
        ("store.when_down", "hope", "when_down"),
        ("access.budget_webhook", "pager", "budget_webhook"),
    ] {
        let finished = Setup::local().set(key, value).run(&["serve"]).await;
        check_failure(&finished, &[2], &[named]);
    }
    let finished = Setup::local().file("[server]\nlisten_adress = \"x\"\n").run(&["serve"]).await;
    check_failure(&finished, &[2], &["listen_adress"]);
    let finished = Setup::local().run(&["--config", "/nowhere.toml", "serve"]).await;
    check_failure(&finished, &[1, 2], &["/nowhere.toml"]);
    let finished = Setup::local().set("store.url", "mongodb://localhost").run(&["serve"]).await;
    check_failure(&finished, &[1, 2], &["store.url"]);
}

#[tokio::test]
async fn a_file_holds_only_the_keys_that_differ_and_the_environment_goes_first() {
    let double = Double::start().await;
    let setup = Setup::with(&double)
        .escalating()
        .file("[openai]\nmodel = \"gpt-4o-mini\"\n[llm]\nproviders = [\"anthropic\"]\n");
    let gateway = setup.providers(&["openai"]).start().await;
    let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!(outcome(&verdict), "answered", "{verdict}");
    assert_eq!((double.calls(Provider::OpenAi), double.calls(Provider::Anthropic)), (1, 0));
    assert!(double.requests()[0].body["model"].as_str().unwrap().starts_with("gpt-4o-mini"));
}

#[tokio::test]
async fn wrong_usage_is_told_from_failure() {
    let setup = Setup::local();
    for (arguments, code) in [
        (&[][..], 2),
        (&["frobnicate"], 2),
        (&["serve", "--frobnicate"], 2),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["serve", "--help"], 0),
    ] {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.stderr);
    }
}

#[tokio::test]
async fn providers_check_makes_one_small_call_each_and_tells_the_cost() {
    let double = Double::start().await;
    let setup = Setup::with(&double);
    let finished = setup.run(&["providers", "check"]).await;
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    assert_eq!((double.calls(Provider::OpenAi), double.calls(Provider::Anthropic)), (1, 1));
    for charge in &double.bill().0 {
        assert!(finished.stdout.contains(&charge.model), "{}", finished.stdout);
    }
    let bill = double.bill();
    assert_eq!(bill.known().0.len(), 2);
    let report = setup.run(&["costs", "--format", "json"]).await.json();
    assert_eq!(report["total"]["cost_usd"], bill.usd(), "every attempt is on the ledger: {report}");

    double.otherwise_for(Provider::OpenAi, Script::status(401));
    let finished = setup.run(&["providers", "check"]).await;
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
}
