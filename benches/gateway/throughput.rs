//! (b) Texts a second of mixed lengths, by single requests and by a batch of lines.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::program::Program;
use crate::texts;
use crate::unless_debug;

const TEXTS: usize = unless_debug(3000, 100);
const ROUNDS: usize = unless_debug(3, 1);

pub fn run() -> anyhow::Result<()> {
    let texts = texts::mixed(TEXTS)?;
    let requests: Vec<String> = texts.iter().map(|text| texts::request(text)).collect();
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let words: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
    println!(
        "{TEXTS} texts of {:.1} words; texts a second, best of {ROUNDS}",
        words as f64 / TEXTS as f64
    );
    println!(
        "{:>10}  {:>9}  {:>9}  {:>10}  {:>9}",
        "batch_size", "1 caller", "8 callers", "64 callers", "NDJSON"
    );
    for batch_size in [1, 8, 64] {
        let settings = [("classifier.batch_size", batch_size.to_string())];
        let gateway = Program::gateway(&settings)?;
        let mut best = [0.0_f64; 4];
        for _ in 0..ROUNDS {
            for (callers, best) in [1, 8, 64].into_iter().zip(&mut best) {
                *best = best.max(by_requests(&gateway, callers, &requests)?);
            }
            let started = Instant::now();
            let answers = gateway.client()?.post_lines("/v1/batch?task=sentiment", &lines)?;
            anyhow::ensure!(answers == TEXTS, "{answers} answers to {TEXTS} texts");
            best[3] = best[3].max(TEXTS as f64 / started.elapsed().as_secs_f64());
        }
        let [one, eight, many, batch] = best;
        println!("{batch_size:>10}  {one:>9.0}  {eight:>9.0}  {many:>10.0}  {batch:>9.0}");
    }
    Ok(())
}

fn by_requests(gateway: &Program, callers: usize, requests: &[String]) -> anyhow::Result<f64> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let threads: Vec<_> = (0..callers)
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<()> {
                    let mut client = gateway.client()?;
                    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                        client.post("/v1/sentiment", request)?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no caller panics"))
    })?;
    Ok(requests.len() as f64 / started.elapsed().as_secs_f64())
}
