//! `undertone analyze`: a file of texts in, the same file with the verdicts added out.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::double::{Double, Gate, Script, Tokens};
use crate::gateway::{Finished, Setup};
use crate::money;

const COLUMNS: [&str; 8] = [
    "undertone_label",
    "undertone_confidence",
    "undertone_scores",
    "undertone_sarcasm",
    "undertone_route",
    "undertone_reasons",
    "undertone_cost_usd",
    "undertone_error",
];

/// Quotes, commas, line breaks, spaces at the ends, bytes that are not UTF-8 beside the text.
const REVIEWS: &[u8] = b"id,text,note\n\
    1,\"I love it, it is \"\"perfect\"\".\",\" kept \"\n\
    2,\"Terrible.\nIt broke\nat once.\",\xff\xfe\n\
    007,It is a lamp.,=1+1\n\
    4,\"The screen is gorgeous but the battery dies by noon.\",\n";

pub type Rows = Vec<csv::ByteRecord>;

pub fn rows(bytes: &[u8]) -> Rows {
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.has_headers(false).flexible(true).from_reader(bytes);
    reader.byte_records().map(|row| row.expect("memory can be read")).collect()
}

/// A cell, by the name of its column.
pub fn cell(rows: &Rows, row: usize, column: &str) -> String {
    let at =
        rows[0].iter().position(|name| name == column.as_bytes()).expect("the column is there");
    String::from_utf8_lossy(&rows[row][at]).into_owned()
}

pub fn column(rows: &Rows, name: &str) -> Vec<String> {
    (1..rows.len()).map(|row| cell(rows, row, name)).collect()
}

pub fn write(setup: &Setup, name: &str, content: impl AsRef<[u8]>) {
    fs::write(setup.path(name), content).expect("the folder can be written");
}

pub fn read(setup: &Setup, name: &str) -> Vec<u8> {
    fs::read(setup.path(name)).expect("the file is there")
}

#[track_caller]
pub fn check_code(finished: &Finished, code: i32) {
    assert_eq!(finished.code, Some(code), "{}{}", finished.stdout, finished.stderr);
}

/// A CSV file of so many different texts.
pub fn texts(count: usize) -> String {
    let line = |n| format!("{n},\"It is what it is, number {n}.\"\n");
    "id,text\n".to_owned() + &(1..=count).map(line).collect::<String>()
}

/// A text that shares a pass may differ in the last digit from the same read alone, and which texts
/// do is chance: where runs are compared byte by byte, each is read alone.
fn alone() -> Setup {
    Setup::local().set("classifier.batch_size", 1)
}

#[tokio::test]
async fn csv_comes_out_as_it_went_in_with_the_verdicts_added() {
    let setup = alone();
    write(&setup, "in.csv", REVIEWS);
    let finished = setup.run(&["analyze", "in.csv", "--output", "out.csv"]).await;
    check_code(&finished, 0);
    assert_eq!(finished.stdout, "");
    let (before, after) = (rows(REVIEWS), rows(&read(&setup, "out.csv")));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert!(before.iter().eq(after.iter().take(3)), "{before:?} {after:?}");
        assert_eq!(after.len(), 3 + COLUMNS.len());
    }
    assert!(after[0].iter().skip(3).eq(COLUMNS.map(str::as_bytes)), "{:?}", after[0]);
    assert_eq!(cell(&after, 1, "undertone_label"), "positive");
    assert_eq!(cell(&after, 2, "undertone_label"), "negative");
    assert_eq!(cell(&after, 4, "undertone_reasons"), "multi_aspect");
    assert_eq!(column(&after, "undertone_route"), ["local"; 4]);
    assert_eq!(column(&after, "undertone_cost_usd"), ["0"; 4]);
    let scores: Value = serde_json::from_str(&cell(&after, 1, "undertone_scores")).unwrap();
    let confidence: f64 = cell(&after, 1, "undertone_confidence").parse().unwrap();
    assert_eq!(scores["positive"].as_f64(), Some(confidence));
    assert!(!setup.path("out.csv.partial").exists());
    let report = setup.run(&["costs", "--format", "json"]).await.json();
    assert_eq!(report["total"]["local"], 4, "each row counts as any text does: {report}");
    let one = setup.run(&["analyze", "in.csv", "--batch-size", "1"]).await;
    check_code(&one, 0);
    assert_eq!(rows(one.stdout.as_bytes()).len(), 5, "without --output the rows go to stdout");
    assert_eq!(
        column(&rows(one.stdout.as_bytes()), "undertone_scores"),
        column(&after, "undertone_scores")
    );
}

#[tokio::test]
async fn aspects_and_emotions_are_columns_of_their_own() {
    let setup = Setup::local();
    let text = "The product is great but shipping was terrible";
    write(&setup, "in.csv", format!("text\n{text}\nI ordered it on Monday.\n"));
    let tasks = ["--task", "aspects,emotions", "--output", "out.csv"];
    let finished = setup.run(&[&["analyze", "in.csv"], tasks.as_slice()].concat()).await;
    check_code(&finished, 0);
    let after = rows(&read(&setup, "out.csv"));
    assert!(after[0].iter().all(|name| name != b"undertone_label"), "{:?}", after[0]);
    let aspects: Value =
        serde_json::from_str(&cell(&after, 1, "undertone_aspects")).expect("it is JSON");
    let found: Vec<_> = aspects
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["term"].as_str(), one["sentiment"].as_str(), one["span"]["start"].as_u64()))
        .collect();
    assert_eq!(
        found,
        [
            (Some("product"), Some("positive"), Some(4)),
            (Some("shipping"), Some("negative"), Some(25))
        ]
    );
    assert_eq!(cell(&after, 2, "undertone_aspects"), "[]");
    assert_eq!(cell(&after, 2, "undertone_emotion"), "neutral");
}

#[tokio::test]
async fn json_lines_keep_every_byte_of_their_objects() {
    let setup = Setup::local();
    let lines = [
        r#"{ "id": 1.10, "text": "I love it, it is perfect.", "big": 12345678901234567890 }"#,
        r#"{"text":"caf\u00e9 was awful, never again","z":1,"a":[1, 2]}"#,
    ];
    write(&setup, "in.jsonl", lines.join("\n"));
    let finished = setup.run(&["analyze", "in.jsonl"]).await;
    check_code(&finished, 0);
    let written: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(written.len(), 2);
    for (before, after) in lines.iter().zip(&written) {
        let kept = before.trim_end_matches('}').trim_end();
        assert!(after.starts_with(kept), "{after}");
        let object: Value = serde_json::from_str(after).unwrap();
        assert!(object["undertone_reasons"].is_array() && object["undertone_scores"].is_object());
        assert!(object.get("undertone_error").is_none(), "{after}");
    }
}

#[tokio::test]
async fn bad_rows_keep_their_place_and_are_told_by_line() {
    let setup = Setup::local();
    let long = "long ".repeat(4_001);
    let csv = [
        b"id,text\n1,I love it.\n2,\"secret\n\"\"quoted\"\"\",more\n3\n4, \n5,\xff secret\n6,"
            .as_slice(),
        long.as_bytes(),
        b"\n7,I hate it.\n",
    ]
    .concat();
    write(&setup, "in.csv", &csv);
    let finished = setup.run(&["analyze", "in.csv", "--output", "out.csv"]).await;
    check_code(&finished, 1);
    let written = rows(&read(&setup, "out.csv"));
    assert_eq!(column(&written, "id"), ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(
        column(&written, "undertone_error"),
        [
            "",
            "line 3: the row has 3 fields and the header has 2",
            "line 5: the row has 1 field and the header has 2",
            "line 6: the text is blank",
            "line 7: the text is not UTF-8",
            "line 8: the text has 20005 characters; the limit is 20000",
            ""
        ]
    );
    assert_eq!(cell(&written, 7, "undertone_label"), "negative");
    for line in [3, 5, 6, 7, 8] {
        assert!(finished.stderr.contains(&format!("line {line}: ")), "{}", finished.stderr);
    }
    assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);

    let json = b"{\"text\":\"I love it.\"}\nsecret\n\n{\"text\":5}\n{\"body\":\"x\"}\n\xff\n";
    write(&setup, "in.json", json);
    let finished = setup.run(&["analyze", "in.json"]).await;
    check_code(&finished, 1);
    let errors: Vec<Value> = finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["undertone_error"].clone())
        .collect();
    let expected = [
        Value::Null,
        "line 2: the line is not JSON: expected value at column 1".into(),
        "line 4: the field \"text\" is not a string".into(),
        "line 5: the field \"text\" is missing".into(),
        "line 6: the line is not UTF-8".into(),
    ];
    assert_eq!(errors, expected);

    write(&setup, "many.csv", "text\n".to_owned() + &"\" \"\n".repeat(30));
    let finished = setup.run(&["analyze", "many.csv"]).await;
    assert_eq!(finished.stderr.matches("is blank").count(), 20, "{}", finished.stderr);
    assert!(finished.stderr.contains("10 more rows"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_torn_output_is_gone_on_with_as_if_nothing_had_happened() {
    let setup = alone();
    write(&setup, "in.csv", REVIEWS);
    write(&setup, "in.jsonl", "{\"text\":\"I love it.\"}\nnothing\n{\"text\":\"I hate it.\"}\n");
    for (input, output, code) in [("in.csv", "out.csv", 0), ("in.jsonl", "out.jsonl", 1)] {
        let command = ["analyze", input, "--output", output];
        check_code(&setup.run(&command).await, code);
        let whole = read(&setup, output);
        let breaks = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let after_breaks: Vec<usize> = breaks.map(|(at, _)| at + 1).collect();
        let cuts = after_breaks.iter().flat_map(|at| [*at, at.saturating_sub(9)]).chain([0, 5]);
        for cut in cuts {
            write(&setup, output, &whole[..cut]);
            check_code(&setup.run(&command).await, code);
            assert_eq!(read(&setup, output), whole, "{output} cut at {cut}");
        }
    }
}

#[tokio::test]
async fn an_output_of_something_else_is_refused_and_left_alone() {
    let setup = Setup::local();
    write(&setup, "in.csv", REVIEWS);
    write(&setup, "other.csv", texts(4));
    check_code(&setup.run(&["analyze", "other.csv", "--output", "done.csv"]).await, 0);
    write(&setup, "mine.txt", "my notes");
    write(&setup, "in.jsonl", "{\"text\": \"I love it.\"}\n");
    write(&setup, "mine.json", "{\"mine\": true}");
    for (input, output) in [
        ("in.csv", "done.csv"),
        ("in.csv", "mine.txt"),
        ("in.csv", "in.csv"),
        ("in.jsonl", "mine.json"),
        ("in.jsonl", "done.csv"),
    ] {
        let before = read(&setup, output);
        let finished = setup.run(&["analyze", input, "--output", output]).await;
        check_code(&finished, 2);
        assert!(finished.stderr.contains("--output"), "{}", finished.stderr);
        assert_eq!(read(&setup, output), before);
    }
}

#[tokio::test]
async fn wrong_usage_says_what_there_is() {
    let setup = Setup::local();
    write(&setup, "in.csv", REVIEWS);
    write(&setup, "array.json", "[{\"text\": \"a\"}]");
    for (arguments, told) in [
        (&["analyze", "in.csv", "--text-column", "body"][..], "id, text, note"),
        (&["analyze", "in.csv", "--task", "colour"], "sentiment"),
        (&["analyze", "in.csv", "--route", "best"], "auto, local or llm"),
        (&["analyze", "in.csv", "--max-cost-usd", "-1"], "--max-cost-usd"),
        (&["analyze", "array.json"], "JSON lines"),
    ] {
        let finished = setup.run(arguments).await;
        check_code(&finished, 2);
        assert!(finished.stderr.contains(told), "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
    check_code(&setup.run(&["analyze", "nowhere.csv"]).await, 1);
}

#[tokio::test]
async fn past_the_ceiling_rows_stay_local() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    write(&setup, "in.csv", texts(10));
    for (route, reason) in [("auto", "ambiguous"), ("llm", "requested")] {
        let before = double.requests().len();
        let output = format!("{route}.csv");
        let finished = setup
            .run(&[
                "analyze",
                "in.csv",
                "--max-cost-usd",
                "0.012",
                "--route",
                route,
                "--output",
                &output,
            ])
            .await;
        check_code(&finished, 0);
        let written = rows(&read(&setup, &output));
        let routes = column(&written, "undertone_route");
        let answered = routes.iter().filter(|route| *route == "llm").count();
        assert!((1..10).contains(&answered), "{routes:?}");
        assert_eq!(double.requests().len() - before, answered);
        let reasons = column(&written, "undertone_reasons");
        assert!(reasons.iter().all(|reasons| reasons.contains(reason)), "{reasons:?}");
        assert_eq!(column(&written, "undertone_error"), [""; 10]);
        let costs = column(&written, "undertone_cost_usd");
        let total: money::Pico = costs.iter().map(|cost| money::pico(cost).unwrap()).sum();
        assert!(total > 0 && total <= money::pico("0.012").unwrap(), "{costs:?}");
        assert!(finished.stderr.contains("over budget"), "{}", finished.stderr);
    }
}

#[tokio::test]
async fn an_answer_that_had_arrived_before_a_kill_is_not_paid_for_again() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    write(&setup, "in.csv", texts(8));
    let gate = Gate::shut();
    double.script([Script::answer("negative").behind(&gate)]);
    double.otherwise(Script::answer("negative"));
    let command = ["analyze", "in.csv", "--output", "out.csv", "--team", "care"];
    let mut child = setup.spawn(&command);
    let lines = |name: &str| {
        fs::read(setup.path(name)).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
    };
    let started = Instant::now();
    // The header, the run's name, and all rows but the one behind the gate.
    while lines("out.csv") + lines("out.csv.partial") < 9 {
        assert!(started.elapsed() < Duration::from_secs(60), "no answers are kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().expect("it runs");
    child.wait().expect("it was started here");
    gate.open();
    assert_eq!(double.requests().len(), 8);
    let finished = setup.run(&command).await;
    check_code(&finished, 0);
    assert_eq!(double.requests().len(), 9, "only the call in flight is made again");
    let written = rows(&read(&setup, "out.csv"));
    assert_eq!(column(&written, "id"), ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(column(&written, "undertone_route"), ["llm"; 8]);
    assert!(!setup.path("out.csv.partial").exists());
    let report = setup.run(&["costs", "--group-by", "team", "--format", "json"]).await.json();
    assert_eq!(report["rows"][0]["group"]["team"], "care", "{report}");
}

#[tokio::test]
async fn calls_lost_at_a_kill_count_against_the_ceiling_of_the_resumed_run() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    write(&setup, "in.csv", texts(2));
    write(&setup, "probe.csv", texts(1));
    check_code(&setup.run(&["analyze", "probe.csv", "--output", "probe-out.csv"]).await, 0);
    let probe = double.requests().pop().expect("it was asked about");
    let tokens = Tokens::of(probe.raw.len() as u64, probe.max_tokens());
    // Room for one call and no second one.
    let ceiling = money::decimal(money::cost(&double.bill().0[0].model, &tokens) * 3 / 2);
    let command = [
        "analyze",
        "in.csv",
        "--output",
        "out.csv",
        "--batch-size",
        "1",
        "--max-cost-usd",
        &ceiling,
    ];
    double.script([Script::hang()]);
    let mut child = setup.spawn(&command);
    double.arrived(2).await;
    child.kill().expect("it runs");
    child.wait().expect("it was started here");
    let finished = setup.run(&command).await;
    check_code(&finished, 0);
    assert_eq!(double.requests().len(), 2, "what was lost may have been billed: no second call");
    assert!(finished.stderr.contains("of the ceiling (--max-cost-usd)"), "{}", finished.stderr);
    let written = rows(&read(&setup, "out.csv"));
    assert_eq!(column(&written, "undertone_route"), ["local"; 2]);
}

#[tokio::test]
async fn an_interrupted_run_finishes_what_it_has_taken_and_can_go_on() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    write(&setup, "in.csv", texts(12));
    let gate = Gate::shut();
    double.otherwise(Script::answer("positive").behind(&gate));
    let command = ["analyze", "in.csv", "--output", "out.csv", "--batch-size", "3"];
    let mut child = setup.spawn(&command);
    double.arrived(3).await;
    let sent = std::process::Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .expect("there is a shell");
    assert!(sent.success());
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.open();
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(rows(&read(&setup, "out.csv")).len(), 4, "the header and the rows taken");
    check_code(&setup.run(&command).await, 0);
    assert_eq!(rows(&read(&setup, "out.csv")).len(), 13);
    assert_eq!(double.requests().len(), 12);
}

#[tokio::test]
async fn an_estimate_calls_nobody() {
    let double = Double::start().await;
    let setup = Setup::with(&double).escalating();
    write(&setup, "in.csv", texts(40));
    let estimate = setup.run(&["analyze", "in.csv", "--estimate", "--format", "json"]).await.json();
    assert_eq!((&estimate["rows"], &estimate["sampled"]), (&40.into(), &40.into()), "{estimate}");
    assert_eq!(estimate["escalated"]["likely"], 1.0, "{estimate}");
    let usd = |value: &Value| money::pico(value.as_str().unwrap()).unwrap();
    let cost = &estimate["cost_usd"];
    assert!(usd(&cost["likely"]) > 0 && usd(&cost["high"]) < usd(&estimate["at_most_usd"]));
    let table = setup.run(&["analyze", "in.csv", "--estimate"]).await;
    check_code(&table, 0);
    for word in ["rows", "to the LLM", "cost", "at most", "time"] {
        assert!(table.stdout.contains(word), "{}", table.stdout);
    }
    assert_eq!(double.requests().len(), 0);
    assert!(!setup.path("undertone.db").exists(), "an estimate is no use of the gateway");
}

#[tokio::test]
async fn a_short_queue_makes_rows_wait_rather_than_fail() {
    let setup = Setup::local().set("classifier.queue", 1);
    write(&setup, "in.csv", texts(60));
    let finished = setup.run(&["analyze", "in.csv"]).await;
    check_code(&finished, 0);
    let written = rows(finished.stdout.as_bytes());
    assert_eq!(column(&written, "undertone_error"), [""; 60]);
}
