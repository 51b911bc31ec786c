//! `undertone models list`: what is in the models folder, how fast it is, and what could be pulled.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::catalogue::{Catalogue, Entry};
use super::manifest::Manifest;
use super::precision::Precision;
use super::wanted::GRAPH;
use crate::cli::output::{self, TableOrJson};

/// Show the models that are here, and those that can be pulled
///
/// Each model is loaded and timed: the milliseconds are the median for one text of 16 tokens on one
/// thread of this machine, and wander with whatever else runs on it.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Where models are kept, a folder each
    #[arg(long, value_name = "DIR", default_value = "models")]
    pub models_dir: PathBuf,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: TableOrJson,
}

/// A row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub name: String,
    pub state: State,
    pub precision: Option<Precision>,
    /// Of the graph and its weights, in millions of bytes.
    pub size_mb: Option<f64>,
    /// For one text of 16 tokens; `None` where that could not be measured.
    pub ms_at_16_tokens: Option<f64>,
    /// What it is, or why it cannot be served.
    pub note: Option<String>,
    /// What the catalogue says of it.
    pub catalogue: Option<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In the models folder.
    Here,
    /// In the catalogue only.
    NotPulled,
    /// In the models folder, but it cannot be served.
    Unusable,
}

impl State {
    fn shown(self) -> &'static str {
        match self {
            State::Here => "here",
            State::NotPulled => "not pulled",
            State::Unusable => "unusable",
        }
    }
}

pub(super) fn run(
    args: &ListArgs,
    measure: impl Fn(&Path) -> anyhow::Result<f64>,
) -> anyhow::Result<ExitCode> {
    let rows = list(&args.models_dir, &Catalogue::built_in()?, measure)?;
    match args.format {
        TableOrJson::Table => output::line(table(&rows).trim_end()),
        TableOrJson::Json => output::json(&serde_json::json!({ "models": rows })),
    }
}

/// The folders by name, then the rest of the catalogue. A folder that cannot be read or measured is
/// a row that says so: it does not hide the others.
pub fn list(
    models_dir: &Path,
    catalogue: &Catalogue,
    measure: impl Fn(&Path) -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<Listed>> {
    let names = folders(models_dir)?;
    let here = names.iter().map(|name| row(models_dir, name, catalogue, &measure));
    let others = catalogue.entries.iter().filter(|entry| !names.contains(&entry.name));
    let not_pulled = others.map(|entry| Listed {
        name: entry.name.clone(),
        state: State::NotPulled,
        precision: None,
        size_mb: None,
        ms_at_16_tokens: None,
        note: Some(entry.about.clone()),
        catalogue: Some(entry.clone()),
    });
    Ok(here.chain(not_pulled).collect())
}

/// The names of a models folder's subfolders, sorted. A pull's own begin with a dot.
pub fn folders(models_dir: &Path) -> anyhow::Result<Vec<String>> {
    let cannot_read = || format!("cannot read {}", models_dir.display());
    let entries = match std::fs::read_dir(models_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(cannot_read),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(cannot_read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn row(
    models_dir: &Path,
    name: &str,
    catalogue: &Catalogue,
    measure: impl Fn(&Path) -> anyhow::Result<f64>,
) -> Listed {
    let folder = models_dir.join(name);
    let known = catalogue.entry(name);
    let mut row = Listed {
        name: name.to_owned(),
        state: State::Here,
        precision: None,
        size_mb: None,
        ms_at_16_tokens: None,
        note: known.map(|entry| entry.about.clone()),
        catalogue: known.cloned(),
    };
    let measured = graph(&folder).and_then(|(precision, bytes)| {
        row.precision = Some(precision);
        row.size_mb = Some(tenths(bytes as f64 / 1e6));
        measure(&folder).with_context(|| format!("{} cannot be timed", folder.display()))
    });
    match measured {
        Ok(ms) => row.ms_at_16_tokens = Some((ms * 100.0).round() / 100.0),
        Err(error) => {
            row.state = State::Unusable;
            row.note = Some(format!("{error:#}"));
        }
    }
    row
}

/// The precision of a folder's graph, and how many bytes it has with its weights.
pub fn graph(folder: &Path) -> anyhow::Result<(Precision, u64)> {
    let manifest = Manifest::of(folder)?;
    let file = manifest.as_ref().and_then(Manifest::graph).unwrap_or(GRAPH);
    let path = folder.join(file);
    let precision = match manifest.as_ref().and_then(Manifest::precision) {
        Some(precision) => precision,
        None => Precision::of_graph(&path)?,
    };
    let cannot_read = || format!("cannot read {}", folder.display());
    let mut bytes =
        std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
    for entry in std::fs::read_dir(folder).with_context(cannot_read)? {
        let entry = entry.with_context(cannot_read)?;
        // Weights beside the graph: model.onnx_data, model.onnx.data.
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != file && name.starts_with(file) {
            bytes += entry.metadata().with_context(cannot_read)?.len();
        }
    }
    Ok((precision, bytes))
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

const HEADINGS: [&str; 6] = ["NAME", "STATE", "PRECISION", "MB", "MS AT 16 TOKENS", ""];

fn table(rows: &[Listed]) -> String {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            row.name.clone(),
            row.state.shown().to_owned(),
            or_dash(row.precision.as_ref().map(ToString::to_string)),
            or_dash(row.size_mb.map(|mb| format!("{mb:.1}"))),
            or_dash(row.ms_at_16_tokens.map(|ms| format!("{ms:.2}"))),
            row.note.clone().unwrap_or_default(),
        ]
    }));
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let [name, state, precision, size, ms] = [0, 1, 2, 3, 4].map(width);
    lines
        .iter()
        .map(|[a, b, c, d, e, note]| {
            let line =
                format!("{a:name$}  {b:state$}  {c:precision$}  {d:>size$}  {e:>ms$}  {note}");
            format!("{}\n", line.trim_end())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(models: &Path, name: &str, files: &[(&str, &[u8])]) {
        std::fs::create_dir(models.join(name)).unwrap();
        for (file, content) in files {
            std::fs::write(models.join(name).join(file), content).unwrap();
        }
    }

    #[test]
    fn folders_are_rows_and_the_catalogue_fills_up() {
        let models = tempfile::tempdir().unwrap();
        let at = models.path();
        let manifest = br#"{"format": 1, "graph": {"file": "small.onnx", "precision": "int8"}}"#;
        folder(at, "bundled", &[("manifest.json", manifest), ("small.onnx", &[0; 150_000])]);
        folder(at, "float", &[("model.onnx", b"MatMul"), ("model.onnx_data", &[0; 2_000_000])]);
        folder(at, "empty", &[]);
        folder(at, ".float.partial", &[]);

        let measure = |folder: &Path| {
            anyhow::ensure!(!folder.ends_with("float"), "no tokenizer.json");
            Ok(1.234)
        };
        let rows = list(at, &Catalogue::built_in().unwrap(), measure).unwrap();
        let shown = table(&rows);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 5, "{shown}");
        assert!(lines[0].starts_with("NAME"), "{shown}");
        assert!(lines[1].contains("here") && lines[1].contains("int8"), "{shown}");
        assert!(lines[1].contains(" 0.2 ") && lines[1].ends_with(" 1.23"), "{shown}");
        assert!(lines[2].contains("unusable") && lines[2].contains("model.onnx"), "{shown}");
        assert!(lines[3].contains("fp32") && lines[3].contains(" 2.0 "), "{shown}");
        assert!(lines[3].contains("no tokenizer.json"), "{shown}");
        assert!(lines[4].contains("distilbert-sst2") && lines[4].contains("not pulled"), "{shown}");

        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(json[0]["precision"], "int8");
        assert_eq!(json[3]["state"], "not_pulled");
        assert_eq!(json[3]["catalogue"]["labels"][0], "NEGATIVE");
        assert!(json[3]["ms_at_16_tokens"].is_null());
    }

    #[test]
    fn without_a_models_folder_there_is_the_catalogue() {
        let rows =
            list(Path::new("/nowhere"), &Catalogue::built_in().unwrap(), |_| Ok(1.0)).unwrap();
        assert!(rows.iter().all(|row| row.state == State::NotPulled));
    }
}
