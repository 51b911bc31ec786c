//! Keys: who is let in, for what, how often, and from when on.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::double::{Double, Script, Tokens};
use crate::gateway::Setup;
use crate::postgres::server::{Database, Server};
use crate::verdict::outcome;

/// What a change may take to be known in a running gateway; a busy machine gets some more.
const SOON: Duration = Duration::from_secs(3);

/// Creates a key with those options: its id, and the key itself.
pub async fn create(setup: &Setup, options: &[&str]) -> (String, String) {
    let created = setup.run(&[&["keys", "create", "--format", "json"], options].concat()).await;
    let created = created.json();
    let text = |field: &str| created[field].as_str().expect(field).to_owned();
    (text("id"), text("key"))
}

/// Asks until the answer has that status, which it must have soon.
async fn soon(client: &Client, status: u16) -> Reply {
    let start = Instant::now();
    loop {
        let reply = client.post("/v1/sentiment", &json!({"text": "Hm.", "route": "local"})).await;
        if reply.status == status {
            return reply;
        }
        assert!(start.elapsed() < SOON, "still {} after {SOON:?}", reply.status);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_first_key_closes_a_running_gateway_and_a_revoked_one_opens_nothing() {
    let gateway = Setup::local().start().await;
    let setup = gateway.setup();
    assert_eq!(soon(&gateway, 200).await.status, 200, "no key is asked for");
    let (id, key) = create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    let reply = soon(&gateway, 401).await;
    let problem = reply.problem(401);
    assert!(reply.header("www-authenticate").starts_with("Bearer"), "{problem}");
    let keyed = gateway.with_key(&key);
    assert_eq!(soon(&keyed, 200).await.status, 200);
    let reply = gateway.with_key("ut_0123").post("/v1/sentiment", &json!({"text": "Hm."})).await;
    reply.problem(401);
    assert!(reply.header("www-authenticate").contains("invalid_token"));

    for (path, status) in [
        ("/v1/costs", 403),
        ("/metrics", 403),
        ("/v1/budgets", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/openapi.json", 200),
    ] {
        assert_eq!(keyed.get(path).await.status, status, "{path}");
        let open = ["/healthz", "/readyz", "/openapi.json"].contains(&path);
        assert_eq!(gateway.get(path).await.status, if open { 200 } else { 401 }, "{path}");
    }
    assert_eq!(gateway.get("/v1/nowhere").await.status, 404);

    let listed = setup.run(&["keys", "list", "--format", "json"]).await;
    assert_eq!(listed.json()[0]["state"], "live");
    assert!(!listed.stdout.contains(&key), "a key is shown once: {}", listed.stdout);
    let revoked = setup.run(&["keys", "revoke", &id]).await;
    assert_eq!(revoked.code, Some(0), "{}", revoked.stderr);
    soon(&keyed, 401).await.problem(401);
    soon(&gateway, 401).await;
    assert_eq!(
        setup.run(&["keys", "list", "--format", "json"]).await.json()[0]["state"],
        "revoked"
    );
    assert_eq!(setup.run(&["keys", "revoke", "k-none"]).await.code, Some(2));
}

#[tokio::test]
async fn a_finance_key_reads_costs_and_cannot_analyse() {
    let setup = Setup::local();
    let (_, key) = create(&setup, &["--team", "finance", "--scopes", "costs:read"]).await;
    let gateway = setup.start().await;
    let finance = gateway.with_key(&key);
    assert_eq!(finance.get("/v1/costs").await.status, 200);
    let problem = finance.post("/v1/sentiment", &json!({"text": "Hm."})).await.problem(403);
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("analyze")), "{problem}");
    finance.post("/v1/batch", &json!({"task": "sentiment", "items": []})).await.problem(403);
}

#[tokio::test]
async fn with_keys_any_address_and_any_host_are_served() {
    let setup = Setup::local().set("server.listen", "0.0.0.0:0");
    let (_, key) = create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    let gateway = setup.start().await;
    let keyed = gateway.with_key(&key);
    let asked = keyed.request(Method::POST, "/v1/sentiment").header("Host", "undertone.example");
    assert_eq!(Reply::of(asked.json(&json!({"text": "Hm."}))).await.status, 200);
}

#[tokio::test]
async fn a_key_that_expires_opens_nothing_from_then_on() {
    let gateway = Setup::local().start().await;
    let expires = time::OffsetDateTime::now_utc() + Duration::from_secs(8);
    let expires = expires.format(&time::format_description::well_known::Rfc3339).unwrap();
    let options = ["--team", "care", "--scopes", "analyze", "--expires", &expires];
    let (_, key) = create(&gateway.setup(), &options).await;
    let keyed = gateway.with_key(&key);
    soon(&keyed, 200).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    soon(&keyed, 401).await;
}

#[tokio::test]
async fn a_keys_team_counts_whatever_its_holder_says() {
    let double = Double::start().await;
    let setup = Setup::with(&double).escalating();
    let options = ["--team", "care", "--scopes", "analyze,costs:read"];
    let (id, key) = create(&setup, &options).await;
    let gateway = setup.start().await;
    let keyed = gateway.with_key(&key);
    keyed.sentiment(json!({"text": "Hm.", "tags": {"team": "sales"}})).await;
    let report = keyed.costs("?group_by=team,key,tag:team").await;
    let expected = json!({"team": "care", "key": id, "tag:team": "sales"});
    assert_eq!(report["rows"][0]["group"], expected, "{report}");
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(report["total"]["cost_usd"], double.bill().usd(), "{report}");
}

#[tokio::test]
async fn requests_a_minute_are_counted_for_each_key_and_the_headers_say_how_it_stands() {
    let setup = Setup::local().set("access.requests_per_minute", 5);
    let options = ["--team", "care", "--scopes", "analyze"];
    let (_, key) = create(&setup, &options).await;
    let (_, roomy) =
        create(&setup, &[&options[..], &["--requests-per-minute", "600"]].concat()).await;
    let gateway = setup.start().await;
    let text = json!({"text": "Hm.", "route": "local"});
    let keyed = gateway.with_key(&key);
    for left in (0..5).rev() {
        let reply = keyed.post("/v1/sentiment", &text).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            (reply.header("ratelimit-limit"), reply.header("ratelimit-remaining")),
            ("5", left.to_string().as_str())
        );
    }
    let reply = keyed.post("/v1/sentiment", &text).await;
    let problem = reply.problem(429);
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("5 requests")),
        "{problem}"
    );
    let wait: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((1..=13).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit-remaining"), "0");
    assert!(reply.header("ratelimit-reset").parse::<u64>().is_ok_and(|seconds| seconds <= 60));
    assert_eq!(gateway.with_key(&roomy).post("/v1/sentiment", &text).await.status, 200);
}

#[tokio::test]
async fn tokens_a_minute_are_charged_once_they_are_known() {
    let double = Double::start().await;
    let setup = Setup::with(&double).escalating();
    let options = ["--team", "care", "--scopes", "analyze", "--tokens-per-minute", "1000"];
    let (_, key) = create(&setup, &options).await;
    let gateway = setup.start().await;
    let keyed = gateway.with_key(&key);
    double.script([Script::answer("positive").tokens(Tokens::of(1_800, 50))]);
    assert_eq!(outcome(&keyed.sentiment(json!({"text": "One."})).await), "answered");
    let reply = keyed.post("/v1/sentiment", &json!({"text": "Two."})).await;
    let problem = reply.problem(429);
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("1000 tokens")),
        "{problem}"
    );
    let wait: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((25..=60).contains(&wait), "850 tokens at 1000 a minute: {wait}");
}

#[tokio::test]
async fn a_key_revoked_amid_a_batch_ends_it() {
    let setup = Setup::local();
    let (id, key) = create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    let gateway = setup.start().await;
    let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<String, std::io::Error>>();
    let line = || Ok("{\"text\": \"Hm.\"}\n".to_owned());
    sender.unbounded_send(line()).unwrap();
    let request = gateway
        .with_key(&key)
        .request(Method::POST, "/v1/batch?task=sentiment")
        .header("Content-Type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(receiver));
    let mut reply = request.send().await.expect("an answer begins");
    let first = reply.chunk().await.expect("a line").expect("the first");
    assert!(String::from_utf8_lossy(&first).contains("\"label\""));
    gateway.setup().run(&["keys", "revoke", &id]).await;
    let start = Instant::now();
    loop {
        sender.unbounded_send(line()).unwrap();
        let next = reply.chunk().await.expect("a line").expect("the next");
        if String::from_utf8_lossy(&next).contains("\"status\":401") {
            break;
        }
        assert!(start.elapsed() < SOON, "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn with_the_store_down_known_keys_go_on_counting() {
    let server = Server::start();
    let setup = Setup::local().set("store.url", server.database().url());
    let (_, key) = create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    let gateway = setup.start().await;
    server.stop("immediate");
    let keyed = gateway.with_key(&key);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        soon(&keyed, 200).await;
        gateway.post("/v1/sentiment", &json!({"text": "Hm."})).await.problem(401);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn gateways_on_one_database_know_the_same_keys() {
    let database = Database::new();
    let setup = || Setup::local().set("store.url", database.url());
    let (one, other) = tokio::join!(setup().start(), setup().start());
    let (id, key) = create(&one.setup(), &["--team", "care", "--scopes", "analyze"]).await;
    for gateway in [&one, &other] {
        soon(gateway, 401).await;
        soon(&gateway.with_key(&key), 200).await;
    }
    other.setup().run(&["keys", "revoke", &id]).await;
    soon(&one.with_key(&key), 401).await;
}

#[tokio::test]
async fn wrong_usage_of_keys_and_budgets_is_told() {
    let setup = Setup::local();
    for (arguments, named) in [
        (&["keys", "create", "--team", "care"][..], "--scopes"),
        (&["keys", "create", "--scopes", "analyze"], "--team"),
        (&["keys", "create", "--team", "care", "--scopes", "analyse"], "costs:read"),
        (&["keys", "create", "--team", "", "--scopes", "analyze"], "--team"),
        (&["keys", "create", "--team", "a", "--scopes", "analyze", "--budget-day", "$5"], "0.02"),
        (&["keys", "create", "--team", "a", "--scopes", "analyze", "--expires", "soon"], "expires"),
        (
            &["keys", "create", "--team", "a", "--scopes", "analyze", "--expires", "2020-01-01"],
            "past",
        ),
        (&["budgets", "set", "--team", "care"], "--day"),
        (&["budgets", "set", "--team", "care", "--day=-1"], "below 0"),
    ] {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(named), "{arguments:?}: {}", finished.stderr);
    }
    let none: Value = setup.run(&["keys", "list", "--format", "json"]).await.json();
    assert_eq!(none, json!([]));
}

#[tokio::test]
async fn the_texts_of_batches_count_and_lines_are_slowed_to_the_limit() {
    let setup = Setup::local().set("access.texts_per_minute", 3);
    let (_, key) = create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    let options = [
        "--team",
        "care",
        "--scopes",
        "analyze",
        "--requests-per-minute",
        "2",
        "--texts-per-minute",
        "60",
    ];
    let (_, lines) = create(&setup, &options).await;
    let gateway = setup.start().await;
    let (keyed, lines) = (gateway.with_key(&key), gateway.with_key(&lines));
    let text = json!({"text": "Hm.", "route": "local"});
    let batch = |texts: usize| json!({"task": "sentiment", "items": vec![text.clone(); texts]});
    assert_eq!(keyed.post("/v1/batch", &batch(2)).await.status, 200);
    let reply = keyed.post("/v1/batch", &batch(2)).await;
    let problem = reply.problem(429);
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains("holds 2 texts") && detail.contains("1 left of its 3"), "{detail}");
    let wait: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((1..=21).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit-limit"), "3");
    assert_eq!(keyed.post("/v1/sentiment", &text).await.status, 200);
    let problem = keyed.post("/v1/sentiment", &text).await.problem(429);
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("3 texts")), "{problem}");

    // One request: sixty at once, then one a second.
    let start = Instant::now();
    let body: String = (0..63).map(|_| format!("{text}\n")).collect();
    let request = lines.request(Method::POST, "/v1/batch?task=sentiment");
    let request = request.header("content-type", "application/x-ndjson").body(body);
    let reply = Reply::of(request).await;
    assert_eq!(reply.text().lines().filter(|line| line.contains("\"label\"")).count(), 63);
    assert!(start.elapsed() >= Duration::from_millis(2_500), "{:?}", start.elapsed());
}
