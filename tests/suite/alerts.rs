//! Alerts on windows, from the texts to the receiver of the webhook.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};

use crate::gateway::Setup;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Heard = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that is down for the first call.
async fn receiver() -> (String, Heard) {
    let heard = Heard::default();
    let hook = async |State(heard): State<Heard>, headers: HeaderMap, body: String| {
        let mut heard = heard.lock().expect("nobody panics with it");
        heard.push((headers, body));
        if heard.len() == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
    };
    let router = Router::new().route("/hook", post(hook)).with_state(heard.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, heard)
}

#[tokio::test]
async fn a_window_of_angry_texts_is_told_once_signed_and_after_a_restart() {
    let (url, heard) = receiver().await;
    let rules = r#"
        [[alerts.rules]]
        name = "angry"
        kind = "negative_share"
        threshold = 0.5
        min_texts = 3
        window_seconds = 4
        key = "acme"
    "#;
    let setup = Setup::local()
        .file(rules)
        .set("stream.window_seconds", 2)
        .set("stream.lateness_seconds", 1)
        .set("alerts.webhook", &url)
        .variable("UNDERTONE_WEBHOOK_SECRET", SECRET);
    let gateway = setup.start().await;
    let told = || heard.lock().expect("nobody panics with it").clone();
    let text = |key: &str| json!({"text": "This is awful, I hate it.", "route": "local", "tags": {"key": key}});
    // The rule begins with the window in which it was first seen.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    while told().is_empty() {
        gateway.sentiment(text("acme")).await;
        gateway.sentiment(text("other")).await;
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is told:\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The first call failed. Whoever is there next goes on with it.
    let gateway = gateway.kill().start().await;
    let start = Instant::now();
    let first = told()[0].clone();
    let id = |headers: &HeaderMap| headers["webhook-id"].to_str().expect("text").to_owned();
    loop {
        let again: Vec<_> =
            told().into_iter().skip(1).filter(|one| id(&one.0) == id(&first.0)).collect();
        if let [(headers, body)] = &again[..] {
            assert_eq!(*body, first.1, "the same message");
            let signature = headers["webhook-signature"].to_str().expect("text");
            assert!(signature.starts_with("v1,") && signature.len() == 47, "{signature}");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it is not told again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (_, body) in told() {
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((&body["type"], &body["data"]["key"]), (&json!("alert.fired"), &json!("acme")));
        assert!(!body.to_string().contains("awful"), "no word of a text");
    }
    let metrics = gateway.get("/metrics").await.text();
    assert!(metrics.contains("undertone_alert_tries_total{outcome=\"delivered\"}"), "{metrics}");
}

#[tokio::test]
async fn rules_and_secrets_that_cannot_hold_are_refused_at_the_start() {
    let rule = |line: &str| {
        format!(
            "[[alerts.rules]]\nname = \"angry\"\nkind = \"negative_share\"\nthreshold = 0.5\n\
             min_texts = 3\nwindow_seconds = 300\n{line}\n"
        )
    };
    let sound = Setup::local().file(&rule(""));
    assert_eq!(sound.run(&["config", "check"]).await.code, Some(0));
    for (setup, word) in [
        (Setup::local().file(&rule("").replace("300", "90")), "alerts.rules[0]: window_seconds"),
        (Setup::local().file(&rule("").replace("0.5", "50.0")), "threshold is 50"),
        (Setup::local().file(&rule("colour = 3")), "colour"),
        (Setup::local().file(&[rule(""), rule("")].concat()), "another rule"),
        (Setup::local().set("alerts.webhook", "mailto:me"), "alerts.webhook"),
        (Setup::local().variable("UNDERTONE_WEBHOOK_SECRET", "hunter2"), "whsec_"),
        (Setup::local().set("webhooks.secret_file", "/nowhere"), "webhooks.secret_file"),
        (Setup::local().set("stream.window_seconds", 7), "stream.window_seconds is 7"),
        (Setup::local().set("trends.max_windows", 0), "trends.max_windows is 0"),
    ] {
        let finished = setup.run(&["config", "check"]).await;
        assert_ne!(finished.code, Some(0), "{word}");
        assert!(finished.stderr.contains(word), "{word}: {}", finished.stderr);
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}
