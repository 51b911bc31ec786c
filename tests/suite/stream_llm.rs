//! `undertone stream` with an LLM that takes its time: who does not need it does not wait for it, and
//! each record comes out once whatever happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::double::{Double, Gate, Script};
use crate::gateway::Setup;
use crate::worker::kafka::Broker;
use crate::worker::{Topics, Worker};

/// Texts of another language go to the LLM, and nothing else does.
fn setup(topics: &Topics<'_>, double: &Double) -> Setup {
    topics
        .of(Setup::with(double))
        .providers(&["openai"])
        .set("cascade.ambiguous", 1.0)
        .set("cascade.sarcasm", 1.0)
        .set("cascade.multi_aspect", 1.0)
        .set("llm.max_retries", 0)
        .set("llm.breaker_failures", 1_000)
}

/// One German text in ten. The others are known to be plain to the local model: no more than 300 of them.
fn texts(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|at| at % 300).map(|at| match at % 10 {
        3 => format!("Das Gerät Nummer {at} ist leider schon nach zwei Tagen kaputt gegangen."),
        _ => format!("Number {at} is fine."),
    })
}

fn by_route(topics: &Topics<'_>, count: usize) -> BTreeMap<String, usize> {
    let seen = topics.read(&topics.output, count);
    let distinct: BTreeSet<(i64, i64)> = seen.iter().map(|one| one.origin()).collect();
    assert_eq!(distinct.len(), seen.len(), "some are there twice");
    let mut routes = BTreeMap::new();
    for one in &seen {
        let route = one.json()["sentiment"]["route"].as_str().expect("a name").to_owned();
        *routes.entry(route).or_default() += 1;
    }
    routes
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn local_answers_flow_while_the_llm_hangs_and_a_kill_in_that_state_doubles_nothing() {
    let (double, topics) = (Double::start().await, Topics::new(Broker::shared(), 2));
    let gate = Gate::shut();
    double.otherwise(Script::answer("negative").behind(&gate));
    let setup = setup(&topics, &double)
        .set("llm.deadline_ms", 60_000)
        .set("llm.attempt_timeout_ms", 60_000);
    topics.append_texts(texts(300));
    let worker = Worker::start(&setup);
    // All 270 that are read locally are there, though one in ten below them is not.
    assert_eq!(by_route(&topics, 270), BTreeMap::from([("local".to_owned(), 270)]));
    double.arrived(30).await;
    // What is finished above an unfinished record is known to who comes next.
    worker.kill();
    let worker = Worker::start(&setup);
    worker.ready().await;
    double.arrived(60).await;
    assert_eq!(by_route(&topics, 270), BTreeMap::from([("local".to_owned(), 270)]));
    gate.open();
    let routes = by_route(&topics, 300);
    assert_eq!(routes, BTreeMap::from([("llm".to_owned(), 30), ("local".to_owned(), 270)]));
    assert_eq!(worker.terminate().await.code(), Some(0));
    let worker = Worker::start(&setup);
    worker.ready().await;
    topics.append_texts(["Fine.".to_owned()]);
    assert_eq!(by_route(&topics, 301).values().sum::<usize>(), 301);
    assert_eq!(double.requests().len(), 60, "nobody was asked again");
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn calls_are_bounded_apart_and_who_waits_too_long_keeps_the_local_verdict() {
    let (double, topics) = (Double::start().await, Topics::new(Broker::shared(), 1));
    double.otherwise(Script::answer("negative").after(Duration::from_millis(800)));
    let setup = setup(&topics, &double)
        .set("stream.escalations", 2)
        .set("stream.escalation_wait_ms", 1_500)
        // Fewer than wait for the LLM: it is the waiting that must not fill it.
        .set("stream.partition_window", 64);
    topics.append_texts(texts(300));
    let _worker = Worker::start(&setup);
    let seen = topics.read(&topics.output, 300);
    let outcome = |one: &serde_json::Value| one["sentiment"]["escalation"]["outcome"].clone();
    let outcomes: Vec<_> = seen.iter().map(|one| outcome(&one.json())).collect();
    let count = |name: &str| outcomes.iter().filter(|one| *one == name).count();
    assert_eq!(count("not_needed"), 270, "{outcomes:?}");
    assert_eq!(count("answered") + count("unavailable"), 30);
    assert!(count("answered") >= 2, "some had their turn");
    assert!(double.most_at_once() <= 2, "{} at once", double.most_at_once());
}

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn a_partition_is_not_read_past_its_window_and_goes_on_after_it() {
    let (double, topics) = (Double::start().await, Topics::new(Broker::shared(), 1));
    let gate = Gate::shut();
    double.otherwise(Script::answer("negative").behind(&gate));
    let setup = setup(&topics, &double)
        .set("llm.deadline_ms", 60_000)
        .set("llm.attempt_timeout_ms", 60_000)
        .set("stream.partition_window", 100);
    topics.append_texts(texts(1_000));
    let worker = Worker::start(&setup);
    // The first German text is the fourth: so much lies below it and within the window.
    let start = Instant::now();
    let metrics = || async { worker.client().get("/metrics").await.text() };
    while !metrics().await.contains("undertone_stream_paused_partitions 1") {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", metrics().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = topics.read(&topics.output, 80).len();
    assert!(seen <= 103, "{seen} were done with a window of 100 above the fourth");
    gate.open();
    let routes = by_route(&topics, 1_000);
    assert_eq!(routes, BTreeMap::from([("llm".to_owned(), 100), ("local".to_owned(), 900)]));
}
