//! What is nobody's business stays out of logs, messages and `config show`: texts, keys, tokens.

use serde_json::json;

use crate::double::{ANTHROPIC_KEY, Double, OPENAI_KEY, Provider, Script};
use crate::gateway::Setup;

/// Every directive that could go past a cap, beside the plain `trace`.
const LOUDEST: &str = "trace,tokenizers=trace,tokenizers::tokenizer::normalizer=trace,reqwest=trace,\
                       reqwest::connect=trace,hyper=trace,hyper_util=trace,async_openai=trace,\
                       async_openai::client=trace,rustls=trace,h2=trace,log=trace";

#[tokio::test]
async fn at_trace_the_tokenizer_logged_texts_letter_by_letter_and_now_no_text_or_key_is_logged() {
    for (filter, format) in [("trace", "text"), (LOUDEST, "json")] {
        let double = Double::start().await;
        let setup = Setup::with(&double)
            .set("telemetry.log", filter)
            .set("telemetry.format", format)
            .set("learning.keep_texts", true)
            .set("access.budget_webhook", "http://127.0.0.1:9/hook/T0KENMARK?t=T0KENMARK");
        let created =
            ["keys", "create", "--team", "care", "--scopes", "analyze", "--format", "json"];
        let created = [&created[..], &["--budget-day", "0.0000001", "--soft"]].concat();
        let made = setup.run(&created).await.json();
        let key = made["key"].as_str().expect("it is shown once").to_owned();
        let mut gateway = setup.escalating().start().await;
        let client = gateway.client().with_key(&key);
        let text = "Zanzibarmark ÄÖÜ: great 😍, but it broke.";
        for route in ["local", "auto", "llm"] {
            let body = json!({"text": format!("{text} {route}"), "route": route,
                              "include": ["sentences", "signals"]});
            for path in ["/v1/sentiment", "/v1/aspects", "/v1/emotions"] {
                client.post(path, &body).await.ok();
            }
        }
        // A reply that makes no sense, and quotes what was asked; one that names an error.
        double.otherwise(Script::prose());
        client.post("/v1/sentiment", &json!({"text": format!("{text} 2")})).await.ok();
        double.otherwise_for(Provider::OpenAi, Script::status(400));
        client.post("/v1/sentiment", &json!({"text": format!("{text} 3")})).await.ok();
        let items = json!({"task": "sentiment", "items": [{"text": format!("{text} 4")}]});
        client.post("/v1/batch", &items).await.ok();
        client.post("/v1/sentiment", &json!({"text": "\u{ff}Zanzibarmark", "route": 7})).await;
        assert!(double.calls(Provider::OpenAi) > 0 && double.calls(Provider::Anthropic) > 0);
        gateway.terminate();
        gateway.ended().await;
        let log = gateway.log();
        for mark in ["anzibarmark", "T0KENMARK", OPENAI_KEY, ANTHROPIC_KEY, &key] {
            assert!(!log.contains(mark), "{mark} is in the log at {filter}:\n{log}");
        }
        assert!(!log.contains("tokenizers::"), "texts come out of there letter by letter:\n{log}");
        assert!(log.contains("hyper"), "what was read is let through:\n{log:.3000}");
    }
}

#[tokio::test]
async fn config_show_printed_tokens_of_webhooks_and_passwords_in_urls() {
    let setup = Setup::local()
        .set("alerts.webhook", "https://hooks.example.com/services/T0/s3cret")
        .set("access.budget_webhook", "https://ann:s3cret@example.com/hook?token=s3cret")
        .set("openai.base_url", "https://ann:s3cret@proxy.example.com/v1?key=s3cret")
        .set("anthropic.base_url", "https://s3cret@proxy.example.com")
        .set("store.url", "postgres://ann:s3?cr@et@db.example.com/x?password=s3cret&options=s3cret")
        .set("stream.kafka.sasl_password", "s3cret")
        .set("stream.kafka.ssl_key_password", "s3cret")
        .set("stream.kafka.sasl_oauthbearer_client_secret", "s3cret")
        .set("stream.kafka.sasl_oauthbearer_token_endpoint_url", "https://s3cret@example.com/t");
    let shown = setup.run(&["config", "show"]).await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(!shown.stdout.contains("s3cret"), "{}", shown.stdout);
    for part in [
        "https://hooks.example.com/***",
        "https://***@example.com/***",
        "https://***@proxy.example.com/v1?key=***",
        "postgres://ann:***@db.example.com/x?password=***&options=***",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    // Nor do those tell that cannot go on.
    for arguments in [&["config", "check"][..], &["serve"], &["costs"]] {
        let finished = setup.run(arguments).await;
        let said = finished.stdout + &finished.stderr;
        assert!(!said.contains("s3cr"), "{arguments:?}: {said}");
    }
    let wrong = Setup::local().set("openai.base_url", "ftp://ann:s3cret@proxy/v1?key=s3cret");
    let finished = wrong.run(&["serve"]).await;
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("ftp://***@proxy/v1?key=***"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_providers_key_went_over_plain_http_to_any_host_without_a_word() {
    let plain = Setup::local()
        .set("openai.base_url", "http://192.0.2.1:8000/v1")
        .set("llm.providers", "[\"openai\"]");
    let keyed = plain.clone().variable("OPENAI_API_KEY", "sk-marked");
    for arguments in [&["serve"][..], &["config", "check"], &["providers", "check"]] {
        let finished = keyed.run(arguments).await;
        assert_eq!(finished.code, Some(1), "{arguments:?}: {}", finished.stderr);
        for words in ["openai.base_url", "192.0.2.1", "plain http", "llm.allow_plain_http = true"] {
            assert!(finished.stderr.contains(words), "{words}: {}", finished.stderr);
        }
        assert!(!finished.stderr.contains("sk-marked"), "{}", finished.stderr);
    }
    let allowed = keyed.set("llm.allow_plain_http", true);
    for setup in [plain, allowed] {
        let finished = setup.run(&["config", "check"]).await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }
    let webhook = Setup::local().set("alerts.webhook", "http://192.0.2.1/hook/s3cret");
    let finished = webhook.run(&["config", "check"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("alerts.webhook leads to 192.0.2.1 over plain http"));
    assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
}
