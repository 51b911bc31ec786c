//! `undertone learn`: a training set from what LLMs answered and people said.

mod corpus;
mod lines;
mod worth;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};

use self::corpus::Corpus;
use super::arguments::usage;
use super::ledger;
use super::output::{self, TableOrJson};
use crate::app::{Config, Store};

/// Turn kept answers of LLMs, and what people said of verdicts, into a training set
///
/// The gateway keeps texts only with consent (learning.keep_texts). --out writes them in the layout that
/// training/README.md describes, each text once: what a person said of it (POST /v1/feedback) replaces
/// what an LLM answered. Part of them, the same in every run, measures instead: dev.jsonl.
///
/// Then: make domain DATA=DIR/sentiment/kept/train.jsonl NAME=mine; undertone evaluate --data
/// DIR/sentiment/kept/dev.jsonl --strategies local,local:mine; classifier.shadow = "models/mine"; at last
/// classifier.model = "models/mine".
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true)
    .args(["out", "export", "forget", "new_baseline"]))]
pub struct Learn {
    /// The folder to write the training set to; only the sets named `kept` in it are replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The share of the texts that measures and does not train, 0 to 0.9
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    holdout: f64,
    /// Write the N texts most worth a person's label as CSV, to be filled in at `label`: those on which
    /// the readers are least sure or at odds, and no two alike
    #[arg(long, num_args = 2, value_names = ["N", "FILE.csv"])]
    export: Option<Vec<String>>,
    /// Delete the texts kept under that id, wherever else they are kept, and what was said of them
    #[arg(long, value_name = "ID", conflicts_with_all = ["out", "export"])]
    forget: Option<String>,
    /// Delete what the input is compared with (the section drift): a running gateway begins anew
    #[arg(long, conflicts_with_all = ["out", "export"])]
    new_baseline: bool,
    #[arg(long, value_enum, default_value_t)]
    format: TableOrJson,
}

impl Learn {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let export = self.export.as_deref().map(wanted).transpose()?;
        if !(0.0..=0.9).contains(&self.holdout) {
            return Err(usage("--holdout", "has to be from 0 to 0.9"));
        }
        let store = match self.forget.is_some() || self.new_baseline {
            true => ledger::to_change(&config).await?,
            false => ledger::to_read(&config).await?,
        };
        let done = self.act(&store, export).await;
        store.close().await;
        done
    }

    async fn act(
        self,
        store: &Store,
        export: Option<(usize, PathBuf)>,
    ) -> anyhow::Result<ExitCode> {
        if self.new_baseline {
            store.forget_baselines().await?;
            output::line("The baselines are deleted: the next windows make new ones.")?;
        }
        if let Some(id) = &self.forget {
            let count = store.forget_text(id).await?;
            output::line(&format!("Forgotten: {count} kept texts, and what was said of them."))?;
        }
        if self.out.is_none() && export.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
        let (rows, said) = store.learnable().await?;
        let corpus = Corpus::gather(rows, said);
        if let Some((count, file)) = export {
            let chosen = worth::choose(&corpus, count);
            worth::write(&chosen, &file)?;
            if self.format == TableOrJson::Table {
                let shown = file.display();
                output::line(&format!("{shown}: {} texts to be labelled", chosen.len()))?;
            }
        }
        match &self.out {
            Some(folder) => {
                let sets = lines::sets(&corpus, self.holdout);
                write::sets(folder, &sets)?;
                write::report(folder, &corpus, &sets, self.format)
            }
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// How many, and where to.
fn wanted(arguments: &[String]) -> anyhow::Result<(usize, PathBuf)> {
    let [count, file] = arguments else {
        return Err(usage("--export", "takes a number and a file"));
    };
    match count.parse() {
        Ok(count @ 1..) => Ok((count, PathBuf::from(file))),
        _ => Err(usage("--export", format!("its number has to be 1 or more; it is {count:?}"))),
    }
}
