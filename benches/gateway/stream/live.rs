//! From a record that is appended to an event on `/v1/live` of a gateway beside the worker.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::producer::Producer;

use super::kafka::Broker;
use super::{RATE, SETTLING, Topics, percentiles, sentences};
use crate::program::Program;

const NAME: &str = "to an event on /v1/live of the n-th record";

/// Events tell counts, not records: the time of record `n` is from appending it to the first event by which
/// `n` are counted.
pub fn run(broker: &Broker) -> anyhow::Result<()> {
    let topics = Topics::new(broker);
    let settings = [("stream.key_field", "/brand".to_owned())];
    let _worker = topics.worker("exactly_once", &settings)?;
    let gateway = Program::gateway(&topics.settings("exactly_once", &settings))?;
    let seen = listen(gateway.address)?;
    let texts = sentences()?;
    let producer = topics.producer()?;
    topics.wait_until_read(&producer, &topics.reader()?)?;
    let started = Instant::now();
    let mut appended = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let due = started + Duration::from_secs(1) / RATE * u32::try_from(at)?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        appended.push(Instant::now());
        let value = serde_json::json!({"text": text, "brand": "acme"}).to_string();
        topics.append_value(&producer, &at.to_string(), &value)?;
    }
    producer.flush(Duration::from_secs(10))?;
    let mut times = Vec::new();
    let mut events = 0_u32;
    while times.len() < appended.len() {
        let (counted, at) = seen
            .recv_timeout(SETTLING)
            .with_context(|| format!("{} of {} are counted", times.len(), appended.len()))?;
        events += 1;
        for sent in &appended[times.len()..counted.min(appended.len())] {
            times.push(at.saturating_duration_since(*sent));
        }
    }
    println!("{}", percentiles(NAME, &mut times));
    println!("{:>48}  ({events} events)", "");
    Ok(())
}

/// How many texts are counted in all, and since when.
fn listen(address: SocketAddr) -> anyhow::Result<Receiver<(usize, Instant)>> {
    let mut stream = TcpStream::connect(address)?;
    // HTTP/1.0, so that the body comes as it is, not in chunks.
    stream.write_all(b"GET /v1/live?key=acme HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut lines = BufReader::new(stream).lines();
    let status = lines.next().context("no answer")??;
    anyhow::ensure!(status.contains(" 200 "), "{status}");
    let (tell, seen) = channel();
    std::thread::spawn(move || {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for line in lines.map_while(Result::ok) {
            let Some(json) = line.strip_prefix("data: ") else { continue };
            let at = Instant::now();
            let window: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
            let count = window["count"].as_u64().unwrap_or(0) as usize;
            counts.insert(window["start"].to_string(), count);
            if tell.send((counts.values().sum(), at)).is_err() {
                return;
            }
        }
    });
    Ok(seen)
}
