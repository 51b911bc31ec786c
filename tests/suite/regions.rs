//! What is bound to a region costs what that region costs, or its cost is not known.

use serde_json::{Value, json};

use crate::double::{Double, Script, Tokens};
use crate::gateway::Setup;
use crate::money;

const TOKENS: Tokens = Tokens {
    input: 1_000,
    output: 100,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    reasoning: 0,
};

/// At the list price, or at a tenth more.
fn usd(model: &str, is_bound: bool) -> Value {
    let cost = money::cost(model, &TOKENS);
    json!(money::decimal(if is_bound { cost * 11 / 10 } else { cost }))
}

#[tokio::test]
async fn anthropics_reply_says_where_a_model_ran_and_the_cost_goes_by_that() {
    let double = Double::start().await;
    let script = || Script::answer("positive").tokens(TOKENS);
    for (asked, said, is_bound) in [
        ("", None, false),
        ("us", None, true),
        // The workspace's own setting may bind what no request does, and the other way round.
        ("", Some("us"), true),
        ("us", Some("global"), false),
        ("", Some("not_available"), false),
    ] {
        let setup = Setup::with(&double).providers(&["anthropic"]).set("anthropic.region", asked);
        let gateway = setup.start().await;
        double.script([said.map_or_else(script, |said| script().served_in(said))]);
        let verdict = gateway.sentiment(json!({"text": "Hm.", "route": "llm"})).await;
        let cost = usd("claude-haiku-5-5", is_bound);
        assert_eq!(verdict["cost_usd"], cost, "asked {asked:?}, said {said:?}: {verdict}");
        let request = double.requests().pop().expect("one was made");
        let geo = request.body.get("inference_geo").and_then(Value::as_str);
        assert_eq!(geo.unwrap_or_default(), asked);
        assert_eq!(gateway.costs("").await["total"]["cost_usd"], cost);
    }
}

#[tokio::test]
async fn openais_region_is_the_configured_one() {
    let double = Double::start().await;
    for (model, is_dearer) in [("gpt-6-luna", true), ("gpt-4o-2024-08-06", false)] {
        let setup = Setup::with(&double).providers(&["openai"]).set("openai.model", model);
        let gateway = setup.set("openai.region", "eu").start().await;
        double.script([Script::answer("positive").tokens(TOKENS)]);
        let verdict = gateway.sentiment(json!({"text": "Hm.", "route": "llm"})).await;
        assert_eq!(verdict["cost_usd"], usd(model, is_dearer), "{model}: {verdict}");
    }
}

#[tokio::test]
async fn a_region_without_a_price_is_unpriced_until_it_has_one_of_its_own() {
    let double = Double::start().await;
    let setup = Setup::with(&double)
        .providers(&["openai"])
        .set("openai.model", "gpt-6-luna")
        .set("openai.region", "mars");
    let checked = setup.run(&["prices", "check"]).await;
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert!(
        checked.stderr.contains("no price in the tier default in the region mars"),
        "{}",
        checked.stderr
    );
    let gateway = setup.clone().start().await;
    double.script([Script::answer("positive").tokens(TOKENS)]);
    let verdict = gateway.sentiment(json!({"text": "Hm.", "route": "llm"})).await;
    assert_eq!(verdict["cost_usd"], Value::Null, "never the common price: {verdict}");
    let capped = json!({"text": "Hm?", "route": "llm", "max_cost_usd": "100"});
    gateway.post("/v1/sentiment", &capped).await.problem(402);

    let rows = |region: &str, input: &str| {
        format!(
            "[[model.price]]\nfrom = 2026-01-01\ntiers = [\"default\"]\n{region}input = \"{input}\"\n\
             output = \"0\"\n"
        )
    };
    let head = "[[model]]\nid = \"gpt-6-luna\"\nprovider = \"openai\"\n";
    for (region, repriced) in [("region = \"eu\"\n", 0), ("region = [\"mars\", \"moon\"]\n", 1)] {
        let book = format!("{head}{}{}", rows("", "1"), rows(region, "7"));
        std::fs::write(setup.path("late.toml"), book).expect("written");
        let later = setup.clone().set("pricing.file", "late.toml");
        let done = later.run(&["costs", "reprice", "--format", "json"]).await.json();
        assert_eq!(done["repriced"].as_array().map(Vec::len), Some(repriced), "{region}: {done}");
    }
    let total = &gateway.costs("").await["total"];
    assert_eq!((&total["cost_usd"], &total["unpriced"]), (&json!("0.007"), &json!(0)), "{total}");
}

#[tokio::test]
async fn a_regional_address_with_another_regions_prices_is_refused_at_the_start() {
    for (url, region, is_fine) in [
        ("https://eu.api.openai.com/v1", "", false),
        ("https://eu.api.openai.com/v1", "us", false),
        ("https://eu.api.openai.com/v1", "eu", true),
        ("https://api.openai.com/v1", "", true),
        ("http://127.0.0.1:9/v1", "eu", true),
        ("http://127.0.0.1:9/v1", "EU west", false),
    ] {
        let setup = Setup::local().set("openai.base_url", url).set("openai.region", region);
        let finished = setup.run(&["config", "check"]).await;
        assert_eq!(finished.code == Some(0), is_fine, "{url} {region:?}: {}", finished.stderr);
        assert!(is_fine || finished.stderr.contains("openai.region"), "{}", finished.stderr);
    }
}
