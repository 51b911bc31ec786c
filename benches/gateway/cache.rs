//! (e) Answers from the cache, against a bare axum handler that returns the same bytes.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::program::Program;
use crate::unless_debug;

const CALLERS: usize = 4;
const TURN: Duration = Duration::from_millis(unless_debug(1500, 100) as u64);
const TURNS: usize = unless_debug(5, 1);

pub fn run() -> anyhow::Result<()> {
    let provider = Program::double(&["provider", "0"])?;
    let base = format!("http://{}/v1", provider.address);
    let settings = [
        ("openai.base_url", base),
        ("llm.providers", r#"["openai"]"#.to_owned()),
        ("classifier.threads", "1".to_owned()),
    ];
    let gateway = Program::gateway(&settings)?;
    let body =
        serde_json::json!({"text": "Great phone, awful support.", "route": "llm"}).to_string();
    gateway.client()?.post("/v1/sentiment", &body)?;
    let answer = gateway.client()?.post("/v1/sentiment", &body)?.to_owned();
    anyhow::ensure!(answer.contains(r#""cached":true"#), "not from the cache: {answer}");
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &answer)?;
    let bare = Program::double(&["bare", &file.path().display().to_string()])?;

    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (program, rates) in [&gateway, &bare].into_iter().zip(&mut rates) {
            rates.push(rate(program, &body)?);
        }
    }
    let [ours, theirs] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!(
        "{CALLERS} callers, {} bytes an answer; answers a second, median of {TURNS}",
        answer.len()
    );
    println!("from the cache {ours:.0}, bare handler {theirs:.0}: {:.2} of it", ours / theirs);
    Ok(())
}

fn rate(program: &Program, body: &str) -> anyhow::Result<f64> {
    let started = Instant::now();
    let counts = std::thread::scope(|scope| -> anyhow::Result<Vec<usize>> {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<usize> {
                    let mut client: Client = program.client()?;
                    let mut count = 0;
                    while started.elapsed() < TURN {
                        client.post("/v1/sentiment", body)?;
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no caller panics")).collect()
    })?;
    Ok(counts.iter().sum::<usize>() as f64 / started.elapsed().as_secs_f64())
}
