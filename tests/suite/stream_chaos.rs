//! Exactly once, whatever fails: two workers, one of them killed every few seconds, and the broker
//! crashes in between.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::gateway::Setup;
use crate::worker::kafka::Broker;
use crate::worker::{Topics, Worker};

const RECORDS: usize = 20_000;
const PARTITIONS: i32 = 4;
const KILL_EVERY: Duration = Duration::from_secs(4);

#[tokio::test]
async fn twenty_thousand_records_come_out_once_each_though_workers_and_the_broker_are_killed() {
    // Its crash is nobody else's business.
    let broker = Broker::start();
    let topics = Topics::new(&broker, PARTITIONS);
    let setup = topics
        .of(Setup::local())
        // Kafka's least: a killed worker's partitions are with the other one soon.
        .set("stream.kafka.session_timeout_ms", 6_000)
        .set("stream.kafka.heartbeat_interval_ms", 1_000);
    topics.append_texts((0..RECORDS).map(|at| format!("Fine {at}.")));
    let steady = Worker::start(&setup);
    let mut victim = Some(Worker::start(&setup));
    let reader = topics.reader(&topics.output);
    let mut seen: BTreeMap<(i64, i64), u32> = BTreeMap::new();
    let (start, mut killed_at, mut kills) = (Instant::now(), Instant::now(), 0);
    let mut last = Instant::now();
    while seen.len() < RECORDS || last.elapsed() < Duration::from_secs(3) {
        if let Some(Ok(message)) = reader.poll(Duration::from_millis(50)) {
            use rdkafka::message::Message;
            let value: serde_json::Value =
                serde_json::from_slice(message.payload().unwrap_or_default()).expect("it is JSON");
            let of = |field: &str| value["input"][field].as_i64().expect("a number");
            *seen.entry((of("partition"), of("offset"))).or_default() += 1;
            last = Instant::now();
        }
        if killed_at.elapsed() > KILL_EVERY && seen.len() < RECORDS * 9 / 10 {
            killed_at = Instant::now();
            if let Some(worker) = victim.take() {
                worker.kill();
                kills += 1;
            }
            if kills == 2 {
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
    assert!(kills >= 3, "the test is too quick to say anything: {kills} kills");
    eprintln!("{RECORDS} records, {kills} kills, one crash of the broker, {:?}", start.elapsed());
    assert_eq!(steady.terminate().await.code(), Some(0));
}
