//! Which routing thresholds count: those of `[cascade]`, else those that `undertone calibrate` wrote
//! beside the model, else those that the model came with.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{BadParameter, Config};
use crate::cascade;
use crate::classifier::{self, ModelFolder, resolve};
use crate::json::unmarked_text;
use crate::sentiment::{Signals, Thresholds};

/// The file beside a model.
const FILE: &str = "thresholds.json";

/// Above 1, a threshold is one that no signal reaches.
const HIGHEST: f32 = 2.0;

const BUFFER_BYTES: usize = 1 << 16;

/// `thresholds.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdsFile {
    pub format: u32,
    /// Which graph's signals they are for.
    pub graph_sha256: String,
    pub thresholds: Thresholds,
    /// On what they were chosen; this and all that follows is for the reader of the file.
    pub data: CalibratedOn,
    pub date: String,
    pub task: String,
    pub goal: Value,
    /// Who answers what is escalated, and how far that is known.
    pub llm: Value,
    pub bounds: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibratedOn {
    pub file: String,
    pub texts: usize,
    pub sha256: String,
}

impl ThresholdsFile {
    /// The form that this version writes.
    pub const FORMAT: u32 = 1;

    /// Where a model's file is, or would be.
    pub fn path(config: &classifier::Config) -> PathBuf {
        resolve(&config.model).join(FILE)
    }

    /// The configured model's file; `None` where it has none.
    ///
    /// # Errors
    /// A file that cannot be read, or that was made for another graph.
    pub fn of_model(config: &classifier::Config) -> anyhow::Result<Option<ThresholdsFile>> {
        let path = ThresholdsFile::path(config);
        if !path.exists() {
            return Ok(None);
        }
        let file = ThresholdsFile::read(&path)?;
        let graph = graph_sha256(config)?;
        ensure!(
            file.graph_sha256 == graph,
            "{} was calibrated for another graph than the model's (sha256 {}, not {graph}): run \
             `undertone calibrate` again, or remove the file",
            path.display(),
            file.graph_sha256,
        );
        Ok(Some(file))
    }

    fn read(path: &Path) -> anyhow::Result<ThresholdsFile> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let file: ThresholdsFile =
            serde_json::from_str(unmarked_text(&text)).with_context(|| {
                format!(
                    "{} does not have the form that `undertone calibrate` writes",
                    path.display()
                )
            })?;
        ensure!(
            file.format == ThresholdsFile::FORMAT,
            "{}: format {} is not known: run `undertone calibrate` again",
            path.display(),
            file.format
        );
        for (name, threshold) in named(&file.thresholds) {
            ensure!(
                (0.0..=HIGHEST).contains(&threshold),
                "{}: thresholds.{name} is {threshold}; from 0 to 1 is a signal's value, above that, up \
                 to {HIGHEST}, none",
                path.display()
            );
        }
        Ok(file)
    }
}

/// The SHA-256 of the configured model's graph.
pub fn graph_sha256(config: &classifier::Config) -> anyhow::Result<String> {
    let graph = ModelFolder::read(&config.model, config)?.graph;
    let cannot = || format!("{} cannot be read", graph.display());
    let mut file = std::fs::File::open(&graph).with_context(cannot)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer).with_context(cannot)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// A threshold that counts, and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    pub name: &'static str,
    pub threshold: f32,
    pub source: String,
}

/// The thresholds that a gateway of this configuration would go by.
///
/// # Errors
/// A model folder or a `thresholds.json` that cannot be used.
pub fn thresholds_in_force(config: &Config) -> anyhow::Result<(Thresholds, Vec<InForce>)> {
    let model = &config.classifier;
    let (own, source) = match ThresholdsFile::of_model(model)? {
        Some(file) => (file.thresholds, ThresholdsFile::path(model)),
        None => shipped(model)?,
    };
    let all = config.cascade.over(own);
    let set = &config.cascade;
    let is_set = |name| match name {
        "ambiguous" | "ambiguous_aspects" | "ambiguous_emotions" => set.ambiguous.is_some(),
        "sarcasm" => set.sarcasm.is_some(),
        "multi_aspect" => set.multi_aspect.is_some(),
        _ => set.out_of_domain.is_some(),
    };
    let in_force = named(&all).map(|(name, threshold)| {
        let source = match is_set(name) {
            true => "[cascade]".to_owned(),
            false => source.display().to_string(),
        };
        InForce { name, threshold, source }
    });
    Ok((all, in_force.collect()))
}

/// The thresholds that the model came with, or the bundled one.
pub fn own_thresholds(config: &Config) -> anyhow::Result<Thresholds> {
    Ok(shipped(&config.classifier)?.0)
}

/// Those, and in which file they stand.
fn shipped(config: &classifier::Config) -> anyhow::Result<(Thresholds, PathBuf)> {
    for folder in [&config.model, &config.bundled] {
        let folder = ModelFolder::read(folder, config)?;
        if let Some(calibration) = folder.calibration {
            return Ok((calibration.thresholds, folder.folder.join("calibration.json")));
        }
    }
    bail!("neither the model nor the bundled one has a calibration.json")
}

/// Reads thresholds that are to be tried: a `thresholds.json`, or TOML or JSON with any of the four keys
/// as `[cascade]` has them; what is not named stays as it is in force.
///
/// # Errors
/// [`BadParameter`] for a file that is neither.
pub fn thresholds_to_try(path: &Path, config: &Config) -> anyhow::Result<Thresholds> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Keys {
        ambiguous: Option<f32>,
        sarcasm: Option<f32>,
        multi_aspect: Option<f32>,
        out_of_domain: Option<f32>,
    }
    let wrong = |message: String| BadParameter {
        field: "--thresholds",
        message: format!("{}: {message}", path.display()),
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let text = unmarked_text(&text);
    let is_json = text.trim_start().starts_with('{');
    if is_json && serde_json::from_str::<Value>(text).is_ok_and(|all| all.get("format").is_some()) {
        return Ok(ThresholdsFile::read(path)?.thresholds);
    }
    let expected = "expected a thresholds.json, or any of sarcasm, ambiguous, multi_aspect and \
                    out_of_domain as TOML or JSON";
    let keys: Keys = match is_json {
        true => serde_json::from_str(text).map_err(|error| error.to_string()),
        false => toml::from_str(text).map_err(|error| error.message().to_owned()),
    }
    .map_err(|error| wrong(format!("{error}; {expected}")))?;
    let Keys { ambiguous, sarcasm, multi_aspect, out_of_domain } = keys;
    let set =
        cascade::Config { ambiguous, sarcasm, multi_aspect, out_of_domain, ..Default::default() };
    let thresholds = set.over(thresholds_in_force(config)?.0);
    for (name, threshold) in named(&thresholds) {
        if !(0.0..=HIGHEST).contains(&threshold) {
            return Err(wrong(format!(
                "{name} is {threshold}; it has to be from 0 to 1, or above for never"
            ))
            .into());
        }
    }
    Ok(thresholds)
}

/// Each threshold under its signal's name, in the order of the surface; behind them those that a task
/// has of its own.
pub fn named(thresholds: &Thresholds) -> impl Iterator<Item = (&'static str, f32)> {
    let none = Signals { ambiguous: 0.0, sarcasm: 0.0, multi_aspect: 0.0, out_of_domain: 0.0 };
    let own = [
        ("ambiguous_aspects", thresholds.ambiguous_aspects),
        ("ambiguous_emotions", thresholds.ambiguous_emotions),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    none.named(thresholds).into_iter().map(|(name, _, threshold)| (name, threshold)).chain(own)
}
