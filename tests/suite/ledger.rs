//! The ledger: what finance reads agrees with the providers' bills, through kills and hang-ups.

use std::time::{Duration, Instant, SystemTime};

use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::{Client, Reply};
use crate::double::{Double, Gate, Provider, Script, Tokens};
use crate::gateway::Setup;
use crate::money;
use crate::verdict::{outcome, usage};

const COUNTS: [&str; 7] =
    ["requests", "local", "cached", "escalated", "calls", "unpriced", "unresolved"];

fn counts(of: &Value) -> [u64; 7] {
    COUNTS.map(|name| of[name].as_u64().unwrap_or_else(|| panic!("{name} is no count in {of}")))
}

fn pico(of: &Value, field: &str) -> money::Pico {
    let amount = of[field].as_str().and_then(money::pico);
    amount.unwrap_or_else(|| panic!("{field} is no amount in {of}"))
}

/// Waits until the total is as the test wants it, and returns it.
async fn total_once(client: &Client, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let total = client.costs("").await["total"].clone();
        if wanted(&total) {
            return total;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it stays at {total}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn the_report_agrees_with_the_providers_bill() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]);
    let gateway = setup.escalating().start().await;
    double.script([
        Script::answer("positive").tokens(Tokens { cache_read: 640, ..Tokens::of(211, 33) }),
        Script::prose(),
        Script::answer("negative"),
        Script::status(500).header("retry-after-ms", 1),
        Script::answer("neutral"),
        Script::refusal(),
    ]);
    for text in ["One.", "Two.", "Three.", "Four.", "One.", "One."] {
        gateway.sentiment(json!({"text": text})).await;
    }
    for text in ["Five.", "Six."] {
        gateway.sentiment(json!({"text": text, "route": "local"})).await;
    }
    let bill = double.bill();
    assert_eq!((bill.0.len(), bill.known().0.len()), (5, 5));
    let report = gateway.costs("").await;
    let total = &report["total"];
    assert_eq!(counts(total), [8, 2, 2, 4, 6, 0, 0], "{COUNTS:?}: {total}");
    assert_eq!(total["cost_usd"], bill.usd(), "{total}");
    assert_eq!(usage(total), bill.buckets(), "{total}");
    assert_eq!(total["unresolved_usd"], "0", "{total}");
    assert_eq!(total["saved_usd"], Value::Null, "too few settled calls to say: {total}");

    for query in ["", "group_by=model", "group_by=team", "group_by=day"] {
        let over_http = gateway.costs(&format!("?{query}")).await;
        let mut arguments = vec!["costs", "--format", "json"];
        if let Some((_, names)) = query.split_once('=') {
            arguments.extend(["--group-by", names]);
        }
        let printed = gateway.run(&arguments).await.json();
        for part in ["total", "rows", "group_by"] {
            assert_eq!(printed[part], over_http[part], "{part} by {query}");
        }
    }
    let table = gateway.run(&["costs"]).await;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(table.stdout.contains(&bill.usd()), "{} in\n{}", bill.usd(), table.stdout);
}

#[tokio::test]
async fn the_report_can_be_read_while_the_gateway_is_down() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    gateway.sentiment(json!({"text": "Hm."})).await;
    let before = gateway.costs("").await["total"].clone();
    let setup = gateway.kill();
    assert_eq!(setup.run(&["costs", "--format", "json"]).await.json()["total"], before);
}

#[tokio::test]
async fn a_kill_loses_nothing_settled_and_the_open_attempt_is_reported() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).providers(&["openai"]).escalating().start().await;
    for text in ["One.", "Two.", "Three."] {
        assert_eq!(outcome(&gateway.sentiment(json!({"text": text})).await), "answered");
    }
    gateway.sentiment(json!({"text": "Four.", "route": "local"})).await;
    let settled = total_once(&gateway, |total| total["requests"] == 4).await;
    double.script([Script::hang()]);
    let client = gateway.client();
    let hung = tokio::spawn(async move { client.sentiment(json!({"text": "Five."})).await });
    double.arrived(4).await;
    let open = gateway.costs("").await["total"].clone();
    assert_eq!((&open["calls"], &open["unresolved"]), (&json!(4), &json!(1)), "in flight: {open}");
    assert!(pico(&open, "unresolved_usd") > 0, "it was reserved before it was sent: {open}");

    let setup = gateway.kill();
    hung.await.expect_err("its gateway was killed");
    let gateway = setup.start().await;
    let after = gateway.costs("").await["total"].clone();
    assert_eq!((&after["calls"], &after["unresolved"]), (&json!(4), &json!(1)), "{after}");
    assert_eq!(after["unresolved_usd"], open["unresolved_usd"], "{after}");
    assert_eq!(after["cost_usd"], settled["cost_usd"], "{after}");
    assert_eq!(after["cost_usd"], double.bill().known().usd(), "{after}");
    assert_eq!(usage(&after), usage(&settled), "{after}");
    assert_eq!(gateway.get("/readyz").await.status, 200);
    assert_eq!(outcome(&gateway.sentiment(json!({"text": "Five."})).await), "answered");
}

#[tokio::test]
async fn a_kill_among_many_requests_leaves_every_answer_that_was_given_on_the_ledger() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).providers(&["openai"]).escalating().start().await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    for caller in 0..8 {
        let (client, told) = (gateway.client(), told.clone());
        tokio::spawn(async move {
            for at in 0.. {
                let asked = json!({"text": format!("{caller}, {at}.")});
                let request = client.request(Method::POST, "/v1/sentiment").json(&asked);
                let Ok(reply) = Reply::attempt(request).await else { return };
                let cost = pico(&reply.ok(), "cost_usd");
                told.send(cost).expect("the test listens to the end");
            }
        });
    }
    drop(told);
    let mut costs = Vec::new();
    while costs.len() < 40 {
        costs.push(heard.recv().await.expect("the callers go on"));
    }
    let setup = gateway.kill();
    while let Some(cost) = heard.recv().await {
        costs.push(cost);
    }
    let bill = double.bill();
    let total = setup.run(&["costs", "--format", "json"]).await.json()["total"].clone();
    let told: money::Pico = costs.iter().sum();
    let settled = pico(&total, "cost_usd");
    assert!(settled >= told, "{} answers were given, {total}", costs.len());
    assert!(settled <= bill.pico(), "{} calls were billed, {total}", bill.0.len());
    assert!(total["calls"].as_u64() >= Some(bill.0.len() as u64), "{total}");
    assert!(total["unresolved"].as_u64() <= Some(8), "one a caller at most: {total}");
    assert_eq!(setup.start().await.costs("").await["total"], total, "a restart changes nothing");
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_lose_the_record() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).providers(&["openai"]).escalating().start().await;
    for (at, route) in ["auto", "llm"].into_iter().enumerate() {
        let gate = Gate::shut();
        double.script([Script::answer("mixed").behind(&gate)]);
        let client = gateway.client();
        let asked = json!({"text": format!("Hm, {route}."), "route": route});
        let call = tokio::spawn(async move { client.sentiment(asked).await });
        double.arrived(at + 1).await;
        call.abort();
        assert!(call.await.is_err(), "the caller is gone");
        gate.open();
        let total = total_once(&gateway, |total| {
            total["calls"] == at + 1 && total["unresolved"] == 0 && total["requests"] == at + 1
        })
        .await;
        assert_eq!(total["cost_usd"], double.bill().usd(), "{route}: {total}");
        assert_eq!(total["escalated"], at + 1, "{total}");
    }
}

#[tokio::test]
async fn costs_are_told_apart_by_team_tag_model_and_day() {
    let double = Double::start().await;
    let setup = Setup::with(&double).escalating().set("llm.max_retries", 0);
    let gateway = setup.providers(&["openai", "anthropic"]).start().await;
    let mut spent = std::collections::BTreeMap::new();
    let mut ask = async |text: &str, tags: Value, fallback: bool| {
        if fallback {
            double.script([Script::status(500)]);
        }
        let verdict = gateway.sentiment(json!({"text": text, "tags": tags})).await;
        *spent.entry(tags["team"].as_str().map(str::to_owned)).or_insert(0) +=
            pico(&verdict, "cost_usd");
        verdict
    };
    ask("One.", json!({"team": "care", "feature": "inbox"}), false).await;
    ask("Two.", json!({"team": "care", "feature": "chat"}), true).await;
    ask("Three.", json!({"team": "sales", "feature": "inbox"}), false).await;
    ask("Three.", json!({"team": "sales"}), false).await;
    ask("Four.", json!({}), false).await;
    let asked = json!({"text": "Five.", "route": "local", "tags": {"team": "care"}});
    gateway.sentiment(asked).await;

    let report = async |by: &str| gateway.costs(&format!("?group_by={by}")).await;
    let row = |report: &Value, group: Value| -> Value {
        let rows = report["rows"].as_array().expect("rows are a list");
        let found = rows.iter().find(|row| row["group"] == group);
        found.unwrap_or_else(|| panic!("no row {group} in {report}")).clone()
    };
    let by_team = report("team").await;
    assert_eq!(by_team["group_by"], json!(["team"]));
    for (team, requests, local, cached, calls) in
        [(json!("care"), 3, 1, 0, 3), (json!("sales"), 2, 0, 1, 1), (Value::Null, 1, 0, 0, 1)]
    {
        let row = row(&by_team, json!({"team": team}));
        let [r, l, c, _, attempts, _, _] = counts(&row);
        assert_eq!([r, l, c, attempts], [requests, local, cached, calls], "{row}");
        let team = team.as_str().map(str::to_owned);
        assert_eq!(pico(&row, "cost_usd"), spent[&team], "{row}");
    }
    let by_model = report("model").await;
    for provider in [Provider::OpenAi, Provider::Anthropic] {
        let mut bill = double.bill();
        bill.0.retain(|charge| charge.provider == provider);
        let row = row(&by_model, json!({"model": bill.0[0].model}));
        assert_eq!(row["cost_usd"], bill.usd(), "{row}");
        assert_eq!(usage(&row), bill.buckets(), "{row}");
    }
    let by_feature = report("tag:feature").await;
    assert_eq!(counts(&row(&by_feature, json!({"tag:feature": "inbox"})))[0], 2, "{by_feature}");
    let both = report("team,tag:feature").await;
    assert_eq!(both["group_by"], json!(["team", "tag:feature"]));
    let chat = row(&both, json!({"team": "care", "tag:feature": "chat"}));
    assert_eq!(counts(&chat)[0], 1, "{chat}");
    for by in
        ["team", "model", "day", "month", "endpoint", "route", "tag:feature", "team,tag:feature"]
    {
        let report = report(by).await;
        let rows = report["rows"].as_array().expect("rows are a list");
        for (at, name) in COUNTS.iter().enumerate() {
            let sum: u64 = rows.iter().map(|row| counts(row)[at]).sum();
            assert_eq!(sum, counts(&report["total"])[at], "{name} by {by}: {report}");
        }
        let sum: money::Pico = rows.iter().map(|row| pico(row, "cost_usd")).sum();
        assert_eq!(sum, pico(&report["total"], "cost_usd"), "by {by}: {report}");
    }
    let day = &report("day").await["rows"][0]["group"]["day"];
    let today = OffsetDateTime::now_utc().date().to_string();
    assert!(day.as_str().is_some_and(|day| day.starts_with(&today)), "{day}, but it is {today}");
}

#[tokio::test]
async fn a_report_holds_what_lies_between_its_times() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    gateway.sentiment(json!({"text": "Hm."})).await;
    let at = |seconds: i64| {
        let time = OffsetDateTime::from(SystemTime::now()) + time::Duration::seconds(seconds);
        time.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap()
    };
    for (query, requests) in [
        (format!("from={}", at(-3_600)), 1),
        (format!("from={}&to={}", at(-3_600), at(3_600)), 1),
        (format!("from={}&to={}", at(3_600), at(7_200)), 0),
        (format!("from={}&to={}", at(-7_200), at(-3_600)), 0),
    ] {
        let report = gateway.costs(&format!("?{query}")).await;
        assert_eq!(report["total"]["requests"], requests, "{query}: {report}");
        let mut arguments = vec!["costs", "--format", "json"];
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap();
            arguments.extend([if name == "from" { "--from" } else { "--to" }, value]);
        }
        let printed = gateway.run(&arguments).await.json();
        assert_eq!(printed["total"], report["total"], "{query}");
    }
    let report = gateway.costs("").await;
    let from = report["from"].as_str().unwrap_or_default();
    let month = format!(
        "{}-{:02}-01T00:00:00",
        OffsetDateTime::now_utc().year(),
        u8::from(OffsetDateTime::now_utc().month())
    );
    assert!(from.starts_with(&month), "this month by default: {report}");
    assert!(report["to"].is_string() && report["group_by"].is_array(), "{report}");
}

#[tokio::test]
async fn bad_arguments_of_costs_are_wrong_usage() {
    let setup = Setup::local();
    for arguments in [
        &["costs", "--group-by", "colour"][..],
        &["costs", "--from", "yesterday"],
        &["costs", "--format", "xml"],
        &["costs", "--colour"],
    ] {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        assert!(!finished.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_ledger_outlives_a_restart() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    gateway.sentiment(json!({"text": "One."})).await;
    let first = gateway.costs("").await["total"].clone();
    let mut gateway = gateway;
    gateway.terminate();
    assert_eq!(gateway.ended().await.code(), Some(0));
    let gateway = gateway.kill().start().await;
    assert_eq!(gateway.costs("").await["total"], first);
    gateway.sentiment(json!({"text": "Two."})).await;
    assert_eq!(gateway.costs("").await["total"]["cost_usd"], double.bill().usd());
}
