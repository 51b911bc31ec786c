//! Every kind of bad request gets its status and its problem (RFC 9457), and none is a 500.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HOST};
use serde_json::{Map, Value, json};

use crate::client::Reply;
use crate::double::Double;
use crate::gateway::{Gateway, Setup};

const JSON: &str = "application/json";

async fn send(gateway: &Gateway, body: impl Into<reqwest::Body>) -> Reply {
    let request = gateway.request(Method::POST, "/v1/sentiment");
    Reply::of(request.header(CONTENT_TYPE, JSON).body(body)).await
}

#[tokio::test]
async fn a_body_that_is_no_json_is_malformed() {
    let gateway = Setup::local().start().await;
    for body in [
        &b""[..],
        b"{",
        b"{\"text\": \"fine\"",
        b"{\"text\": \"fine\"} and more",
        b"{text: 'fine'}",
        b"{\"text\": \"fine\",}",
        b"\xff\xfe{\"text\": \"fine\"}",
        b"{\"text\": \"\xff\"}",
        b"{\"text\": \"\xc3\"}",
        b"{\"text\": \"\\ud800\"}",
        b"{\"text\": \"\\x\"}",
        b"{\"text\": \"a\nb\"}",
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let reply = send(&gateway, body.to_vec()).await;
        assert_eq!(reply.status, 400, "{shown:?}: {}", reply.text());
        reply.problem(400);
    }
}

#[tokio::test]
async fn a_bad_value_is_named_with_what_is_wrong() {
    let gateway = Setup::local().start().await;
    let text = "I love it.";
    let tags = |count: usize| -> Value {
        Value::Object((0..count).map(|at| (format!("t{at}"), json!("x"))).collect::<Map<_, _>>())
    };
    let long = "x".repeat(10_000);
    let mut wrong = Vec::new();
    for (body, field) in [
        (json!({}), "text"),
        (json!({"route": "local"}), "text"),
        (json!({"text": null}), "text"),
        (json!({"text": 7}), "text"),
        (json!({"text": ["I love it."]}), "text"),
        (json!({"text": ""}), "text"),
        (json!({"text": "   \n\t\u{a0}\u{3000} "}), "text"),
        (json!({"text": "x".repeat(20_001)}), "text"),
        (json!({"text": text, "txet": 1}), "txet"),
        (json!({"text": text, "Route": "local"}), "Route"),
        (json!({"text": text, "route": "cloud"}), "route"),
        (json!({"text": text, "route": "AUTO"}), "route"),
        (json!({"text": text, "route": 1}), "route"),
        (json!({"text": text, "include": "signals"}), "include"),
        (json!({"text": text, "include": ["everything"]}), "include"),
        (json!({"text": text, "include": [1]}), "include"),
        (json!({"text": text, "max_cost_usd": "-0.01"}), "max_cost_usd"),
        (json!({"text": text, "max_cost_usd": "cheap"}), "max_cost_usd"),
        (json!({"text": text, "max_cost_usd": ""}), "max_cost_usd"),
        (json!({"text": text, "max_cost_usd": "NaN"}), "max_cost_usd"),
        (json!({"text": text, "max_cost_usd": "1e-3"}), "max_cost_usd"),
        (json!({"text": text, "max_cost_usd": "0.0000000000001"}), "max_cost_usd"),
        (json!({"text": text, "max_cost_usd": "99999999999999999999"}), "max_cost_usd"),
        (json!({"text": text, "max_cost_usd": {"usd": 1}}), "max_cost_usd"),
        (json!({"text": text, "tags": tags(11)}), "tags"),
        (json!({"text": text, "tags": {"team": long}}), "tags"),
        (json!({"text": text, "tags": {&long: "x"}}), "tags"),
        (json!({"text": text, "tags": {"team": 7}}), "tags"),
        (json!({"text": text, "tags": {"team": ["a"]}}), "tags"),
        (json!({"text": text, "tags": ["care"]}), "tags"),
        (json!({"text": text, "language": "not a language"}), "language"),
        (json!({"text": text, "language": "!"}), "language"),
        (json!({"text": text, "language": ""}), "language"),
        (json!({"text": text, "language": "en-x-answer-positive-whatever-it-says"}), "language"),
        (json!({"text": text, "language": 7}), "language"),
    ] {
        let reply = send(&gateway, body.to_string()).await;
        let errors = reply.json()["errors"].as_array().cloned().unwrap_or_default();
        let named = errors.iter().any(|error| {
            let rest = error["field"].as_str().and_then(|named| named.strip_prefix(field));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        let told =
            errors.iter().all(|error| error["message"].as_str().is_some_and(|m| !m.is_empty()));
        if reply.status == 422 && named && told {
            reply.problem(422);
        } else {
            wrong.push(format!("{field}: {body:.80} got {}", reply.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let gateway = Setup::local().start().await;
    let deep = format!("{{\"text\": {}", "[".repeat(100_000));
    for body in ["[]", "[\"I love it.\"]", "\"I love it.\"", "null", "7", &deep] {
        let reply = send(&gateway, body.to_owned()).await;
        assert!([400, 422].contains(&reply.status), "{body:.20}: {}", reply.text());
        reply.problem(reply.status);
    }
    let twice = send(&gateway, r#"{"text": "I love it.", "text": "I hate it."}"#).await;
    assert!(twice.status < 500, "{}", twice.text());
}

#[tokio::test]
async fn values_at_the_edge_of_what_is_allowed_are_taken() {
    let gateway = Setup::local().start().await;
    let text = "I love it.";
    let ten = Value::Object((0..10).map(|at| (format!("t{at}"), json!("x"))).collect());
    for body in [
        json!({"text": text, "tags": ten}),
        json!({"text": text, "tags": {}}),
        json!({"text": text, "include": []}),
        json!({"text": text, "include": ["signals"]}),
        json!({"text": text, "max_cost_usd": "0"}),
        json!({"text": text, "max_cost_usd": "0.000000000001"}),
        json!({"text": text, "max_cost_usd": "1000"}),
        json!({"text": text, "language": "de-CH-1996"}),
    ] {
        gateway.sentiment(body).await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_refused() {
    let gateway = Setup::local().start().await;
    let post = || gateway.request(Method::POST, "/v1/sentiment").body(r#"{"text": "I love it."}"#);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
        "application/xml",
        "nonsense",
    ] {
        let reply = Reply::of(post().header(CONTENT_TYPE, kind)).await;
        assert_eq!(reply.status, 415, "{kind}: {}", reply.text());
        reply.problem(415);
    }
    Reply::of(post()).await.problem(415);
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        Reply::of(post().header(CONTENT_TYPE, kind)).await.ok();
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_it_is_sent() {
    let gateway = Setup::local().set("server.max_body_bytes", 2_000).start().await;
    let body = |length: usize| json!({"text": "x ".repeat(length)}).to_string();
    assert_eq!(send(&gateway, body(900)).await.status, 200);
    send(&gateway, body(1_500)).await.problem(413);
    let pieces: Vec<_> = body(1_500)
        .into_bytes()
        .chunks(100)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let streamed = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    send(&gateway, streamed).await.problem(413);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let gateway = Setup::local().start().await;
    for path in [
        "/v1/sentiments",
        "/v1/",
        "/v2/sentiment",
        "/nothing",
        "/v1/sentiment/x",
        "/..%2f..%2fetc/passwd",
    ] {
        gateway.get(path).await.problem(404);
        gateway.post(path, &json!({"text": "x"})).await.problem(404);
    }
    for (method, path, allowed) in [
        (Method::GET, "/v1/sentiment", "POST"),
        (Method::PUT, "/v1/sentiment", "POST"),
        (Method::DELETE, "/v1/sentiment", "POST"),
        (Method::POST, "/v1/costs", "GET"),
        (Method::POST, "/healthz", "GET"),
        (Method::DELETE, "/readyz", "GET"),
        (Method::POST, "/metrics", "GET"),
        (Method::PATCH, "/openapi.json", "GET"),
    ] {
        let reply = Reply::of(gateway.request(method.clone(), path)).await;
        assert_eq!(reply.status, 405, "{method} {path}: {}", reply.text());
        reply.problem(405);
        let allow = reply.header("allow");
        assert!(
            allow.split(',').any(|method| method.trim() == allowed),
            "{method} {path}: {allow}"
        );
    }
}

#[tokio::test]
async fn only_a_loopback_host_is_answered_before_there_are_keys() {
    let gateway = Setup::local().start().await;
    let port = gateway.port();
    for path in ["/v1/sentiment", "/healthz", "/v1/costs"] {
        let ask = |host: String| {
            let request = if path == "/v1/sentiment" {
                gateway.request(Method::POST, path).json(&json!({"text": "I love it."}))
            } else {
                gateway.request(Method::GET, path)
            };
            Reply::of(request.header(HOST, host))
        };
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            format!("127.0.0.1.evil.example:{port}"),
            format!("localhost.evil.example:{port}"),
            format!("192.168.1.7:{port}"),
            format!("0.0.0.0:{port}"),
        ] {
            let reply = ask(host.clone()).await;
            assert!((400..500).contains(&reply.status), "{host} {path}: {}", reply.text());
            reply.problem(reply.status);
        }
        for host in [
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
            "LOCALHOST".to_owned(),
            format!("[::1]:{port}"),
        ] {
            assert_eq!(ask(host.clone()).await.status, 200, "{host} {path}");
        }
    }
}

#[tokio::test]
async fn bad_queries_for_costs_are_named() {
    let gateway = Setup::local().start().await;
    for (query, field) in [
        ("?group_by=colour", "group_by"),
        ("?group_by=team,colour", "group_by"),
        ("?group_by=tag:", "group_by"),
        ("?from=yesterday", "from"),
        ("?to=2026-13-01T00:00:00Z", "to"),
    ] {
        let problem = gateway.get(&format!("/v1/costs{query}")).await.problem(422);
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
    let unknown = gateway.get("/v1/costs?form=2026-11-01T00:00:00Z").await;
    assert!([400, 422].contains(&unknown.status), "an unknown name: {}", unknown.text());
}

#[tokio::test]
async fn more_texts_than_can_wait_are_turned_away_and_told_when_to_come_back() {
    let setup = Setup::local().set("classifier.threads", 1).set("classifier.queue", 1);
    let gateway = setup.set("llm.deadline_ms", 80_000).start().await;
    let text = "I waited for days, and then the wrong parcel came. ".repeat(380);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let client = gateway.client();
            let asked = json!({"text": text, "route": "local"});
            tokio::spawn(async move { client.post("/v1/sentiment", &asked).await })
        })
        .collect();
    let mut turned_away = 0;
    for call in calls {
        let reply = call.await.unwrap();
        if reply.status != 200 {
            reply.problem(429);
            assert!(reply.header("retry-after").parse::<u64>().is_ok(), "{:?}", reply.headers);
            turned_away += 1;
        }
    }
    assert!((1..20).contains(&turned_away), "{turned_away} of 20");
    assert_eq!(gateway.get("/readyz").await.status, 200, "{}", gateway.log());
}

#[tokio::test]
async fn bad_requests_reach_neither_a_provider_nor_the_ledger() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    for body in ["{", r#"{"text": ""}"#, r#"{"text": "x", "route": "moon"}"#] {
        assert!([400, 422].contains(&send(&gateway, body).await.status), "{body}");
    }
    assert!(double.requests().is_empty());
    let total = &gateway.costs("").await["total"];
    assert_eq!((&total["requests"], &total["calls"]), (&json!(0), &json!(0)), "{total}");
}
