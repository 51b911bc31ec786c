//! A store that fails: local answers never stop, and no cost is lost.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::double::{Double, Gate, Script};
use crate::gateway::Setup;
use crate::postgres::server::Server;
use crate::verdict::{check_shape, outcome};

/// Waits until the total is as the test wants it, and returns it.
async fn total_once(client: &Client, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let reply = client.get("/v1/costs").await;
        let total = if reply.status == 200 { reply.json()["total"].clone() } else { Value::Null };
        if wanted(&total) {
            return total;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it stays at {total}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn with_the_journal_calls_go_on_and_are_on_the_ledger_even_after_a_kill() {
    let (double, server) = (Double::start().await, Server::start());
    let setup = Setup::with(&double)
        .providers(&["openai"])
        .escalating()
        .set("store.url", server.database().url())
        .set("store.when_down", "journal");
    let gateway = setup.start().await;
    assert_eq!(outcome(&gateway.sentiment(json!({"text": "Zero."})).await), "answered");
    for team in ["bound", "warned"] {
        let soft = if team == "warned" { &["--soft"][..] } else { &[] };
        let set = ["budgets", "set", "--team", team, "--month", "100"];
        assert_eq!(gateway.run(&[&set[..], soft].concat()).await.code, Some(0));
    }
    // The gateway has to know of them before the store goes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.stop("immediate");
    for (at, team) in ["warned", "other", "warned"].into_iter().enumerate() {
        let asked = json!({"text": format!("One, {at}."), "tags": {"team": team}});
        let verdict = gateway.sentiment(asked).await;
        check_shape(&verdict);
        assert_eq!(outcome(&verdict), "answered", "{verdict}");
        assert!(verdict["cost_usd"].is_string(), "it is on record: {verdict}");
    }
    let calls = double.requests().len();
    let bound = json!({"text": "Two.", "tags": {"team": "bound"}});
    assert_eq!(outcome(&gateway.sentiment(bound).await), "unavailable", "a hard budget binds it");
    assert_eq!(double.requests().len(), calls);
    assert_eq!(gateway.get("/readyz").await.status, 200);
    double.script([Script::hang()]);
    let client = gateway.client();
    let hung = tokio::spawn(async move { client.sentiment(json!({"text": "Three."})).await });
    double.arrived(calls + 1).await;

    let setup = gateway.kill();
    hung.await.expect_err("its gateway was killed");
    server.start_again();
    let gateway = setup.start().await;
    let total = total_once(&gateway, |total| total["calls"] == calls + 1).await;
    assert_eq!(total["cost_usd"], double.bill().known().usd(), "{total}");
    assert_eq!(total["unresolved"], 1, "the one that hung: {total}");
    let budgets = gateway.get("/v1/budgets").await.ok();
    let warned = budgets["budgets"].as_array().unwrap().iter().find(|row| row["team"] == "warned");
    assert_ne!(warned.unwrap()["spent_usd"], "0", "what is replayed counts: {budgets}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn what_a_call_cost_that_was_under_way_is_known_although_the_store_went() {
    let (double, server) = (Double::start().await, Server::start());
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("store.url", server.database().url()).start().await;
    let gate = Gate::shut();
    double.script([Script::answer("positive").behind(&gate)]);
    let client = gateway.client();
    let call = tokio::spawn(async move { client.sentiment(json!({"text": "One."})).await });
    double.arrived(1).await;
    server.stop("immediate");
    gate.open();
    let verdict = call.await.expect("it is answered");
    assert_eq!(
        (outcome(&verdict), &verdict["cost_usd"]),
        ("answered", &json!(double.bill().usd()))
    );
    assert_eq!(outcome(&gateway.sentiment(json!({"text": "Two."})).await), "unavailable");
    server.start_again();
    let total = total_once(&gateway, |total| total["unresolved"] == 0).await;
    assert_eq!((&total["cost_usd"], &total["calls"]), (&json!(double.bill().usd()), &json!(1)));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_database_that_hangs_costs_two_seconds_once() {
    let (double, server) = (Double::start().await, Server::start());
    let database = server.database();
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("store.url", database.url()).start().await;
    let (mut other, connection) =
        tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.expect("reached");
    tokio::spawn(connection);
    let lock = other.transaction().await.expect("a transaction");
    lock.batch_execute("LOCK TABLE attempts, rollups, pulse IN EXCLUSIVE MODE")
        .await
        .expect("held");
    let start = Instant::now();
    for at in 0..12 {
        let verdict = gateway.sentiment(json!({"text": format!("Hm, {at}.")})).await;
        assert_eq!((outcome(&verdict), &verdict["cost_usd"]), ("unavailable", &json!("0")));
    }
    let local = gateway.sentiment(json!({"text": "Hm.", "route": "local"})).await;
    assert_eq!(outcome(&local), "not_needed");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?} for twelve", start.elapsed());
    assert_eq!(gateway.get("/readyz").await.json()["store"]["ok"], false);
    assert!(
        double.requests().is_empty(),
        "the ledger could not record an attempt, so nothing was sent"
    );
    lock.rollback().await.expect("released");
    let start = Instant::now();
    while outcome(&gateway.sentiment(json!({"text": "Hm."})).await) != "answered" {
        assert!(start.elapsed() < Duration::from_secs(30), "it never comes back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let total = total_once(&gateway, |total| total["requests"].as_u64() >= Some(14)).await;
    assert_eq!((&total["calls"], &total["unresolved"]), (&json!(1), &json!(0)), "{total}");
}
