//! Budgets: what keys and teams may spend, and that no number of callers overruns it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};

use crate::client::Client;
use crate::double::{Double, Script, Tokens};
use crate::gateway::Setup;
use crate::keys::create;
use crate::money;
use crate::postgres::server::Database;
use crate::verdict::{check_shape, outcome};

fn pico(of: &Value) -> money::Pico {
    of.as_str().and_then(money::pico).unwrap_or_else(|| panic!("{of} is no amount"))
}

async fn budgets(client: &Client) -> Vec<Value> {
    client.get("/v1/budgets").await.ok()["budgets"].as_array().expect("a list").clone()
}

/// The worst case of a call about a text as long as "Hm, 1.".
async fn worst_case(double: &Double, client: &Client) -> money::Pico {
    client.sentiment(json!({"text": "Hm, 0."})).await;
    let probe = double.requests().pop().expect("it was asked about");
    let model = &double.bill().0[0].model;
    money::cost(model, &Tokens::of(probe.raw.len() as u64, probe.max_tokens()))
}

#[tokio::test]
async fn over_budget_the_local_verdict_is_given_and_said_to_be() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("llm.max_retries", 0).start().await;
    let worst = worst_case(&double, &gateway).await;
    let limit = money::decimal(worst * 3 / 2);
    let set = gateway.run(&["budgets", "set", "--team", "care", "--day", &limit]).await;
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let asked = |at: u32| json!({"text": format!("Hm, {at}."), "tags": {"team": "care"}});
    // What was spent before belongs to no team: all of the limit is there.
    double.script([Script::answer("positive").tokens(Tokens::of(1, 1))]);
    assert_eq!(outcome(&gateway.sentiment(asked(1)).await), "answered");
    double.script([Script::reset()]);
    let lost = gateway.sentiment(asked(2)).await;
    assert_eq!(outcome(&lost), "unavailable", "{lost}");
    let calls = double.requests().len();
    let verdict = gateway.sentiment(asked(3)).await;
    check_shape(&verdict);
    assert_eq!((outcome(&verdict), &verdict["cost_usd"]), ("over_budget", &json!("0")));
    let mut insisting = asked(3);
    insisting["route"] = json!("llm");
    let problem = gateway.post("/v1/sentiment", &insisting).await.problem(402);
    assert_eq!(problem["cost_usd"], "0", "{problem}");
    assert_eq!(double.requests().len(), calls, "nobody was called");
    assert_eq!(outcome(&gateway.sentiment(json!({"text": "Hm, 3."})).await), "answered");

    let row = budgets(&gateway).await.remove(0);
    assert_eq!((&row["team"], &row["key_id"]), (&json!("care"), &Value::Null), "{row}");
    assert_eq!((&row["period"], &row["hard"]), (&json!("day"), &json!(true)), "{row}");
    assert_eq!(row["limit_usd"], limit, "{row}");
    // Digits of the hint come and go.
    let reserved = pico(&row["reserved_usd"]);
    assert!(reserved * 100 >= worst * 98, "the lost one keeps its reservation: {row}");
    assert!(row["resets_at"].as_str().is_some_and(|at| at.ends_with("T00:00:00Z")), "{row}");
    let printed = gateway.run(&["budgets", "list", "--format", "json"]).await.json();
    assert_eq!(printed["budgets"][0], row);
    let lifted = gateway.run(&["budgets", "set", "--team", "care", "--day", "none"]).await;
    assert_eq!(lifted.code, Some(0), "{}", lifted.stderr);
    assert_eq!(outcome(&gateway.sentiment(asked(3)).await), "answered");
}

#[tokio::test]
async fn a_model_without_a_price_is_not_called_under_a_hard_budget() {
    let double = Double::start().await;
    double.adopt("llama-9-local");
    let setup = Setup::with(&double).providers(&["openai"]).set("openai.model", "llama-9-local");
    let gateway = setup.escalating().start().await;
    let asked = json!({"text": "Hm.", "tags": {"team": "care"}});
    for (option, expected) in [(&["--soft"][..], "answered"), (&[], "over_budget")] {
        let set = ["budgets", "set", "--team", "care", "--month", "1000"];
        gateway.run(&[&set[..], option].concat()).await;
        let mut asked = asked.clone();
        asked["text"] = json!(format!("Hm, {expected}."));
        assert_eq!(outcome(&gateway.sentiment(asked).await), expected);
    }
}

#[tokio::test]
async fn a_keys_budget_binds_it_and_its_own_and_its_teams_rows_are_shown_to_it() {
    let double = Double::start().await;
    let setup = Setup::with(&double).escalating();
    let poor = ["--team", "care", "--scopes", "analyze", "--budget-month", "0.000001"];
    let (poor_id, poor) = create(&setup, &poor).await;
    let rich = ["--team", "care", "--scopes", "analyze,costs:read", "--budget-day", "50", "--soft"];
    let (_, rich) = create(&setup, &rich).await;
    for (team, limit) in [("care", "90"), ("press", "80")] {
        setup.run(&["budgets", "set", "--team", team, "--month", limit]).await;
    }
    let gateway = setup.start().await;
    let (poor, rich) = (gateway.with_key(&poor), gateway.with_key(&rich));
    assert_eq!(outcome(&poor.sentiment(json!({"text": "Hm."})).await), "over_budget");
    assert_eq!(outcome(&rich.sentiment(json!({"text": "Hm."})).await), "answered");
    // From the cache it costs nothing, and is for the poor as well.
    assert_eq!(outcome(&poor.sentiment(json!({"text": "Hm."})).await), "answered");
    let own = budgets(&poor).await;
    assert_eq!(own.len(), 2, "nothing of another key or team: {own:?}");
    assert_eq!((&own[0]["key_id"], &own[0]["team"]), (&Value::Null, &json!("care")), "{own:?}");
    assert_eq!(own[1]["key_id"], json!(poor_id), "{own:?}");
    let all = budgets(&rich).await;
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(all[0]["spent_usd"], double.bill().usd(), "the team's row: {all:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn five_hundred_at_once_over_two_gateways_never_overrun_the_last_dollar() {
    let (double, database) = (Double::start().await, Database::new());
    let setup = || {
        let setup = Setup::with(&double).providers(&["openai"]).escalating();
        setup.set("store.url", database.url()).set("llm.deadline_ms", 60_000)
    };
    let (one, other) = tokio::join!(setup().start(), setup().start());
    let worst = worst_case(&double, &one).await;
    let before = double.bill().pico();
    // Each costs nearly what is reserved for it, so that a leak would show.
    let limit = worst * 20;
    double.otherwise(Script::answer("positive").tokens(Tokens::of(900, 180)));
    let set = ["budgets", "set", "--team", "care", "--month", &money::decimal(limit)];
    assert_eq!(one.run(&set).await.code, Some(0));
    let calls: Vec<_> = (0..500)
        .map(|at| {
            let client = if at % 2 == 0 { one.client() } else { other.client() };
            let asked = json!({"text": format!("Hm, {at}."), "tags": {"team": "care"}});
            tokio::spawn(async move { client.sentiment(asked).await })
        })
        .collect();
    let mut answered = 0;
    for call in calls {
        match outcome(&call.await.expect("an answer")) {
            "answered" => answered += 1,
            other => assert_eq!(other, "over_budget"),
        }
    }
    let spent = double.bill().pico() - before;
    assert!(spent <= limit, "{spent} of {limit}");
    assert!((20..500).contains(&answered), "{answered} answered");
    let row = budgets(&other).await.remove(0);
    assert_eq!((pico(&row["spent_usd"]), &row["reserved_usd"]), (spent, &json!("0")), "{row}");
}

/// A receiver of webhooks that is down for the first call.
async fn receiver() -> (String, Arc<Mutex<Vec<Value>>>) {
    let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
    let router = Router::new()
        .route(
            "/hook",
            post(async |State(heard): State<Arc<Mutex<Vec<Value>>>>, body: String| {
                let mut heard = heard.lock().expect("nobody panics with it");
                heard.push(serde_json::from_str(&body).expect("JSON"));
                if heard.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
            }),
        )
        .with_state(heard.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, heard)
}

#[tokio::test]
async fn a_soft_budget_warns_at_each_step_and_stops_nothing() {
    let double = Double::start().await;
    let (url, heard) = receiver().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("access.budget_webhook", url).start().await;
    double.otherwise(Script::answer("positive").tokens(Tokens::of(1_000, 0)));
    gateway.sentiment(json!({"text": "Hm."})).await;
    let one = double.bill().pico();
    let limit = money::decimal(one * 10);
    let set = ["budgets", "set", "--team", "care", "--month", &limit, "--soft"];
    assert_eq!(gateway.run(&set).await.code, Some(0));
    let told = || -> Vec<u64> {
        let heard = heard.lock().expect("nobody panics with it");
        heard.iter().filter_map(|warning| warning["percent"].as_u64()).collect()
    };
    let mut asked = 0;
    for (calls, expected) in [(5, &[50, 50][..]), (8, &[50, 50, 80]), (12, &[50, 50, 80, 100])] {
        while asked < calls {
            asked += 1;
            let text = format!("Hm, {asked}.");
            let asked = json!({"text": text, "tags": {"team": "care"}});
            assert_eq!(outcome(&gateway.sentiment(asked).await), "answered");
        }
        let start = Instant::now();
        while told() != expected {
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}, not {expected:?}", told());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let last = heard.lock().expect("nobody panics with it").pop().expect("the last one");
    assert_eq!((&last["team"], &last["period"]), (&json!("care"), &json!("month")), "{last}");
    assert_eq!((&last["limit_usd"], &last["hard"]), (&json!(limit), &json!(false)), "{last}");
    let metrics = gateway.get("/metrics").await.text();
    assert!(metrics.contains("undertone_budget_spent_ratio"), "{metrics}");
    assert!(metrics.contains("undertone_budget_warnings_total{percent=\"100\"} 1"), "{metrics}");
}

/// What an answer or a problem says of the limit that had no room.
#[track_caller]
fn check_refusal(refusal: &Value, limit_of: &str, period: Value, limit: &str) {
    assert_eq!(refusal["limit_of"], limit_of, "{refusal}");
    assert_eq!((&refusal["period"], &refusal["limit_usd"]), (&period, &json!(limit)), "{refusal}");
    assert!(pico(&refusal["asked_usd"]) > pico(&refusal["limit_usd"]), "{refusal}");
    for field in ["spent_usd", "reserved_usd"] {
        assert_eq!(refusal[field], "0", "{refusal}");
    }
    let resets = refusal["resets_at"].as_str().is_some_and(|at| at.ends_with("T00:00:00Z"));
    assert_eq!(resets, !period.is_null(), "{refusal}");
}

#[tokio::test]
async fn a_refused_budget_is_named_with_its_amounts_wherever_it_is_met() {
    let double = Double::start().await;
    let setup = Setup::with(&double).escalating();
    let keyed = ["--team", "press", "--scopes", "analyze", "--budget-day", "0.000002"];
    let (key_id, keyed) = create(&setup, &keyed).await;
    let (_, care) = create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    let (_, free) = create(&setup, &["--team", "free", "--scopes", "analyze"]).await;
    setup.run(&["budgets", "set", "--team", "care", "--month", "0.000001"]).await;
    let gateway = setup.start().await;
    let (keyed, care) = (gateway.with_key(&keyed), gateway.with_key(&care));

    let verdict = care.sentiment(json!({"text": "Hm."})).await;
    check_shape(&verdict);
    let refusal = &verdict["escalation"]["over_budget"];
    check_refusal(refusal, "team", json!("month"), "0.000001");
    assert_eq!((&refusal["team"], &refusal["key_id"]), (&json!("care"), &Value::Null), "{refusal}");
    let insisting = json!({"text": "Hm.", "route": "llm"});
    let problem = care.post("/v1/sentiment", &insisting).await.problem(402);
    check_refusal(&problem["over_budget"], "team", json!("month"), "0.000001");
    let detail = problem["detail"].as_str().expect("a sentence");
    let told = "the month budget of the team care is 0.000001 US dollars, of which 0 is spent";
    assert!(detail.contains(told) && detail.contains("starts anew at"), "{detail}");
    let batch = json!({"task": "sentiment", "items": [insisting]});
    let answer = care.post("/v1/batch", &batch).await.ok();
    let error = &answer["items"][0]["error"];
    check_refusal(&error["over_budget"], "team", json!("month"), "0.000001");

    let problem = keyed.post("/v1/sentiment", &insisting).await.problem(402);
    check_refusal(&problem["over_budget"], "key", json!("day"), "0.000002");
    assert_eq!(problem["over_budget"]["key_id"], json!(key_id), "{problem}");
    assert!(!problem.to_string().contains("care"), "nothing of another team: {problem}");

    let capped = json!({"text": "Hm.", "route": "llm", "max_cost_usd": "0.000003"});
    let problem = gateway.with_key(&free).post("/v1/sentiment", &capped).await.problem(402);
    check_refusal(&problem["over_budget"], "request", Value::Null, "0.000003");
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains("max_cost_usd is 0.000003 US dollars"), "{detail}");
    assert_eq!(double.requests().len(), 0, "nobody was called");
    let log = gateway.log();
    assert!(log.contains(told), "{log}");

    let setup = gateway.setup();
    std::fs::write(setup.path("in.csv"), "text\nHm.\n").expect("written");
    let arguments = ["analyze", "in.csv", "--route", "llm", "--team", "care"];
    let finished = setup.run(&arguments).await;
    assert!(finished.stderr.contains(told), "{}", finished.stderr);
}
