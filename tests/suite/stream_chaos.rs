//! Exactly once, whatever fails: two workers, one of them killed every few seconds, and the broker
//! crashes in between. Two gateways on one store make the windows of it, and one of them is killed too.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::gateway::Setup;
use crate::worker::kafka::Broker;
use crate::worker::{Topics, Worker};

const RECORDS: usize = 20_000;
const PARTITIONS: i32 = 4;
/// Each costs a time in which some partitions are nobody's: Kafka has to miss the killed worker first.
const KILLS: u32 = 5;

/// Results that a worker writes before it is killed: in the middle of its work, however fast it is.
const WRITTEN_BEFORE: u64 = 250;

#[tokio::test]
#[ignore = "needs Kafka: make test-all"]
async fn twenty_thousand_records_come_out_once_each_though_workers_and_the_broker_are_killed() {
    // Its crash is nobody else's business.
    let broker = Broker::start();
    let topics = Topics::new(&broker, PARTITIONS);
    let setup = topics
        .of(Setup::local())
        .set("stream.key_field", "/brand")
        .set("stream.time_field", "/at")
        // Kafka's least: a killed worker's partitions are with the other one soon.
        .set("stream.kafka.session_timeout_ms", 6_000)
        .set("stream.kafka.heartbeat_interval_ms", 1_000);
    let values: Vec<String> = (0..RECORDS)
        .map(|at| {
            let time = 1_714_557_600_000_i64 + 30 * at as i64;
            let brand = ["acme", "globex", "initech"][at % 3];
            serde_json::json!({"text": format!("Fine {at}."), "brand": brand, "at": time})
                .to_string()
        })
        .collect();
    let keys: Vec<String> = (0..RECORDS).map(|at| format!("k{at}")).collect();
    topics.append(
        keys.iter().zip(&values).map(|(key, value)| (key.as_str(), Some(value.as_bytes()))),
    );
    let gateway = setup.clone().start().await;
    let mut other = Some(setup.clone().start().await);
    let steady = Worker::start(&setup);
    let mut victim = Some(Worker::start(&setup));
    let reader = topics.reader(&topics.output);
    let mut seen: BTreeMap<(i64, i64), u32> = BTreeMap::new();
    let (start, mut looked_at, mut kills) = (Instant::now(), Instant::now(), 0);
    let mut last = Instant::now();
    while seen.len() < RECORDS || last.elapsed() < Duration::from_secs(3) {
        // Polling blocks the thread: without this the HTTP client never hears that a gateway has closed
        // the connection that it keeps, and asks its next question on it.
        tokio::task::yield_now().await;
        if let Some(Ok(message)) = reader.poll(Duration::from_millis(50)) {
            use rdkafka::message::Message;
            let value: serde_json::Value =
                serde_json::from_slice(message.payload().unwrap_or_default()).expect("it is JSON");
            let of = |field: &str| value["input"][field].as_i64().expect("a number");
            *seen.entry((of("partition"), of("offset"))).or_default() += 1;
            last = Instant::now();
        }
        if looked_at.elapsed() > Duration::from_millis(200) && kills < KILLS {
            looked_at = Instant::now();
            let Some(worker) = victim.take() else { continue };
            if written(&worker).await < WRITTEN_BEFORE {
                victim = Some(worker);
                continue;
            }
            worker.kill();
            kills += 1;
            if kills == 2 {
                drop(other.take().map(crate::gateway::Gateway::kill));
                broker.kill();
                broker.start_again();
            }
            victim = Some(Worker::start(&setup));
        }
        assert!(
            start.elapsed() < Duration::from_secs(240),
            "{} of {RECORDS} after {kills} kills\n{}",
            seen.len(),
            steady.log()
        );
    }
    let twice = seen.values().filter(|count| **count > 1).count();
    assert_eq!((seen.len(), twice), (RECORDS, 0), "after {kills} kills");
    assert_eq!(kills, KILLS, "the test is too quick to say anything");
    // Each counts once in the windows of its event's time, whoever folded it.
    let path = "/v1/trends?from=2024-05-01T00:00:00Z&to=2024-05-02T00:00:00Z";
    let sum = || async {
        let windows = gateway.get(path).await.json()["windows"].clone();
        let windows = windows.as_array().expect("a list").clone();
        windows.iter().map(|one| one["count"].as_u64().expect("a number")).sum::<u64>()
    };
    let counting = Instant::now();
    while sum().await != RECORDS as u64 {
        let (found, waited) = (sum().await, counting.elapsed());
        assert!(waited < Duration::from_secs(30) && found <= RECORDS as u64, "{found} are counted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let by_key = gateway.get(&format!("{path}&key=acme&window_seconds=86400")).await.json();
    assert_eq!(by_key["windows"][0]["count"], RECORDS.div_ceil(3), "{by_key}");
    assert!(gateway.get("/metrics").await.text().contains("undertone_stream_lag_records"));
    eprintln!("{RECORDS} records, {kills} kills, one crash of the broker, {:?}", start.elapsed());
    assert_eq!(steady.terminate().await.code(), Some(0));
}

/// How many results a worker has written.
async fn written(worker: &Worker) -> u64 {
    let metrics = worker.client().get("/metrics").await.text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("undertone_stream_records_total{outcome=\"result\"} "));
    line.and_then(|count| count.parse().ok()).unwrap_or(0)
}
