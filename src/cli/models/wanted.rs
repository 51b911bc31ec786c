//! Which of a repository's files make a model here: the graph, its tokenizer, its configuration.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

use super::hub::ListedFile;

pub const GRAPH: &str = "model.onnx";
const TOKENIZER: &str = "tokenizer.json";
pub const CONFIGURATION: &str = "config.json";

/// Which files are wanted.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// These: name in the folder → path on the hub.
    Listed(BTreeMap<String, String>),
    /// Those that an export to ONNX usually leaves, under `onnx/` or at the root.
    Usual,
}

/// A file of the hub and the name that it gets in the folder.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub name: String,
    pub listed: ListedFile,
}

impl Wanted {
    /// Picks the files out of the listing of `repo`, sorted by name.
    pub fn choose(&self, repo: &str, listing: &[ListedFile]) -> anyhow::Result<Vec<Chosen>> {
        match self {
            Wanted::Listed(files) => files
                .iter()
                .map(|(name, path)| {
                    let listed = find(listing, path)
                        .with_context(|| format!("{repo} holds no {path} at this revision"))?;
                    Ok(Chosen { name: name.clone(), listed: listed.clone() })
                })
                .collect(),
            Wanted::Usual => usual(repo, listing),
        }
    }
}

fn usual(repo: &str, listing: &[ListedFile]) -> anyhow::Result<Vec<Chosen>> {
    let Some((folder, graph)) = ["onnx/", ""]
        .into_iter()
        .find_map(|folder| Some((folder, within(listing, folder, GRAPH)?)))
    else {
        bail!("{}", no_graph(repo, listing));
    };
    // What was exported with the graph comes before what the repository holds for other frameworks.
    let beside = |name: &str| {
        within(listing, folder, name)
            .or_else(|| within(listing, "", name))
            .with_context(|| missing_beside_graph(repo, name))
    };
    let mut chosen = vec![
        Chosen { name: GRAPH.to_owned(), listed: graph.clone() },
        Chosen { name: TOKENIZER.to_owned(), listed: beside(TOKENIZER)?.clone() },
        Chosen { name: CONFIGURATION.to_owned(), listed: beside(CONFIGURATION)?.clone() },
    ];
    chosen.extend(external_weights(listing, folder));
    chosen.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(chosen)
}

/// Weights kept outside the graph (`model.onnx_data`, `model.onnx.data`). The graph names them, so
/// that they keep their names.
fn external_weights(listing: &[ListedFile], folder: &str) -> Vec<Chosen> {
    listing
        .iter()
        .filter_map(|listed| {
            let name = listed.path.strip_prefix(folder)?;
            let weights = name.starts_with(GRAPH) && name != GRAPH && !name.contains(['/', '\\']);
            weights.then(|| Chosen { name: name.to_owned(), listed: listed.clone() })
        })
        .collect()
}

fn find<'a>(listing: &'a [ListedFile], path: &str) -> Option<&'a ListedFile> {
    listing.iter().find(|listed| listed.path == path)
}

fn within<'a>(listing: &'a [ListedFile], folder: &str, name: &str) -> Option<&'a ListedFile> {
    find(listing, &format!("{folder}{name}"))
}

fn no_graph(repo: &str, listing: &[ListedFile]) -> String {
    let others: Vec<&str> = listing
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| path.ends_with(".onnx"))
        .collect();
    if others.is_empty() {
        format!(
            "{repo} holds no ONNX graph; export it (`optimum-cli export onnx --model {repo} \
             FOLDER`) and point classifier.model at that folder"
        )
    } else {
        format!(
            "{repo} holds neither onnx/{GRAPH} nor {GRAPH}, only {}; download the one you want \
             yourself, as {GRAPH}, and point classifier.model at its folder",
            others.join(", ")
        )
    }
}

fn missing_beside_graph(repo: &str, name: &str) -> String {
    let hint = if name == TOKENIZER {
        "; a fast tokenizer's save_pretrained() writes one from vocab.txt or merges.txt"
    } else {
        ""
    };
    format!("{repo} holds an ONNX graph but no {name}, beside it or at its root{hint}")
}

#[cfg(test)]
mod tests {
    use super::super::hash::ListedHash;
    use super::*;

    fn listing(paths: &[&str]) -> Vec<ListedFile> {
        let hash = ListedHash::git_blob_sha1(&"0".repeat(40)).unwrap();
        paths
            .iter()
            .map(|path| ListedFile { path: path.to_string(), size: 1, hash: hash.clone() })
            .collect()
    }

    fn check(paths: &[&str], expected: Result<&[(&str, &str)], &str>) {
        match (Wanted::Usual.choose("a/b", &listing(paths)), expected) {
            (Ok(chosen), Ok(expected)) => {
                let chosen: Vec<_> =
                    chosen.iter().map(|c| (c.name.as_str(), c.listed.path.as_str())).collect();
                assert_eq!(chosen, expected);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, expected) => panic!("{paths:?}: {got:?}, not {expected:?}"),
        }
    }

    #[test]
    fn what_was_exported_with_the_graph_comes_first() {
        check(
            &["config.json", "onnx/config.json", "onnx/model.onnx", "tokenizer.json"],
            Ok(&[
                ("config.json", "onnx/config.json"),
                ("model.onnx", "onnx/model.onnx"),
                ("tokenizer.json", "tokenizer.json"),
            ]),
        );
        check(
            &["config.json", "model.onnx", "model.onnx_data", "tokenizer.json"],
            Ok(&[
                ("config.json", "config.json"),
                ("model.onnx", "model.onnx"),
                ("model.onnx_data", "model.onnx_data"),
                ("tokenizer.json", "tokenizer.json"),
            ]),
        );
    }

    #[test]
    fn a_repository_that_cannot_be_served_says_why() {
        check(&["config.json", "model.safetensors"], Err("optimum-cli export onnx"));
        check(&["onnx/model_fp16.onnx"], Err("onnx/model_fp16.onnx"));
        check(&["onnx/model.onnx", "config.json", "vocab.txt"], Err("no tokenizer.json"));
    }
}
