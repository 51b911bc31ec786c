//! (f) The gateway's own share of an escalated request: what a caller waits for it, less what one waits
//! for the provider's double alone. The ledger is on; every text is new.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::program::Program;
use crate::texts;

const DELAY_MS: &str = "5";
const SECONDS: u32 = 10;
const A_SECOND: u32 = 200;
const CALLERS: u32 = 8;

pub fn run() -> anyhow::Result<()> {
    let provider = Program::double(&["provider", DELAY_MS])?;
    println!(
        "{A_SECOND} requests a second from {CALLERS} callers for {SECONDS} s, a double that takes {DELAY_MS} ms;\n\
         milliseconds"
    );
    println!("{:>34}  {:>7}  {:>7}  {:>9}  {:>9}", "", "p50", "p99", "own p50", "own p99");
    let alone = load(
        provider.address,
        "/v1/chat/completions",
        &|text| serde_json::json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}),
    )?;
    println!("{:>34}  {:>7.3}  {:>7.3}", "the double alone", alone.0, alone.1);
    for durability in ["process", "disk"] {
        let settings = [
            ("openai.base_url", format!("http://{}/v1", provider.address)),
            ("llm.providers", r#"["openai"]"#.to_owned()),
            ("store.durability", durability.to_owned()),
        ];
        let gateway = Program::gateway(&settings)?;
        let through = load(
            gateway.address,
            "/v1/sentiment",
            &|text| serde_json::json!({"text": text, "route": "llm"}),
        )?;
        println!(
            "{:>34}  {:>7.3}  {:>7.3}  {:>9.3}  {:>9.3}",
            format!("the gateway, durability {durability}"),
            through.0,
            through.1,
            through.0 - alone.0,
            through.1 - alone.1
        );
    }
    if let Some(address) = std::env::var("LITELLM").ok().and_then(|address| address.parse().ok()) {
        let through = load(
            address,
            "/v1/chat/completions",
            &|text| serde_json::json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}),
        )?;
        let (p50, p99) = (through.0 - alone.0, through.1 - alone.1);
        println!(
            "{:>34}  {:>7.3}  {:>7.3}  {p50:>9.3}  {p99:>9.3}",
            "LiteLLM", through.0, through.1
        );
    } else {
        println!("LiteLLM: not measured; benches/NOTES.md says how to have it (LITELLM=HOST:PORT)");
    }
    Ok(())
}

/// The 50th and the 99th percentile, in milliseconds, from when a request was due.
fn load(
    address: SocketAddr,
    path: &str,
    body: &(dyn Fn(&str) -> serde_json::Value + Sync),
) -> anyhow::Result<(f64, f64)> {
    let sentences = texts::sentences()?;
    let started = Instant::now() + Duration::from_millis(100);
    let times = std::thread::scope(|scope| -> anyhow::Result<Vec<f64>> {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let sentences = &sentences;
                scope.spawn(move || -> anyhow::Result<Vec<f64>> {
                    let mut client = Client::connect(address)?;
                    let mut times = Vec::new();
                    for turn in (caller..A_SECOND * SECONDS).step_by(CALLERS as usize) {
                        let due = started + Duration::from_secs(1) * turn / A_SECOND;
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        let text = &sentences[turn as usize % sentences.len()];
                        let request = body(&format!("{text} No. {turn}.")).to_string();
                        client.post(path, &request)?;
                        times.push(due.elapsed().as_secs_f64() * 1e3);
                    }
                    // The first tenth warms up.
                    Ok(times.split_off(times.len() / 10))
                })
            })
            .collect();
        let times = callers.into_iter().map(|caller| caller.join().expect("no caller panics"));
        Ok(times.collect::<anyhow::Result<Vec<_>>>()?.concat())
    })?;
    let mut times = times;
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}
