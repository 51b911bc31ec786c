//! Learning: what is kept and what is not, what people say, and the training set that comes of both.

use std::path::Path;

use serde_json::{Value, json};

use crate::double::{Double, Script};
use crate::gateway::{Gateway, Setup};
use crate::metrics::metric;
use crate::verdict::outcome;

const SECRET: &str = "My secret number is 4711 and the zipper broke";
const CONTRAST: &str = "The product is great but shipping was terrible";

/// Whether any file in the gateway's folder has those bytes.
fn is_on_disk(folder: &Path, text: &str) -> bool {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one")) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if let Ok(bytes) = std::fs::read(entry.path())
                && bytes.windows(text.len()).any(|window| window == text.as_bytes())
            {
                return true;
            }
        }
    }
    false
}

async fn say(gateway: &Gateway, body: Value) -> Value {
    gateway.post("/v1/feedback", &body).await.ok()
}

fn id(verdict: &Value) -> &str {
    verdict["id"].as_str().expect("a verdict has an id")
}

#[tokio::test]
async fn without_consent_no_text_is_written_and_feedback_is_counted() {
    let double = Double::start().await;
    let setup = Setup::with(&double);
    let folder = setup.path("");
    let mut gateway = setup.start().await;
    let escalated = gateway.sentiment(json!({"text": SECRET, "route": "llm"})).await;
    let local = gateway.sentiment(json!({"text": format!("{SECRET}."), "route": "local"})).await;
    for (verdict, label, route) in [(&escalated, "mixed", "llm"), (&local, "neutral", "local")] {
        let agrees = verdict["label"] == label;
        let body = json!({"id": id(verdict), "task": "sentiment", "label": label});
        let reply = gateway.post("/v1/feedback", &body).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        let receipt = reply.json();
        assert_eq!((&receipt["learnable"], &receipt["agrees"]), (&json!(false), &json!(agrees)));
        assert!(receipt["reason"].as_str().unwrap().contains("learning.keep_texts"), "{receipt}");
        let agrees = agrees.to_string();
        let labels = [("task", "sentiment"), ("route", route), ("agrees", agrees.as_str())];
        assert_eq!(metric(&gateway, "undertone_feedback_total", &labels).await, 1.0);
    }
    let aspects = json!([{"term": "zipper", "sentiment": "negative"}]);
    let body = json!({"id": id(&local), "task": "aspects", "aspects": aspects});
    assert_eq!(gateway.post("/v1/feedback", &body).await.status, 202);
    assert!(!is_on_disk(&folder, "4711") && !is_on_disk(&folder, "zipper"), "while it runs");
    gateway.terminate();
    gateway.ended().await;
    assert!(!is_on_disk(&folder, "4711") && !is_on_disk(&folder, "zipper"), "after it ended");
    assert!(!gateway.log().contains("4711"));
}

#[tokio::test]
async fn feedback_that_is_not_sound_is_refused_by_field() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).set("learning.keep_texts", true).start().await;
    let verdict = gateway.sentiment(json!({"text": CONTRAST})).await;
    let good = json!({"id": id(&verdict), "task": "sentiment", "label": "mixed"});
    assert_eq!(say(&gateway, good.clone()).await["learnable"], true);
    let with = |changes: Value| {
        let mut body = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
                value => body[name] = value.clone(),
            }
        }
        body
    };
    let aspects = |list: Value| with(json!({"task": "aspects", "label": null, "aspects": list}));
    for (body, field) in [
        (with(json!({"id": null})), "id"),
        (with(json!({"id": ""})), "id"),
        (with(json!({"id": "x".repeat(129)})), "id"),
        (with(json!({"task": null})), "task"),
        (with(json!({"task": "mood"})), "task"),
        (with(json!({"label": "great"})), "label"),
        (with(json!({"label": null})), "label"),
        (with(json!({"lable": "mixed"})), "lable"),
        (with(json!({"text": "x"})), "text"),
        (with(json!({"task": "emotions"})), "label"),
        (with(json!({"task": "emotions", "label": null, "emotions": ["hunger"]})), "emotions[0]"),
        (with(json!({"task": "emotions", "label": null, "emotions": []})), "emotions"),
        (aspects(json!([{"term": "price", "sentiment": "negative"}])), "aspects[0]"),
        (aspects(json!([{"term": "product", "sentiment": "good"}])), "aspects[0].sentiment"),
        (aspects(json!([{"term": "product"}])), "aspects[0].sentiment"),
        (
            aspects(
                json!([{"term": "product", "sentiment": "positive", "span": {"start": 5, "end": 12}}]),
            ),
            "aspects[0]",
        ),
        (
            aspects(
                json!([{"term": "product", "sentiment": "positive", "span": {"start": 4, "end": 4}}]),
            ),
            "aspects[0].span",
        ),
    ] {
        let problem = gateway.post("/v1/feedback", &body).await.problem(422);
        let named: Vec<_> = problem["errors"].as_array().unwrap().iter().collect();
        assert!(named.iter().any(|error| error["field"] == field), "{field} in {problem}");
        assert!(!problem.to_string().contains(CONTRAST), "{problem}");
    }
    let unknown = with(json!({"id": "0199-never"}));
    let problem = gateway.post("/v1/feedback", &unknown).await.problem(404);
    assert!(problem["detail"].as_str().unwrap().contains("No verdict of that id"), "{problem}");

    // A sender's own id may name two texts: then it names none.
    for text in ["Fine.", "Not fine."] {
        let items = json!([{"id": "r1", "text": text}]);
        let body = json!({"task": "sentiment", "items": items});
        let answer = gateway.post("/v1/batch", &body).await.ok();
        assert_eq!(answer["items"][0]["id"], "r1");
        let reply = gateway.post("/v1/feedback", &with(json!({"id": "r1"}))).await;
        assert_eq!(reply.status, if text == "Fine." { 200 } else { 409 }, "{}", reply.text());
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(inner).expect("a folder").map(|entry| entry.expect("one")) {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let path = entry.path();
                    let relative = path.strip_prefix(folder).expect("it is inside");
                    found.push(relative.display().to_string());
                }
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn answers_and_words_become_a_training_set_in_which_people_outrank_llms() {
    let double = Double::start().await;
    let setup = Setup::with(&double).set("learning.keep_texts", true);
    let (out, csv) = (setup.path("set"), setup.path("label.csv"));
    let gateway = setup.start().await;

    let ask = async |route: &str, text: &str, script: Option<Script>| {
        double.script(script);
        let body = json!({"text": text, "route": "llm"});
        let verdict = gateway.post(route, &body).await.ok();
        assert_eq!(outcome(&verdict), "answered");
        id(&verdict).to_owned()
    };
    let sentiment = "/v1/sentiment";
    ask(sentiment, "The LLM is right.", Some(Script::answer("neutral"))).await;
    let wrong = ask(sentiment, "The LLM is wrong.", Some(Script::answer("neutral"))).await;
    ask(sentiment, "Both at once.", Some(Script::answer("mixed"))).await;
    ask(sentiment, "Great, again.", Some(Script::answer("negative").sarcastic())).await;
    // The same text, whatever its case and white space; the answer is another.
    ask(sentiment, "great,   AGAIN.", Some(Script::answer("positive"))).await;
    let shipping = json!({"term": "shipping", "category": "delivery", "sentiment": "negative", "opinion": null});
    let answer = json!({"sarcasm": "no", "aspects": [shipping], "label": "negative", "certainty": "certain"});
    let aspects = ask("/v1/aspects", CONTRAST, Some(Script::saying(&answer))).await;
    let answer = json!({"sarcasm": "no", "emotions": ["relief"], "strong": 1, "label": "positive",
        "certainty": "likely"});
    ask("/v1/emotions", "Finally it is over.", Some(Script::saying(&answer))).await;
    let plain = gateway.sentiment(json!({"text": "I love this phone.", "route": "local"})).await;
    gateway.sentiment(json!({"text": "I hate this phone.", "route": "local"})).await;

    let receipt =
        say(&gateway, json!({"id": wrong, "task": "sentiment", "label": "positive"})).await;
    assert_eq!((&receipt["learnable"], &receipt["agrees"]), (&json!(true), &json!(false)));
    assert!(receipt.get("reason").is_none(), "{receipt}");
    say(&gateway, json!({"id": wrong, "task": "sentiment", "label": "negative"})).await;
    say(&gateway, json!({"id": id(&plain), "task": "sentiment", "label": "positive"})).await;
    say(&gateway, json!({"id": id(&plain), "task": "emotions", "emotions": ["love", "joy"]})).await;
    let said = json!([{"term": "shipping", "sentiment": "negative", "span": {"start": 25, "end": 33}},
        {"term": "product", "sentiment": "mixed"}]);
    say(&gateway, json!({"id": aspects, "task": "aspects", "aspects": said})).await;

    let arguments = ["learn", "--out", out.to_str().unwrap(), "--holdout", "0", "--format", "json"];
    let report = gateway.run(&arguments).await.json();
    assert_eq!(report["texts"], 8, "the last local text too, of which nothing is known: {report}");
    assert_eq!(
        report["sets"]["sentiment"],
        json!({"train": 6, "dev": 0, "by_people": 2, "by_llms": 4, "left_out": 1})
    );
    assert_eq!(report["feedback"]["all"], 4, "the later word replaces the earlier: {report}");
    assert_eq!(
        files(&out),
        [
            "aspects/kept/train.jsonl",
            "emotion/kept/train.jsonl",
            "sarcasm/kept/train.jsonl",
            "sentiment/kept/train.jsonl"
        ]
    );
    assert_eq!(
        lines(&out.join("sentiment/kept/train.jsonl")),
        [
            json!({"text": "The LLM is right.", "label": "neutral", "by": "llm"}),
            json!({"text": "The LLM is wrong.", "label": "negative", "by": "person"}),
            json!({"text": "Great, again.", "label": "positive", "by": "llm"}),
            json!({"text": CONTRAST, "label": "negative", "by": "llm"}),
            json!({"text": "Finally it is over.", "label": "positive", "by": "llm"}),
            json!({"text": "I love this phone.", "label": "positive", "by": "person"}),
        ]
    );
    assert_eq!(
        lines(&out.join("emotion/kept/train.jsonl")),
        [
            json!({"text": "Finally it is over.", "labels": ["relief"], "by": "llm"}),
            json!({"text": "I love this phone.", "labels": ["love", "joy"], "by": "person"}),
        ]
    );
    assert_eq!(
        lines(&out.join("aspects/kept/train.jsonl")),
        [json!({"text": CONTRAST, "aspects": [
            {"term": "shipping", "from": 25, "to": 33, "polarity": "negative"},
            {"term": "product", "from": 4, "to": 11, "polarity": "conflict"}], "by": "person"})]
    );
    let sarcasm = lines(&out.join("sarcasm/kept/train.jsonl"));
    assert_eq!(sarcasm.len(), 6, "those that an LLM answered: {sarcasm:?}");
    assert!(sarcasm.iter().all(|line| line["label"] == "not_sarcastic"), "the later answer counts");

    // What is held out is the same in every run, and is in one of both parts.
    let mut parts = Vec::new();
    for _ in 0..2 {
        let arguments = ["learn", "--out", out.to_str().unwrap(), "--holdout", "0.5"];
        let finished = gateway.run(&arguments).await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(finished.stdout.contains("sentiment/kept"), "{}", finished.stdout);
        let of = |part: &str| lines(&out.join(format!("sentiment/kept/{part}.jsonl")));
        parts.push((of("train"), of("dev")));
    }
    assert_eq!(parts[0], parts[1]);
    assert_eq!(parts[0].0.len() + parts[0].1.len(), 6);

    // Most worth a label: where the readers are at odds. None of which a person has spoken.
    let arguments = ["learn", "--export", "3", csv.to_str().unwrap()];
    let finished = gateway.run(&arguments).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let mut reader = csv::Reader::from_path(&csv).unwrap();
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>(),
        ["text", "label", "suggested", "by", "worth", "id"]
    );
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    let worth: Vec<f64> = rows.iter().map(|row| row[4].parse().unwrap()).collect();
    assert!(worth.is_sorted_by(|one, other| one >= other), "{worth:?}");
    for row in &rows {
        assert!(row[1].is_empty(), "{row:?}");
        assert!(
            !["The LLM is wrong.", "I love this phone.", CONTRAST].contains(&&row[0]),
            "{row:?}"
        );
    }

    // By its id a text can be forgotten, with what was said of it.
    let finished = gateway.run(&["learn", "--forget", &wrong]).await;
    assert!(finished.stdout.contains("1 kept text"), "{}", finished.stdout);
    gateway.run(&["learn", "--out", out.to_str().unwrap(), "--holdout", "0"]).await;
    let left = lines(&out.join("sentiment/kept/train.jsonl"));
    assert!(left.len() == 5 && left.iter().all(|line| line["text"] != "The LLM is wrong."));
    assert!(!gateway.log().contains("The LLM is"), "texts are not logged");
}

#[tokio::test]
async fn texts_that_are_nearly_alike_are_exported_once() {
    let double = Double::start().await;
    let setup = Setup::with(&double).set("learning.keep_texts", true);
    let csv = setup.path("label.csv");
    let gateway = setup.start().await;
    for number in 0..5 {
        let text = format!("Order {number} came late and the courier left it in the rain again.");
        gateway.sentiment(json!({"text": text})).await;
    }
    gateway.sentiment(json!({"text": "Nobody answers the telephone on Sundays."})).await;
    // Written at the latest when the next feedback or the next second comes.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    gateway.run(&["learn", "--export", "10", csv.to_str().unwrap()]).await;
    let rows = csv::Reader::from_path(&csv).unwrap().into_records().count();
    assert_eq!(rows, 2, "{}", std::fs::read_to_string(&csv).unwrap());
}

#[tokio::test]
async fn wrong_usage_of_learn_is_told() {
    // With a ledger on which nothing stands.
    let setup = Setup::local().start().await.kill();
    for (arguments, told) in [
        (&["learn"][..], "--out"),
        (&["learn", "--export", "0", "x.csv"], "--export"),
        (&["learn", "--export", "many", "x.csv"], "--export"),
        (&["learn", "--out", "x", "--holdout", "2"], "--holdout"),
        (&["learn", "--out", "x", "--forget", "a"], "--forget"),
    ] {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
    }
    let out = setup.path("set");
    let finished = setup.run(&["learn", "--out", out.to_str().unwrap()]).await;
    assert_eq!(finished.code, Some(0), "nothing to learn is no failure: {}", finished.stderr);
    assert!(!out.exists() || files(&out).is_empty());
}
