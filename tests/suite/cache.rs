//! Answers that were bought once: who gets them again, and what is never kept.

use serde_json::{Value, json};

use crate::double::{Double, Gate, Provider, Script};
use crate::gateway::Setup;
use crate::verdict::{check_shape, outcome, reasons, usage};

#[tokio::test]
async fn the_same_text_is_paid_for_once() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    double.script([Script::answer("negative")]);
    for route in ["auto", "llm"] {
        let asked = json!({"text": format!("Hm, {route}."), "route": route});
        let first = gateway.sentiment(asked.clone()).await;
        let reply = gateway.post("/v1/sentiment", &asked).await;
        let second = reply.ok();
        check_shape(&second);
        assert_eq!(
            (&first["cached"], &second["cached"]),
            (&json!(false), &json!(true)),
            "{second}"
        );
        assert_eq!(
            (&second["cost_usd"], usage(&second["usage"])),
            (&json!("0"), [0; 4]),
            "{second}"
        );
        assert_eq!(reply.header("x-undertone-cost-usd"), "0");
        for field in ["label", "scores", "model", "route", "escalation", "sarcasm", "language"] {
            assert_eq!(first[field], second[field], "{field} of {second}");
        }
        assert_ne!(first["id"], second["id"], "each request has an id of its own");
    }
    assert_eq!(double.requests().len(), 2);
}

#[tokio::test]
async fn a_hundred_equal_requests_at_once_make_one_call() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    let gate = Gate::shut();
    double.otherwise(Script::answer("mixed").behind(&gate));
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let client = gateway.client();
            tokio::spawn(async move { client.sentiment(json!({"text": "Hm."})).await })
        })
        .collect();
    double.arrived(1).await;
    gate.open();
    let mut paid = Vec::new();
    for call in calls {
        let verdict = call.await.unwrap();
        check_shape(&verdict);
        assert_eq!((outcome(&verdict), &verdict["label"]), ("answered", &json!("mixed")));
        if verdict["cached"] == false {
            paid.push(verdict["cost_usd"].clone());
        } else {
            assert_eq!(verdict["cost_usd"], "0", "{verdict}");
        }
    }
    assert_eq!(paid, [json!(double.bill().usd())], "one of them pays");
    assert_eq!(double.requests().len(), 1);
    let total = &gateway.costs("").await["total"];
    for (count, expected) in
        [("requests", 100), ("cached", 99), ("escalated", 1), ("calls", 1), ("local", 0)]
    {
        assert_eq!(total[count], expected, "{count} in {total}");
    }
}

#[tokio::test]
async fn nothing_that_is_no_answer_is_kept() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let setup = setup.set("llm.max_retries", 0).set("llm.breaker_failures", 1_000);
    let gateway = setup.start().await;
    for (at, parts) in [
        vec![Script::refusal()],
        vec![Script::truncated()],
        vec![Script::prose(), Script::prose()],
        vec![Script::wrong_label(), Script::wrong_label()],
        vec![Script::status(500)],
        vec![Script::reset()],
        vec![Script::cut()],
    ]
    .into_iter()
    .enumerate()
    {
        let asked = json!({"text": format!("Hm, {at}.")});
        let shown = format!("{:?}", parts[0]);
        double.script(parts);
        let verdict = gateway.sentiment(asked.clone()).await;
        assert_eq!(outcome(&verdict), "unavailable", "{shown}: {verdict}");
        let verdict = gateway.sentiment(asked.clone()).await;
        assert_eq!((outcome(&verdict), &verdict["cached"]), ("answered", &json!(false)), "{shown}");
        let verdict = gateway.sentiment(asked).await;
        assert_eq!((outcome(&verdict), &verdict["cached"]), ("answered", &json!(true)), "{shown}");
    }
}

#[tokio::test]
async fn a_callers_own_ceiling_is_nobody_elses() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    let poor = json!({"text": "Hm.", "max_cost_usd": "0.000001"});
    assert_eq!(outcome(&gateway.sentiment(poor.clone()).await), "over_budget");
    assert_eq!(outcome(&gateway.sentiment(json!({"text": "Hm."})).await), "answered");
    let served = gateway.sentiment(poor).await;
    assert_eq!(
        (outcome(&served), &served["cached"]),
        ("answered", &json!(true)),
        "it costs nothing"
    );
    assert_eq!(double.requests().len(), 1);
}

#[tokio::test]
async fn a_fallbacks_and_a_successors_answers_are_kept() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().set("llm.max_retries", 0).start().await;
    double.script([Script::status(500), Script::answer("neutral")]);
    let first = gateway.sentiment(json!({"text": "Hm."})).await;
    assert!(first["model"].as_str().unwrap().starts_with("claude"), "{first}");
    let second = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!((&second["cached"], &second["model"]), (&json!(true), &first["model"]), "{second}");

    let double = Double::start().await;
    double.retire("gpt-4o-2024-08-06");
    let gateway = Setup::with(&double).escalating().start().await;
    let first = gateway.sentiment(json!({"text": "Hm."})).await;
    let second = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!((&second["cached"], &second["model"]), (&json!(true), &first["model"]), "{second}");
    assert_eq!((&second["model"], double.bill().0.len()), (&json!("gpt-6-luna"), 1));
}

#[tokio::test]
async fn the_local_route_neither_reads_nor_fills_the_cache() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).start().await;
    let text = "I love this phone, it works perfectly.";
    let ask = async |route: &str| gateway.sentiment(json!({"text": text, "route": route})).await;
    double.otherwise(Script::answer("mixed"));
    let read = async |route: &str| {
        let verdict = ask(route).await;
        check_shape(&verdict);
        (verdict["route"].clone(), verdict["cached"].clone(), verdict["label"].clone())
    };
    let local = (json!("local"), json!(false), json!("positive"));
    let bought = |cached: bool| (json!("llm"), json!(cached), json!("mixed"));
    assert_eq!(read("local").await, local);
    assert_eq!(read("llm").await, bought(false), "a local verdict is not an LLM's");
    assert_eq!(read("local").await, local, "an LLM's verdict is not a local one");
    assert_eq!(read("auto").await, local, "its signals do not call for the LLM");
    assert_eq!(read("llm").await, bought(true));
    assert_eq!(double.requests().len(), 1);
}

#[tokio::test]
async fn texts_that_differ_in_anything_are_different_texts() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    let mut calls = 0;
    for (asked, fresh) in [
        (json!({"text": "Hm, fine."}), true),
        (json!({"text": "Hm, fine. "}), true),
        (json!({"text": "hm, fine."}), true),
        (json!({"text": "Hm, fine.", "language": "en"}), true),
        (json!({"text": "Hm, fine.", "language": "fr"}), true),
        (json!({"text": "Hm, fine."}), false),
        (json!({"text": "Hm, fine.", "tags": {"team": "care"}}), false),
        (json!({"text": "Hm, fine.", "include": ["signals"]}), false),
        (json!({"text": "Hm, fine.", "max_cost_usd": "0.5"}), false),
        (json!({"text": "Hm, fine.", "route": "llm"}), false),
        (json!({"text": "Hm, fine.", "language": "en"}), false),
    ] {
        calls += usize::from(fresh);
        let verdict = gateway.sentiment(asked.clone()).await;
        assert_eq!(verdict["cached"], !fresh, "{asked}: {verdict}");
        assert_eq!(double.requests().len(), calls, "{asked}");
    }
}

#[tokio::test]
async fn a_request_served_from_the_cache_keeps_its_own_reasons() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    let auto = gateway.sentiment(json!({"text": "Hm."})).await;
    let insisted = gateway.sentiment(json!({"text": "Hm.", "route": "llm"})).await;
    assert!(!reasons(&auto).contains(&"requested"), "{auto}");
    assert!(reasons(&insisted).contains(&"requested"), "{insisted}");
    assert_eq!(insisted["cached"], true);
}

#[tokio::test]
async fn answers_grow_old() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().set("cache.ttl_seconds", 1).start().await;
    gateway.sentiment(json!({"text": "Hm."})).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_300)).await;
    let verdict: Value = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!(verdict["cached"], false, "{verdict}");
    assert_eq!(double.calls(Provider::OpenAi), 2);
}
