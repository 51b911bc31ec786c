//! The ledger's file goes away under a gateway, or before it starts: paid calls stop, local answers go on,
//! nothing is lost, and no door opens.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::double::Double;
use crate::gateway::Setup;
use crate::keys;
use crate::verdict::{check_shape, outcome};

/// Waits for the copy of the lost ledger that the log names.
async fn copy(folder: &Path, log: impl Fn() -> String) -> PathBuf {
    let start = Instant::now();
    while !log().contains("all that was written to the lost ledger is in") {
        assert!(start.elapsed() < Duration::from_secs(30), "no copy:\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let files = std::fs::read_dir(folder).expect("listed");
    let mut files = files.map(|one| one.expect("a file").path());
    files.find(|path| path.to_string_lossy().contains(".rescued-")).expect("the log says so")
}

async fn answered(client: &Client) {
    let start = Instant::now();
    for at in 0.. {
        let text = format!("And again, {at} {:?}.", start.elapsed());
        if outcome(&client.sentiment(json!({"text": text})).await) == "answered" {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it never comes back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_ledger_that_is_removed_under_a_gateway_stops_paid_calls_and_opens_no_door() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let (_, key) =
        keys::create(&setup, &["--team", "care", "--scopes", "analyze,costs:read"]).await;
    let gateway = setup.start().await;
    let keyed = gateway.with_key(&key);
    assert_eq!(outcome(&keyed.sentiment(json!({"text": "One."})).await), "answered");
    let calls = double.requests().len();
    let database = gateway.path("undertone.db");
    std::fs::remove_file(&database).expect("removed");

    let verdict = keyed.sentiment(json!({"text": "Two."})).await;
    check_shape(&verdict);
    assert_eq!((outcome(&verdict), &verdict["cost_usd"]), ("unavailable", &json!("0")));
    let insisting = json!({"text": "Two.", "route": "llm"});
    let problem = keyed.post("/v1/sentiment", &insisting).await.problem(503);
    assert_eq!(problem["cost_usd"], "0", "{problem}");
    assert_eq!(double.requests().len(), calls, "nothing is sent that is not on the ledger");
    let store = gateway.store_once(false).await;
    assert!(store["error"].as_str().is_some_and(|text| text.contains("was removed")), "{store}");
    gateway.get("/v1/costs").await.problem(401);
    let local = keyed.sentiment(json!({"text": "Three.", "route": "local"})).await;
    assert_eq!(outcome(&local), "not_needed");
    let folder = database.parent().expect("a folder").to_owned();
    let copy = copy(&folder, || gateway.log()).await;
    let told = gateway.log().matches("No call at an LLM is written to it any more").count();
    assert_eq!(told, 1, "{}", gateway.log());

    // Started again, it neither begins a new ledger nor lets anybody in.
    let setup = gateway.kill();
    let refused = setup.run(&["serve"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for word in ["keys have existed", "undertone.db.keys", "backup"] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    let listed = setup.run(&["keys", "list"]).await;
    assert_eq!(listed.code, Some(1), "no command makes a new ledger: {}", listed.stdout);
    std::fs::rename(copy, &database).expect("put in its place");
    let gateway = setup.start().await;
    let keyed = gateway.with_key(&key);
    gateway.post("/v1/sentiment", &json!({"text": "Hm."})).await.problem(401);
    let total = keyed.costs("").await["total"].clone();
    assert_eq!(total["calls"], calls, "what was paid for is on the ledger: {total}");
    answered(&keyed).await;
}

#[tokio::test]
async fn a_ledger_that_comes_back_is_written_to_again() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).providers(&["openai"]).escalating().start().await;
    let (database, away) = (gateway.path("undertone.db"), gateway.path("away.db"));
    std::fs::rename(&database, &away).expect("moved");
    let verdict = gateway.sentiment(json!({"text": "One."})).await;
    assert_eq!(outcome(&verdict), "unavailable", "{verdict}");
    std::fs::rename(&away, &database).expect("moved back");
    answered(&gateway).await;
    let total = gateway.costs("").await["total"].clone();
    assert_eq!(total["calls"], double.requests().len(), "{total}");
    assert!(gateway.log().contains("is back"), "{}", gateway.log());
    gateway.store_once(true).await;
}

#[tokio::test]
async fn with_the_journal_calls_go_on_although_the_ledger_is_removed() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("store.when_down", "journal").start().await;
    let (database, away) = (gateway.path("undertone.db"), gateway.path("away.db"));
    std::fs::rename(&database, &away).expect("moved");
    let verdict = gateway.sentiment(json!({"text": "One."})).await;
    assert_eq!(outcome(&verdict), "answered", "{verdict}");
    std::fs::rename(&away, &database).expect("moved back");
    let start = Instant::now();
    loop {
        let reply = gateway.get("/v1/costs").await;
        let total = if reply.status == 200 { reply.json()["total"].clone() } else { Value::Null };
        if total["calls"] == 1 && total["cost_usd"] == double.bill().usd() {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it stays at {total}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn where_keys_are_required_a_gateway_without_any_answers_nobody() {
    let setup = Setup::local().set("access.require_keys", true).set("server.listen", "0.0.0.0:0");
    let gateway = setup.start().await;
    for path in ["/v1/costs", "/v1/budgets", "/metrics", "/v1/trends"] {
        let reply = gateway.get(path).await;
        assert!(!reply.header("www-authenticate").is_empty(), "{path}");
        reply.problem(401);
    }
    gateway.post("/v1/sentiment", &json!({"text": "Hm."})).await.problem(401);
    for path in ["/", "/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }
    assert!(gateway.log().contains("no key opens this gateway"), "{}", gateway.log());
    let listed = gateway.run(&["keys", "list"]).await.stdout;
    assert!(listed.contains("undertone keys create"), "{listed}");
}

#[tokio::test]
async fn tags_that_are_new_with_each_text_neither_fill_the_ledger_nor_leave_a_sum() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("store.tag_sets_per_day", 5).start().await;
    for number in 0..12 {
        let tags = json!({"order": format!("o-{number}"), "feature": "inbox"});
        let text = format!("Where is my order, number {number}?");
        assert_eq!(
            outcome(&gateway.sentiment(json!({"text": text, "tags": tags})).await),
            "answered"
        );
    }
    let report = gateway.costs("?group_by=tag:order").await;
    let row = |row: &Value| (row["group"]["tag:order"].clone(), row["calls"].clone());
    let rows: Vec<_> = report["rows"].as_array().expect("rows").iter().map(row).collect();
    assert_eq!(rows.len(), 6, "{report}");
    assert!(rows.contains(&(json!("(other)"), json!(7))), "{report}");
    let total = &report["total"];
    assert_eq!((&total["requests"], &total["calls"]), (&json!(12), &json!(12)), "{total}");
    assert_eq!(total["cost_usd"], double.bill().usd(), "{total}");
    assert_eq!(gateway.log().matches("store.tag_sets_per_day").count(), 1, "{}", gateway.log());
}

#[tokio::test]
async fn a_team_with_very_many_keys_leaves_the_other_teams_their_windows() {
    let setup = Setup::local().set("trends.keys_per_window", 20).set("trends.keys_per_team", 10);
    let scopes = ["--scopes", "analyze,trends:read"];
    let (_, loud) = keys::create(&setup, &[&["--team", "loud"], &scopes[..]].concat()).await;
    let (_, quiet) = keys::create(&setup, &[&["--team", "quiet"], &scopes[..]].concat()).await;
    let gateway = setup.start().await;
    let send = async |key: &str, name: String| {
        let asked = json!({"text": "It works.", "route": "local", "tags": {"key": name}});
        gateway.with_key(key).sentiment(asked).await;
    };
    for number in 0..30 {
        send(&loud, format!("k-{number}")).await;
    }
    send(&quiet, "brand".to_owned()).await;
    let start = Instant::now();
    loop {
        let windows = gateway.with_key(&quiet).get("/v1/trends").await.ok();
        let windows = windows["windows"].as_array().expect("a list").clone();
        let texts: u64 = windows.iter().filter_map(|window| window["count"].as_u64()).sum();
        if texts == 31 {
            assert!(windows.iter().any(|window| window["key"] == "brand"), "{windows:?}");
            assert!(windows.iter().any(|window| window["key"].is_null()), "{windows:?}");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "only {texts}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_holds_texts_or_costs_is_for_its_owner_alone_whatever_the_umask() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let folder = setup.path("new/data");
    let url = format!("sqlite://{}", folder.join("undertone.db").display());
    let setup = setup.set("store.url", url).set("learning.keep_texts", true);
    let setup = setup.set("store.journal", folder.join("journal").display());
    keys::create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    let _gateway = setup.start().await;
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files = ["undertone.db", "undertone.db-wal", "undertone.db-shm", "undertone.db.keys"];
    for name in files {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}
