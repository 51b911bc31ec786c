//! `undertone stream` against a real Kafka: what comes of each kind of record, and how a worker starts
//! and ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::Setup;
use crate::verdict::check_shape;
use crate::worker::kafka::{Broker, PASSWORD, USER};
use crate::worker::{Topics, Worker};

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn a_records_verdicts_are_those_of_the_endpoints_under_its_own_key_and_time() {
    let topics = Topics::new(Broker::shared(), 3);
    let setup = topics
        .of(Setup::local())
        .set("stream.tasks", r#"["sentiment","aspects","emotions"]"#)
        .set("stream.key_field", "/brand")
        .set("stream.time_field", "/at");
    let value = json!({
        "text": "Great screen, but the courier was rude.", "brand": "acme", "at": "2024-05-01T12:00:00+02:00"
    });
    let value = value.to_string();
    topics.append([("order-7", Some(value.as_bytes()))]);
    let worker = Worker::start_with(&setup, &["--team", "care"]);
    let seen = topics.read(&topics.output, 1);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].key.as_deref(), Some(&b"order-7"[..]));
    let result = seen[0].json();
    let input = &result["input"];
    assert_eq!((&input["topic"], &input["offset"]), (&json!(topics.input), &json!(0)));
    assert_eq!(input["timestamp"], "2024-05-01T10:00:00Z");
    assert_eq!(result["key"], "acme");
    check_shape(&result["sentiment"]);
    assert_eq!(result["emotions"]["emotions"].as_array().map(Vec::len), Some(28), "{result}");
    assert!(result["aspects"]["aspects"].is_array() && result["aspects"]["overall"].is_string());

    let metrics = worker.client().get("/metrics").await.text();
    for line in [
        "undertone_stream_records_total{outcome=\"result\"} 1",
        "undertone_stream_transactions_total{outcome=\"committed\"} 1",
        "undertone_stream_record_seconds_count 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    let lag = || async { worker.client().get("/metrics").await.text() };
    let start = Instant::now();
    let partition = input["partition"].as_i64().expect("a number");
    let gone = format!(
        "undertone_stream_lag_records{{topic=\"{}\",partition=\"{partition}\"}} 0",
        topics.input
    );
    while !lag().await.contains(&gone) {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", lag().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ended = worker.terminate().await;
    assert_eq!(ended.code(), Some(0));
    // A text is one text, however many tasks it is read for.
    let costs = setup.run(&["costs", "--group-by", "team", "--format", "json"]).await.json();
    assert_eq!(costs["total"]["requests"], 1, "{costs}");
    assert_eq!(costs["rows"][0]["group"]["team"], "care", "{costs}");

    let gateway = setup.start().await;
    let alone = gateway.sentiment(json!({"text": "Great screen, but the courier was rude."})).await;
    assert_eq!(alone["scores"], result["sentiment"]["scores"]);
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn without_fields_the_value_is_the_text() {
    let topics = Topics::new(Broker::shared(), 1);
    let setup = topics.of(Setup::local()).without("UNDERTONE_STREAM__TEXT_FIELD");
    let _worker = Worker::start(&setup);
    topics.append([("acme", Some(&b"I love it."[..])), ("acme", Some(b"\xff\xfe"))]);
    let seen = topics.read(&topics.output, 1);
    let result = seen[0].json();
    assert_eq!(
        (&result["key"], &result["sentiment"]["label"]),
        (&json!("acme"), &json!("positive"))
    );
    assert_eq!(result.as_object().map(|all| all.len()), Some(3), "{result}");
    let dead = topics.read(&topics.dead, 1);
    assert_eq!(dead[0].value.as_deref(), Some(&b"\xff\xfe"[..]));
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn poison_goes_to_the_dead_letters_as_it_came_and_stops_nobody() {
    let topics = Topics::new(Broker::shared(), 1);
    let _worker = Worker::start(&topics.of(Setup::local()));
    let long = json!({"text": "x".repeat(20_001)}).to_string();
    // Each character is a token.
    let many = json!({"text": "产".repeat(20_000)}).to_string();
    let poison: [(&[u8], &str, &str); 6] = [
        (
            b"not json",
            "undertone.NotJson",
            "the value is not JSON: expected ident at line 1, column 2",
        ),
        (b"{}", "undertone.MissingText", "text_field /text is missing"),
        (b"{\"text\": 7}", "undertone.BadText", "text_field /text is a number, not a text"),
        (b"{\"text\": \" \"}", "undertone.BadText", "text_field /text is blank"),
        (
            long.as_bytes(),
            "undertone.BadText",
            "text_field /text has 20001 characters; the limit is 20000",
        ),
        (
            many.as_bytes(),
            "undertone.BadText",
            "the text has 20002 tokens; the limit is 8192 (classifier.max_tokens): send it in parts",
        ),
    ];
    let records = poison.iter().map(|(value, ..)| ("k", Some(*value)));
    topics.append_to(&topics.input, records, Some(("trace", "t-1")));
    // A tombstone is neither a text nor poison.
    topics.append([("gone", None), ("good", Some(&b"{\"text\": \"I love it.\"}"[..]))]);

    let seen = topics.read(&topics.output, 1);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].json()["input"]["offset"], 7);
    let dead = topics.read(&topics.dead, poison.len());
    assert_eq!(dead.len(), poison.len());
    for (value, class, message) in poison {
        let letter = dead.iter().find(|one| one.value.as_deref() == Some(value));
        let letter =
            letter.unwrap_or_else(|| panic!("{class} {message}: no such value in {dead:?}"));
        assert_eq!(letter.key.as_deref(), Some(&b"k"[..]));
        let header = |name: &str| letter.headers[name].as_str();
        assert_eq!(header("trace"), "t-1");
        assert_eq!(header("__connect.errors.topic"), topics.input);
        assert_eq!(header("__connect.errors.partition"), "0");
        assert_eq!(header("__connect.errors.stage"), "VALUE_CONVERTER");
        assert_eq!(header("__connect.errors.exception.class.name"), class);
        assert_eq!(header("__connect.errors.exception.message"), message);
    }
    let offsets: BTreeSet<&str> =
        dead.iter().map(|one| one.headers["__connect.errors.offset"].as_str()).collect();
    assert_eq!(offsets, BTreeSet::from(["0", "1", "2", "3", "4", "5"]));
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn what_the_broker_holds_too_large_is_a_dead_letter_and_its_neighbours_are_results() {
    let broker = Broker::shared();
    let topics = Topics::new(broker, 1);
    let small = Topics { output: format!("{}-small", topics.output), ..topics };
    broker.topic_with(&small.output, 1, &[("max.message.bytes", "1500")]);
    let setup = small
        .of(Setup::local())
        .set("stream.key_field", "/key")
        .set("stream.kafka.compression_type", "none");
    // The long key is in the result too.
    let texts: Vec<String> = (0..6)
        .map(|at| json!({"text": "Fine.", "key": if at == 3 { "k".repeat(256) } else { at.to_string() }}))
        .map(|value| value.to_string())
        .collect();
    let long = "x".repeat(900);
    small.append(
        texts
            .iter()
            .enumerate()
            .map(|(at, text)| (if at == 3 { long.as_str() } else { "k" }, Some(text.as_bytes()))),
    );
    let _worker = Worker::start(&setup);
    let seen = small.read(&small.output, 5);
    let offsets: BTreeSet<i64> = seen.iter().map(|one| one.origin().1).collect();
    assert_eq!((seen.len(), offsets), (5, BTreeSet::from([0, 1, 2, 4, 5])));
    let dead = small.read(&small.dead, 1);
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].headers["__connect.errors.offset"], "3");
    assert_eq!(
        dead[0].headers["__connect.errors.exception.class.name"],
        "undertone.ResultTooLarge"
    );
    assert_eq!(dead[0].value.as_deref(), Some(texts[3].as_bytes()));
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn at_least_once_writes_each_record_and_commits_what_is_written() {
    let topics = Topics::new(Broker::shared(), 2);
    let setup = topics.of(Setup::local()).set("stream.delivery", "at_least_once");
    topics.append_texts((0..50).map(|at| format!("Number {at} is fine.")));
    let worker = Worker::start(&setup);
    assert_eq!(topics.read(&topics.output, 50).len(), 50);
    assert_eq!(worker.terminate().await.code(), Some(0));
    topics.append_texts((0..10).map(|at| format!("Number {at} is fine.")));
    let worker = Worker::start(&setup);
    assert_eq!(topics.read(&topics.output, 60).len(), 60, "nothing that was committed comes again");
    assert_eq!(worker.terminate().await.code(), Some(0));
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn a_broker_with_tls_and_a_password_is_read_and_written() {
    let topics = Topics::new(Broker::shared(), 1);
    let setup = topics
        .of(Setup::local())
        .set("stream.brokers", topics.broker.secure_address())
        .set("stream.kafka.security_protocol", "SASL_SSL")
        .set("stream.kafka.ssl_ca_location", topics.broker.authority().display())
        .set("stream.kafka.sasl_mechanism", "PLAIN")
        .set("stream.kafka.sasl_username", USER);
    let password = setup.path("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).expect("it can be written");
    topics.append([("k", Some(&b"{\"text\": \"I love it.\"}"[..]))]);

    let wrong = setup.clone().set("stream.kafka.sasl_password", "wrong");
    let worker = Worker::start(&wrong);
    worker.says("uthentication").await;
    assert_eq!(worker.client().get("/readyz").await.status, 503);
    assert!(!worker.log().contains("wrong"), "{}", worker.log());
    assert_eq!(worker.terminate().await.code(), Some(0));

    let right = setup.set("stream.kafka_files.sasl_password", password.display());
    let shown = right.run(&["config", "show"]).await.stdout;
    assert!(!shown.contains("pa55"), "{shown}");
    let _worker = Worker::start(&right);
    assert_eq!(topics.read(&topics.output, 1).len(), 1);
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn what_is_missing_is_named_and_waited_for() {
    let broker = Broker::shared();
    let topics = Topics::new(broker, 1);
    let late = Topics { input: format!("{}-late", topics.input), ..topics };
    let setup = late.of(Setup::local()).set("stream.dead_letter_topic", &late.dead);
    let worker = Worker::start(&setup);
    worker.says(&format!("stream.input_topic: there is no topic {}", late.input)).await;
    let readiness = worker.client().get("/readyz").await;
    assert_eq!(readiness.status, 503);
    assert!(readiness.json()["kafka"]["error"].as_str().unwrap_or_default().contains(&late.input));
    broker.topic(&late.input, 1);
    late.append_texts(["I love it.".to_owned()]);
    assert_eq!(late.read(&late.output, 1).len(), 1);
    worker.ready().await;

    // A gateway answers all the same, and says what it lacks.
    let gateway = late.of(Setup::local()).set("stream.output_topic", "nowhere").start().await;
    let start = Instant::now();
    let warnings = || async { gateway.get("/readyz").await.json()["warnings"].to_string() };
    while !warnings().await.contains("there is no topic nowhere yet") {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", warnings().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(gateway);

    let nowhere = late.of(Setup::local()).set("stream.brokers", "127.0.0.1:9");
    let worker = Worker::start(&nowhere);
    worker.says("no broker at 127.0.0.1:9 answers").await;
    assert_eq!(worker.terminate().await.code(), Some(0), "it waits, and can be told to stop");
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_with_the_key() {
    let complete = Setup::local()
        .set("stream.brokers", "127.0.0.1:9")
        .set("stream.input_topic", "in")
        .set("stream.output_topic", "out");
    for (key, value, words) in [
        ("stream.brokers", "", "stream.brokers is missing"),
        ("stream.output_topic", "in", "have to differ"),
        ("stream.kafka.enable_auto_commit", "true", "enable.auto.commit cannot be set"),
        ("stream.kafka.no_such_property", "1", "stream.kafka: no.such.property"),
        ("stream.kafka.security_protocol", "TLS", "security.protocol"),
        ("stream.tasks", "[]", "stream.tasks is empty"),
    ] {
        let setup = complete.clone().set(key, value);
        let finished = setup.run(&["stream"]).await;
        assert_eq!(finished.code, Some(2), "{key}: {}", finished.stderr);
        assert!(finished.stderr.contains(words), "{key}: {}", finished.stderr);
        if !value.is_empty() {
            let checked = setup.run(&["config", "check"]).await;
            assert_eq!(checked.code, Some(2), "{key}: {}", checked.stderr);
        }
    }
    assert_eq!(complete.run(&["config", "check"]).await.code, Some(0));
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn on_sigterm_what_is_under_way_is_finished_and_nothing_is_done_twice() {
    let topics = Topics::new(Broker::shared(), 4);
    let setup = topics.of(Setup::local()).set("stream.in_flight_records", 100);
    topics.append_texts((0..600).map(|at| format!("Number {at} is fine.")));
    let mut runs = 0;
    let mut seen = 0;
    while seen < 600 {
        let worker = Worker::start(&setup);
        let before = seen;
        let start = Instant::now();
        while !worker.client().get("/metrics").await.text().contains("outcome=\"result\"} ") {
            assert!(start.elapsed() < Duration::from_secs(60), "{}", worker.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(worker.terminate().await.code(), Some(0));
        seen = topics.read(&topics.output, before + 1).len();
        runs += 1;
    }
    assert!(runs > 1, "the test is too quick to say anything");
    let all = topics.read(&topics.output, 600);
    let distinct: BTreeSet<(i64, i64)> = all.iter().map(|one| one.origin()).collect();
    assert_eq!((all.len(), distinct.len()), (600, 600));
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn workers_share_the_partitions_and_take_over_from_each_other() {
    let topics = Topics::new(Broker::shared(), 4);
    let setup = topics.of(Setup::local());
    let partitions = |worker: &Worker| {
        let client = worker.client();
        async move { client.get("/readyz").await.json()["kafka"]["partitions"].clone() }
    };
    let first = Worker::start(&setup);
    first.ready().await;
    let second = Worker::start(&setup);
    second.ready().await;
    let start = Instant::now();
    while (partitions(&first).await, partitions(&second).await) != (json!(2), json!(2)) {
        assert!(start.elapsed() < Duration::from_secs(60), "they never share evenly");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    topics.append_texts((0..1_000).map(|at| format!("Number {at} is fine.")));
    assert_eq!(second.terminate().await.code(), Some(0));
    topics.append_texts((0..1_000).map(|at| format!("Number {at} is good.")));
    let all = topics.read(&topics.output, 2_000);
    let distinct: BTreeSet<(i64, i64)> = all.iter().map(|one| one.origin()).collect();
    assert_eq!((all.len(), distinct.len()), (2_000, 2_000));
    assert_eq!(partitions(&first).await, Value::from(4));
}
