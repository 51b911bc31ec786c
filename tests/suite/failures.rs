//! Providers that fail: retries, deadlines, breakers, lost replies; what `route: "llm"` says then;
//! and that neither texts nor keys get into the log.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::double::{ANTHROPIC_KEY, Double, Gate, OPENAI_KEY, Provider, Script};
use crate::gateway::Setup;
use crate::verdict::{check_shape, outcome};

#[tokio::test]
async fn failures_that_may_pass_are_retried_and_others_are_not() {
    let double = Double::start().await;
    let soon = |status: u16| Script::status(status).header("retry-after-ms", 1);
    for (name, table) in [
        (
            "openai",
            vec![
                (soon(408), 3),
                (soon(409), 3),
                (soon(429), 3),
                (soon(500), 3),
                (soon(502), 3),
                (soon(503), 3),
                (soon(500).header("x-should-retry", "false"), 1),
                (soon(400).header("x-should-retry", "true"), 3),
                (Script::insufficient_quota().header("retry-after-ms", 1), 1),
                (soon(400), 1),
                (soon(401), 1),
                (soon(403), 1),
                (soon(422), 1),
            ],
        ),
        (
            "anthropic",
            vec![
                (soon(429), 3),
                (soon(500), 3),
                (soon(529), 3),
                (soon(529).header("x-should-retry", "false"), 1),
                (soon(400), 1),
                (soon(401), 1),
                (soon(413), 1),
                (soon(404), 1),
            ],
        ),
    ] {
        let setup = Setup::with(&double).providers(&[name]).escalating();
        let gateway = setup.set("llm.breaker_failures", 1_000).start().await;
        for (part, calls) in table {
            let before = double.requests().len();
            double.otherwise(part.clone());
            let verdict = gateway.sentiment(json!({"text": format!("Hm, {before}.")})).await;
            check_shape(&verdict);
            assert_eq!(outcome(&verdict), "unavailable", "{name}, {part:?}: {verdict}");
            assert_eq!(verdict["cost_usd"], "0", "{name}, {part:?}: {verdict}");
            assert_eq!(double.requests().len() - before, calls, "{name}, {part:?}");
        }
    }
}

#[tokio::test]
async fn the_wait_that_the_provider_asks_for_is_kept() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("llm.deadline_ms", 60_000).start().await;
    let limited = || Script::status(429);
    for (at, (part, least)) in [
        (limited().header("retry-after", 2), 2_000),
        (limited().header("retry-after-ms", 700), 700),
        (limited().header("retry-after-ms", 700).header("retry-after", 40), 700),
        (Script::status(503).header("retry-after", 1), 1_000),
    ]
    .into_iter()
    .enumerate()
    {
        double.script([part.clone()]);
        let start = Instant::now();
        let verdict = gateway.sentiment(json!({"text": format!("Hm, {at}.")})).await;
        let waited = start.elapsed();
        assert_eq!(outcome(&verdict), "answered", "{part:?}: {verdict}");
        assert!(waited >= Duration::from_millis(least), "{part:?}: {waited:?}");
        assert!(waited < Duration::from_secs(30), "{part:?}: {waited:?}");
    }
    // A date has whole seconds: three ahead are at least two.
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    let until = httpdate::parse_http_date(&date).unwrap();
    double.script([limited().header("retry-after", date)]);
    let verdict = gateway.sentiment(json!({"text": "Hm, by date."})).await;
    assert_eq!(outcome(&verdict), "answered", "{verdict}");
    assert!(SystemTime::now() >= until, "the date had not come");
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_not_waited_for() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.set("llm.deadline_ms", 3_000).start().await;
    double.otherwise(Script::status(429).header("retry-after", 3_600));
    let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!(outcome(&verdict), "unavailable", "{verdict}");
    assert_eq!(double.requests().len(), 1);
    // Another provider need not wait because the first one asks for it.
    let setup = Setup::with(&double).providers(&["openai", "anthropic"]).escalating();
    let gateway = setup.set("llm.deadline_ms", 20_000).start().await;
    double.otherwise_for(Provider::Anthropic, Script::answer("neutral"));
    let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!(outcome(&verdict), "answered", "{verdict}");
}

#[tokio::test]
async fn a_lost_reply_costs_null_and_is_unresolved() {
    let double = Double::start().await;
    for name in ["openai", "anthropic"] {
        for (part, status) in [(Script::reset(), 502), (Script::cut(), 502), (Script::hang(), 504)]
        {
            let setup = Setup::with(&double).providers(&[name]).escalating();
            let setup = setup.set("llm.max_retries", 0).set("llm.deadline_ms", 2_000);
            let gateway = setup.start().await;
            double.otherwise(part.clone());
            let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
            check_shape(&verdict);
            assert_eq!(outcome(&verdict), "unavailable", "{name}, {part:?}: {verdict}");
            assert_eq!(verdict["cost_usd"], Value::Null, "{name}, {part:?}: {verdict}");
            let asked = json!({"text": "Hm.", "route": "llm"});
            let reply = gateway.post("/v1/sentiment", &asked).await;
            let problem = reply.problem(status);
            assert_eq!(problem["cost_usd"], Value::Null, "{name}, {part:?}: {problem}");
            assert!(problem.get("cost_usd").is_some(), "{problem}");
            let total = &gateway.costs("").await["total"];
            assert_eq!((&total["unresolved"], &total["calls"]), (&json!(2), &json!(2)), "{total}");
            assert_ne!(total["unresolved_usd"], "0", "the reservations stay: {total}");
            assert_eq!(
                (&total["cost_usd"], &total["unpriced"]),
                (&json!("0"), &json!(0)),
                "{total}"
            );
        }
    }
}

#[tokio::test]
async fn a_reply_that_is_no_json_is_unpriced_and_no_answer() {
    let double = Double::start().await;
    for name in ["openai", "anthropic"] {
        let setup = Setup::with(&double).providers(&[name]).set("llm.max_retries", 0);
        let gateway = setup.escalating().start().await;
        double.otherwise(Script::page());
        let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
        check_shape(&verdict);
        assert_eq!(
            (outcome(&verdict), &verdict["cost_usd"]),
            ("unavailable", &Value::Null),
            "{verdict}"
        );
        let total = &gateway.costs("").await["total"];
        assert_eq!(
            (&total["unpriced"], &total["unresolved"]),
            (&total["calls"], &json!(0)),
            "{total}"
        );
    }
}

#[tokio::test]
async fn a_lost_reply_is_not_made_good_by_a_later_one() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai", "anthropic"]).escalating();
    let gateway = setup.set("llm.max_retries", 0).start().await;
    double.otherwise_for(Provider::OpenAi, Script::reset());
    let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
    check_shape(&verdict);
    assert_eq!((outcome(&verdict), &verdict["cost_usd"]), ("answered", &Value::Null), "{verdict}");
    let total = &gateway.costs("").await["total"];
    assert_eq!(total["unresolved"], 1, "{total}");
    assert_eq!(total["cost_usd"], double.bill().known().usd(), "the answer's own cost: {total}");
}

#[tokio::test]
async fn a_request_that_insists_on_an_llm_is_told_why_there_is_none() {
    let double = Double::start().await;
    let asked = |ceiling: &str| json!({"text": "Hm.", "route": "llm", "max_cost_usd": ceiling});
    let plain = json!({"text": "Hm.", "route": "llm"});

    let none = Setup::local().start().await;
    let problem = none.post("/v1/sentiment", &plain).await.problem(503);
    assert_eq!(problem["cost_usd"], "0", "no provider: {problem}");

    let setup = Setup::with(&double).providers(&["openai"]).set("llm.max_retries", 0);
    let gateway = setup.set("llm.breaker_failures", 1_000).start().await;
    let problem = gateway.post("/v1/sentiment", &asked("0.000001")).await.problem(402);
    assert_eq!(problem["cost_usd"], "0", "over the ceiling: {problem}");
    for (part, status) in [
        (Script::status(500), 502),
        (Script::status(401), 502),
        (Script::status(429), 502),
        (Script::insufficient_quota(), 502),
    ] {
        double.script([part.clone()]);
        let problem = gateway.post("/v1/sentiment", &plain).await.problem(status);
        assert_eq!(problem["cost_usd"], "0", "{part:?}: {problem}");
    }
    let setup = Setup::with(&double).providers(&["openai"]).set("llm.max_retries", 0);
    let nobody = setup.set("openai.base_url", "http://127.0.0.1:9/v1").start().await;
    let problem = nobody.post("/v1/sentiment", &plain).await.problem(502);
    assert_eq!(problem["cost_usd"], "0", "nothing left: {problem}");
    let total = &nobody.costs("").await["total"];
    assert_eq!(total["unresolved"], 0, "an attempt that never left settles at 0: {total}");
}

#[tokio::test]
async fn one_deadline_holds_for_the_whole_request() {
    let double = Double::start().await;
    let setup = Setup::with(&double).escalating().set("llm.deadline_ms", 1_500);
    let gateway = setup.start().await;
    double.otherwise(Script::hang());
    let start = Instant::now();
    let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!(outcome(&verdict), "unavailable", "{verdict}");
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(1_400), "{waited:?}");
    assert!(waited < Duration::from_secs(10), "not one deadline an attempt: {waited:?}");
    gateway.post("/v1/sentiment", &json!({"text": "Hm.", "route": "llm"})).await.problem(504);
}

#[tokio::test]
async fn a_failing_provider_is_left_alone_and_tried_again_later() {
    let double = Double::start().await;
    let setup = Setup::with(&double)
        .providers(&["openai"])
        .set("llm.max_retries", 0)
        .set("llm.breaker_failures", 2)
        .set("llm.breaker_cooldown_ms", 4_000);
    let gateway = setup.start().await;
    let mut texts = (0..).map(|at| json!({"text": format!("Hm, {at}."), "route": "llm"}));
    let mut ask = async || {
        let asked = texts.next().expect("it has no end");
        gateway.post("/v1/sentiment", &asked).await
    };
    double.otherwise(Script::status(500));
    ask().await.problem(502);
    ask().await.problem(502);
    let problem = ask().await.problem(503);
    assert_eq!(problem["cost_usd"], "0", "the breaker is open: {problem}");
    assert_eq!(double.requests().len(), 2);
    double.otherwise(Script::answer("positive"));
    let start = Instant::now();
    while ask().await.status != 200 {
        assert!(start.elapsed() < Duration::from_secs(30), "it never closes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ask().await.status, 200, "closed for good");
    assert_eq!(double.requests().len(), 4, "it was left alone meanwhile");
}

/// What a provider, or a proxy before it, sends with a 200 instead of an answer, how often it is asked
/// for, and whether it can be priced.
fn garbage() -> Vec<(Script, usize, bool)> {
    vec![
        (Script::page(), 2, false),
        (Script::body(""), 2, false),
        (Script::body("The service is up."), 2, false),
        (Script::body("{\"id\": \"x\", \"choices\": [{\"mess"), 2, false),
        (Script::body("[]"), 2, false),
        (Script::body("{\"error\": {\"message\": \"try later\"}}"), 2, false),
        (Script::prose(), 2, true),
        (Script::wrong_label(), 2, true),
        (Script::refusal(), 1, true),
        (Script::truncated(), 1, true),
    ]
}

#[tokio::test]
async fn a_providers_garbage_does_not_take_the_fallback_along() {
    let double = Double::start().await;
    for [first, second] in [["openai", "anthropic"], ["anthropic", "openai"]] {
        let setup = Setup::with(&double).providers(&[first, second]).escalating();
        let gateway = setup.set("llm.breaker_failures", 1_000).start().await;
        let (broken, sound) = match first {
            "openai" => (Provider::OpenAi, Provider::Anthropic),
            _ => (Provider::Anthropic, Provider::OpenAi),
        };
        double.otherwise_for(sound, Script::answer("negative"));
        for (at, (part, calls, is_priced)) in garbage().into_iter().enumerate() {
            let (before, paid) = (double.requests().len(), double.bill().0.len());
            let open = gateway.costs("").await["total"].clone();
            double.otherwise_for(broken, part.clone());
            let verdict = gateway.sentiment(json!({"text": format!("Hm, {at}.")})).await;
            check_shape(&verdict);
            assert_eq!(outcome(&verdict), "answered", "{first}, {part:?}: {verdict}");
            assert_eq!(verdict["label"], "negative", "{first}, {part:?}: {verdict}");
            assert_eq!(double.requests().len() - before, calls + 1, "{first}, {part:?}");
            let total = gateway.costs("").await["total"].clone();
            let more = |of: &str| total[of].as_u64().unwrap() - open[of].as_u64().unwrap();
            let mut bill = double.bill();
            bill.0.drain(..paid);
            let (unpriced, cost) = match is_priced {
                true => (0, json!(bill.usd())),
                false => (calls as u64, Value::Null),
            };
            assert_eq!((more("unpriced"), more("unresolved")), (unpriced, 0), "{part:?}: {total}");
            assert_eq!(verdict["cost_usd"], cost, "{first}, {part:?}: {verdict}");
        }
    }
}

#[tokio::test]
async fn answers_that_cannot_be_read_open_the_breaker_and_readiness_says_so_while_it_lasts() {
    let double = Double::start().await;
    for part in [Script::page(), Script::body(""), Script::wrong_label()] {
        let setup = Setup::with(&double).escalating().set("llm.breaker_failures", 4);
        let gateway = setup.set("llm.breaker_cooldown_ms", 1_500).start().await;
        let mut texts = (0..).map(|at| json!({"text": format!("Hm, {at}.")}));
        let mut ask = async || gateway.sentiment(texts.next().expect("it has no end")).await;
        let state = async || {
            let reply = gateway.get("/readyz").await;
            assert_eq!(reply.status, 200);
            reply.json()["providers"][0].clone()
        };
        double.otherwise_for(Provider::OpenAi, part.clone());
        for _ in 0..2 {
            assert_eq!(outcome(&ask().await), "answered");
        }
        let seen = state().await;
        assert_eq!(seen["ok"], false, "{part:?}: {seen}");
        assert!(seen["error"].to_string().contains("unreadable"), "{part:?}: {seen}");
        double.otherwise_for(Provider::OpenAi, Script::answer("positive"));
        let start = Instant::now();
        while state().await["ok"] != true {
            assert!(start.elapsed() < Duration::from_secs(30), "it does not heal");
            assert_eq!(outcome(&ask().await), "answered");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for said in ["it is left alone", "answers again"] {
            let log = gateway.log();
            assert_eq!(log.lines().filter(|line| line.contains(said)).count(), 1, "{said}:\n{log}");
        }
        double.otherwise_for(Provider::Anthropic, Script::answer("mixed"));
    }
}

#[tokio::test]
async fn one_404_does_not_end_a_model_until_the_restart_and_shows_while_it_lasts() {
    let double = Double::start().await;
    let model = "gpt-4o-mini-2024-07-18";
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let setup = setup.set("openai.model", model).set("llm.breaker_cooldown_ms", 1_500);
    let gateway = setup.start().await;
    let mut texts = (0..).map(|at| json!({"text": format!("Hm, {at}.")}));
    let mut ask = async || gateway.sentiment(texts.next().expect("it has no end")).await;
    let metric = async |value: &str| {
        let line =
            format!("undertone_llm_model_unknown{{provider=\"openai\",model=\"{model}\"}} {value}");
        let metrics = gateway.get("/metrics").await.text();
        assert!(metrics.lines().any(|one| one == line), "{line} in\n{metrics}");
    };
    double.retire(model);
    for _ in 0..3 {
        assert_eq!(outcome(&ask().await), "unavailable");
    }
    assert_eq!(double.requests().len(), 1, "it is left alone at first");
    let ready = gateway.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let seen = ready.json();
    assert_eq!(seen["providers"][0]["ok"], false, "{seen}");
    assert!(seen["warnings"].to_string().contains("does not know the model"), "{seen}");
    metric("1").await;
    double.restore(model);
    let start = Instant::now();
    while outcome(&ask().await) != "answered" {
        assert!(start.elapsed() < Duration::from_secs(30), "it does not heal");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen = gateway.get("/readyz").await.json();
    assert_eq!(seen["providers"][0]["ok"], true, "{seen}");
    assert!(!seen["warnings"].to_string().contains("does not know"), "{seen}");
    metric("0").await;
    for said in ["does not know the model", "knows the model again"] {
        let log = gateway.log();
        assert_eq!(log.lines().filter(|line| line.contains(said)).count(), 1, "{said}:\n{log}");
    }
}

#[tokio::test]
async fn no_more_calls_are_in_the_air_than_allowed() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).set("llm.max_concurrent", 2).start().await;
    let gate = Gate::shut();
    double.otherwise(Script::answer("neutral").behind(&gate));
    let calls: Vec<_> = (0..6)
        .map(|at| {
            let client = gateway.client();
            let asked = json!({"text": format!("Hm, {at}."), "route": "llm"});
            tokio::spawn(async move { client.sentiment(asked).await })
        })
        .collect();
    double.arrived(2).await;
    gate.open();
    for call in calls {
        assert_eq!(outcome(&call.await.unwrap()), "answered");
    }
    assert_eq!((double.requests().len(), double.most_at_once()), (6, 2));
}

#[tokio::test]
async fn neither_texts_nor_keys_get_into_the_log() {
    let double = Double::start().await;
    let setup = Setup::with(&double).set("telemetry.log", "debug").escalating();
    let setup = setup.set("llm.max_retries", 0).set("llm.breaker_failures", 1_000);
    let mut gateway = setup.start().await;
    const SECRET: &str = "zyxwv-canary-88213";
    for (at, part) in [
        Script::answer("mixed"),
        Script::prose(),
        Script::page(),
        Script::cut(),
        Script::reset(),
        Script::refusal(),
        Script::truncated(),
        Script::wrong_label(),
        Script::no_usage(),
        Script::status(400),
        Script::status(401),
        Script::status(500),
    ]
    .into_iter()
    .enumerate()
    {
        double.otherwise(part);
        let text = format!("{SECRET} number {at}");
        for route in ["auto", "llm"] {
            let asked = json!({"text": text, "route": route, "tags": {"team": "care"}});
            let reply = gateway.post("/v1/sentiment", &asked).await;
            assert!(!reply.text().contains(SECRET), "{}", reply.text());
            assert!(!reply.text().contains(OPENAI_KEY), "{}", reply.text());
        }
    }
    for bad in [json!({"text": SECRET, "route": SECRET}), json!({"text": SECRET.repeat(2_000)})] {
        gateway.post("/v1/sentiment", &bad).await.problem(422);
    }
    gateway.terminate();
    gateway.ended().await;
    let log = gateway.log();
    for secret in [SECRET, OPENAI_KEY, ANTHROPIC_KEY] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}
