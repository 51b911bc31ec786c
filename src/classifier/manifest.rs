//! What lies in a model's folder: our own manifest, or an export of Hugging Face's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::places::{homes, resolve};
use super::{Calibration, Config, Error, Tag};
use crate::sentiment::{Emotion, Label};

/// A model folder, understood: which files to load and what the graph's outputs mean.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    pub name: String,
    pub folder: PathBuf,
    pub graph: PathBuf,
    pub tokenizer: PathBuf,
    /// The most tokens that the graph reads at once, special ones included.
    pub max_tokens: usize,
    /// Primary language subtags that the model reads.
    pub languages: Vec<String>,
    /// The output that holds the sentiment's logits, and what each of them means.
    pub sentiment: (String, Vec<Label>),
    /// The output that holds the logit of sarcasm.
    pub sarcasm: Option<String>,
    /// The output that holds the logit of a text that likes one thing and dislikes another.
    pub odds: Option<String>,
    /// The output that holds a logit for each emotion, and which ones.
    pub emotions: Option<(String, Vec<Emotion>)>,
    /// The output that holds a logit for each token and tag, and the tags.
    pub aspects: Option<(String, Vec<Tag>)>,
    pub calibration: Option<Calibration>,
}

/// `manifest.json`, as the training chain writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    name: String,
    #[serde(rename = "version")]
    _version: String,
    languages: Vec<String>,
    graph: ManifestFile,
    tokenizer: ManifestFile,
    max_tokens: usize,
    heads: Heads,
    #[serde(rename = "base")]
    _base: Value,
    #[serde(rename = "data")]
    _data: Value,
    #[serde(rename = "created")]
    _created: Value,
    #[serde(rename = "figures")]
    _figures: Value,
}

#[derive(Deserialize)]
struct ManifestFile {
    file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Heads {
    sentiment: Head,
    sarcasm: Option<Head>,
    odds: Option<Head>,
    emotions: Option<Head>,
    aspects: Option<Head>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    output: String,
    #[serde(default)]
    labels: Vec<String>,
}

/// The part of Hugging Face's `config.json` that a sequence classifier's export needs.
#[derive(Deserialize)]
struct HubConfig {
    model_type: Option<String>,
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    max_position_embeddings: Option<usize>,
}

impl ModelFolder {
    /// Reads a folder's manifest, or its `config.json` where it has none.
    ///
    /// # Errors
    /// [`Error::Model`] where a file is missing or malformed, or a label has no meaning for us.
    pub fn read(folder: &Path, config: &Config) -> Result<ModelFolder, Error> {
        let folder = resolve(folder);
        let fail = |reason: String| Error::Model { folder: folder.clone(), reason };
        if !folder.is_dir() {
            return Err(fail(missing(&folder)));
        }
        let calibration = Calibration::read(&folder).map_err(&fail)?;
        let read = |file: &str| {
            std::fs::read_to_string(folder.join(file)).map_err(|error| format!("{file}: {error}"))
        };
        let model = if folder.join("manifest.json").exists() {
            let text = read("manifest.json").map_err(&fail)?;
            from_manifest(&folder, &text, config)
        } else if folder.join("config.json").exists() {
            let text = read("config.json").map_err(&fail)?;
            from_hub(&folder, &text, config)
        } else {
            Err("it holds neither manifest.json nor Hugging Face's config.json".into())
        };
        let model = ModelFolder { calibration, ..model.map_err(&fail)? };
        for file in [&model.graph, &model.tokenizer] {
            if !file.is_file() {
                return Err(fail(format!("{} is missing", file.display())));
            }
        }
        Ok(model)
    }
}

fn missing(folder: &Path) -> String {
    if folder.is_absolute() {
        return "there is no such folder".into();
    }
    let working = std::env::current_dir().unwrap_or_default();
    let looked_in = [working].into_iter().chain(homes());
    let looked_in: Vec<String> = looked_in.map(|path| path.display().to_string()).collect();
    format!("there is no such folder in any of {}", looked_in.join(", "))
}

fn from_manifest(folder: &Path, text: &str, config: &Config) -> Result<ModelFolder, String> {
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|error| format!("manifest.json: {error}"))?;
    if manifest.format != 1 {
        return Err(format!("manifest.json: format {} is not known", manifest.format));
    }
    let labels = meanings(&manifest.heads.sentiment.labels, config)?;
    Ok(ModelFolder {
        name: manifest.name,
        folder: folder.to_owned(),
        graph: folder.join(manifest.graph.file),
        tokenizer: folder.join(manifest.tokenizer.file),
        max_tokens: manifest.max_tokens,
        languages: manifest.languages,
        sentiment: (manifest.heads.sentiment.output, labels),
        sarcasm: manifest.heads.sarcasm.map(|head| head.output),
        odds: manifest.heads.odds.map(|head| head.output),
        emotions: manifest.heads.emotions.map(|head| known(head, Emotion::named)).transpose()?,
        aspects: manifest.heads.aspects.map(|head| known(head, Tag::named)).transpose()?,
        calibration: None,
    })
}

/// A head's output and labels, all of which have to have a meaning.
fn known<T>(head: Head, named: impl Fn(&str) -> Option<T>) -> Result<(String, Vec<T>), String> {
    let meaning = |label: &String| {
        let unknown = || format!("manifest.json: {} has the label {label:?}", head.output);
        named(label).ok_or_else(unknown)
    };
    let labels = head.labels.iter().map(meaning).collect::<Result<Vec<T>, String>>()?;
    Ok((head.output.clone(), labels))
}

fn from_hub(folder: &Path, text: &str, config: &Config) -> Result<ModelFolder, String> {
    let hub: HubConfig =
        serde_json::from_str(text).map_err(|error| format!("config.json: {error}"))?;
    let mut by_index: Vec<(usize, String)> = hub
        .id2label
        .into_iter()
        .map(|(index, label)| Ok((index.parse().map_err(|_| index)?, label)))
        .collect::<Result<_, String>>()
        .map_err(|index| format!("config.json: id2label has the key {index:?}, not a number"))?;
    by_index.sort_unstable();
    if by_index.is_empty() || by_index.iter().enumerate().any(|(at, (index, _))| at != *index) {
        return Err("config.json: id2label does not number its labels from 0".into());
    }
    let labels: Vec<String> = by_index.into_iter().map(|(_, label)| label).collect();
    let positions = hub.max_position_embeddings.unwrap_or(512);
    // RoBERTa and its kin count positions from the padding token's id, 1, plus one.
    let offset = match hub.model_type.as_deref() {
        Some("roberta" | "xlm-roberta" | "camembert" | "mpnet") => 2,
        _ => 0,
    };
    let graph = ["model.onnx", "onnx/model.onnx"]
        .into_iter()
        .map(|file| folder.join(file))
        .find(|path| path.exists())
        .unwrap_or_else(|| folder.join("model.onnx"));
    Ok(ModelFolder {
        name: folder
            .file_name()
            .map_or_else(|| "model".into(), |name| name.to_string_lossy().into()),
        folder: folder.to_owned(),
        graph,
        tokenizer: folder.join("tokenizer.json"),
        max_tokens: positions.saturating_sub(offset).min(512),
        languages: config.languages.clone(),
        sentiment: ("logits".into(), meanings(&labels, config)?),
        sarcasm: None,
        odds: None,
        emotions: None,
        aspects: None,
        calibration: None,
    })
}

/// What each of a model's labels means: as `classifier.labels` says, else by a name that is ours.
fn meanings(labels: &[String], config: &Config) -> Result<Vec<Label>, String> {
    // Whatever the case: a name set from the environment arrives in lower case.
    let meaning = |label: &String| {
        let mapped = config.labels.iter().find(|(name, _)| name.eq_ignore_ascii_case(label));
        mapped.map(|(_, meaning)| *meaning).or_else(|| Label::named(label))
    };
    labels
        .iter()
        .map(meaning)
        .collect::<Option<Vec<Label>>>()
        .filter(|meanings| !meanings.is_empty())
        .ok_or_else(|| {
            let unknown: Vec<String> = labels
                .iter()
                .filter(|label| meaning(label).is_none())
                .map(|label| format!("{label:?} = \"…\""))
                .collect();
            format!(
                "its labels {labels:?} are not all known. Say in [classifier.labels] what each \
                 means, as negative, neutral, positive or mixed: {}",
                unknown.join(", ")
            )
        })
}
