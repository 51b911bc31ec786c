//! Gateways that share a ledger on PostgreSQL.

#[path = "../support/postgres.rs"]
pub mod server;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::double::{Double, Script};
use crate::gateway::Setup;
use crate::verdict::{check_shape, outcome};
use server::{Database, Server};

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn gateways_that_share_a_database_report_the_same_and_agree_with_the_bill() {
    let (double, database) = (Double::start().await, Database::new());
    let setup = || Setup::with(&double).escalating().set("store.url", database.url());
    let (one, other) = tokio::join!(setup().start(), setup().start());
    double.script([Script::answer("positive"), Script::prose(), Script::answer("negative")]);
    for (at, gateway) in [&one, &other, &one, &other].into_iter().enumerate() {
        gateway.sentiment(json!({"text": format!("Hm, {at}."), "tags": {"team": "care"}})).await;
    }
    other.sentiment(json!({"text": "Hm.", "route": "local"})).await;
    let start = Instant::now();
    let report = loop {
        let report = one.costs("?group_by=team,model").await;
        if report["total"]["requests"] == 5 {
            break report;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{report}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(report["total"]["cost_usd"], double.bill().usd(), "{report}");
    assert_eq!(report["total"]["calls"], 5, "{report}");
    assert_eq!(other.costs("?group_by=team,model").await, report);
    let printed = one.run(&["costs", "--group-by", "team,model", "--format", "json"]).await.json();
    assert_eq!(printed, report);
    assert_eq!(one.get("/readyz").await.json()["store"]["name"], "postgres");

    let before = report["total"].clone();
    let restarted = one.kill().start().await;
    assert_eq!(restarted.costs("").await["total"], before);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn local_answers_never_stop_for_a_database_that_is_gone_and_calls_go_on_when_it_is_back() {
    let double = Double::start().await;
    let server = Server::start();
    let setup = Setup::with(&double).escalating().set("store.url", server.database().url());
    let gateway = setup.start().await;
    assert_eq!(outcome(&gateway.sentiment(json!({"text": "One."})).await), "answered");

    server.stop("immediate");
    let verdict = gateway.sentiment(json!({"text": "Two."})).await;
    check_shape(&verdict);
    assert_eq!((outcome(&verdict), &verdict["cost_usd"]), ("unavailable", &json!("0")));
    assert_eq!(
        double.requests().len(),
        1,
        "the ledger could not record an attempt, so nothing was sent"
    );
    gateway.post("/v1/sentiment", &json!({"text": "Two.", "route": "llm"})).await.problem(503);
    let store = gateway.store_once(false).await;
    assert!(store["error"].is_string(), "{store}");

    server.start_again();
    let start = Instant::now();
    while outcome(&gateway.sentiment(json!({"text": "Two."})).await) != "answered" {
        assert!(start.elapsed() < Duration::from_secs(30), "it never comes back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gateway.store_once(true).await;
    let total = gateway.costs("").await["total"].clone();
    assert_eq!(total["cost_usd"], double.bill().usd(), "{total}");
    assert_eq!(total["unresolved"], 0, "{total}");
    // One, and Two in vain and in the end: on a slow machine the first try may find it back.
    let counted = ["requests", "local"].map(|field| total[field].as_u64());
    assert!(counted >= [Some(3), Some(1)], "counts waited for it: {total}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_database_that_cannot_be_had_is_told_without_its_password() {
    let url = Database::new().url().replace("undertone@", "undertone:s3cret@");
    let setup = Setup::local().set("store.url", format!("{url}_not_there"));
    for arguments in [&["serve"][..], &["costs"]] {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains("does not exist"), "{}", finished.stderr);
        assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
    }
    let shown = setup.run(&["config", "show"]).await;
    assert!(shown.stdout.contains("undertone:***@"), "{}", shown.stdout);
    assert!(!shown.stdout.contains("s3cret"), "{}", shown.stdout);
}
