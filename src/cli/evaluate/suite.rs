//! `--suite`: strategies on a behaviour suite, kind by kind, and which failures nobody hears of. `--edits`
//! makes such a suite of a file's texts: each must be read alike after an edit that changes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::buying::Purse;
use super::data::About;
use super::predict::Predictor;
use super::run::Run;
use super::strategies::Strategy;
use super::table::percent;
use crate::app::SharedApp;
use crate::cli::output::{self, TableOrJson};
use crate::evaluation::suite::{Kind, Said, Sarcasm, Tally};
use crate::evaluation::{Dataset, Example, Subject, Truth};
use crate::sentiment::Label;

/// The kinds of a folder, by their names, or a file's texts by the edits that they bear.
pub struct Suite {
    source: String,
    sha256: String,
    kinds: Vec<Kind>,
    columns: Columns,
}

/// What the figures of a kind are.
#[derive(Clone, Copy, PartialEq)]
enum Columns {
    Behaviour,
    /// How often the label, and the route, is another after an edit.
    Edits,
}

/// What one strategy made of the suite.
struct Figures {
    typed: String,
    kinds: Vec<Tally>,
    all: Tally,
    sarcasm: Sarcasm,
}

impl Suite {
    /// # Errors
    /// A folder that cannot be read or holds no kind, and a file that is not as a suite's are, with its line.
    pub fn read(folder: &Path) -> anyhow::Result<Suite> {
        let shown = folder.display();
        let entries =
            std::fs::read_dir(folder).with_context(|| format!("{shown} cannot be read"))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("{shown} cannot be read"))?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                paths.push(path);
            }
        }
        paths.sort();
        let (mut kinds, mut hasher) = (Vec::new(), Sha256::new());
        for path in paths {
            let file = std::fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let kind = Kind::parse(&name, &file)
                .map_err(|fault| anyhow::anyhow!("{}: {fault}", path.display()))?;
            hasher.update(name.as_bytes());
            hasher.update(&file);
            kinds.push(kind);
        }
        anyhow::ensure!(
            !kinds.is_empty(),
            "{shown} holds no kind: expected files named KIND.jsonl"
        );
        let sha256 = hex::encode(hasher.finalize());
        Ok(Suite { source: shown.to_string(), sha256, kinds, columns: Columns::Behaviour })
    }

    /// The texts of a labelled file, each beside its edited forms.
    pub fn of_edits(dataset: &Dataset, about: &About) -> Suite {
        let texts: Vec<Arc<str>> =
            dataset.examples.iter().map(|example| Arc::clone(&example.text)).collect();
        Suite {
            source: about.file.clone(),
            sha256: about.sha256.clone(),
            kinds: Kind::of_edits(&texts),
            columns: Columns::Edits,
        }
    }

    /// Has every strategy read every text once, and prints what came of it.
    pub async fn measure(
        &self,
        app: &SharedApp,
        strategies: &[Strategy],
        purse: &Purse,
        format: TableOrJson,
    ) -> anyhow::Result<ExitCode> {
        let texts = self.texts();
        // The truth of a case is the suite's business: a text may stand in several.
        let truth = Truth::Sentiment(Label::Neutral);
        let examples =
            texts.iter().map(|text| Example { text: Arc::clone(text), truth: truth.clone() });
        let dataset = Dataset { subject: Subject::Sentiment, examples: examples.collect() };
        let run = Run::new(app, &dataset, purse);
        let mut predictor = Predictor::new(&run);
        let mut figures = Vec::with_capacity(strategies.len());
        for strategy in strategies {
            let said = predictor.all(strategy).await?;
            let missed = said.iter().filter(|said| said.is_none()).count();
            anyhow::ensure!(
                missed == 0,
                "{}: {missed} of {} texts got no answer, and a suite is measured whole",
                strategy.typed,
                texts.len()
            );
            let said: HashMap<&str, Said> =
                texts.iter().map(|text| &**text).zip(said.into_iter().flatten()).collect();
            figures.push(self.figures(&strategy.typed, &said));
        }
        match format {
            TableOrJson::Json => self.print_json(&figures, texts.len()),
            TableOrJson::Table => self.print_table(&figures),
        }
    }

    /// Each once, in the order of the cases.
    fn texts(&self) -> Vec<Arc<str>> {
        let cases = self.kinds.iter().flat_map(|kind| &kind.cases);
        let all = cases.flat_map(|case| [Some(&case.text), case.edited()]).flatten();
        let mut seen = std::collections::HashSet::new();
        all.filter(|text| seen.insert(&***text)).cloned().collect()
    }

    fn figures(&self, typed: &str, said: &HashMap<&str, Said>) -> Figures {
        let tallies = self.kinds.iter().map(|kind| kind.tally(&|text| said[text]));
        let (kinds, sarcasm): (Vec<Tally>, Vec<Sarcasm>) = tallies.unzip();
        let all = kinds.iter().copied().sum();
        Figures { typed: typed.to_owned(), kinds, all, sarcasm: sarcasm.into_iter().sum() }
    }

    fn print_table(&self, figures: &[Figures]) -> anyhow::Result<ExitCode> {
        let header: Vec<String> = match self.columns {
            Columns::Behaviour => ["kind", "cases", "right", "wrong, not escalated", "escalated"]
                .map(str::to_owned)
                .into(),
            Columns::Edits => {
                ["edit", "texts", "label changed", "route changed"].map(str::to_owned).into()
            }
        };
        for Figures { typed, kinds, all, sarcasm } in figures {
            let row = |name: &str, tally: &Tally| {
                let share = |count| percent(share(count, tally.cases));
                let figures = match self.columns {
                    Columns::Behaviour => {
                        vec![tally.right, tally.wrong_not_escalated, tally.escalated]
                    }
                    Columns::Edits => vec![tally.cases - tally.right, tally.rerouted],
                };
                let named = [name.to_owned(), tally.cases.to_string()];
                named.into_iter().chain(figures.into_iter().map(share)).collect::<Vec<_>>()
            };
            let named = self.kinds.iter().zip(kinds);
            let mut rows: Vec<_> = named.map(|(kind, tally)| row(&kind.name, tally)).collect();
            rows.push(row("all", all));
            output::line(&format!("{typed} on {}", self.source))?;
            output::table(&header, &rows, 1)?;
            if sarcasm.sarcastic > 0 {
                output::line(&format!(
                    "Of {} sarcastic texts {} are read as meant or escalated; of {} sincere ones in the \
                     same words {} are read right and {} escalated.",
                    sarcasm.sarcastic,
                    percent(share(sarcasm.caught, sarcasm.sarcastic)),
                    sarcasm.sincere,
                    percent(share(sarcasm.sincere_right, sarcasm.sincere)),
                    percent(share(sarcasm.sincere_escalated, sarcasm.sincere)),
                ))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print_json(&self, figures: &[Figures], texts: usize) -> anyhow::Result<ExitCode> {
        let strategies: Map<String, Value> = figures
            .iter()
            .map(|Figures { typed, kinds, all, sarcasm }| {
                let named = self.kinds.iter().zip(kinds);
                let kinds: Map<String, Value> =
                    named.map(|(kind, tally)| (kind.name.clone(), self.of_tally(tally))).collect();
                let mut value = self.of_tally(all);
                if self.columns == Columns::Edits {
                    value["kinds"] = Value::Object(kinds);
                    return (typed.clone(), value);
                }
                value["sarcasm"] = json!({
                    "sarcastic": sarcasm.sarcastic,
                    "caught": share(sarcasm.caught, sarcasm.sarcastic),
                    "sincere": sarcasm.sincere,
                    "sincere_right": share(sarcasm.sincere_right, sarcasm.sincere),
                    "sincere_escalated": share(sarcasm.sincere_escalated, sarcasm.sincere),
                });
                value["kinds"] = Value::Object(kinds);
                (typed.clone(), value)
            })
            .collect();
        output::json(&json!({
            "suite": {
                "folder": self.source, "kinds": self.kinds.len(), "texts": texts,
                "sha256": self.sha256,
            },
            "strategies": strategies,
        }))
    }

    fn of_tally(&self, tally: &Tally) -> Value {
        let share = |count| share(count, tally.cases);
        match self.columns {
            Columns::Behaviour => json!({
                "cases": tally.cases,
                "right": share(tally.right),
                "wrong_not_escalated": share(tally.wrong_not_escalated),
                "escalated": share(tally.escalated),
            }),
            Columns::Edits => json!({
                "texts": tally.cases,
                "label_changed": share(tally.cases - tally.right),
                "route_changed": share(tally.rerouted),
            }),
        }
    }
}

fn share(count: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { (count as f64 / of as f64 * 1e6).round() / 1e6 }
}
