//! What keeps calls cheap: a cheaper model that is asked first, a call that has to be worth its price,
//! parts of a prompt that can be left out.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::double::{Double, Provider, Script, Tokens};
use crate::gateway::Setup;
use crate::money;
use crate::verdict::{check_shape, outcome, reasons, usage};

const CHEAP: &str = "gpt-6-luna";
const DEAR: &str = "gpt-4o-2024-08-06";

fn in_order(double: &Double) -> Setup {
    let setup = Setup::with(double).providers(&["openai"]).escalating();
    setup.set("llm.first", "[\"openai/gpt-6-luna\"]").set("llm.max_retries", 0)
}

fn asked(double: &Double) -> Vec<String> {
    let requests = double.requests();
    requests
        .iter()
        .map(|request| request.body["model"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn the_cheaper_model_answers_what_it_is_sure_of() {
    let double = Double::start().await;
    let gateway = in_order(&double).start().await;
    double.script([Script::answer("negative").tokens(Tokens::of(500, 20))]);
    let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
    check_shape(&verdict);
    assert_eq!((outcome(&verdict), &verdict["label"]), ("answered", &json!("negative")));
    assert_eq!((&verdict["model"], &verdict["cost_usd"]), (&json!(CHEAP), &json!("0.00006")));
    assert_eq!(asked(&double), [CHEAP]);
}

#[tokio::test]
async fn the_stronger_one_is_asked_where_it_is_unsure_or_declines_and_both_are_on_the_ledger() {
    let double = Double::start().await;
    for (cheaper, calls) in [
        (vec![Script::answer("positive").unsure()], 2),
        (vec![Script::refusal()], 2),
        (vec![Script::truncated()], 2),
        (vec![Script::prose(), Script::wrong_label()], 3),
    ] {
        let gateway = in_order(&double).start().await;
        let (before, paid) = (double.requests().len(), double.bill().0.len());
        let stronger = Script::answer("negative").unsure();
        double.script(cheaper.iter().cloned().chain([stronger]));
        let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
        check_shape(&verdict);
        assert_eq!((outcome(&verdict), &verdict["label"]), ("answered", &json!("negative")));
        assert_eq!(verdict["model"], DEAR, "of the answer that stands: {verdict}");
        let asked = asked(&double).split_off(before);
        assert_eq!((asked.len(), asked.last().map(String::as_str)), (calls, Some(DEAR)));
        assert!(asked[..calls - 1].iter().all(|model| model == CHEAP), "{asked:?}");
        let mut bill = double.bill();
        bill.0.drain(..paid);
        assert_eq!(verdict["cost_usd"], bill.usd(), "{cheaper:?}: {verdict}");
        assert_eq!(usage(&verdict["usage"]), bill.buckets(), "{verdict}");
        let report = gateway.costs("?group_by=model").await;
        assert_eq!(report["total"]["calls"], calls, "{report}");
        assert_eq!(report["total"]["escalated"], 1, "{report}");
        for row in report["rows"].as_array().unwrap() {
            let model = row["group"]["model"].as_str().unwrap();
            let of_it = bill.0.iter().filter(|charge| charge.model == model);
            let cost = of_it.map(|charge| money::cost(model, &charge.tokens)).sum();
            assert_eq!(row["cost_usd"], money::decimal(cost), "{row}");
        }
        let again = gateway.sentiment(json!({"text": "Hm."})).await;
        assert_eq!((&again["cached"], &again["model"]), (&json!(true), &json!(DEAR)));
    }
}

#[tokio::test]
async fn the_unsure_answer_stands_where_the_stronger_model_has_none() {
    let double = Double::start().await;
    let unsure = || Script::answer("positive").unsure().tokens(Tokens::of(400, 20));
    for stronger in [Script::status(500), Script::status(401), Script::refusal(), Script::hang()] {
        let gateway = in_order(&double).set("llm.deadline_ms", 2_500).start().await;
        double.script([unsure(), stronger.clone()]);
        let start = Instant::now();
        let verdict = gateway.sentiment(json!({"text": "Hm."})).await;
        assert!(start.elapsed() < Duration::from_secs(10), "one deadline for both");
        check_shape(&verdict);
        assert_eq!((outcome(&verdict), &verdict["label"]), ("answered", &json!("positive")));
        assert_eq!(verdict["model"], CHEAP, "{stronger:?}: {verdict}");
        let total = gateway.costs("").await["total"].clone();
        assert_eq!(total["calls"], 2, "{total}");
        match verdict["cost_usd"].as_str() {
            Some(cost) => assert_eq!(total["cost_usd"], cost, "{stronger:?}"),
            None => assert_eq!(total["unresolved"], 1, "{stronger:?}: {total}"),
        }
    }
}

#[tokio::test]
async fn one_ceiling_holds_for_both_models_together() {
    let double = Double::start().await;
    // Without the local guess the requests are as long as each other.
    let gateway = in_order(&double).set("llm.hint", false).start().await;
    let unsure = || Script::answer("positive").unsure().tokens(Tokens::of(400, 20));
    double.script([unsure(), Script::answer("negative")]);
    gateway.sentiment(json!({"text": "Hm, 1."})).await;
    let worst = |at: usize, model: &str| {
        let request = double.requests()[at].clone();
        money::cost(model, &Tokens::of(request.raw.len() as u64, request.max_tokens()))
    };
    let (cheap, dear) = (money::cost(CHEAP, &Tokens::of(400, 20)), worst(1, DEAR));
    assert!(worst(0, CHEAP) < dear);
    for (at, (ceiling, model)) in
        [(cheap + dear - 1, CHEAP), (cheap + dear, DEAR)].into_iter().enumerate()
    {
        let before = double.requests().len();
        double.script([unsure()]);
        let text = format!("Hm, {}.", at + 2);
        let asked = json!({"text": text, "max_cost_usd": money::decimal(ceiling)});
        let verdict = gateway.sentiment(asked).await;
        assert_eq!((outcome(&verdict), &verdict["model"]), ("answered", &json!(model)));
        assert_eq!(double.requests().len() - before, if model == CHEAP { 1 } else { 2 });
        assert!(pico(&verdict) <= ceiling, "{verdict}");
    }
    double.script([Script::refusal().tokens(Tokens::of(400, 20))]);
    let asked = json!({"text": "Hm, 4.", "max_cost_usd": money::decimal(dear)});
    let verdict = gateway.sentiment(asked).await;
    assert_eq!((outcome(&verdict), pico(&verdict)), ("over_budget", cheap), "{verdict}");
}

fn pico(verdict: &Value) -> money::Pico {
    verdict["cost_usd"].as_str().and_then(money::pico).expect("an amount")
}

#[tokio::test]
async fn the_order_may_go_over_providers_and_one_without_a_key_is_passed_over() {
    let double = Double::start().await;
    let first = "[\"anthropic/claude-haiku-5-5\",\"openai/gpt-6-luna\"]";
    let setup = in_order(&double).set("llm.first", first);
    let gateway = setup.clone().start().await;
    double.script([Script::answer("positive").unsure(), Script::answer("negative").unsure()]);
    gateway.sentiment(json!({"text": "Hm."})).await;
    assert_eq!(asked(&double), ["claude-haiku-5-5", CHEAP, DEAR]);
    assert_eq!(double.calls(Provider::Anthropic), 1);
    let gateway = setup.without("ANTHROPIC_API_KEY").start().await;
    gateway.sentiment(json!({"text": "Hm, again."})).await;
    assert_eq!(asked(&double)[3..], [CHEAP]);
}

#[tokio::test]
async fn a_batch_asks_the_stronger_model_only_about_what_the_cheaper_one_is_unsure_of() {
    let double = Double::start().await;
    double.otherwise(Script::named().unsure());
    let gateway = in_order(&double).set("llm.texts_per_call", 4).start().await;
    let items: Vec<Value> =
        (0..12).map(|at| json!({"text": format!("Number {at} is neutral.")})).collect();
    let answers =
        gateway.post("/v1/batch", &json!({"task": "sentiment", "items": items})).await.ok();
    let answers = answers["items"].as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["model"] == DEAR), "{answers:?}");
    let cost: money::Pico = answers.iter().map(pico).sum();
    assert_eq!(money::decimal(cost), double.bill().usd());
    let asked = asked(&double);
    assert_eq!(asked.iter().filter(|model| *model == DEAR).count(), 12);
    assert!(asked.len() < 24, "the first calls were shared: {asked:?}");
}

#[tokio::test]
async fn evaluate_asks_in_the_configured_order_and_keeps_what_each_setting_gave() {
    let double = Double::start().await;
    let setup = in_order(&double);
    std::fs::write(setup.path("in.csv"), "text,label\nFine.,neutral\nBroken.,negative\n").unwrap();
    double.otherwise(Script::answer("neutral").unsure());
    let run = async |setup: &Setup, strategy: &str| {
        let base = ["evaluate", "--data", "in.csv", "--format", "json", "--strategies"];
        setup.run(&[&base[..], &[strategy]].concat()).await.json()
    };
    for strategy in ["cascade", "llm"] {
        let before = (double.requests().len(), double.bill());
        let report = run(&setup, strategy).await;
        assert_eq!(double.requests().len() - before.0, 4, "two models for each text");
        let mut bill = double.bill();
        bill.0.drain(..before.1.0.len());
        assert_eq!(report["spent_usd"], bill.usd());
        assert_eq!(run(&setup, strategy).await["spent_usd"], "0");
    }
    let calls = double.requests().len();
    run(&setup, "llm:openai").await;
    assert_eq!(asked(&double)[calls..], [DEAR, DEAR], "a model that is named is asked alone");
    for (key, value) in [
        ("llm.first_confidence", "0.5"),
        ("llm.examples", "false"),
        ("llm.hint", "false"),
        ("llm.first", "[]"),
    ] {
        let calls = double.requests().len();
        run(&setup.clone().set(key, value), "cascade").await;
        assert!(double.requests().len() > calls, "{key} is another question");
    }
}

#[tokio::test]
async fn a_call_is_made_only_where_it_is_worth_its_price() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.clone().set("cascade.correction_usd", "0.000001").start().await;
    let verdict = gateway.sentiment(json!({"text": "It is what it is."})).await;
    check_shape(&verdict);
    assert_eq!((outcome(&verdict), &verdict["cost_usd"]), ("not_needed", &json!("0")));
    assert!(reasons(&verdict).is_empty() && double.requests().is_empty(), "{verdict}");
    let asked = json!({"text": "It is what it is.", "route": "llm"});
    assert_eq!(outcome(&gateway.sentiment(asked).await), "answered", "who asks for it gets it");
    let known = gateway.sentiment(json!({"text": "It is what it is."})).await;
    assert_eq!((outcome(&known), &known["cached"]), ("answered", &json!(true)), "it costs nothing");

    let gateway = setup.clone().set("cascade.correction_usd", "10").start().await;
    let verdict = gateway.sentiment(json!({"text": "It is what it is."})).await;
    assert_eq!(outcome(&verdict), "answered", "{verdict}");

    double.adopt("llama-9-local");
    let setup = setup.set("openai.model", "llama-9-local").set("cascade.correction_usd", "10");
    let gateway = setup.start().await;
    let verdict = gateway.sentiment(json!({"text": "It is what it is."})).await;
    assert_eq!(outcome(&verdict), "over_budget", "without a price nobody can tell: {verdict}");
    assert!(reasons(&verdict).contains(&"ambiguous"));
}

#[tokio::test]
async fn hint_and_examples_are_told_or_left_out_as_configured() {
    let double = Double::start().await;
    for (hint, examples) in [(true, true), (false, true), (true, false), (false, false)] {
        for name in ["openai", "anthropic"] {
            let setup = Setup::with(&double).providers(&[name]).escalating();
            let gateway = setup.set("llm.hint", hint).set("llm.examples", examples).start().await;
            gateway.sentiment(json!({"text": "It is what it is."})).await;
            let request = double.requests().pop().unwrap();
            assert_eq!(request.complaint, None);
            let (system, said) = (request.system(), request.last_user());
            assert_eq!(system.contains("Examples"), examples, "{system}");
            assert_eq!(system.contains("`guess`"), hint, "{system}");
            assert_eq!(said.contains("\"guess\""), hint, "{said}");
            assert_eq!(said.contains("ambiguous"), hint, "{said}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_the_keys_name() {
    for (key, value, told) in [
        ("llm.texts_per_call", "0", "llm.texts_per_call is 0"),
        ("llm.first", "[\"gpt-6-luna\"]", "openai/gpt-6-luna"),
        ("llm.first", "[\"openai/gpt-4o-2024-08-06\"]", "each model may be named once"),
        ("llm.first_confidence", "70", "llm.first_confidence is 70"),
        ("cascade.correction_usd", "-1", "cascade.correction_usd"),
    ] {
        let finished = Setup::local().set(key, value).run(&["config", "check"]).await;
        assert_ne!(finished.code, Some(0), "{key}");
        assert!(finished.stderr.contains(told), "{told}: {}", finished.stderr);
    }
}
