//! What a request cost, in its response: every attempt, no token twice, unknown is not zero.

use serde_json::{Value, json};

use crate::double::{Double, Provider, Script, Tokens};
use crate::gateway::Setup;
use crate::metrics::metric;
use crate::money;
use crate::verdict::{check_shape, outcome, usage};

#[tokio::test]
async fn the_cost_is_exact_by_the_model_that_the_reply_names() {
    let double = Double::start().await;
    let cached = Tokens { cache_read: 800, ..Tokens::of(200, 31) };
    let written = Tokens { cache_write_5m: 1_111, ..cached };
    let split = Tokens { cache_write_5m: 300, cache_write_1h: 200, ..cached };
    let thinking = Tokens { reasoning: 20, ..Tokens::of(143, 22) };
    for (name, model, tokens, cost) in [
        ("openai", "gpt-4o-2024-08-06", Tokens::of(143, 22), "0.0005775"),
        ("openai", "gpt-4o-2024-08-06", cached, "0.00181"),
        ("openai", "gpt-4o-mini-2024-07-18", cached, "0.0001086"),
        ("openai", "gpt-6-sol", written, "0.0036475"),
        ("openai", "gpt-6-luna", thinking, "0.0000253"),
        ("anthropic", "claude-haiku-4-5-20251001", Tokens::of(143, 22), "0.000253"),
        ("anthropic", "claude-haiku-4-5-20251001", cached, "0.000435"),
        ("anthropic", "claude-haiku-4-5-20251001", split, "0.00121"),
        ("anthropic", "claude-sonnet-4-6", split, "0.00363"),
    ] {
        assert_eq!(money::decimal(money::cost(model, &tokens)), cost, "the test's own figures");
        let gateway = Setup::with(&double).providers(&[name]).start().await;
        double.script([Script::answer("positive").served_by(model).tokens(tokens)]);
        let verdict = gateway.sentiment(json!({"text": "Hm.", "route": "llm"})).await;
        check_shape(&verdict);
        assert_eq!(verdict["cost_usd"], cost, "{model}, {tokens:?}: {verdict}");
        assert_eq!(verdict["model"], model);
        assert_eq!(usage(&verdict["usage"]), tokens.buckets(), "{model}: disjoint buckets");
    }
}

#[tokio::test]
async fn an_invalid_answer_is_retried_once_and_both_are_paid_for() {
    let double = Double::start().await;
    for name in ["openai", "anthropic"] {
        for bad in [Script::prose(), Script::wrong_label()] {
            let gateway = Setup::with(&double).providers(&[name]).escalating().start().await;
            let before = double.bill().0.len();
            double.script([bad]);
            let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
            check_shape(&verdict);
            assert_eq!(outcome(&verdict), "answered", "{name}: {verdict}");
            let mut paid = double.bill();
            paid.0.drain(..before);
            assert_eq!(paid.0.len(), 2);
            assert_eq!(verdict["cost_usd"], paid.usd(), "{name}: {verdict}");
            assert_eq!(usage(&verdict["usage"]), paid.buckets());
        }
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_leaves_the_local_verdict_and_its_cost() {
    let double = Double::start().await;
    // Both providers have keys and fail alike: each is asked, and each is paid.
    for (first, second) in [("openai", "anthropic"), ("anthropic", "openai")] {
        let setup = Setup::with(&double).providers(&[first, second]).escalating();
        let gateway = setup.set("llm.breaker_failures", 1_000).start().await;
        let local = gateway.sentiment(json!({"text": "Hm.", "route": "local"})).await;
        for (part, calls) in [
            (Script::refusal(), 2),
            (Script::truncated(), 2),
            (Script::prose(), 4),
            (Script::wrong_label(), 4),
        ] {
            let before = double.bill().0.len();
            double.otherwise(part.clone());
            let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
            check_shape(&verdict);
            assert_eq!(outcome(&verdict), "unavailable", "{first}, {part:?}: {verdict}");
            for field in ["label", "scores", "model", "route"] {
                assert_eq!(verdict[field], local[field], "{first}, {part:?}: {verdict}");
            }
            let mut paid = double.bill();
            paid.0.drain(..before);
            assert_eq!(paid.0.len(), calls, "{first}, {part:?}");
            let by_the_first =
                paid.0.iter().filter(|charge| charge.provider == paid.0[0].provider).count();
            assert_eq!(by_the_first, calls / 2, "{paid:?}");
            assert_eq!(verdict["cost_usd"], paid.usd(), "{first}, {part:?}: {verdict}");
            assert_eq!(usage(&verdict["usage"]), paid.buckets(), "{first}, {part:?}: {verdict}");

            let asked = json!({"text": "Hm.", "route": "llm"});
            let problem = gateway.post("/v1/sentiment", &asked).await.problem(502);
            let mut paid = double.bill();
            paid.0.drain(..before + calls);
            assert_eq!(problem["cost_usd"], paid.usd(), "{first}, {part:?}: {problem}");
        }
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_priced_costs_null_and_never_zero() {
    let double = Double::start().await;
    for name in ["openai", "anthropic"] {
        let gateway = Setup::with(&double).providers(&[name]).escalating().start().await;
        for (at, part) in [
            Script::no_usage(),
            Script::answer("positive").served_by("model-of-tomorrow"),
            Script::answer("positive").no_tier(),
            Script::answer("positive").tier("hyperspeed"),
        ]
        .into_iter()
        .enumerate()
        {
            double.script([part.clone()]);
            let verdict = gateway.sentiment(json!({"text": format!("Hm, {at}.")})).await;
            check_shape(&verdict);
            assert_eq!(outcome(&verdict), "answered", "{name}, {part:?}: {verdict}");
            assert_eq!(verdict["cost_usd"], Value::Null, "{name}, {part:?}: {verdict}");
            let total = &gateway.costs("").await["total"];
            assert_eq!(
                (&total["unpriced"], &total["cost_usd"]),
                (&json!(at + 1), &json!("0")),
                "{part:?}"
            );
            assert_eq!(total["unresolved"], 0, "the unpriced are not among them: {total}");
        }
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_asked_only_where_no_ceiling_is_set() {
    let double = Double::start().await;
    double.adopt("llama-9-local");
    let setup = Setup::with(&double).providers(&["openai"]).set("openai.model", "llama-9-local");
    let gateway = setup.escalating().start().await;
    let capped = json!({"text": "Hm.", "max_cost_usd": "100"});
    let verdict = gateway.sentiment(capped).await;
    assert_eq!(
        (outcome(&verdict), &verdict["cost_usd"]),
        ("over_budget", &json!("0")),
        "{verdict}"
    );
    assert!(double.requests().is_empty());
    let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!((outcome(&verdict), &verdict["cost_usd"]), ("answered", &Value::Null), "{verdict}");
}

#[tokio::test]
async fn a_ceiling_too_small_keeps_the_call_from_being_made() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    let local = gateway.sentiment(json!({"text": "Hm.", "route": "local"})).await;
    for ceiling in ["0", "0.000000000001", "0.00001"] {
        let asked = json!({"text": "Hm.", "max_cost_usd": ceiling});
        let verdict = gateway.sentiment(asked).await;
        check_shape(&verdict);
        assert_eq!(
            (outcome(&verdict), &verdict["cost_usd"]),
            ("over_budget", &json!("0")),
            "{ceiling}"
        );
        assert_eq!(verdict["label"], local["label"]);
        let asked = json!({"text": "Hm.", "max_cost_usd": ceiling, "route": "llm"});
        let problem = gateway.post("/v1/sentiment", &asked).await.problem(402);
        assert_eq!(problem["cost_usd"], "0", "{problem}");
    }
    assert!(double.requests().is_empty());
    let verdict = gateway.sentiment(json!({"text": "Hm.", "max_cost_usd": "0.1"})).await;
    assert_eq!(outcome(&verdict), "answered", "{verdict}");
}

#[tokio::test]
async fn a_ceiling_bounds_all_attempts_of_a_request_together() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).providers(&["openai"]).escalating().start().await;
    // The worst case of such a request, from one of the same length.
    gateway.sentiment(json!({"text": "Hm, 1."})).await;
    let probe = double.requests().pop().unwrap();
    let model = &double.bill().0[0].model;
    let worst = money::cost(model, &Tokens::of(probe.raw.len() as u64, probe.max_tokens()));
    // One worst case fits twice only if nothing is spent in between.
    let ceiling = money::decimal(worst * 3 / 2);
    let half = Tokens::of(probe.raw.len() as u64 * 4 / 5, probe.max_tokens());
    double.script([Script::prose().tokens(half), Script::prose().tokens(half)]);
    let verdict = gateway.sentiment(json!({"text": "Hm, 2.", "max_cost_usd": ceiling})).await;
    check_shape(&verdict);
    assert_ne!(outcome(&verdict), "answered", "{verdict}");
    assert_eq!(double.requests().len(), 2, "the retry would not have fitted: {verdict}");
    let cost = money::pico(verdict["cost_usd"].as_str().unwrap()).unwrap();
    assert_eq!(cost, money::cost(model, &half), "what was bought is told: {verdict}");
}

#[tokio::test]
async fn an_attempt_that_got_an_error_status_costs_nothing() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).escalating().start().await;
    double.script([Script::status(500).header("retry-after-ms", 1), Script::answer("neutral")]);
    let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!(outcome(&verdict), "answered");
    assert_eq!(verdict["cost_usd"], double.bill().usd(), "{verdict}");
    assert_eq!((double.calls(Provider::OpenAi), double.bill().0.len()), (2, 1));
    let total = &gateway.costs("").await["total"];
    assert_eq!((&total["calls"], &total["unresolved"]), (&json!(2), &json!(0)), "{total}");
}

#[tokio::test]
async fn usage_that_no_call_can_have_had_is_not_booked_and_can_be_resolved() {
    let double = Double::start().await;
    for (name, tokens) in [
        ("openai", Tokens::of(1_000_000_000_000, 22)),
        ("openai", Tokens { cache_read: 1_000_000, ..Tokens::of(10, 22) }),
        ("anthropic", Tokens::of(143, 1_000_000_000_000)),
        ("anthropic", Tokens { cache_write_5m: 40_000, ..Tokens::of(143, 22) }),
    ] {
        let setup = Setup::with(&double).providers(&[name]);
        let gateway = setup.set("telemetry.log", "warn").start().await;
        gateway.run(&["budgets", "set", "--team", "care", "--month", "1"]).await;
        double.script([Script::answer("positive").tokens(tokens)]);
        let ask = json!({"text": "Nobody tells 4711.", "route": "llm", "max_cost_usd": "0.02",
            "tags": {"team": "care"}});
        let verdict = gateway.sentiment(ask).await;
        check_shape(&verdict);
        assert_eq!((outcome(&verdict), &verdict["label"]), ("answered", &json!("positive")));
        assert_eq!(verdict["cost_usd"], Value::Null, "{name}, {tokens:?}: {verdict}");
        let total = gateway.costs("").await["total"].clone();
        assert_eq!((&total["cost_usd"], &total["unresolved"]), (&json!("0"), &json!(1)), "{total}");
        let labels = [("provider", name)];
        assert_eq!(metric(&gateway, "undertone_llm_absurd_usage_total", &labels).await, 1.0);
        let budget = &gateway.get("/v1/budgets").await.ok()["budgets"][0];
        assert_eq!(budget["spent_usd"], "0", "{budget}");
        assert_eq!(budget["reserved_usd"], total["unresolved_usd"], "{budget}");

        let open = gateway.run(&["costs", "open", "--format", "json"]).await.json();
        assert_eq!(open[0]["error"], "absurd_usage", "{open}");
        let id = open[0]["id"].as_str().expect("an id");
        let log = gateway.log();
        let line = log.lines().find(|line| line.contains(id)).expect("it is told");
        assert!(line.contains("claims more tokens") && !log.contains("4711"), "{log}");
        let resolved = gateway.run(&["costs", "resolve", id, "--cost-usd", "0.0004"]).await;
        assert_eq!(resolved.code, Some(0), "{}", resolved.stderr);
        assert_eq!(gateway.costs("").await["total"]["cost_usd"], "0.0004");
    }
}

#[tokio::test]
async fn a_settled_attempt_that_was_booked_too_high_is_found_and_corrected() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]);
    let bound = "openai.models.gpt-4o-2024-08-06.tokens_per_byte";
    let gateway = setup.set("openai.model", "gpt-4o-2024-08-06").set(bound, 0.05).start().await;
    gateway.run(&["budgets", "set", "--team", "care", "--month", "1"]).await;
    double.script([Script::answer("positive").tokens(Tokens::of(900, 22))]);
    let ask = json!({"text": "Hm.", "route": "llm", "tags": {"team": "care"}});
    let verdict = gateway.sentiment(ask).await;
    let booked = verdict["cost_usd"].as_str().expect("within a token a byte it is booked whole");
    let dear = gateway.run(&["costs", "open", "--over-reservation", "--format", "json"]).await;
    let dear = dear.json();
    assert_eq!((&dear[0]["cost_usd"], &dear[0]["state"]), (&json!(booked), &json!("settled")));
    let id = dear[0]["id"].as_str().expect("an id");
    let resolved = gateway.run(&["costs", "resolve", id, "--cost-usd", "0.0001"]).await;
    assert_eq!(resolved.code, Some(0), "{}", resolved.stderr);
    let total = gateway.costs("").await["total"].clone();
    assert_eq!((&total["cost_usd"], &total["calls"]), (&json!("0.0001"), &json!(1)), "{total}");
    let budget = &gateway.get("/v1/budgets").await.ok()["budgets"][0];
    assert_eq!((&budget["spent_usd"], &budget["reserved_usd"]), (&json!("0.0001"), &json!("0")));
    let again = gateway.run(&["costs", "resolve", id, "--not-billed"]).await;
    assert!(again.stderr.contains("which stands"), "{}", again.stderr);
}
