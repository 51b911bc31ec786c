//! Models of other makers: exports of Hugging Face's sequence classifiers, served by a line of
//! configuration. `training/tiny_models.py` makes those here, with PyTorch's logits beside them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::gateway::Setup;

const STARS: &str = "[classifier.labels]\n\"1 star\" = \"negative\"\n\"2 stars\" = \"negative\"\n\
                     \"3 stars\" = \"neutral\"\n\"4 stars\" = \"positive\"\n\"5 stars\" = \"positive\"\n";
const NUMBERED: &str = "[classifier.labels]\nLABEL_0 = \"negative\"\nLABEL_1 = \"neutral\"\n\
                        LABEL_2 = \"positive\"\n";

/// Which of ours each of the model's labels is, in the order of its logits.
const CASES: [(&str, &str, &[&str]); 3] = [
    ("tiny-distilbert", "", &["negative", "positive"]),
    ("tiny-bert", STARS, &["negative", "negative", "neutral", "positive", "positive"]),
    ("tiny-roberta", NUMBERED, &["negative", "neutral", "positive"]),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name)
}

/// What PyTorch makes of a text: a probability for each of our labels.
fn expected(logits: &Value, labels: &[&str]) -> impl Fn(&str) -> f64 {
    let logits: Vec<f64> = serde_json::from_value(logits.clone()).expect("logits are numbers");
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    let pairs: Vec<(String, f64)> =
        labels.iter().map(|label| (*label).to_owned()).zip(logits).collect();
    move |label| {
        let of_label = pairs.iter().filter(|(name, _)| name == label);
        of_label.map(|(_, logit)| logit.exp() / sum).sum()
    }
}

#[tokio::test]
async fn a_classifier_from_the_hub_gives_pytorchs_probabilities_under_our_labels() {
    for (name, mapping, labels) in CASES {
        let folder = fixture(name);
        let gateway =
            Setup::local().set("classifier.model", folder.display()).file(mapping).start().await;
        let texts = std::fs::read_to_string(folder.join("expected.json")).expect("it is there");
        let texts: Vec<Value> = serde_json::from_str(&texts).expect("it is JSON");
        for case in &texts {
            // What is in another language is believed less, whatever the model says.
            let asked = json!({"text": case["text"], "language": "en", "route": "local"});
            let verdict = gateway.sentiment(asked).await;
            let expected = expected(&case["logits"], labels);
            for label in ["negative", "neutral", "positive", "mixed"] {
                let score = verdict["scores"][label].as_f64().expect("a score is a number");
                assert!(
                    (score - expected(label)).abs() < 1e-4,
                    "{name}: {label} is {score}, not {}: {case}",
                    expected(label)
                );
            }
            assert_eq!(verdict["model"], name);
        }
    }
}

#[tokio::test]
async fn another_language_is_believed_at_most_half_by_a_model_of_two_labels_too() {
    let folder = fixture("tiny-distilbert");
    let gateway = Setup::local().set("classifier.model", folder.display()).start().await;
    for text in ["Das Essen war sehr gut und der Service freundlich.", "Это было ужасно."]
    {
        let verdict = gateway.sentiment(json!({"text": text, "route": "local"})).await;
        let confidence = verdict["confidence"].as_f64().expect("a confidence is a number");
        assert!(confidence <= 0.5, "{verdict}");
    }
}

#[tokio::test]
async fn heads_that_a_model_lacks_are_read_by_the_bundled_one() {
    let text = "Oh great, another update that breaks everything. Just what I needed.";
    let asked = json!({"text": text, "include": ["signals"], "route": "local"});
    let bundled = Setup::local().start().await.sentiment(asked.clone()).await;
    let folder = fixture("tiny-distilbert");
    let gateway = Setup::local().set("classifier.model", folder.display()).start().await;
    let other = gateway.sentiment(asked).await;
    let signal = |verdict: &Value, name: &str| {
        let signals = verdict["signals"].as_array().expect("signals are a list");
        let signal = signals.iter().find(|signal| signal["name"] == name).expect("it is listed");
        signal["value"].as_f64().expect("a value is a number")
    };
    // The head for sarcasm is the bundled model's; what follows for the routing hangs on both.
    let score = |verdict: &Value| verdict["sarcasm"]["score"].as_f64().expect("a number");
    assert!((score(&bundled) - score(&other)).abs() < 1e-6, "{bundled}, {other}");
    for name in ["sarcasm", "multi_aspect", "ambiguous", "out_of_domain"] {
        let [ours, theirs] = [&bundled, &other].map(|verdict| signal(verdict, name));
        assert!((0.0..=1.0).contains(&theirs), "{name}: {theirs}");
        assert!(name != "out_of_domain" || ours == theirs, "{ours}, {theirs}");
    }
    assert_ne!(bundled["scores"], other["scores"]);
}

#[tokio::test]
async fn a_label_without_a_meaning_is_refused_at_the_start() {
    let setup = Setup::local().set("classifier.model", fixture("tiny-roberta").display());
    let finished = setup.run(&["serve"]).await;
    assert_eq!(finished.code, Some(1));
    for part in ["LABEL_0", "classifier.labels"] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    let partly = "[classifier.labels]\nLABEL_0 = \"negative\"\nLABEL_1 = \"neutral\"\n";
    let finished = setup.file(partly).run(&["serve"]).await;
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("\"LABEL_2\" ="), "{}", finished.stderr);
    assert!(!finished.stderr.contains("\"LABEL_1\" ="), "{}", finished.stderr);
}

#[tokio::test]
async fn the_list_shows_precision_size_and_milliseconds() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let models = models.display().to_string();
    let setup = Setup::local();
    let finished =
        setup.run(&["models", "list", "--models-dir", &models, "--format", "json"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let listed: Value = serde_json::from_str(&finished.stdout).expect("it is JSON");
    let text = listed.to_string();
    assert!(text.contains("undertone-mini") && text.contains("int8"), "{text}");
    let finished =
        setup.run(&["models", "verify", "undertone-mini", "--models-dir", &models]).await;
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
}
