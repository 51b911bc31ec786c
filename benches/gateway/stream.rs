//! (h) The Kafka worker, beside a real broker on the same machine: records a second against the local
//! model by itself on the same texts, and the time from appending a record to reading its committed
//! result, and to an event on `/v1/live`.

#[path = "../../tests/support/kafka.rs"]
mod kafka;
mod live;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use undertone::app::Config;
use undertone::classifier::Classifier;
use undertone::sentiment::Task;

use self::kafka::Broker;
use crate::program::Program;
use crate::texts;
use crate::unless_debug;

const RECORDS: usize = unless_debug(3_000, 200);
/// What is done before the worker is at its speed does not count.
const WARM_UP: usize = unless_debug(500, 50);
const ROUNDS: usize = unless_debug(3, 1);
const PARTITIONS: i32 = 4;
/// Texts at the local model at once, as the worker has them.
const AT_ONCE: usize = 128;

const RATE: u32 = unless_debug(200, 40) as u32;
const SECONDS: u32 = unless_debug(20, 2) as u32;
const SETTLING: Duration = Duration::from_secs(unless_debug(3, 5) as u64);
/// What comes while all is new is not what one waits day by day.
const NEW: Duration = Duration::from_secs(unless_debug(5, 0) as u64);

pub fn run() -> anyhow::Result<()> {
    throughput(&Broker::start())
}

pub fn run_latency() -> anyhow::Result<()> {
    let sentences = sentences()?;
    let words: usize = sentences.iter().map(|text| text.split(' ').count()).sum();
    println!(
        "{RATE} records a second for {SECONDS} s, sentences of {:.1} words: milliseconds from appending one to its\n\
         result being read (read committed); the broker and all clients are on the same cores",
        words as f64 / sentences.len() as f64
    );
    let broker = Broker::start();
    latency(&broker)?;
    live::run(&broker)
}

fn throughput(broker: &Broker) -> anyhow::Result<()> {
    let texts = texts::mixed(RECORDS)?;
    println!(
        "{RECORDS} texts, {PARTITIONS} partitions; records a second, and the ratio to the local model by itself,\n\
         in turn; the broker and the reader of the results are on the same cores"
    );
    println!(
        "{:>8}  {:>10}  {:>16}  {:>16}",
        "threads", "by itself", "exactly once", "at least once"
    );
    let cores = std::thread::available_parallelism()?.get();
    for threads in [1, cores] {
        let mut best = [0.0_f64; 3];
        for _ in 0..ROUNDS {
            best[0] = best[0].max(by_itself(threads, &texts)?);
            for (delivery, best) in
                ["exactly_once", "at_least_once"].into_iter().zip(&mut best[1..])
            {
                *best = best.max(through_kafka(broker, threads, delivery, &texts)?);
            }
        }
        let [alone, exactly, least] = best;
        println!(
            "{threads:>8}  {alone:>10.0}  {exactly:>9.0} ({:.2})  {least:>9.0} ({:.2})",
            exactly / alone,
            least / alone
        );
    }
    Ok(())
}

fn by_itself(threads: usize, texts: &[String]) -> anyhow::Result<f64> {
    let mut config = Config::load(None)?;
    config.classifier.threads = threads;
    let classifier = Classifier::start(&config.classifier, &config.aspects.categories)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let next = Arc::new(AtomicUsize::new(0));
    let texts: Arc<[Arc<str>]> = texts.iter().map(|text| Arc::from(text.as_str())).collect();
    let started = Instant::now();
    runtime.block_on(async {
        let readers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (classifier, next, texts) = (classifier.clone(), next.clone(), texts.clone());
                tokio::spawn(async move {
                    while let Some(text) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        classifier.read(Task::Sentiment, text.clone(), None).await?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for reader in readers {
            reader.await??;
        }
        anyhow::Ok(())
    })?;
    Ok(texts.len() as f64 / started.elapsed().as_secs_f64())
}

fn through_kafka(
    broker: &Broker,
    threads: usize,
    delivery: &str,
    texts: &[String],
) -> anyhow::Result<f64> {
    let topics = Topics::new(broker);
    let producer = topics.producer()?;
    for text in texts {
        topics.append(&producer, text)?;
    }
    producer.flush(Duration::from_secs(60))?;
    let settings = [("classifier.threads", threads.to_string())];
    let _worker = topics.worker(delivery, &settings)?;
    let reader = topics.reader()?;
    let mut from = None;
    for read in 1..=texts.len() {
        next(&reader)?;
        if read == WARM_UP {
            from = Some(Instant::now());
        }
    }
    let from = from.context("fewer texts than are read for warming up")?;
    Ok((texts.len() - WARM_UP) as f64 / from.elapsed().as_secs_f64())
}

fn latency(broker: &Broker) -> anyhow::Result<()> {
    println!("{:>48}  {:>8}  {:>8}  {:>8}  {:>8}", "", "records", "p50", "p99", "most");
    let hanging = Program::double(&["provider", "3600000"])?;
    for (name, delivery, llm) in [
        ("exactly once", "exactly_once", None),
        ("at least once", "at_least_once", None),
        ("exactly once, the LLM hangs: local ones", "exactly_once", Some(hanging.address)),
        ("at least once, the LLM hangs: local ones", "at_least_once", Some(hanging.address)),
    ] {
        let mut times = at(broker, delivery, llm)?;
        anyhow::ensure!(!times.is_empty(), "no result was read");
        println!("{}", percentiles(name, &mut times));
    }
    Ok(())
}

/// A line of the table: how many, the median, the 99th percentile and the most, in milliseconds.
fn percentiles(name: &str, times: &mut [Duration]) -> String {
    times.sort_unstable();
    let of = |share: f64| {
        let place = ((times.len() - 1) as f64 * share).round() as usize;
        times[place].as_secs_f64() * 1e3
    };
    let (half, nearly_all, most) = (of(0.5), of(0.99), of(1.0));
    format!("{name:>48}  {:>8}  {half:>8.1}  {nearly_all:>8.1}  {most:>8.1}", times.len())
}

/// A text for each record.
fn sentences() -> anyhow::Result<Vec<String>> {
    let count = usize::try_from(RATE * SECONDS)?;
    Ok(texts::sentences()?.into_iter().cycle().take(count).collect())
}

/// The times of the records that are read locally.
fn at(broker: &Broker, delivery: &str, llm: Option<SocketAddr>) -> anyhow::Result<Vec<Duration>> {
    let topics = Topics::new(broker);
    let settings = match llm {
        Some(address) => vec![
            ("openai.base_url", format!("http://{address}/v1")),
            ("llm.providers", r#"["openai"]"#.to_owned()),
            // It hangs all the time, not until it is left alone.
            ("llm.breaker_failures", "1000000".to_owned()),
        ],
        None => vec![("llm.providers", "[]".to_owned())],
    };
    let _worker = topics.worker(delivery, &settings)?;
    let reader = topics.reader()?;
    let texts = sentences()?;
    let producer = topics.producer()?;
    topics.wait_until_read(&producer, &reader)?;
    let started = Instant::now();
    let (sent, sends) = std::sync::mpsc::channel::<(String, Instant)>();
    let topics = &topics;
    std::thread::scope(|scope| {
        scope.spawn(move || -> anyhow::Result<()> {
            for (at, text) in texts.iter().enumerate() {
                let due = started + Duration::from_secs(1) / RATE * u32::try_from(at)?;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                // One in twenty is in another language, and goes to the LLM where there is one.
                let text = match at % 20 {
                    7 => format!("Das Gerät Nummer {at} ist leider schon kaputt gegangen."),
                    _ => text.clone(),
                };
                let _ = sent.send((at.to_string(), Instant::now()));
                topics.append_as(&producer, &at.to_string(), &text)?;
            }
            producer.flush(Duration::from_secs(10))?;
            Ok(())
        });
        let mut appended: HashMap<String, Instant> = HashMap::new();
        let mut times = Vec::new();
        let end = started + Duration::from_secs(u64::from(SECONDS)) + SETTLING;
        while Instant::now() < end {
            // Not shorter: the client library spins through the last millisecond.
            let Some(message) = reader.poll(Duration::from_millis(200)) else { continue };
            let (message, read) = (message?, Instant::now());
            appended.extend(sends.try_iter());
            let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            let value: serde_json::Value =
                serde_json::from_slice(message.payload().unwrap_or_default())?;
            let is_local = value["sentiment"]["escalation"]["outcome"] == "not_needed";
            let at = appended.get(&key).context("a result of a record that nobody sent")?;
            if (is_local || llm.is_none()) && at.duration_since(started) >= NEW {
                times.push(read - *at);
            }
        }
        Ok(times)
    })
}

struct Topics<'a> {
    broker: &'a Broker,
    input: String,
    output: String,
}

impl<'a> Topics<'a> {
    fn new(broker: &'a Broker) -> Topics<'a> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let input = format!("bench-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let output = format!("{input}.verdicts");
        for topic in [&input, &output] {
            broker.topic(topic, PARTITIONS);
        }
        broker.topic(&format!("{input}.dead"), 1);
        Topics { broker, input, output }
    }

    fn producer(&self) -> anyhow::Result<BaseProducer> {
        let mut client = self.broker.client();
        client.set("linger.ms", "0").set("acks", "all");
        Ok(client.create()?)
    }

    fn append(&self, producer: &BaseProducer, text: &str) -> anyhow::Result<()> {
        let key = text.len().to_string();
        self.append_as(producer, &key, text)
    }

    fn append_as(&self, producer: &BaseProducer, key: &str, text: &str) -> anyhow::Result<()> {
        self.append_value(producer, key, &serde_json::json!({"text": text}).to_string())
    }

    fn append_value(&self, producer: &BaseProducer, key: &str, value: &str) -> anyhow::Result<()> {
        let record = BaseRecord::to(&self.input).key(key).payload(value);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Sends a record to each partition, and reads their results: the worker has partitions and is warm.
    fn wait_until_read(
        &self,
        producer: &BaseProducer,
        reader: &BaseConsumer,
    ) -> anyhow::Result<()> {
        for partition in 0..PARTITIONS {
            let value = r#"{"text": "Well.", "brand": "none"}"#;
            let record = BaseRecord::to(&self.input).key("warm").payload(value);
            producer.send(record.partition(partition)).map_err(|(error, _)| error)?;
        }
        producer.flush(Duration::from_secs(10))?;
        (0..PARTITIONS).try_for_each(|_| next(reader))
    }

    fn worker(&self, delivery: &str, settings: &[(&str, String)]) -> anyhow::Result<Program> {
        Program::worker(&self.settings(delivery, settings))
    }

    fn settings<'s>(&self, delivery: &str, more: &[(&'s str, String)]) -> Vec<(&'s str, String)> {
        let mut all = vec![
            ("stream.brokers", self.broker.address()),
            ("stream.group", self.input.clone()),
            ("stream.input_topic", self.input.clone()),
            ("stream.output_topic", self.output.clone()),
            ("stream.text_field", "/text".to_owned()),
            ("stream.delivery", delivery.to_owned()),
        ];
        all.extend(more.iter().cloned());
        all
    }

    fn reader(&self) -> anyhow::Result<BaseConsumer> {
        let mut client = self.broker.client();
        client
            .set("group.id", "bench")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed");
        let consumer: BaseConsumer = client.create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&self.output, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        Ok(consumer)
    }
}

fn next(reader: &BaseConsumer) -> anyhow::Result<()> {
    match reader.poll(Duration::from_secs(60)) {
        Some(message) => message.map(drop).map_err(Into::into),
        None => anyhow::bail!("no result came for a minute"),
    }
}
