//! The Flink SQL jobs of deploy/flink, run by a real Flink on a bounded input: what comes to the worker, and
//! whether their windows are the gateway's.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup};
use crate::postgres::server::Database;
use crate::worker::kafka::Broker;
use crate::worker::{PATIENCE, Topics, Worker};

const TEXTS: [&str; 6] = [
    "I love the screen of this phone.",
    "The courier was rude and the box was torn.",
    "Great camera, terrible battery.",
    "It arrived on Monday.",
    "Oh great, another update that breaks everything.",
    "The  BATTERY\tlasts all day, what a joy!",
];

#[tokio::test]
#[ignore = "needs PostgreSQL, Kafka and Flink: make test-all"]
async fn from_a_raw_topic_to_the_windows_that_a_gateway_makes_itself() {
    let broker = Broker::shared();
    let topics = Topics::new(broker, 2);
    let raw = format!("{}.raw", topics.input);
    broker.topic(&raw, 2);
    let records = raw_records();
    topics.append_to(&raw, records.iter().map(|(key, value)| (*key, Some(value.as_bytes()))), None);

    run_job("before", &[("RAW_TOPIC", &raw), ("INPUT_TOPIC", &topics.input)], broker);
    // 60 texts, and what is no JSON once for each way in which it is none.
    let passed = topics.read(&topics.input, 62);
    assert_eq!(passed.len(), 62, "duplicates and blank texts stay behind");
    for (key, value) in records.iter().skip(2).take(3) {
        let is_it = |seen: &&crate::worker::Seen| seen.value.as_deref() == Some(value.as_bytes());
        let found: Vec<_> = passed.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{value}");
        assert_eq!(found[0].key.as_deref(), Some(key.as_bytes()), "under its own key");
    }

    let database = Database::new();
    let stream = |setup: Setup| {
        topics
            .of(setup)
            .set("stream.key_field", "/brand")
            .set("stream.time_field", "/at")
            .set("stream.tasks", r#"["sentiment","aspects","emotions"]"#)
    };
    let worker = Worker::start(&stream(Setup::local()));
    assert_eq!(topics.read(&topics.output, 60).len(), 60);
    assert_eq!(topics.read(&topics.dead, 2).len(), 2, "what is no JSON is found again");
    assert!(worker.terminate().await.success());

    // Its tables are made by a gateway, which then leaves the topic to the job.
    let flinks = stream(Setup::local())
        .set("store.url", database.url())
        .set("trends.topic_windows", "flink")
        .start()
        .await;
    let url = database.url();
    let jdbc = url.replace("postgres://undertone@", "jdbc:postgresql://");
    assert_ne!(jdbc, url, "the test's own server has a user undertone and no password");
    let after =
        [("OUTPUT_TOPIC", topics.output.as_str()), ("JDBC_URL", &jdbc), ("DB_USER", "undertone")];
    run_job("after", &after, broker);
    let own = stream(Setup::local()).start().await;
    let mine = settled(&own, 60).await;
    let flink = settled(&flinks, 60).await;
    assert_eq!(flink, mine);
    assert!(mine.len() > 6, "several windows and keys: {mine:?}");
    let aspects: usize =
        mine.iter().filter_map(|window| window["aspects"].as_array()).map(Vec::len).sum();
    assert!(aspects > 0, "{mine:?}");
    assert!(mine.iter().any(|window| window["emotions"] != json!({})), "{mine:?}");
    // Again from the start, as after the loss of a checkpoint: the same rows.
    run_job("after", &after, broker);
    assert_eq!(settled(&flinks, 60).await, mine);
}

/// 60 texts of three brands and none over ten minutes, with duplicates, blanks and what is no JSON between.
fn raw_records() -> Vec<(&'static str, String)> {
    let keys = ["a", "b", "c", "d", "e"];
    let mut records = Vec::new();
    for number in 0..60 {
        let key = keys[number % keys.len()];
        let mut record = json!({
            "id": format!("id-{number}"),
            "text": TEXTS[number % TEXTS.len()],
            "at": format!("2026-03-01T10:{:02}:{:02}.250Z", number / 6, number % 60),
        });
        if let Some(brand) = [Some("acme"), Some("zeta"), Some(""), None][number % 4] {
            record["brand"] = json!(brand);
        }
        records.push((key, record.to_string()));
        if number % 3 == 0 {
            // Sent again by somebody who lost the answer, not byte for byte the same.
            record["again"] = json!(true);
            records.push((key, record.to_string()));
        }
    }
    for value in
        ["{\"id\": \"blank\", \"text\": \" \\t \"}", "not JSON", "not JSON", "{\"text\": 7"]
    {
        records.push(("x", value.to_owned()));
    }
    records
}

/// Runs one of the jobs until it has read what is there.
#[track_caller]
fn run_job(job: &str, variables: &[(&str, &str)], broker: &Broker) {
    let start = Instant::now();
    let done = python(&["deploy/flink/run.py", job])
        .env("BROKERS", broker.address())
        .env("BOUNDED", "latest-offset")
        .env("GROUP", variables[0].1)
        .env("HEAP", "700m")
        .envs(variables.iter().copied())
        .output()
        .expect("python3 can be started");
    assert!(done.status.success(), "{}", said(&done));
    println!("Flink's job {job} took {:.1} s", start.elapsed().as_secs_f64());
}

fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// The windows of the day of the texts, once all are counted.
async fn settled(gateway: &Gateway, texts: u64) -> Vec<Value> {
    let query = "/v1/trends?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z";
    let start = Instant::now();
    loop {
        let answer = gateway.get(query).await.ok();
        let windows = answer["windows"].as_array().expect("a list");
        let counted: u64 = windows.iter().filter_map(|window| window["count"].as_u64()).sum();
        if counted == texts {
            return windows.clone();
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{counted} of {texts} texts: {answer}\n{}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
