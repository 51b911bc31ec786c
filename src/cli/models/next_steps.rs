//! What is said after a pull: what came, and what to do with it.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use super::catalogue::Catalogue;
use super::lock::LOCK_FILE;
use super::precision::Precision;
use super::pull::Pulled;
use super::wanted::{CONFIGURATION, GRAPH};
use crate::sentiment::Label;

/// The lines that follow a pull.
pub fn next_steps(pulled: &Pulled, catalogue: &Catalogue) -> anyhow::Result<String> {
    let Pulled { folder, model, fresh } = pulled;
    let shown = folder.display();
    let mut text = String::new();
    if *fresh {
        let megabytes = model.files.iter().map(|file| file.size).sum::<u64>() as f64 / 1e6;
        writeln!(
            text,
            "{shown}: {} files, {megabytes:.1} MB, of {} at commit {}, as the hub lists them.",
            model.files.len(),
            model.repo,
            model.commit
        )?;
    } else {
        let commit = &model.commit;
        writeln!(text, "{shown} is there already, as {LOCK_FILE} has it: commit {commit}.")?;
    }
    if let Some(entry) = catalogue.entry(&model.name) {
        writeln!(
            text,
            "Licence {}. Published accuracy: {} ({}).",
            entry.licence, entry.accuracy, entry.accuracy_source
        )?;
    }

    writeln!(text, "\nTo serve it, in a configuration file of your own (--config FILE):\n")?;
    writeln!(text, "    [classifier]\n    model = \"{shown}\"")?;
    let foreign: Vec<_> =
        labels(folder).into_iter().filter(|label| Label::named(label).is_none()).collect();
    if !foreign.is_empty() {
        writeln!(text, "\n    # What its labels mean: negative, neutral, positive or mixed.")?;
        writeln!(text, "    [classifier.labels]")?;
        for label in foreign {
            writeln!(text, "    {label:?} = \"\"")?;
        }
    }

    if Precision::of_graph(&folder.join(GRAPH))? == Precision::Fp32 {
        writeln!(
            text,
            "\nIts graph is fp32, as hubs hold it. INT8 is smaller and usually faster; `undertone \
             models list`\nshows both:\n"
        )?;
        writeln!(text, "    undertone models quantize {shown}")?;
    }
    Ok(text)
}

/// The labels that `config.json` names, by their number; none where it names none.
fn labels(folder: &Path) -> Vec<String> {
    let configuration: Value = std::fs::read(folder.join(CONFIGURATION))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let mut labels: Vec<(u64, String)> = configuration["id2label"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(id, label)| Some((id.parse().ok()?, label.as_str()?.to_owned())))
        .collect();
    labels.sort();
    labels.into_iter().map(|(_, label)| label).collect()
}

#[cfg(test)]
mod tests {
    use super::super::lock::LockedModel;
    use super::*;

    fn after(name: &str, configuration: &str, graph: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CONFIGURATION), configuration).unwrap();
        std::fs::write(folder.path().join(GRAPH), graph).unwrap();
        let pulled = Pulled {
            folder: folder.path().to_owned(),
            model: LockedModel {
                name: name.to_owned(),
                repo: "a/b".to_owned(),
                revision: "main".to_owned(),
                commit: "c".repeat(40),
                endpoint: "https://hub.example".to_owned(),
                files: Vec::new(),
            },
            fresh: true,
        };
        let text = next_steps(&pulled, &Catalogue::built_in().unwrap()).unwrap();
        text.replace(&folder.path().display().to_string(), "models/x")
    }

    #[test]
    fn a_model_with_our_labels_needs_a_line_and_to_be_quantised() {
        let text = after(
            "distilbert-sst2",
            r#"{"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}}"#,
            b"MatMul",
        );
        for part in [
            "a/b at commit cccc",
            "91.3 %",
            "model = \"models/x\"",
            "fp32",
            "undertone models quantize models/x",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("classifier.labels"), "{text}");
    }

    #[test]
    fn labels_of_its_own_are_to_be_mapped_in_their_order() {
        let text = after(
            "a--b",
            r#"{"id2label": {"10": "5 stars", "2": "LABEL_2", "1": "neutral"}}"#,
            b"QLinearMatMul",
        );
        assert!(text.ends_with("\"LABEL_2\" = \"\"\n    \"5 stars\" = \"\"\n"), "{text}");
    }
}
