//! The short names, and what a name on the command line stands for.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::wanted::Wanted;

const BUILT_IN: &str = include_str!("../../../config/models.toml");

/// What is known by a short name, and where it comes from: `config/models.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    #[serde(rename = "model")]
    pub entries: Vec<Entry>,
}

/// A model that has a short name.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    pub repo: String,
    pub revision: String,
    /// What it is, in a line.
    pub about: String,
    /// Its own labels, which `classifier.labels` maps to ours where the names differ.
    pub labels: Vec<String>,
    pub licence: String,
    /// The published figure, in words.
    pub accuracy: String,
    pub accuracy_source: String,
    /// Name in the folder → path on the hub.
    pub files: BTreeMap<String, String>,
}

/// What is to be pulled, and under which name it is kept.
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder's name below the models folder.
    pub name: String,
    pub repo: String,
    pub revision: String,
    pub wanted: Wanted,
}

impl Catalogue {
    pub fn built_in() -> anyhow::Result<Catalogue> {
        toml::from_str(BUILT_IN).context("the built-in config/models.toml does not parse")
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// A short name of the catalogue, or any `owner/repo`. The folder of the latter is
    /// `owner--repo`: two owners' copies of one model do not meet.
    pub fn target(&self, name: &str) -> anyhow::Result<Target> {
        if let Some(entry) = self.entry(name) {
            return Ok(Target {
                name: entry.name.clone(),
                repo: entry.repo.clone(),
                revision: entry.revision.clone(),
                wanted: Wanted::Listed(entry.files.clone()),
            });
        }
        match name.split_once('/') {
            Some((owner, repo)) if is_plain(owner) && is_plain(repo) => Ok(Target {
                name: folder_name(name),
                repo: name.to_owned(),
                revision: "main".to_owned(),
                wanted: Wanted::Usual,
            }),
            _ => bail!("{}", self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let known: String = self
            .entries
            .iter()
            .map(|entry| format!("\n  {}  {} ({})", entry.name, entry.about, entry.licence))
            .collect();
        format!(
            "`{name}` is neither a known model nor a repository written as owner/repo; known are:{known}"
        )
    }
}

/// The folder in which `name`, as typed, is kept.
pub fn folder_name(name: &str) -> String {
    name.replace('/', "--")
}

/// Whether a part of a repository's name is one that the hub allows, and safe in a path.
fn is_plain(part: &str) -> bool {
    part.starts_with(|first: char| first.is_ascii_alphanumeric())
        && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_holds_what_a_model_needs_and_no_hash() {
        let catalogue = Catalogue::built_in().unwrap();
        for entry in &catalogue.entries {
            for file in ["model.onnx", "tokenizer.json", "config.json"] {
                assert!(entry.files.contains_key(file), "{}: {file}", entry.name);
            }
        }
        let mut digits = 0;
        for c in BUILT_IN.chars() {
            digits = if c.is_ascii_hexdigit() { digits + 1 } else { 0 };
            assert!(digits < 40, "a hash in config/models.toml");
        }
    }

    #[test]
    fn a_name_is_a_short_name_or_a_repository() {
        let catalogue = Catalogue::built_in().unwrap();
        let known = catalogue.target("distilbert-sst2").unwrap();
        assert_eq!(known.repo, "distilbert/distilbert-base-uncased-finetuned-sst-2-english");
        assert_eq!(
            catalogue.target("someone/some-model.v2").unwrap().name,
            "someone--some-model.v2"
        );
        for bad in ["distilbert", "../x", "a/../b", "a/b/c", "/etc", "a/", ".a/b", ""] {
            let error = catalogue.target(bad).unwrap_err().to_string();
            assert!(error.contains("distilbert-sst2"), "{bad}: {error}");
        }
    }
}
