//! The Faust app of deploy/faust: a topic through the gateway's own batch route, at least once.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::gateway::Setup;
use crate::verdict::check_shape;
use crate::worker::Topics;
use crate::worker::kafka::Broker;

/// Ended with the test, whatever comes of it; with the file that it logs to.
struct App(Child, PathBuf);

impl App {
    fn start(topics: &Topics, url: &str, log: PathBuf) -> App {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/faust");
        let python = folder.join(".venv/bin/python");
        assert!(python.exists(), "Faust is missing, and its test needs it: run `make faust`");
        let data = std::env::temp_dir().join(format!("undertone-faust-{}", topics.input));
        let started = Command::new(python)
            .args(["-m", "faust", "-A", "app", "worker", "-l", "warn", "--without-web"])
            .current_dir(folder)
            .env("FAUST_DATADIR", data)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("BROKERS", topics.broker.address())
            .env("GROUP", format!("faust-{}", topics.input))
            .env("INPUT_TOPIC", &topics.input)
            .env("OUTPUT_TOPIC", &topics.output)
            .env("DEAD_LETTER_TOPIC", &topics.dead)
            .env("KEY_FIELD", "brand")
            .env("UNDERTONE_URL", url)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("it can be written"))
            .spawn();
        App(started.expect("python can be started"), log)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs Kafka and Faust: make test-all"]
async fn a_topic_goes_through_the_batch_route_and_waits_for_a_gateway_that_is_away() {
    let topics = Topics::new(Broker::shared(), 2);
    let gateway = Setup::local().start().await;
    let url = gateway.client().base().to_owned();
    let app = App::start(&topics, &url, gateway.path("faust.log"));
    let long = json!({"text": "x".repeat(20_001)}).to_string();
    let records: Vec<(String, String)> = (0..40)
        .map(|number| {
            let text = format!("I love number {number}.");
            (format!("k{number}"), json!({"text": text, "brand": "acme"}).to_string())
        })
        .chain([("bad".into(), "not JSON".into()), ("long".into(), long)])
        .chain([("blank".into(), json!({"text": " "}).to_string())])
        .collect();
    topics.append(records.iter().map(|(key, value)| (key.as_str(), Some(value.as_bytes()))));
    let seen = topics.read(&topics.output, 40);
    assert_eq!(seen.len(), 40, "nothing failed, so nothing is there twice");
    for result in &seen {
        let value = result.json();
        assert_eq!(
            (&value["key"], &value["input"]["topic"]),
            (&json!("acme"), &json!(topics.input))
        );
        check_shape(&value["sentiment"]);
        let (partition, offset) = result.origin();
        assert!((0..2).contains(&partition) && offset >= 0);
    }
    let dead = topics.read(&topics.dead, 3);
    let mut faults: Vec<(String, String)> = dead
        .iter()
        .map(|letter| {
            let key = String::from_utf8(letter.key.clone().expect("its own key")).expect("UTF-8");
            let sent = records.iter().find(|(name, _)| *name == key).expect("one that was sent");
            assert_eq!(letter.value.as_deref(), Some(sent.1.as_bytes()), "as it came");
            (key, letter.headers["__connect.errors.exception.message"].clone())
        })
        .collect();
    faults.sort();
    assert_eq!(faults.len(), 3);
    for ((key, message), (expected, words)) in
        faults.iter().zip([("bad", "not JSON"), ("blank", "text"), ("long", "20000")])
    {
        assert!(key == expected && message.contains(words), "{key}: {message}");
    }
    // What is sent while nobody answers is analysed once somebody does.
    let port = gateway.port().to_owned();
    let setup = gateway.kill();
    let value = json!({"text": "I hate waiting.", "brand": "late"}).to_string();
    topics.append([("late", Some(value.as_bytes()))]);
    let listen = format!("127.0.0.1:{port}");
    let gateway = setup.set("server.listen", &listen).start().await;
    let seen = topics.read(&topics.output, 41);
    let late: Vec<Value> =
        seen.iter().map(|one| one.json()).filter(|one| one["key"] == "late").collect();
    assert!(!late.is_empty() && late[0]["sentiment"]["label"] == "negative", "{late:?}");
    let log = std::fs::read_to_string(&app.1).expect("it was written");
    assert!(!log.contains("Crashed"), "{log}");
    drop((app, gateway));
}
