//! `undertone stream`, the real program, and what is written to and read from a real Kafka.

#[path = "../support/kafka.rs"]
pub mod kafka;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::client::Client;
use crate::gateway::{Setup, collect};
use kafka::Broker;

/// Longer than anything takes on a busy machine; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Three topics of a test's own, on a broker.
pub struct Topics<'a> {
    pub broker: &'a Broker,
    pub input: String,
    pub output: String,
    pub dead: String,
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Seen {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: BTreeMap<String, String>,
}

impl Seen {
    #[track_caller]
    pub fn json(&self) -> Value {
        let value = self.value.as_deref().expect("it has a value");
        serde_json::from_slice(value).expect("its value is JSON")
    }

    /// Which record of the input it is of.
    #[track_caller]
    pub fn origin(&self) -> (i64, i64) {
        let input = &self.json()["input"];
        (
            input["partition"].as_i64().expect("a number"),
            input["offset"].as_i64().expect("a number"),
        )
    }
}

impl<'a> Topics<'a> {
    pub fn new(broker: &'a Broker, partitions: i32) -> Topics<'a> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let input = format!("texts-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (output, dead) = (format!("{input}.verdicts"), format!("{input}.dead"));
        broker.topic(&input, partitions);
        broker.topic(&output, partitions);
        broker.topic(&dead, 1);
        Topics { broker, input, output, dead }
    }

    /// A worker's set-up for these topics, as its group alone.
    pub fn of(&self, setup: Setup) -> Setup {
        setup
            .set("stream.brokers", self.broker.address())
            .set("stream.group", format!("group-{}", self.input))
            .set("stream.input_topic", &self.input)
            .set("stream.output_topic", &self.output)
            .set("stream.text_field", "/text")
            .set("telemetry.metrics_listen", "127.0.0.1:0")
    }

    /// Appends records, and waits until the broker has them.
    pub fn append<'b>(&self, records: impl IntoIterator<Item = (&'b str, Option<&'b [u8]>)>) {
        self.append_to(&self.input, records, None);
    }

    pub fn append_to<'b>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (&'b str, Option<&'b [u8]>)>,
        header: Option<(&str, &str)>,
    ) {
        let mut client = self.broker.client();
        client.set("linger.ms", "5").set("message.max.bytes", "10000000");
        let producer: BaseProducer = client.create().expect("a producer can be made");
        for (key, value) in records {
            let mut record = BaseRecord::to(topic).key(key);
            record.payload = value;
            record.headers = header
                .map(|(key, value)| OwnedHeaders::new().insert(Header { key, value: Some(value) }));
            while let Err((error, back)) = producer.send(record) {
                let code = error.rdkafka_error_code();
                assert_eq!(code, Some(rdkafka::error::RDKafkaErrorCode::QueueFull), "{error}");
                producer.poll(Duration::from_millis(20));
                record = back;
            }
        }
        producer.flush(PATIENCE).expect("the broker takes them");
    }

    /// Appends texts as JSON, under keys of their own.
    pub fn append_texts(&self, texts: impl IntoIterator<Item = String>) {
        let texts: Vec<(String, String)> = texts
            .into_iter()
            .enumerate()
            .map(|(at, text)| (format!("k{at}"), serde_json::json!({"text": text}).to_string()))
            .collect();
        self.append(texts.iter().map(|(key, value)| (key.as_str(), Some(value.as_bytes()))));
    }

    /// Reads committed records of a topic until there are so many, and then on for as long as one might
    /// still come: what is there twice is seen.
    #[track_caller]
    pub fn read(&self, topic: &str, count: usize) -> Vec<Seen> {
        self.read_within(topic, count, PATIENCE)
    }

    #[track_caller]
    pub fn read_within(&self, topic: &str, count: usize, patience: Duration) -> Vec<Seen> {
        let consumer = self.reader(topic);
        let start = Instant::now();
        let (mut seen, mut last) = (Vec::new(), Instant::now());
        loop {
            // A broker that restarts is met again.
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                seen.push(of(&message));
                last = Instant::now();
            }
            let is_quiet = last.elapsed() > Duration::from_millis(1500);
            if seen.len() >= count && is_quiet {
                return seen;
            }
            assert!(
                start.elapsed() < patience,
                "{} of {count} records came to {topic} within {patience:?}",
                seen.len()
            );
        }
    }

    /// A consumer of all committed records of a topic, from the first.
    pub fn reader(&self, topic: &str) -> BaseConsumer {
        let mut client = self.broker.client();
        client
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed");
        let consumer: BaseConsumer = client.create().expect("a consumer can be made");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning)
                .expect("it is valid");
        }
        consumer.assign(&list).expect("it can be assigned");
        consumer
    }
}

fn of(message: &impl Message) -> Seen {
    let text =
        |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
    });
    Seen {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
    stderr: Arc<Mutex<String>>,
    url: String,
}

impl Worker {
    pub fn start(setup: &Setup) -> Worker {
        Worker::start_with(setup, &[])
    }

    pub fn start_with(setup: &Setup, arguments: &[&str]) -> Worker {
        let arguments = [&["stream"], arguments].concat();
        let mut child = setup.command(&arguments).spawn().expect("the program can be started");
        let stderr = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().expect("it is piped"), stderr.clone());
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, found) = mpsc::channel();
        // Reads on to the end, so that the program never writes into a closed or full pipe.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("its state is on ") {
                    let _ = sender.send(url.trim().to_owned());
                }
            }
        });
        let mut worker = Worker { child, stderr, url: String::new() };
        worker.url = found.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("`undertone stream` never said where its state is:\n{}", worker.log())
        });
        worker
    }

    /// Speaks to where it tells how it is.
    pub fn client(&self) -> Client {
        Client::of(&self.url)
    }

    /// Waits until it has partitions and reads.
    pub async fn ready(&self) -> &Worker {
        let client = self.client();
        let start = Instant::now();
        loop {
            let reply = client.get("/readyz").await;
            if reply.status == 200 && reply.json()["kafka"]["partitions"] != 0 {
                return self;
            }
            assert!(start.elapsed() < PATIENCE, "never ready: {}\n{}", reply.text(), self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn log(&self) -> String {
        self.stderr.lock().expect("no holder of this lock panics").clone()
    }

    /// Waits until a line of its log holds those words.
    pub async fn says(&self, words: &str) {
        let start = Instant::now();
        while !self.log().contains(words) {
            assert!(start.elapsed() < PATIENCE, "it never says {words:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started here");
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(mut self) -> ExitStatus {
        let id = self.child.id();
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status();
        assert!(sent.expect("there is a shell").success(), "{id} takes no signal");
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the worker's log ---\n{}", self.log());
        }
    }
}
