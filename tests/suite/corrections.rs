//! Closing what stayed open: resolved, repriced, reconciled with the provider's own figures; and the bill
//! in the form of FOCUS.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::double::{Bill, Double, Provider, Script, Tokens};
use crate::gateway::{Gateway, Setup};
use crate::money;

/// Asks for three verdicts of OpenAI, of which the reply to the second is lost.
async fn one_lost_of_three(double: &Double) -> Gateway {
    let setup = Setup::with(double).providers(&["openai"]).escalating();
    let gateway = setup.set("llm.max_retries", 0).start().await;
    double.script([Script::answer("positive"), Script::reset(), Script::answer("negative")]);
    for text in ["One.", "Two.", "Three."] {
        gateway.sentiment(json!({"text": text, "tags": {"team": "=care()"}})).await;
    }
    gateway
}

async fn open(gateway: &Gateway) -> Vec<Value> {
    let listed = gateway.run(&["costs", "open", "--format", "json"]).await.json();
    listed.as_array().expect("a list").clone()
}

fn today() -> String {
    OffsetDateTime::now_utc().date().to_string()
}

/// The bill as OpenAI's costs report has it, by line item.
fn costs_page(bill: &Bill) -> Value {
    let start = OffsetDateTime::now_utc().replace_time(time::Time::MIDNIGHT).unix_timestamp();
    let results: Vec<Value> = bill
        .0
        .iter()
        .map(|charge| {
            let usd = money::decimal(money::cost(&charge.model, &charge.tokens));
            json!({
                "object": "organization.costs.result",
                "amount": {"value": usd.parse::<f64>().expect("a number"), "currency": "usd"},
                "line_item": format!("{}, input", charge.model), "project_id": null,
            })
        })
        .collect();
    let bucket = json!({
        "object": "bucket", "start_time": start, "end_time": start + 86_400, "results": results,
    });
    json!({"object": "page", "data": [bucket], "has_more": false, "next_page": null})
}

async fn reconcile(gateway: &Gateway, page: &Value, more: &[&str]) -> (Option<i32>, Value) {
    let name = "costs.json";
    let arguments =
        [&["costs", "reconcile", "--provider", "openai", name, "--format", "json"], more].concat();
    std::fs::write(gateway.path(name), page.to_string()).expect("written");
    let finished = gateway.run(&arguments).await;
    let said = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", finished.stdout, finished.stderr));
    (finished.code, said)
}

#[tokio::test]
async fn an_unresolved_attempt_is_resolved_once_at_what_was_billed() {
    let double = Double::start().await;
    let gateway = one_lost_of_three(&double).await;
    let attempts = open(&gateway).await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    let id = attempts[0]["id"].as_str().expect("an id");
    for wrong in [&["--cost-usd", "1", "--not-billed"][..], &[], &["--cost-usd", "-1"]] {
        let finished = gateway.run(&[&["costs", "resolve", id], wrong].concat()).await;
        assert_eq!(finished.code, Some(2), "{wrong:?}: {}", finished.stderr);
    }
    let lost = &double.bill().0[1];
    let usd = money::decimal(money::cost(&lost.model, &lost.tokens));
    let resolved = gateway.run(&["costs", "resolve", id, "--cost-usd", &usd]).await;
    assert_eq!(resolved.code, Some(0), "{}", resolved.stderr);
    let total = gateway.costs("").await["total"].clone();
    assert_eq!(total["cost_usd"], double.bill().usd(), "{total}");
    assert_eq!((&total["calls"], &total["unresolved"]), (&json!(3), &json!(0)), "{total}");
    assert_eq!(total["unresolved_usd"], "0", "{total}");
    let again = gateway.run(&["costs", "resolve", id, "--not-billed"]).await;
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("which stands"), "{}", again.stderr);
    assert_eq!(gateway.costs("").await["total"], total);
}

#[tokio::test]
async fn an_attempt_in_flight_is_not_resolved() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).providers(&["openai"]).escalating().start().await;
    double.script([Script::hang()]);
    let client = gateway.client();
    let hung = tokio::spawn(async move { client.sentiment(json!({"text": "Hm."})).await });
    double.arrived(1).await;
    let attempts = open(&gateway).await;
    let id = attempts[0]["id"].as_str().expect("an id");
    let refused = gateway.run(&["costs", "resolve", id, "--not-billed"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("is in flight"), "{}", refused.stderr);
    hung.abort();
}

#[tokio::test]
async fn a_price_that_comes_late_prices_what_had_none() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    let gateway = setup.clone().start().await;
    let tokens = Tokens { cache_read: 100, ..Tokens::of(1_000, 50) };
    double.script([
        Script::answer("positive").served_by("model-of-tomorrow").tokens(tokens),
        Script::answer("positive").no_tier(),
    ]);
    for text in ["One.", "Two."] {
        gateway.sentiment(json!({"text": text})).await;
    }
    assert_eq!(gateway.costs("").await["total"]["unpriced"], 2);
    let book = "[[model]]\nid = \"model-of-tomorrow\"\nprovider = \"openai\"\n[[model.price]]\n\
                from = 2026-01-01\ntiers = [\"default\"]\ninput = \"2\"\ncache_read = \"1\"\n\
                output = \"8\"\n";
    std::fs::write(setup.path("late.toml"), book).expect("written");
    let later = setup.set("pricing.file", "late.toml");
    let dry = later.run(&["costs", "reprice", "--dry-run", "--format", "json"]).await.json();
    assert_eq!(dry["repriced"][0]["cost_usd"], "0.0025", "{dry}");
    assert_eq!(gateway.costs("").await["total"]["unpriced"], 2, "nothing was written");
    let done = later.run(&["costs", "reprice", "--format", "json"]).await.json();
    assert_eq!(done, dry);
    let version = done["repriced"][0]["price_version"].as_str().expect("a version");
    assert!(version.starts_with("model-of-tomorrow/default/2026-01-01@"), "{version}");
    assert_eq!(done["still_unpriced"].as_array().map(Vec::len), Some(1), "{done}");
    let total = gateway.costs("").await["total"].clone();
    assert_eq!((&total["unpriced"], &total["cost_usd"]), (&json!(1), &json!("0.0025")), "{total}");
    let again = later.run(&["costs", "reprice", "--format", "json"]).await.json();
    assert_eq!(again["repriced"], json!([]), "{again}");
}

#[tokio::test]
async fn the_providers_figures_close_what_they_explain_and_nothing_else() {
    let double = Double::start().await;
    let gateway = one_lost_of_three(&double).await;
    let bill = double.bill();
    let page = costs_page(&bill);
    let before = gateway.costs("").await["total"].clone();

    let (code, said) = reconcile(&gateway, &page, &["--close"]).await;
    assert_eq!((code, &said["rows"][0]["verdict"]), (Some(1), &json!("too_early")), "{said}");
    let (code, said) = reconcile(&gateway, &page, &["--include-today"]).await;
    let row = &said["rows"][0];
    assert_eq!((code, &row["verdict"]), (Some(1), &json!("explained")), "{said}");
    assert_eq!((&row["day"], &row["model"]), (&json!(today()), &json!(bill.0[0].model)), "{said}");
    assert_eq!((&row["ours_usd"], &row["theirs_usd"]), (&before["cost_usd"], &json!(bill.usd())));
    let mut much = page.clone();
    much["data"][0]["results"][0]["amount"]["value"] = json!(7.5);
    let mut little = page.clone();
    little["data"][0]["results"] = json!([page["data"][0]["results"][0]]);
    for (page, verdict) in [(much, "billed_more"), (little, "billed_less")] {
        let (code, said) = reconcile(&gateway, &page, &["--include-today", "--close"]).await;
        assert_eq!((code, &said["rows"][0]["verdict"]), (Some(1), &json!(verdict)), "{said}");
    }
    assert_eq!(gateway.costs("").await["total"], before, "nothing was closed");

    let (code, said) = reconcile(&gateway, &page, &["--include-today", "--close"]).await;
    assert_eq!((code, &said["closed"]), (Some(0), &json!(1)), "{said}");
    let total = gateway.costs("").await["total"].clone();
    assert_eq!(total["cost_usd"], bill.usd(), "{total}");
    assert!(open(&gateway).await.is_empty());
    let (code, said) = reconcile(&gateway, &page, &[]).await;
    assert_eq!(
        (code, &said["rows"], &said["agreeing"]),
        (Some(0), &json!([]), &json!(1)),
        "{said}"
    );
}

#[tokio::test]
async fn what_the_provider_did_not_bill_closes_at_nothing() {
    let double = Double::start().await;
    let gateway = one_lost_of_three(&double).await;
    let settled = double.bill().known();
    let flags = ["--include-today", "--close"];
    let (code, said) = reconcile(&gateway, &costs_page(&settled), &flags).await;
    assert_eq!((code, &said["closed"]), (Some(0), &json!(1)), "{said}");
    let total = gateway.costs("").await["total"].clone();
    assert_eq!((&total["cost_usd"], &total["unresolved"]), (&json!(settled.usd()), &json!(0)));
}

#[tokio::test]
async fn tokens_that_the_provider_counts_beyond_ours_are_priced_by_the_book() {
    let double = Double::start().await;
    let gateway = one_lost_of_three(&double).await;
    let bill = double.bill();
    let [input, output, cached, _] = bill.buckets();
    let csv = format!(
        "start_time,end_time,start_time_iso,end_time_iso,num_model_requests,model,input_tokens,\
         output_tokens,input_cached_tokens\n{},,,,3,{},{},{output},{cached}\n",
        OffsetDateTime::now_utc().replace_time(time::Time::MIDNIGHT).unix_timestamp(),
        bill.0[0].model,
        input + cached,
    );
    std::fs::write(gateway.path("usage.csv"), csv).expect("written");
    let arguments = ["costs", "reconcile", "--provider", "openai", "usage.csv", "--close"];
    let closed = gateway.run(&[&arguments[..], &["--include-today"]].concat()).await;
    assert_eq!(closed.code, Some(0), "{}{}", closed.stdout, closed.stderr);
    let total = gateway.costs("").await["total"].clone();
    assert_eq!((&total["cost_usd"], &total["unresolved"]), (&json!(bill.usd()), &json!(0)));
}

#[tokio::test]
async fn what_is_no_export_is_refused_with_what_would_be_one() {
    let setup = Setup::local();
    for (provider, text, expected) in [
        ("openai", "a,b\n1,2\n", "expected the JSON of /v1/organization/costs"),
        ("anthropic", "{\"data\": []}", "expected the JSON of /v1/organizations/cost_report"),
        ("openai", "{\"data\": [], \"has_more\": true}", "more pages follow"),
        ("openai", "{\"data\": [], \"has_more\": false}", "covers no day"),
        ("anthropic", "usage_date_utc,model,cost_usd\n2026-11-01,m,x\n", "line 2, cost_usd: \"x\""),
        ("openai", "{", "is not JSON"),
    ] {
        std::fs::write(setup.path("export"), text).expect("written");
        let finished = setup.run(&["costs", "reconcile", "--provider", provider, "export"]).await;
        assert_eq!(finished.code, Some(1), "{text}");
        assert!(finished.stderr.contains(expected), "{text}: {}", finished.stderr);
    }
    let finished = setup.run(&["costs", "reconcile", "--provider", "acme", "export"]).await;
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
}

#[tokio::test]
async fn anthropics_cost_csv_is_read_by_the_names_that_the_console_shows() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["anthropic"]).escalating();
    let gateway = setup.start().await;
    gateway.sentiment(json!({"text": "Hm."})).await;
    let mut bill = double.bill();
    bill.0.retain(|charge| charge.provider == Provider::Anthropic);
    assert_eq!(bill.0[0].model, "claude-haiku-5-5");
    let csv = format!(
        "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd\n\
         {},Claude Haiku 5.5,Default,k,message,≤ 200k,output,{}\n",
        today(),
        bill.usd()
    );
    std::fs::write(gateway.path("cost.csv"), csv).expect("written");
    let arguments = ["costs", "reconcile", "--provider", "anthropic", "cost.csv"];
    let agreed = gateway.run(&arguments).await;
    assert_eq!(agreed.code, Some(0), "{}{}", agreed.stdout, agreed.stderr);
    assert!(agreed.stdout.contains("1 agree, 0 do not"), "{}", agreed.stdout);
}

#[tokio::test]
async fn the_bill_in_focus_sums_to_the_report_and_keeps_the_specifications_rules() {
    let double = Double::start().await;
    let gateway = one_lost_of_three(&double).await;
    let attempts = open(&gateway).await;
    let id = attempts[0]["id"].as_str().expect("an id");
    let resolved = gateway.run(&["costs", "resolve", id, "--cost-usd", "0.25"]).await;
    assert_eq!(resolved.code, Some(0), "{}", resolved.stderr);
    let printed = gateway.run(&["costs", "--format", "focus"]).await;
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let mut reader = csv::Reader::from_reader(printed.stdout.as_bytes());
    let rows: Vec<BTreeMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().expect("CSV with a header");
    assert_eq!(rows.len(), 2, "the calls, and the correction");

    let sum: money::Pico = rows.iter().map(|row| money::pico(&row["BilledCost"]).unwrap()).sum();
    let total = gateway.costs("").await["total"].clone();
    assert_eq!(total["cost_usd"], money::decimal(sum), "{total}");
    let month = &today()[..7];
    for row in &rows {
        for name in [
            "BilledCost",
            "BillingAccountId",
            "BillingAccountName",
            "BillingCurrency",
            "BillingPeriodEnd",
            "BillingPeriodStart",
            "ChargeCategory",
            "ChargeDescription",
            "ChargePeriodEnd",
            "ChargePeriodStart",
            "ContractedCost",
            "EffectiveCost",
            "InvoiceIssuerName",
            "ListCost",
            "PricingQuantity",
            "PricingUnit",
            "ProviderName",
            "PublisherName",
            "ServiceCategory",
            "ServiceName",
        ] {
            assert!(!row[name].is_empty(), "{name}: {row:?}");
        }
        assert_eq!(row["ChargeClass"], "", "a correction within its month is a charge like others");
        assert_eq!(row["ChargePeriodStart"], format!("{}T00:00:00Z", today()));
        assert_eq!(row["BillingPeriodStart"], format!("{month}-01T00:00:00Z"));
        assert_eq!((&*row["ProviderName"], &*row["BillingCurrency"]), ("OpenAI", "USD"));
        assert_eq!(row["Tags"], "{\"team\":\"=care()\"}");
        assert_eq!(row["SubAccountName"], "'=care()", "no spreadsheet runs it");
    }
    let refused = gateway.run(&["costs", "--format", "focus", "--group-by", "day"]).await;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

#[tokio::test]
async fn tables_show_shares_and_the_cost_of_a_thousand_texts() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).providers(&["openai"]).escalating().start().await;
    for text in ["One.", "One."] {
        gateway.sentiment(json!({"text": text})).await;
    }
    gateway.sentiment(json!({"text": "Two.", "route": "local"})).await;
    let start = std::time::Instant::now();
    let row = loop {
        let printed = gateway.run(&["costs", "--format", "csv"]).await;
        let mut reader = csv::Reader::from_reader(printed.stdout.as_bytes());
        let row: BTreeMap<String, String> =
            reader.deserialize().next().expect("a row").expect("CSV with a header");
        if row["requests"] == "3" || start.elapsed().as_secs() > 20 {
            break row;
        }
    };
    assert_eq!((&*row["local_share"], &*row["cached_share"]), ("0.333", "0.333"), "{row:?}");
    let thousand = (double.bill().pico() * 2_000 + 3) / 6;
    assert_eq!(row["cost_per_1k_usd"], money::decimal(thousand), "{row:?}");
}
