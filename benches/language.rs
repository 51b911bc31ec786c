//! How often an English text is taken for another language, and what telling the language costs.
//!
//! `cargo bench --bench language -- FILE…` reads files of English texts as JSON lines with the field
//! `text`; without any, those in `examples/training`. The time is that of the check alone: the
//! tokens that it looks at are there anyway, since the model reads them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use undertone::app::Config;
use undertone::classifier::{Encoder, Language, ModelFolder};

fn main() -> anyhow::Result<()> {
    let config = Config::load(None)?.classifier;
    let model = ModelFolder::read(&config.model, &config)?;
    let encoder = Encoder::load(&model.tokenizer).map_err(anyhow::Error::msg)?;
    let english = ["en".to_owned()];

    println!("{:>8}  {:>13}  {:>10}  file", "texts", "not English %", "µs a text");
    let (mut all, mut taken_for_other) = (0, 0);
    for file in files() {
        let texts = texts(&file).with_context(|| file.display().to_string())?;
        let tokens = texts
            .iter()
            .map(|text| encoder.encode(&text[..text.floor_char_boundary(500)]))
            .collect::<Result<Vec<_>, _>>()?;
        let started = Instant::now();
        let other = texts
            .iter()
            .zip(&tokens)
            .filter(|(text, tokens)| !Language::of(text, None, tokens, &english).supported)
            .count();
        let each = started.elapsed().as_secs_f64() * 1e6 / texts.len().max(1) as f64;
        let share = 100.0 * other as f64 / texts.len().max(1) as f64;
        println!("{:>8}  {share:>13.2}  {each:>10.1}  {}", texts.len(), file.display());
        all += texts.len();
        taken_for_other += other;
    }
    let share = 100.0 * taken_for_other as f64 / all.max(1) as f64;
    println!("{all:>8}  {share:>13.2}  {:>10}  all", "");
    Ok(())
}

/// The files named, else the sample's. `cargo bench` itself passes `--bench`.
fn files() -> Vec<PathBuf> {
    let named: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .map(Into::into)
        .collect();
    if !named.is_empty() {
        return named;
    }
    let sample = |set| format!("examples/training/{set}/dev.jsonl").into();
    ["sentiment/dynasent", "emotion/goemotions", "aspects/mams"].map(sample).into()
}

fn texts(file: &PathBuf) -> anyhow::Result<Vec<String>> {
    let lines = BufReader::new(std::fs::File::open(file)?).lines();
    let text = |line: std::io::Result<String>| {
        let row: serde_json::Value = serde_json::from_str(&line?)?;
        Ok(row["text"].as_str().context("a line has no text")?.to_owned())
    };
    lines.map(text).collect()
}
