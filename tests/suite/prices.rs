//! The price book: checked, amended from a public table, and taken over by a gateway that runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::double::Double;
use crate::gateway::{Gateway, Setup};

/// A small table in LiteLLM's form.
fn public_table(input: f64) -> String {
    json!({
        "gpt-4o-2024-08-06": {
            "litellm_provider": "openai", "mode": "chat",
            "input_cost_per_token": input, "output_cost_per_token": 1e-05,
            "cache_read_input_token_cost": 1.25e-06,
            "input_cost_per_token_batches": 1.25e-06, "output_cost_per_token_batches": 5e-06,
        },
        "gpt-9": {
            "litellm_provider": "openai", "mode": "chat",
            "input_cost_per_token": 4e-06, "output_cost_per_token": 2e-05,
        },
    })
    .to_string()
}

/// A book with one price for the configured model of OpenAI.
fn book(input: &str) -> String {
    format!(
        "[[model]]\nid = \"gpt-4o-2024-08-06\"\nprovider = \"openai\"\n\n[[model.price]]\n\
         from = 2024-10-01\ntiers = [\"default\"]\ninput = \"{input}\"\noutput = \"10\"\n"
    )
}

#[tokio::test]
async fn a_check_fails_for_a_configured_model_without_a_price() {
    let setup = Setup::local();
    let all = setup.run(&["prices", "check", "--format", "json"]).await;
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    let said: Value = serde_json::from_str(&all.stdout).expect("it is JSON");
    let models: Vec<_> = said["models"].as_array().expect("a list").iter().collect();
    assert_eq!(models[0]["model"], "gpt-4o-2024-08-06");
    assert_eq!(models[0]["tiers"][0]["input_usd"], "2.5");
    assert_eq!(models[1]["follows"], "gpt-4o-2024-08-06");
    assert_eq!(models[0]["retires"], "2027-01-14");

    let unknown = setup.clone().set("openai.model", "gpt-9").run(&["prices", "check"]).await;
    assert_eq!(unknown.code, Some(1));
    let expected = "undertone: gpt-9 has no price in the tier default";
    assert!(unknown.stderr.contains(expected), "{}", unknown.stderr);

    std::fs::write(setup.path("prices.toml"), "[[model]]\nid = 1").expect("written");
    let broken = setup.set("pricing.file", "prices.toml").run(&["prices", "check"]).await;
    assert_eq!(broken.code, Some(1));
    assert!(broken.stderr.contains("pricing.file: prices.toml"), "{}", broken.stderr);
}

#[tokio::test]
async fn a_model_that_retires_soon_is_told_and_is_no_failure() {
    let date = (time::OffsetDateTime::now_utc() + time::Duration::days(30)).date();
    let setup = Setup::local()
        .providers(&["openai"])
        .set("pricing.file", "prices.toml")
        .file("[openai]\nmodel = \"gpt-4o-2024-08-06\"\n[openai.models.\"gpt-4o-2024-08-06\"]\n");
    let text = book("2.5").replace("provider", &format!("retires = {date}\nprovider"));
    std::fs::write(setup.path("prices.toml"), text).expect("written");
    let check = setup.run(&["prices", "check"]).await;
    let expected = format!("undertone: gpt-4o-2024-08-06 retires on {date}");
    assert!(check.stderr.contains(&expected), "{}", check.stderr);
}

#[tokio::test]
async fn an_import_adds_what_differs_and_keeps_what_was() {
    let setup = Setup::local().set("pricing.file", "prices.toml");
    let file = setup.path("prices.toml");
    std::fs::write(&file, book("2.5")).expect("written");
    std::fs::write(setup.path("table.json"), public_table(3e-06)).expect("written");
    let import =
        ["prices", "import", "table.json", "--model", "gpt-4o-2024-08-06", "--model", "gpt-9"];

    let dry = setup.run(&[&import[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert_eq!(std::fs::read_to_string(&file).expect("there"), book("2.5"));

    let done = setup.run(&[&import[..], &["--from", "2026-11-01"]].concat()).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let text = std::fs::read_to_string(&file).expect("there");
    assert!(text.starts_with(&book("2.5")), "{text}");
    assert!(text.contains("from = 2026-11-01\ntiers = [\"default\"]\ninput = \"3\""), "{text}");
    assert!(text.contains("id = \"gpt-9\""), "{text}");
    let check = setup.clone().set("openai.model", "gpt-9").providers(&["openai"]);
    assert_eq!(check.run(&["prices", "check"]).await.code, Some(0));

    let again = setup.run(&[&import[..], &["--from", "2026-11-02"]].concat()).await;
    assert!(again.stdout.contains("Nothing changes."), "{}", again.stdout);
    std::fs::write(setup.path("table.json"), "{\"model\": 1}").expect("written");
    let wrong = setup.run(&["prices", "import", "table.json"]).await;
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("lists no model of OpenAI or Anthropic"), "{}", wrong.stderr);
}

/// Costs follow the file from the next call on, and a file that cannot be used changes nothing.
#[tokio::test]
async fn a_running_gateway_takes_over_a_new_price_book_and_refuses_a_broken_one() {
    let double = Double::start().await;
    let setup =
        Setup::with(&double).providers(&["openai"]).escalating().set("pricing.file", "prices.toml");
    let file = setup.path("prices.toml");
    std::fs::write(&file, book("2.5")).expect("written");
    let gateway = setup.start().await;
    let before = cost(&gateway, "The first text").await;

    std::fs::write(&file, book("250")).expect("written");
    wait(&gateway, "a dearer call", async |gateway, turn| {
        cost(gateway, &format!("Text number {turn}")).await > 10.0 * before
    })
    .await;

    for (text, reason) in [
        ("no = [\"book\"".to_owned(), "not valid TOML"),
        (book("1").replace("gpt-4o-2024-08-06", "gpt-9"), "has no price for a model in use"),
    ] {
        std::fs::write(&file, text).expect("written");
        wait(&gateway, reason, async |gateway, _| {
            let warnings = gateway.get("/readyz").await.json()["warnings"].to_string();
            warnings.contains(reason) && warnings.contains("stays in force")
        })
        .await;
        assert!(cost(&gateway, reason).await > 10.0 * before, "the old book counts");
    }
    assert!(gateway.get("/metrics").await.text().contains("undertone_price_book_refused 1"));
    std::fs::write(&file, book("2.5")).expect("written");
    wait(&gateway, "the first price again", async |gateway, _| {
        gateway.get("/readyz").await.json()["warnings"] == json!([])
    })
    .await;
}

async fn cost(gateway: &Gateway, text: &str) -> f64 {
    let answer = gateway.post("/v1/sentiment", &json!({"text": text, "route": "llm"})).await;
    let cost = answer.json()["cost_usd"].as_str().map(str::to_owned);
    cost.and_then(|cost| cost.parse().ok()).unwrap_or_else(|| panic!("no cost: {answer:?}"))
}

async fn wait(gateway: &Gateway, what: &str, check: impl AsyncFn(&Gateway, u32) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    for turn in 0.. {
        if check(gateway, turn).await {
            return;
        }
        assert!(Instant::now() < deadline, "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
