//! `undertone calibrate`: thresholds chosen on a labelled file, and a gateway that goes by them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::double::{Double, Script};
use crate::gateway::{Finished, Setup};
use crate::money;

/// A copy of the bundled model in the folder of the test, so that nothing is written beside the real one.
fn with_own_model(setup: Setup) -> (Setup, PathBuf) {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/undertone-mini");
    let folder = setup.path("models/mine");
    fs::create_dir_all(&folder).expect("the folder can be written");
    for entry in fs::read_dir(&bundled).expect("the bundled model is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("it has a name");
        std::os::unix::fs::symlink(&path, folder.join(name)).expect("a link can be made");
    }
    (setup.set("classifier.model", folder.display()), folder)
}

/// The labelled file that the README's commands use.
fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/evaluate.csv");
    path.display().to_string()
}

async fn calibrate(setup: &Setup, data: &str, goal: &[&str]) -> Finished {
    let base = ["calibrate", "--data", data, "--format", "json"];
    setup.run(&[&base, goal].concat()).await
}

#[track_caller]
fn printed(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", finished.stdout, finished.stderr))
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("the file is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Each signal's threshold, as a response tells it.
async fn served(setup: &Setup) -> Value {
    let gateway = setup.clone().start().await;
    let asked = json!({"text": "I love it.", "include": ["signals"]});
    let verdict = gateway.sentiment(asked).await;
    let signals = verdict["signals"].as_array().expect("they were asked for").clone();
    let name = |signal: &Value| signal["name"].as_str().expect("it has a name").to_owned();
    signals.iter().map(|signal| (name(signal), signal["threshold"].clone())).collect()
}

#[tokio::test]
async fn a_gateway_goes_by_what_was_calibrated() {
    let (setup, model) = with_own_model(Setup::local());
    let goal = ["--max-cost-per-1k", "0.8", "--apply"];
    let finished = calibrate(&setup, &example(), &goal).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let report = printed(&finished);
    assert_eq!((&report["data"]["texts"], &report["applied"]), (&json!(62), &json!(true)));
    assert_eq!(
        (&report["data"]["choosing"], &report["data"]["certifying"]),
        (&json!(31), &json!(31))
    );
    assert_eq!(report["llm"]["assumed_accuracy"], 0.9);
    assert_eq!(
        (&report["llm"]["measured_texts"], &report["llm"]["assumed_texts"]),
        (&json!(0), &json!(62))
    );
    let chosen = &report["chosen"];
    assert!(report["curve"].as_array().is_some_and(|curve| curve.len() > 2), "{report}");
    let cost = |value: &Value| value.as_str().and_then(money::pico).expect("an amount");
    assert!(cost(&chosen["cost_per_1k_usd"]) < cost(&chosen["cost_per_1k_at_most_usd"]));
    assert_eq!(cost(&chosen["cost_per_1k_at_most_usd"]), cost(&json!("0.8")), "as was asked");

    let path = model.join("thresholds.json");
    let file = read(&path);
    assert_eq!(report["thresholds"], path.display().to_string());
    let manifest = read(&model.join("manifest.json"));
    assert_eq!(
        (&file["format"], &file["task"], &file["graph_sha256"], &file["data"]["sha256"]),
        (&json!(1), &json!("sentiment"), &manifest["graph"]["sha256"], &report["data"]["sha256"])
    );
    assert_eq!(file["goal"], json!({"max_cost_per_1k_usd": "0.8"}));
    assert_eq!(file["bounds"]["accuracy_at_least"], chosen["accuracy_at_least"]);
    let page = fs::read_to_string(model.join("thresholds.html")).expect("the page is beside it");
    assert!(page.contains("ASSUMED") && page.contains("class=\"plot\""), "{page}");

    let of_model = read(&model.join("calibration.json"))["thresholds"].clone();
    assert_ne!(file["thresholds"], of_model, "something was chosen");
    // What a request is shown are those of its own task.
    let mut of_sentiment = file["thresholds"].clone();
    for other in ["ambiguous_aspects", "ambiguous_emotions"] {
        assert_eq!(of_sentiment[other], of_model[other], "the other tasks' stay");
        of_sentiment.as_object_mut().expect("an object").remove(other);
    }
    assert_eq!(served(&setup).await, of_sentiment);
    let shown = setup.run(&["config", "show"]).await.stdout;
    assert!(
        shown.contains("out_of_domain = 0.5 (") && shown.contains("thresholds.json)"),
        "{shown}"
    );
    let overridden = setup.clone().set("cascade.sarcasm", "0.125");
    assert_eq!(served(&overridden).await["sarcasm"], 0.125);
    let shown = overridden.run(&["config", "show"]).await.stdout;
    assert!(shown.contains("# sarcasm = 0.125 ([cascade])"), "{shown}");
    fs::remove_file(&path).expect("it can be removed");
    let shown = served(&setup).await;
    for (name, threshold) in shown.as_object().expect("an object") {
        assert_eq!(*threshold, of_model[name], "{name}");
    }
}

#[tokio::test]
async fn calibrate_armed_the_configured_model_at_once_and_now_does_with_apply_alone() {
    let (setup, model) = with_own_model(Setup::local());
    let before = served(&setup).await;
    let finished = calibrate(&setup, &example(), &["--min-accuracy", "0.5"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let report = printed(&finished);
    assert_eq!((&report["applied"], &report["thresholds"]), (&json!(false), &Value::Null));
    assert!(report["chosen"].is_object(), "what would be applied is shown: {report}");
    let page = fs::read_to_string(setup.path("thresholds.html")).expect("the curve is drawn");
    assert!(page.contains("class=\"plot\""), "{page}");
    let table = ["calibrate", "--data", &example(), "--min-accuracy", "0.5"];
    let table = setup.run(&table).await.stdout;
    let last = table.lines().last().unwrap_or_default();
    assert!(last.starts_with("Nothing is applied") && last.contains("--apply"), "{table}");
    for name in ["thresholds.json", "thresholds.html"] {
        assert!(!model.join(name).exists(), "{name}");
    }
    assert_eq!(served(&setup).await, before);

    let applied = ["calibrate", "--data", &example(), "--min-accuracy", "0.5", "--apply"];
    let applied = setup.run(&applied).await.stdout;
    assert!(applied.lines().last().is_some_and(|line| line.starts_with("Written: ")), "{applied}");
    assert!(model.join("thresholds.json").exists() && model.join("thresholds.html").exists());
}

#[tokio::test]
async fn thresholds_of_another_graph_are_refused_until_they_are_calibrated_again() {
    let (setup, model) = with_own_model(Setup::local());
    let goal = ["--min-accuracy", "0.5", "--apply"];
    assert_eq!(calibrate(&setup, &example(), &goal).await.code, Some(0));
    let path = model.join("thresholds.json");
    let mut file = read(&path);
    file["graph_sha256"] = json!("0".repeat(64));
    fs::write(&path, file.to_string()).expect("it can be written");
    for command in [&["serve"][..], &["config", "check"]] {
        let finished = setup.run(command).await;
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains("another graph"), "{}", finished.stderr);
        assert!(finished.stderr.contains("`undertone calibrate` again"), "{}", finished.stderr);
    }
    assert_eq!(calibrate(&setup, &example(), &goal).await.code, Some(0));
    assert_eq!(setup.run(&["config", "check"]).await.code, Some(0));
    fs::write(&path, "{}").expect("it can be written");
    let finished = setup.run(&["config", "check"]).await;
    assert!(
        finished.stderr.contains("does not have the form that `undertone calibrate` writes"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn what_cannot_be_certified_is_not_written_and_what_could_be_is_said() {
    let (setup, model) = with_own_model(Setup::local());
    let finished = calibrate(&setup, &example(), &["--min-accuracy", "0.99", "--apply"]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let report = printed(&finished);
    assert_eq!((&report["chosen"], &report["thresholds"]), (&Value::Null, &Value::Null));
    let certifiable = &report["certifiable"]["accuracy_at_least"];
    assert!(certifiable.as_f64().is_some_and(|share| share > 0.3 && share < 0.99), "{report}");
    assert!(finished.stderr.contains("0.99 cannot be certified"), "{}", finished.stderr);
    let finished =
        calibrate(&setup, &example(), &["--max-cost-per-1k", "0.000001", "--apply"]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("Nothing is written"), "{}", finished.stderr);
    for name in ["thresholds.json", "thresholds.html"] {
        assert!(!model.join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn answers_that_were_bought_count_instead_of_the_assumption() {
    let double = Double::start().await;
    let (setup, _) = with_own_model(Setup::with(&double).providers(&["openai"]));
    let rows: String = (0..40)
        .map(|at| match at % 2 {
            0 => format!("\"I love it, it is perfect, number {at}.\",positive\n"),
            _ => format!("\"It broke at once and I hate it, number {at}.\",negative\n"),
        })
        .collect();
    fs::write(setup.path("in.csv"), format!("text,label\n{rows}")).expect("it can be written");
    double.otherwise(Script::answer("positive"));
    let evaluate = ["evaluate", "--data", "in.csv", "--strategies", "llm"];
    assert_eq!(setup.run(&evaluate).await.code, Some(0));
    assert_eq!(double.requests().len(), 40);

    let finished = calibrate(&setup, "in.csv", &["--min-accuracy", "0.6"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(double.requests().len(), 40, "nobody is called");
    let report = printed(&finished);
    assert_eq!(report["llm"]["model"], "openai/gpt-4o-2024-08-06");
    assert_eq!(
        (&report["llm"]["measured_texts"], &report["llm"]["measured_accuracy"]),
        (&json!(40), &json!(0.5)),
        "it says positive whatever it is asked"
    );
    assert_eq!(
        (&report["llm"]["assumed_texts"], &report["llm"]["assumed_accuracy"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(report["chosen"]["escalated"], 0.0, "such an LLM is not worth asking");
    let table = ["calibrate", "--data", "in.csv", "--min-accuracy", "0.6"];
    let table = setup.run(&table).await.stdout;
    assert!(table.contains("right on 50.0 %") && !table.contains("ASSUMED"), "{table}");
    assert!(
        table.contains("Chosen: ") && table.contains("Certified, each with 95 % confidence"),
        "{table}"
    );
}

#[tokio::test]
async fn wrong_usage_is_told_before_anything_is_read() {
    let (setup, _) = with_own_model(Setup::local());
    let data = example();
    for (arguments, told) in [
        (&[][..], "--max-cost-per-1k"),
        (&["--min-accuracy", "0.8", "--max-cost-per-1k", "1"], "cannot be used with"),
        (&["--min-accuracy", "80"], "between 0 and 1"),
        (&["--max-cost-per-1k", "-1"], "below 0"),
        (&["--min-accuracy", "0.8", "--confidence", "1"], "between 0 and 1"),
        (&["--min-accuracy", "0.8", "--task", "taste"], "sentiment, sarcasm"),
    ] {
        let finished = calibrate(&setup, &data, arguments).await;
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(told), "{arguments:?}: {}", finished.stderr);
    }
    let without_price = setup.clone().set("openai.model", "gpt-nonesuch");
    let finished = calibrate(&without_price, &data, &["--max-cost-per-1k", "1"]).await;
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("no price"), "{}", finished.stderr);
    fs::write(setup.path("one.csv"), "text,label\nFine.,positive\nFine.,positive\n")
        .expect("written");
    let finished = calibrate(&setup, "one.csv", &["--min-accuracy", "0.8"]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("too few different texts"), "{}", finished.stderr);
}
