//! How long a model takes for a short text, for `models list`.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::classifier::{Encoder, Error, Graph, Model, ModelFolder, start_runtime};

const ROUNDS: usize = 50;
const WARM_UP: usize = 5;
const TOKENS: usize = 16;

/// The median milliseconds of a bare pass over a text of 16 tokens, on one thread.
pub fn milliseconds(folder: &Path, config: &super::Config) -> anyhow::Result<f64> {
    let config = &config.classifier;
    let environment = start_runtime(&config.onnxruntime)?;
    // A path as given, not one beside the executable.
    let folder = ModelFolder::read(&folder.canonicalize()?, config)?;
    let encoder = Encoder::load(&folder.tokenizer).map_err(anyhow::Error::msg)?;
    let mut model = Model::load(environment, &folder, &Graph::read(environment, &folder)?)?;
    let mut text = String::from("good");
    while encoder.encode(&text)?.len() < TOKENS {
        text.push_str(" good");
    }
    let tokens = encoder.encode(&text)?;
    let mut times = (0..WARM_UP + ROUNDS)
        .map(|_| {
            let started = Instant::now();
            model.run(&[&tokens])?;
            Ok(started.elapsed())
        })
        .skip(WARM_UP)
        .collect::<Result<Vec<Duration>, Error>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e3)
}
