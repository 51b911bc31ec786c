//! The files of a training set, and the table of what is in them.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::corpus::Corpus;
use super::lines::{Line, Set};
use crate::cli::output::{self, TableOrJson};
use crate::private;

/// The name of the sets that are written here, and no others.
const NAME: &str = "kept";

/// Replaces the sets named `kept` in the folder. A part without lines has no file.
pub fn sets(folder: &Path, sets: &[Set]) -> anyhow::Result<()> {
    for set in sets {
        let home = folder.join(set.folder).join(NAME);
        for (part, lines) in [("train", &set.train), ("dev", &set.dev)] {
            let file = home.join(format!("{part}.jsonl"));
            write(&home, &file, lines)
                .with_context(|| format!("{} cannot be written", file.display()))?;
        }
        // Only where both parts are gone is it empty.
        let _ = std::fs::remove_dir(&home);
        let _ = std::fs::remove_dir(folder.join(set.folder));
    }
    Ok(())
}

/// The file appears whole or not at all.
fn write(home: &Path, file: &Path, lines: &[Line]) -> anyhow::Result<()> {
    if lines.is_empty() {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        };
    }
    private::create_folder(home)?;
    let unfinished = file.with_extension("part");
    // Users' texts: one that an earlier run left may have other permissions.
    let _ = std::fs::remove_file(&unfinished);
    let file_of_texts = private::options().write(true).create_new(true).open(&unfinished)?;
    let mut writer = std::io::BufWriter::new(file_of_texts);
    for line in lines {
        serde_json::to_writer(&mut writer, line)?;
        writer.write_all(b"\n")?;
    }
    writer.into_inner()?.sync_all()?;
    Ok(std::fs::rename(&unfinished, file)?)
}

/// What was written, and what could not be.
pub fn report(
    folder: &Path,
    corpus: &Corpus,
    sets: &[Set],
    format: TableOrJson,
) -> anyhow::Result<ExitCode> {
    let by = |set: &Set, who: &str| {
        set.train.iter().chain(&set.dev).filter(|line| line.by == who).count()
    };
    if format == TableOrJson::Json {
        let all: serde_json::Map<String, serde_json::Value> = sets
            .iter()
            .map(|set| {
                let figures = json!({
                    "train": set.train.len(),
                    "dev": set.dev.len(),
                    "by_people": by(set, "person"),
                    "by_llms": by(set, "llm"),
                    "left_out": set.left_out,
                });
                (set.folder.to_owned(), figures)
            })
            .collect();
        let said = json!({
            "all": corpus.said.all,
            "without_text": corpus.said.without_text,
            "agreed": corpus.said.agreed,
            "disagreed": corpus.said.disagreed,
        });
        return output::json(&json!({
            "texts": corpus.entries.len(), "sets": all, "feedback": said
        }));
    }
    let header = ["set", "train", "dev", "by people", "by LLMs", "left out"].map(str::to_owned);
    let row = |set: &Set| {
        let counts = [set.train.len(), set.dev.len(), by(set, "person"), by(set, "llm")];
        std::iter::once(format!("{}/{NAME}", set.folder))
            .chain(counts.map(|count| count.to_string()))
            .chain([set.left_out.to_string()])
            .collect()
    };
    let rows: Vec<Vec<String>> = sets.iter().map(row).collect();
    output::table(&header, &rows, 1)?;
    let mut told = format!(
        "From {} kept texts, to {}. Left out are those called mixed, for which the model has no head, and \
         those with no emotion.",
        corpus.entries.len(),
        folder.display()
    );
    let said = corpus.said;
    if said.all > 0 {
        told += &format!(
            " Feedback: {}, of it {} on texts that are not kept; {} agreed with the verdict, {} did not.",
            said.all, said.without_text, said.agreed, said.disagreed
        );
    }
    output::line(&told)
}
