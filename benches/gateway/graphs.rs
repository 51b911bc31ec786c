//! (i) The same weights as different graphs, each on one thread: milliseconds for one text, for 64 texts
//! of 32 tokens, megabytes, and what each reads right in `examples/evaluate.csv`. Then a DistilBERT of
//! the full size with random weights.
//!
//! `training/.venv/bin/python -m training.raw_graphs` writes the raw exports; without them there is no
//! line for them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use ort::environment::Environment;
use tokenizers::Encoding;
use undertone::app::Config;
use undertone::classifier::{Encoder, Graph, Model, ModelFolder, start_runtime};
use undertone::sentiment::Label;

use crate::latency::text_of;
use crate::unless_debug;

const BLOCKS: usize = unless_debug(20, 1);
const ROUNDS: usize = unless_debug(10, 1);
const LENGTHS: [usize; 3] = [16, 64, 128];
/// Texts of 32 tokens.
const MANY: usize = 64;

struct Line {
    name: &'static str,
    file: PathBuf,
    model: Model,
    /// How many of the 64 texts share a pass: all of them, padded, as a raw export's users do it, or as
    /// many as the gateway's passes hold.
    pass: usize,
    times: [Vec<f64>; 4],
}

/// What a graph is called, where it is, and whether the kernels compute it.
type Candidate = (&'static str, PathBuf, bool);

pub fn run() -> anyhow::Result<()> {
    let config = Config::load(None)?.classifier;
    let environment = start_runtime(&config.onnxruntime)?;
    let folder = ModelFolder::read(&config.model, &config)?;
    let encoder = Encoder::load(&folder.tokenizer).map_err(anyhow::Error::msg)?;
    let made = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench").join(name);
    let own: Vec<Candidate> = vec![
        ("raw export, INT8", made("raw-int8.onnx"), false),
        ("raw export, fp32", made("raw-fp32.onnx"), false),
        ("lean, ONNX Runtime's nodes", folder.graph.clone(), false),
        ("lean, kernels", folder.graph.clone(), true),
    ];
    let mut graphs = open(environment, &folder, own)?;
    println!("{}; one thread, in turn; median milliseconds (ratio to the first line)", folder.name);
    measure(&mut graphs, &encoder)?;
    for graph in &mut graphs {
        let right = accuracy(&mut graph.model, &encoder)?;
        println!("{:>28}: {right:.3} of examples/evaluate.csv read right", graph.name);
    }
    drop(graphs);

    // Each field by its name: a head that is added to the model is no head of a classifier's.
    let hub = ModelFolder {
        name: folder.name,
        folder: folder.folder,
        graph: folder.graph,
        tokenizer: folder.tokenizer,
        max_tokens: folder.max_tokens,
        languages: folder.languages,
        sentiment: ("logits".into(), vec![Label::Negative, Label::Positive]),
        sarcasm: None,
        odds: None,
        emotions: None,
        aspects: None,
        calibration: None,
    };
    let full: Vec<Candidate> = vec![
        ("full size, raw, INT8", made("full-raw-int8.onnx"), false),
        ("full size, lean, kernels", made("full-lean.onnx"), true),
    ];
    measure(&mut open(environment, &hub, full)?, &encoder)
}

fn open(
    environment: &Environment,
    folder: &ModelFolder,
    candidates: Vec<Candidate>,
) -> anyhow::Result<Vec<Line>> {
    let mut graphs = Vec::new();
    for (name, file, with_kernels) in candidates {
        if !file.exists() {
            println!(
                "{name}: not there; training/.venv/bin/python -m training.raw_graphs makes it"
            );
            continue;
        }
        let folder = ModelFolder { graph: file.clone(), ..folder.clone() };
        let read =
            if with_kernels { Graph::read(environment, &folder)? } else { Graph::plain(&folder) };
        let model = Model::load(environment, &folder, &read)?;
        let pass = if with_kernels { 16 } else { MANY };
        graphs.push(Line { name, file, pass, model, times: Default::default() });
    }
    Ok(graphs)
}

fn measure(graphs: &mut [Line], encoder: &Encoder) -> anyhow::Result<()> {
    let of_length = |tokens| anyhow::Ok(encoder.encode(&text_of(encoder, tokens)?)?);
    let texts = LENGTHS.map(of_length).into_iter().collect::<anyhow::Result<Vec<Encoding>>>()?;
    let many = vec![of_length(32)?; MANY];
    for _ in 0..BLOCKS {
        for Line { model, times, pass, .. } in &mut *graphs {
            for (text, times) in texts.iter().zip(times.iter_mut()) {
                let took = timed(|| (0..ROUNDS).try_for_each(|_| model.run(&[text]).map(drop)))?;
                times.push(took / ROUNDS as f64);
            }
            let many: Vec<&Encoding> = many.iter().collect();
            let took = timed(|| many.chunks(*pass).try_for_each(|pass| model.run(pass).map(drop)))?;
            times[3].push(took);
        }
    }
    println!(
        "{:>28}  {:>15}  {:>15}  {:>15}  {:>15}  {:>6}",
        "", "1 x 16", "1 x 64", "1 x 128", "64 x 32", "MB"
    );
    let medians: Vec<[f64; 4]> =
        graphs.iter().map(|graph| graph.times.clone().map(median)).collect();
    for (graph, of_graph) in graphs.iter().zip(&medians) {
        print!("{:>28}", graph.name);
        for (time, first) in of_graph.iter().zip(medians[0]) {
            print!("  {time:>8.3} ({:.2})", time / first);
        }
        println!("  {:>6.1}", std::fs::metadata(&graph.file)?.len() as f64 / 1e6);
    }
    Ok(())
}

/// The share of the labelled texts whose likeliest label is the file's; those labelled `mixed` are left
/// out, since it is no label of a bare graph.
fn accuracy(model: &mut Model, encoder: &Encoder) -> anyhow::Result<f64> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/evaluate.csv");
    let mut reader = csv::Reader::from_path(file)?;
    let column = |headers: &csv::StringRecord, name: &str| {
        headers.iter().position(|header| header == name).context("a column is missing")
    };
    let headers = reader.headers()?.clone();
    let (text, label) = (column(&headers, "text")?, column(&headers, "label")?);
    let (mut right, mut all) = (0, 0);
    for record in reader.records() {
        let record = record?;
        let labels = ["negative", "neutral", "positive"];
        let Some(wanted) = labels.iter().position(|known| *known == &record[label]) else {
            continue;
        };
        let tokens = encoder.encode(&record[text])?;
        let outputs = model.run(&[&tokens])?;
        let logits = outputs.row("sentiment", 0, labels.len())?;
        let likeliest = (0..labels.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
        right += usize::from(likeliest == Some(wanted));
        all += 1;
    }
    Ok(f64::from(right as u32) / f64::from(all))
}

/// Milliseconds.
fn timed<E>(run: impl FnOnce() -> Result<(), E>) -> Result<f64, E> {
    let started = Instant::now();
    run()?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
