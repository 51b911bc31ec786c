//! The behaviour suite (`tests/behaviour`): how it is measured, and the floors under the bundled model.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::gateway::{Finished, Setup};

/// Thousands of texts, read in a debug build beside other tests.
const PATIENCE: Duration = Duration::from_secs(600);

/// Fewer would say little of a kind.
const FEWEST_CASES: u64 = 30;

async fn measure(setup: &Setup, folder: &Path, strategies: &str, more: &[&str]) -> Finished {
    let folder = folder.to_str().expect("the path is UTF-8");
    let base = ["evaluate", "--suite", folder, "--strategies", strategies];
    setup.run_within(PATIENCE, &[&base, more].concat()).await
}

#[track_caller]
fn report(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    serde_json::from_str(&finished.stdout).expect("it prints JSON")
}

#[tokio::test]
async fn a_suite_is_measured_kind_by_kind() {
    let setup = Setup::local();
    let folder = setup.path("suite");
    fs::create_dir(&folder).expect("the folder can be written");
    let praise = "{\"about\": \"Praise.\"}\n\
        {\"text\": \"I love it, it is perfect.\", \"labels\": [\"positive\"]}\n\
        {\"text\": \"Terrible. I hate it.\", \"labels\": [\"positive\"]}\n";
    let form = "{\"about\": \"Form.\"}\n\
        {\"text\": \"I love it.\", \"edited\": \"i love it\", \"expect\": \"unchanged\"}\n\
        {\"text\": \"I love it.\", \"edited\": \"I hate it.\", \"expect\": \"not_lower\"}\n";
    fs::write(folder.join("praise.jsonl"), praise).expect("the folder can be written");
    fs::write(folder.join("form.jsonl"), form).expect("the folder can be written");
    fs::write(folder.join("README.md"), "No kind.").expect("the folder can be written");

    let report =
        report(&measure(&setup, &folder, "lexicon,local,cascade", &["--format", "json"]).await);
    assert_eq!(report["suite"]["kinds"], 2);
    assert_eq!(report["suite"]["texts"], 5, "a text of two cases is read once");
    for strategy in ["lexicon", "local"] {
        let figures = &report["strategies"][strategy];
        let half = json!({"cases": 2, "right": 0.5, "wrong_not_escalated": 0.5, "escalated": 0.0});
        assert_eq!(figures["kinds"], json!({"form": half, "praise": half}), "{strategy}");
        assert_eq!((&figures["cases"], &figures["right"]), (&json!(4), &json!(0.5)));
    }
    let table = measure(&setup, &folder, "local", &[]).await;
    assert!(table.stdout.contains("wrong, not escalated"), "{}", table.stdout);
    assert!(table.stdout.contains("50.0 %"), "{}", table.stdout);
}

#[tokio::test]
async fn harmless_edits_of_a_file_are_counted_by_label_and_by_route() {
    let setup = Setup::local();
    let data = setup.path("data.csv");
    let rows = "text,label\n\"I LOVE it, it's perfect.\",positive\nTerrible service,negative\n";
    fs::write(&data, rows).expect("the file can be written");
    let data = data.to_str().expect("the path is UTF-8");
    let base = ["evaluate", "--edits", "--data", data, "--strategies", "lexicon,cascade"];
    let finished = setup.run_within(PATIENCE, &[&base[..], &["--format", "json"]].concat()).await;
    let report = report(&finished);
    // A word in capitals counts for more in the lexicon, and its label stays.
    let lower = &report["strategies"]["lexicon"]["kinds"]["lower_case"];
    assert_eq!(*lower, json!({"texts": 2, "label_changed": 0.0, "route_changed": 0.0}));
    let cascade = &report["strategies"]["cascade"];
    let kinds = cascade["kinds"].as_object().expect("an object");
    assert_eq!(kinds.len(), 10, "each edit changes one of the texts: {kinds:?}");
    assert_eq!(kinds["curly_quotes"]["texts"], 1);
    assert_eq!(kinds["blanks"]["label_changed"], 0.0, "the tokenizer folds white space");
    let table = setup.run_within(PATIENCE, &base).await;
    assert!(table.stdout.contains("route changed"), "{}", table.stdout);
    assert!(table.stdout.contains("swapped_letters"), "{}", table.stdout);
}

#[tokio::test]
async fn a_suite_that_cannot_be_measured_is_refused_by_file_and_line() {
    let setup = Setup::local();
    let folder = setup.path("suite");
    let refused = async |told: &str| {
        let finished = measure(&setup, &folder, "lexicon", &[]).await;
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
    };
    refused("suite cannot be read").await;
    fs::create_dir(&folder).expect("the folder can be written");
    refused("holds no kind").await;
    let both =
        "{\"about\": \"A kind.\"}\n{\"text\": \"a\", \"labels\": [\"positive\", \"negative\"]}\n";
    fs::write(folder.join("kind.jsonl"), both).expect("the folder can be written");
    refused("kind.jsonl: line 2: `labels` accepts both positive and negative").await;
}

/// The floors rise with each model. One may fall by a text with a decision record that says why.
#[tokio::test]
async fn the_bundled_model_keeps_its_floors_in_every_kind() {
    let setup = Setup::local();
    let folder = folder();
    let report = report(&measure(&setup, &folder, "local,cascade", &["--format", "json"]).await);
    let path = folder.join("floors.json");
    if let Some(how) = std::env::var_os("UPDATE_FLOORS") {
        let mut floors = floors(&report);
        if how != "lower" {
            let earlier = fs::read_to_string(&path).expect("there are floors");
            keep_raised(&mut floors, &serde_json::from_str(&earlier).expect("the floors are JSON"));
        }
        let floors = serde_json::to_string_pretty(&floors).expect("it is JSON");
        fs::write(&path, floors + "\n").expect("the floors can be written");
    }
    let floors: Value = serde_json::from_str(&fs::read_to_string(&path).expect("there are floors"))
        .expect("the floors are JSON");
    let mut fallen = Vec::new();
    let floors = floors.as_object().expect("an object");
    let measured = &report["strategies"];
    let kinds = measured["cascade"]["kinds"].as_object().expect("an object");
    assert_eq!(
        kinds.keys().collect::<Vec<_>>(),
        floors.keys().collect::<Vec<_>>(),
        "each kind has a floor: run UPDATE_FLOORS=1 cargo test --test suite behaviour"
    );
    for (kind, floor) in floors {
        let number = |strategy: &str, figure: &str| {
            measured[strategy]["kinds"][kind][figure].as_f64().expect("a number")
        };
        let limit = |figure: &str| floor[figure].as_f64().expect("a number");
        let cases = kinds[kind]["cases"].as_u64().expect("a number");
        assert!(cases >= FEWEST_CASES, "{kind} has {cases} cases");
        let (right, kept) = (number("local", "right"), number("cascade", "wrong_not_escalated"));
        if right < limit("right") - 1e-6 {
            fallen.push(format!("{kind}: right {right}, its floor is {}", limit("right")));
        }
        if kept > limit("wrong_not_escalated") + 1e-6 {
            let limit = limit("wrong_not_escalated");
            fallen.push(format!("{kind}: wrong and not escalated {kept}, at most {limit}"));
        }
    }
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/behaviour")
}

/// Keeps each floor that is higher than what was measured now: the test says which ones.
fn keep_raised(floors: &mut Map<String, Value>, earlier: &Map<String, Value>) {
    for (kind, floor) in floors {
        let Some(earlier) = earlier.get(kind) else { continue };
        let of = |floor: &Value, figure: &str| floor[figure].as_f64().expect("a number");
        for (figure, better) in
            [("right", f64::max as fn(f64, f64) -> f64), ("wrong_not_escalated", f64::min)]
        {
            floor[figure] = json!(better(of(floor, figure), of(earlier, figure)));
        }
    }
}

/// What is right locally, and what is wrong and not escalated by the cascade, in each kind.
fn floors(report: &Value) -> Map<String, Value> {
    let figure = |strategy: &str, kind: &str, figure: &str| {
        report["strategies"][strategy]["kinds"][kind][figure].clone()
    };
    let kinds = report["strategies"]["cascade"]["kinds"].as_object().expect("an object");
    kinds
        .keys()
        .map(|kind| {
            let floor = json!({
                "right": figure("local", kind, "right"),
                "wrong_not_escalated": figure("cascade", kind, "wrong_not_escalated"),
            });
            (kind.clone(), floor)
        })
        .collect()
}
