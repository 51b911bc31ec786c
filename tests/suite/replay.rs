//! Logged signals, and `undertone replay` on them.

use std::fs;

use serde_json::{Value, json};

use crate::double::{Double, Script};
use crate::gateway::{Gateway, Setup};
use crate::money;

const ALL_NEVER: &str = "sarcasm = 2\nambiguous = 2\nmulti_aspect = 2\nout_of_domain = 2\n";
const ALL_ALWAYS: &str = "sarcasm = 2\nambiguous = 0\nmulti_aspect = 2\nout_of_domain = 2\n";

/// Stopped, a gateway has logged all.
async fn stop(mut gateway: Gateway) {
    gateway.terminate();
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
}

async fn replay(setup: &Setup, thresholds: &str) -> Value {
    fs::write(setup.path("then.toml"), thresholds).expect("the folder can be written");
    setup.run(&["replay", "--thresholds", "then.toml", "--format", "json"]).await.json()
}

fn usd(value: &Value) -> i128 {
    value.as_str().and_then(money::pico).unwrap_or_else(|| panic!("{value} is no amount"))
}

#[tokio::test]
async fn replay_says_exactly_what_other_thresholds_would_have_changed() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    double.otherwise(Script::answer("positive"));
    let gateway = setup.clone().start().await;
    for text in ["Hm.", "Well.", "Indeed, a secret."] {
        gateway.sentiment(json!({"text": text})).await;
    }
    let cached = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!(cached["cached"], true);
    gateway.sentiment(json!({"text": "Kept here.", "route": "local"})).await;
    let wanted = gateway.sentiment(json!({"text": "Asked for.", "route": "llm"})).await;
    gateway.post("/v1/emotions", &json!({"text": "Thanks!"})).await.ok();
    let batch =
        json!({"task": "aspects", "items": [{"text": "A."}, {"text": "B.", "route": "local"}]});
    gateway.post("/v1/batch", &batch).await.ok();
    stop(gateway).await;
    assert_eq!(double.requests().len(), 6);

    let never = replay(&setup, ALL_NEVER).await;
    assert_eq!(never["logged"], 9);
    assert_eq!(never["thresholds"]["ambiguous"], 2.0);
    let sentiment = &never["tasks"]["sentiment"];
    for (field, texts) in [
        ("texts", 6.0),
        ("escalated_now", 5.0),
        ("escalated_then", 1.0),
        ("newly_escalated", 0.0),
        ("no_longer_escalated", 4.0),
        ("unanswered_now", 0.0),
        ("cost_unknown_now", 0.0),
    ] {
        assert_eq!(sentiment[field], texts, "{field}: {sentiment}");
    }
    assert_eq!(sentiment["reasons"]["requested"], json!({"now": 1.0, "then": 1.0}));
    assert_eq!(sentiment["reasons"]["ambiguous"], json!({"now": 5.0, "then": 0.0}));
    assert_eq!(sentiment["cost_basis"], "logged");
    assert_eq!(
        sentiment["cost_then_usd"], wanted["cost_usd"],
        "what was asked for is still bought"
    );
    let total = &never["total"];
    assert_eq!((&total["texts"], &total["escalated_now"]), (&json!(9.0), &json!(7.0)));
    assert_eq!(total["cost_now_usd"], double.bill().usd(), "as the vendor has it");
    assert_eq!(total["cost_then_usd"], wanted["cost_usd"]);

    // The local ones stay local whatever the thresholds: nothing changes.
    let same = replay(&setup, ALL_ALWAYS).await;
    assert_eq!(same["total"]["cost_then_usd"], same["total"]["cost_now_usd"]);
    for field in ["newly_escalated", "no_longer_escalated"] {
        assert_eq!(same["total"][field], 0.0, "{field}");
    }
    let database = fs::read(setup.path("undertone.db")).expect("the store is there");
    assert!(!database.windows(6).any(|bytes| bytes == b"secret"), "no word of a text is kept");

    // What follows is newly escalated, at the mean of what was: three calls and one from the cache.
    let lax = setup.clone().set("cascade.ambiguous", "1").set("cascade.sarcasm", "1");
    let lax = lax.set("cascade.multi_aspect", "1").set("cascade.out_of_domain", "1");
    let gateway = lax.clone().start().await;
    for text in ["I love it.", "I hate it."] {
        let verdict = gateway.sentiment(json!({"text": text})).await;
        assert_eq!(verdict["escalation"]["outcome"], "not_needed");
    }
    stop(gateway).await;
    let stricter = replay(&setup, ALL_ALWAYS).await["tasks"]["sentiment"].clone();
    assert_eq!((&stricter["texts"], &stricter["newly_escalated"]), (&json!(8.0), &json!(2.0)));
    assert_eq!(stricter["cost_basis"], "logged_mean");
    let now = usd(&stricter["cost_now_usd"]);
    let expected = now + 2 * now / 5;
    assert!((usd(&stricter["cost_then_usd"]) - expected).abs() <= 2, "{stricter}");
    let table = setup.run(&["replay", "--thresholds", "then.toml"]).await;
    for told in [
        "11 texts were logged, for 11 in all",
        "sentiment",
        "5 (62.5 %)",
        "7 (87.5 %)",
        "~",
        "mean cost",
    ] {
        assert!(table.stdout.contains(told), "{told}: {}", table.stdout);
    }
    let before =
        ["replay", "--thresholds", "then.toml", "--to", "2020-01-01", "--from", "2019-01-01"];
    let before = setup.run(&before).await;
    assert!(before.stdout.contains("Nothing is logged"), "{}", before.stdout);
}

#[tokio::test]
async fn without_an_llm_the_price_says_what_it_would_cost() {
    let setup = Setup::local().set("cascade.ambiguous", "1");
    let gateway = setup.clone().start().await;
    gateway.sentiment(json!({"text": "I love it."})).await;
    let sarcastic = "Oh great, another update that breaks everything. Just what I needed.";
    let verdict = gateway.sentiment(json!({"text": sarcastic})).await;
    assert_eq!(verdict["escalation"]["outcome"], "disabled");
    stop(gateway).await;
    let change = replay(&setup, "ambiguous = 0.0\n").await["total"].clone();
    assert_eq!((&change["escalated_now"], &change["escalated_then"]), (&json!(1.0), &json!(2.0)));
    assert_eq!((&change["unanswered_now"], &change["cost_now_usd"]), (&json!(1.0), &json!("0")));
    assert_eq!(change["cost_basis"], "price");
    assert!(usd(&change["cost_then_usd"]) > 0, "{change}");
}

#[tokio::test]
async fn nothing_is_logged_where_it_is_switched_off() {
    let setup = Setup::local().set("cascade.logged_signals_per_minute", "0");
    let gateway = setup.clone().start().await;
    gateway.sentiment(json!({"text": "I love it."})).await;
    stop(gateway).await;
    assert_eq!(replay(&setup, ALL_NEVER).await["logged"], 0);
}

#[tokio::test]
async fn a_busy_gateway_logs_a_sample_that_stands_for_all() {
    let setup = Setup::local().set("cascade.logged_signals_per_minute", "6");
    let gateway = setup.clone().start().await;
    let items: Vec<Value> = (0..50).map(|at| json!({"text": format!("Text {at}.")})).collect();
    gateway.post("/v1/batch", &json!({"task": "sentiment", "items": items})).await.ok();
    stop(gateway).await;
    let report = replay(&setup, ALL_NEVER).await;
    let logged = report["logged"].as_u64().expect("a number");
    assert!((1..=6).contains(&logged), "{report}");
    let texts = report["total"]["texts"].as_f64().expect("a number");
    assert!((texts - 50.0).abs() < 1e-6, "{report}");
}

#[tokio::test]
async fn what_are_no_thresholds_is_wrong_usage() {
    let setup = Setup::local();
    for (content, told) in [
        ("sarcasm = \"often\"", "expected a thresholds.json"),
        ("irony = 0.5", "irony"),
        ("{\"sarcasm\": -1}", "has to be from 0 to 1"),
        ("{\"format\": 1}", "does not have the form that `undertone calibrate` writes"),
    ] {
        fs::write(setup.path("then.toml"), content).expect("the folder can be written");
        let finished = setup.run(&["replay", "--thresholds", "then.toml"]).await;
        assert!(matches!(finished.code, Some(1 | 2)), "{content}: {finished:?}");
        assert!(finished.stderr.contains(told), "{content}: {}", finished.stderr);
    }
    let finished = setup.run(&["replay", "--thresholds", "nowhere.toml"]).await;
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
}
