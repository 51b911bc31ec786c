//! (f) The gateway's own share of an escalated request: what a caller waits for it, less what one waits
//! for the provider's double alone. The ledger is on; every text is new, so the local model reads it
//! first, which the gateway's answer gives the time of.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::program::Program;
use crate::texts;
use crate::unless_debug;

const DELAY_MS: &str = "5";
const SECONDS: u32 = unless_debug(10, 1) as u32;
/// The second is what LiteLLM's proxy keeps up with on two cores.
const RATES: [u32; 2] = [200, 20];
const CALLERS: u32 = 8;

pub fn run() -> anyhow::Result<()> {
    let provider = Program::double(&["provider", DELAY_MS])?;
    for rate in RATES {
        at(rate, provider.address)?;
    }
    Ok(())
}

fn at(rate: u32, provider: SocketAddr) -> anyhow::Result<()> {
    println!(
        "{rate} requests a second from {CALLERS} callers for {SECONDS} s, a double that takes {DELAY_MS} ms;\n\
         milliseconds"
    );
    println!(
        "{:>34}  {:>8}  {:>8}  {:>9}  {:>9}  {:>16}",
        "", "p50", "p99", "own p50", "own p99", "of it reading"
    );
    let chat = |text: &str| {
        let messages = serde_json::json!([{"role": "user", "content": text}]);
        serde_json::json!({"model": "gpt-4o", "messages": messages})
    };
    let alone = load(provider, rate, "/v1/chat/completions", &chat)?;
    println!("{:>34}  {:>8.3}  {:>8.3}", "the double alone", alone.p50, alone.p99);
    for durability in ["process", "disk"] {
        let settings = [
            ("openai.base_url", format!("http://{provider}/v1")),
            ("llm.providers", r#"["openai"]"#.to_owned()),
            ("store.durability", durability.to_owned()),
        ];
        let gateway = Program::gateway(&settings)?;
        let question = |text: &str| serde_json::json!({"text": text, "route": "llm"});
        let through = load(gateway.address, rate, "/v1/sentiment", &question)?;
        print(&format!("the gateway, durability {durability}"), &through, &alone);
    }
    match std::env::var("LITELLM").ok().and_then(|address| address.parse().ok()) {
        Some(address) => {
            print("LiteLLM", &load(address, rate, "/v1/chat/completions", &chat)?, &alone)
        }
        None => {
            println!(
                "LiteLLM: not measured; benches/NOTES.md says how to have it (LITELLM=HOST:PORT)"
            );
        }
    }
    Ok(())
}

/// Milliseconds from when a request was due.
struct Times {
    p50: f64,
    p99: f64,
    /// The median of what the answers give for the local reading; 0 where they give none.
    reading: f64,
}

fn print(name: &str, through: &Times, alone: &Times) {
    println!(
        "{name:>34}  {:>8.3}  {:>8.3}  {:>9.3}  {:>9.3}  {:>16.3}",
        through.p50,
        through.p99,
        through.p50 - alone.p50,
        through.p99 - alone.p99,
        through.reading
    );
}

fn load(
    address: SocketAddr,
    rate: u32,
    path: &str,
    body: &(dyn Fn(&str) -> serde_json::Value + Sync),
) -> anyhow::Result<Times> {
    let sentences = texts::sentences()?;
    let started = Instant::now() + Duration::from_millis(100);
    let times = std::thread::scope(|scope| -> anyhow::Result<Vec<(f64, f64)>> {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let sentences = &sentences;
                scope.spawn(move || -> anyhow::Result<Vec<(f64, f64)>> {
                    let mut client = Client::connect(address)?;
                    let mut times = Vec::new();
                    for turn in (caller..rate * SECONDS).step_by(CALLERS as usize) {
                        let due = started + Duration::from_secs(1) * turn / rate;
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        let text = &sentences[turn as usize % sentences.len()];
                        let request = body(&format!("{text} No. {turn}.")).to_string();
                        let answer = client.post(path, &request)?;
                        let took = due.elapsed().as_secs_f64() * 1e3;
                        times.push((took, reading(answer)));
                    }
                    // The first tenth warms up.
                    Ok(times.split_off(times.len() / 10))
                })
            })
            .collect();
        let times = callers.into_iter().map(|caller| caller.join().expect("no caller panics"));
        Ok(times.collect::<anyhow::Result<Vec<_>>>()?.concat())
    })?;
    let (mut took, mut reading): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
    took.sort_by(f64::total_cmp);
    reading.sort_by(f64::total_cmp);
    let median = took.len() / 2;
    Ok(Times { p50: took[median], p99: took[took.len() * 99 / 100], reading: reading[median] })
}

fn reading(answer: &str) -> f64 {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
    answer.pointer("/timing/local_ms").and_then(serde_json::Value::as_f64).unwrap_or_default()
}
