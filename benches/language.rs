//! How often an English text is taken for another language, or for no text at all, and what telling
//! costs; and how many pieces of programs are known for what they are.
//!
//! `cargo bench --bench language -- FILE…` reads files of English texts as JSON lines with the field
//! `text`; without any, those in `examples/training`. The time is that of the check alone: the
//! tokens that it looks at are there anyway, since the model reads them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use tokenizers::Encoding;
use undertone::app::Config;
use undertone::classifier::{Encoder, Familiarity, Language, ModelFolder, out_of_domain};

fn main() -> anyhow::Result<()> {
    let config = Config::load(None)?.classifier;
    let model = ModelFolder::read(&config.model, &config)?;
    let encoder = Encoder::load(&model.tokenizer).map_err(anyhow::Error::msg)?;
    let english = ["en".to_owned()];

    let unread = |text: &str, tokens: &Encoding, language: &Language| {
        out_of_domain(text, language, Familiarity::of(tokens, encoder.unknown)) >= 0.5
    };

    println!(
        "{:>8}  {:>13}  {:>15}  {:>10}  file",
        "texts", "not English %", "out of domain %", "µs a text"
    );
    let (mut all, mut taken_for_other, mut all_unread) = (0, 0, 0);
    for file in files() {
        let texts = texts(&file).with_context(|| file.display().to_string())?;
        let tokens = texts
            .iter()
            .map(|text| encoder.encode(&text[..text.floor_char_boundary(500)]))
            .collect::<Result<Vec<_>, _>>()?;
        let started = Instant::now();
        let (mut other, mut far) = (0, 0);
        for (text, tokens) in texts.iter().zip(&tokens) {
            let language = Language::of(text, None, tokens, &english);
            other += usize::from(!language.supported);
            far += usize::from(unread(text, tokens, &language));
        }
        let each = started.elapsed().as_secs_f64() * 1e6 / texts.len().max(1) as f64;
        let [other_share, far_share] = [other, far].map(|count| percent(count, texts.len()));
        let count = texts.len();
        println!(
            "{count:>8}  {other_share:>13.2}  {far_share:>15.2}  {each:>10.1}  {}",
            file.display()
        );
        all += texts.len();
        taken_for_other += other;
        all_unread += far;
    }
    let [other_share, far_share] = [taken_for_other, all_unread].map(|count| percent(count, all));
    println!("{all:>8}  {other_share:>13.2}  {far_share:>15.2}  {:>10}  all", "");

    let pieces = pieces_of_programs()?;
    let mut known = 0;
    for piece in &pieces {
        let tokens = encoder.encode(piece)?;
        known += usize::from(unread(piece, &tokens, &Language::of(piece, None, &tokens, &english)));
    }
    println!(
        "of {} pieces of programs {:.1} % are known as such",
        pieces.len(),
        percent(known, pieces.len())
    );
    Ok(())
}

fn percent(count: usize, all: usize) -> f64 {
    100.0 * count as f64 / all.max(1) as f64
}

/// Six lines each of this project's own sources, comments left out.
fn pieces_of_programs() -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    for folder in ["src", "training", "config", "migrations"] {
        collect(Path::new(folder), &mut files)?;
    }
    files.sort();
    let mut pieces = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let is_code = |line: &&str| {
            let line = line.trim();
            !line.is_empty() && !["//", "#", "--"].iter().any(|mark| line.starts_with(mark))
        };
        let lines: Vec<&str> = text.lines().filter(is_code).collect();
        pieces.extend(lines.chunks_exact(6).map(|piece| piece.join("\n")));
    }
    Ok(pieces)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if path.is_dir() && !is_hidden && path.file_name().is_some_and(|name| name != "runs") {
            collect(&path, files)?;
        } else if matches!(extension, Some("rs" | "py" | "toml" | "sql")) {
            files.push(path);
        }
    }
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
