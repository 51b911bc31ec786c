//! Watching over the local model: a sample of what stays local, drift of the input, a model in shadow.

use serde_json::json;

use crate::double::{Double, Script};
use crate::gateway::{Gateway, Setup};
use crate::metrics::{metric, reaches};
use crate::verdict::{check_shape, outcome, reasons};

/// Plain and confident: nothing speaks for an LLM.
const PLAIN: [&str; 4] = [
    "I love this phone, it works perfectly.",
    "This is the worst thing that I have ever bought.",
    "A wonderful gift, everybody was happy with it.",
    "I hate it, it broke on the first day.",
];

#[tokio::test]
async fn a_sampled_text_is_answered_by_the_llm_and_says_why() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).set("cascade.sample_share", 1.0).start().await;
    // The local model says positive and negative by turns; the LLM agrees with the first, third and fourth.
    let labels = ["positive", "neutral", "positive", "negative"];
    for (text, label) in PLAIN.iter().zip(labels) {
        double.script([Script::answer(label)]);
        let verdict = gateway.sentiment(json!({"text": text})).await;
        check_shape(&verdict);
        assert_eq!((outcome(&verdict), reasons(&verdict)), ("answered", vec!["sampled"]), "{text}");
        assert_eq!((&verdict["route"], &verdict["label"]), (&json!("llm"), &json!(label)));
    }
    assert_eq!(double.requests().len(), 4);
    let compared = async |agrees| {
        let labels = [("task", "sentiment"), ("reason", "sampled"), ("agrees", agrees)];
        metric(&gateway, "undertone_compared_total", &labels).await
    };
    assert_eq!((compared("true").await, compared("false").await), (3.0, 1.0));

    // The same again costs nothing and counts again: the estimate holds of the traffic.
    let again = gateway.sentiment(json!({"text": PLAIN[1]})).await;
    assert_eq!((&again["cached"], reasons(&again)), (&json!(true), vec!["sampled"]));
    assert_eq!((compared("true").await, compared("false").await), (3.0, 2.0));

    // Who wants the local verdict gets it, and who has a reason keeps that one.
    let local = gateway.sentiment(json!({"text": PLAIN[0], "route": "local"})).await;
    assert_eq!((outcome(&local), reasons(&local).len()), ("not_needed", 0));
    let text = "The food was delicious but the service was awful.";
    let verdict = gateway.sentiment(json!({"text": text})).await;
    assert!(!reasons(&verdict).contains(&"sampled"), "{verdict}");
    let labels = [("task", "sentiment"), ("reason", "multi_aspect")];
    assert_eq!(metric(&gateway, "undertone_compared_total", &labels).await, 1.0);
}

#[tokio::test]
async fn nothing_is_sampled_by_default_nor_without_a_provider() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).start().await;
    for text in PLAIN {
        assert_eq!(outcome(&gateway.sentiment(json!({"text": text})).await), "not_needed");
    }
    assert_eq!(double.requests().len(), 0);
    let gateway = Setup::local().set("cascade.sample_share", 1.0).start().await;
    let verdict = gateway.sentiment(json!({"text": PLAIN[0]})).await;
    assert_eq!((outcome(&verdict), reasons(&verdict).len()), ("not_needed", 0));
}

#[tokio::test]
async fn shares_beyond_all_or_nothing_are_refused_by_name() {
    for (key, value) in [
        ("cascade.sample_share", "1.5"),
        ("classifier.shadow_share", "-1"),
        ("drift.alarm", "0"),
        ("drift.window_texts", "0"),
        ("learning.keep_days", "0"),
    ] {
        let finished = Setup::local().set(key, value).run(&["serve"]).await;
        assert_eq!(finished.code, Some(2), "{key}: {}", finished.stderr);
        assert!(finished.stderr.contains(key), "{}", finished.stderr);
    }
}

/// Windows of twenty texts that close at once, two of which are the baseline.
fn watched() -> Setup {
    Setup::local()
        .set("drift.window_texts", 20)
        .set("drift.window_minutes", 0)
        .set("drift.baseline_texts", 40)
        // Of windows so small, chance alone comes to a tenth or two.
        .set("drift.alarm", 1.5)
}

async fn send(gateway: &Gateway, text: impl Fn(usize) -> String) {
    let items: Vec<_> = (0..20).map(|number| json!({"text": text(number)})).collect();
    let body = json!({"task": "sentiment", "items": items});
    gateway.post("/v1/batch", &body).await.ok();
}

fn usual(number: usize) -> String {
    let opinion = ["I love it", "I hate it", "It is a fine phone", "The lid broke"][number % 4];
    format!("{opinion}{}", ", really".repeat(number % 5))
}

fn changed(number: usize) -> String {
    format!("Das Paket Nummer {number} ist nicht angekommen, und niemand antwortet mir. ")
        .repeat(20)
}

const TASK: (&str, &str) = ("task", "sentiment");

/// Waits until so many windows have been compared since the start.
async fn compared(gateway: &Gateway, windows: u32) {
    reaches(gateway, "undertone_drift_windows_total", &[TASK], windows.into()).await;
}

#[tokio::test]
async fn another_input_is_an_alarm_and_the_baseline_outlives_a_restart() {
    let gateway = watched().start().await;
    for texts in [20.0, 40.0] {
        send(&gateway, usual).await;
        reaches(&gateway, "undertone_drift_baseline_texts", &[TASK], texts).await;
    }
    send(&gateway, usual).await;
    let length = [TASK, ("dimension", "length")];
    compared(&gateway, 1).await;
    // The same texts again: equal shares, but for the half that is added to every bin.
    let index = metric(&gateway, "undertone_drift_index", &length).await;
    assert!(index < 0.1, "{index}");
    assert_eq!(metric(&gateway, "undertone_drift_alarm", &[TASK]).await, 0.0);
    assert!(!gateway.get("/readyz").await.text().contains("no longer what it was"));

    let gateway = gateway.kill().start().await;
    send(&gateway, changed).await;
    compared(&gateway, 1).await;
    assert_eq!(metric(&gateway, "undertone_drift_alarm", &[TASK]).await, 1.0);
    assert_eq!(metric(&gateway, "undertone_drift_alarm", &[("task", "aspects")]).await, 0.0);
    assert!(metric(&gateway, "undertone_drift_index", &length).await > 1.5);
    let language = [TASK, ("dimension", "unsupported_language")];
    assert!(metric(&gateway, "undertone_drift_index", &language).await > 1.5);
    let ready = gateway.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let warning = ready.json()["warnings"][0].as_str().expect("a warning").to_owned();
    assert!(warning.contains("sentiment") && warning.contains("length"), "{warning}");

    // Another window of the kind is told no second time.
    let told = |gateway: &Gateway| {
        let log = gateway.log();
        log.lines().filter(|line| line.contains("WARN") && line.contains("\"length\"")).count()
    };
    assert_eq!(told(&gateway), 1, "{}", gateway.log());
    send(&gateway, changed).await;
    compared(&gateway, 2).await;
    send(&gateway, usual).await;
    compared(&gateway, 3).await;
    assert_eq!(metric(&gateway, "undertone_drift_alarm", &[TASK]).await, 0.0);
    assert_eq!(told(&gateway), 1, "{}", gateway.log());
    let ready = gateway.get("/readyz").await.json();
    assert_eq!(ready["warnings"], json!([]), "{ready}");

    // On request the input of today is what later input is compared with.
    let finished = gateway.run(&["learn", "--new-baseline"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    send(&gateway, changed).await;
    reaches(&gateway, "undertone_drift_baseline_texts", &[TASK], 20.0).await;
    assert!(!gateway.log().contains("Paket"), "no text is in the log");
}

#[tokio::test]
async fn a_model_in_shadow_is_counted_and_answers_nobody() {
    let double = Double::start().await;
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = repository.join("models/undertone-mini");
    let gateway = Setup::with(&double)
        .set("classifier.shadow", model.display())
        .set("classifier.shadow_share", 1.0)
        .start()
        .await;
    for text in PLAIN {
        let verdict = gateway.sentiment(json!({"text": text})).await;
        assert_eq!(
            (&verdict["route"], &verdict["model"]),
            (&json!("local"), &json!("undertone-mini"))
        );
    }
    let total = "undertone_shadow_texts_total";
    for label in ["positive", "negative"] {
        let labels = [TASK, ("label", label), ("agrees", "true")];
        reaches(&gateway, total, &labels, 2.0).await;
    }
    assert_eq!(metric(&gateway, total, &[("agrees", "false")]).await, 0.0, "it is the same model");
    reaches(&gateway, "undertone_shadow_read_seconds_count", &[], 4.0).await;

    // Where an LLM answered, which of both it agrees with.
    double.script([Script::answer("neutral")]);
    gateway.sentiment(json!({"text": PLAIN[0], "route": "llm"})).await;
    double.script([Script::answer("positive")]);
    gateway.sentiment(json!({"text": PLAIN[2], "route": "llm"})).await;
    for agree in ["true", "false"] {
        let labels = [TASK, ("serving_agrees", agree), ("shadow_agrees", agree)];
        reaches(&gateway, "undertone_shadow_compared_total", &labels, 1.0).await;
    }
}

#[tokio::test]
async fn a_shadow_that_cannot_be_loaded_is_named_at_the_start() {
    let setup = Setup::local().set("classifier.shadow", "/nowhere/new");
    for command in [&["serve"][..], &["config", "check"]] {
        let finished = setup.run(command).await;
        assert_eq!(finished.code, Some(1), "{command:?}: {}", finished.stderr);
        assert!(finished.stderr.contains("/nowhere/new"), "{}", finished.stderr);
    }
}
