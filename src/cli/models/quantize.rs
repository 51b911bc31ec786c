//! `undertone models quantize`: from an fp32 graph to the INT8 graph that is served. Quantising is
//! Python's (`training/quantise.py`); this finds it, or says how to get it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::Args;

use super::list::graph;
use super::precision::Precision;
use super::wanted::GRAPH;

/// The interpreter of the environment that `make quantize` sets up.
const PYTHON: &str = "training/.venv-quantise/bin/python";

/// Make a pulled model's graph INT8
///
/// The work is done by training/quantise.py. Where its Python environment is set up, it is run;
/// where not, the command that sets it up and runs it is named, and the exit code is 1.
#[derive(Clone, Debug, Args)]
pub struct QuantizeArgs {
    /// The model's folder, such as models/distilbert-sst2
    pub folder: PathBuf,
}

pub(super) fn run(args: &QuantizeArgs) -> anyhow::Result<ExitCode> {
    check(&args.folder)?;
    let python = Path::new(PYTHON);
    if !python.exists() {
        eprintln!("{}", how_to(&args.folder));
        return Ok(ExitCode::FAILURE);
    }
    let done = Command::new(python)
        .args(["-m", "training.quantise"])
        .arg(&args.folder)
        .status()
        .with_context(|| format!("cannot run {PYTHON}"))?;
    Ok(if done.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether there is something to quantise.
fn check(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(GRAPH);
    ensure!(
        path.is_file(),
        "{} holds no {GRAPH}; FOLDER is a model's folder, such as one that `undertone models pull` \
         made",
        folder.display()
    );
    let (precision, _) = graph(folder)?;
    ensure!(precision != Precision::Int8, "the graph in {} is INT8 already", folder.display());
    Ok(())
}

fn how_to(folder: &Path) -> String {
    format!(
        "Quantising needs a small Python environment (onnx, onnxruntime), which is not set up here \
         yet.\nFrom Undertone's own folder, this sets it up and makes the INT8 graph:\n\n    \
         make quantize MODEL={}",
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_graph_that_is_not_int8_yet_is_quantised() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |part: &str| {
            let error = check(folder.path()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused("holds no model.onnx");
        std::fs::write(folder.path().join(GRAPH), b"..DynamicQuantizeLinear..").unwrap();
        refused("INT8 already");
        std::fs::write(folder.path().join(GRAPH), b"..MatMul..").unwrap();
        check(folder.path()).unwrap();
        assert!(how_to(Path::new("models/x")).ends_with("make quantize MODEL=models/x"));
    }
}
