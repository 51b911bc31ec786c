//! `--estimate`: what the strategies would cost that call somebody. Nobody is called; the local model
//! reads all texts where `cascade` needs to know which ones are escalated.

use std::collections::HashMap;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::buying::Wanted;
use super::data::About;
use super::run::{Run, no_provider, projected};
use super::strategies::{Reader, Strategy};
use crate::app::{Asking, CallEstimate, Interviewer};
use crate::cli::output::{self, TableOrJson};
use crate::pricing::Usd;

/// What one strategy would cost.
struct Estimate {
    typed: String,
    /// As it would be asked; `None` for one that calls nobody.
    model: Option<String>,
    /// Texts that an LLM is asked about, and those of them whose answer is there already.
    asked: usize,
    kept: usize,
    /// `None`: the model has no price.
    cost: Option<CallEstimate>,
}

pub async fn print(
    run: &mut Run<'_>,
    strategies: &[Strategy],
    about: &About,
    format: TableOrJson,
) -> anyhow::Result<ExitCode> {
    let mut estimates = Vec::with_capacity(strategies.len());
    for strategy in strategies {
        estimates.push(of(run, strategy).await?);
    }
    match format {
        TableOrJson::Json => as_json(run, &estimates, about),
        TableOrJson::Table => as_table(run, &estimates),
    }
}

async fn of(run: &mut Run<'_>, strategy: &Strategy) -> anyhow::Result<Estimate> {
    let app = run.app;
    let texts = run.dataset.examples.len();
    let (model, wanted) = match &strategy.reader {
        Reader::Lexicon | Reader::Local(_) | Reader::Recorded(_) => {
            let cost = Some(CallEstimate { likely: Usd::ZERO, at_most: Usd::ZERO });
            let typed = strategy.typed.clone();
            return Ok(Estimate { typed, model: None, asked: 0, kept: 0, cost });
        }
        Reader::Cascade { share, .. } => {
            run.read_locally(&strategy.typed).await?;
            (app.interviewer(None, None)?, run.escalated_texts(*share))
        }
        Reader::Llm { provider, model } => {
            let wanted = (0..texts).map(|at| Wanted { at, hint: None }).collect();
            (app.interviewer(*provider, model.as_deref())?, wanted)
        }
    };
    let model = model.ok_or_else(no_provider)?;
    let missing = missing(run, &model, wanted).await?;
    Ok(Estimate {
        typed: strategy.typed.clone(),
        model: Some(model.models()),
        asked: missing.asked,
        kept: missing.asked - missing.texts,
        cost: projected(&model, run.dataset, &missing.wanted),
    })
}

struct Missing {
    asked: usize,
    /// Texts without an answer; equal ones are asked about once.
    texts: usize,
    wanted: Vec<Wanted>,
}

async fn missing(
    run: &Run<'_>,
    model: &Interviewer,
    wanted: Vec<Wanted>,
) -> anyhow::Result<Missing> {
    let task = run.dataset.subject.task();
    let kept = model.kept(task).await?;
    let asked = wanted.len();
    let mut texts = 0;
    let mut questions: HashMap<String, Wanted> = HashMap::new();
    for wanted in wanted {
        let text = &run.dataset.examples[wanted.at].text;
        let question = model.question(&Asking { task, text, hint: wanted.hint.clone() });
        if !kept.contains_key(&question) {
            texts += 1;
            questions.insert(question, wanted);
        }
    }
    Ok(Missing { asked, texts, wanted: questions.into_values().collect() })
}

fn as_json(run: &Run<'_>, estimates: &[Estimate], about: &About) -> anyhow::Result<ExitCode> {
    let texts = run.dataset.examples.len();
    let strategy = |estimate: &Estimate| {
        json!({
            "model": estimate.model,
            "asked": estimate.asked,
            "kept": estimate.kept,
            "cost_usd": estimate.cost.map(|cost| cost.likely),
            "at_most_usd": estimate.cost.map(|cost| cost.at_most),
        })
    };
    let strategies: Map<String, Value> =
        estimates.iter().map(|estimate| (estimate.typed.clone(), strategy(estimate))).collect();
    output::json(&json!({
        "data": {"file": about.file, "texts": texts, "sha256": about.sha256},
        "strategies": strategies,
        "notes": [run.app.estimate_basis()],
    }))
}

fn as_table(run: &Run<'_>, estimates: &[Estimate]) -> anyhow::Result<ExitCode> {
    let texts = run.dataset.examples.len();
    let header = ["strategy", "model", "asked", "kept", "cost $", "at most $"].map(str::to_owned);
    let dollars = |amount: Option<Usd>| {
        amount.map_or("unknown".into(), |amount| format!("{:.4}", amount.pico() as f64 / 1e12))
    };
    let rows: Vec<Vec<String>> = estimates
        .iter()
        .map(|estimate| {
            vec![
                estimate.typed.clone(),
                estimate.model.clone().unwrap_or_else(|| "none".into()),
                estimate.asked.to_string(),
                estimate.kept.to_string(),
                dollars(estimate.cost.map(|cost| cost.likely)),
                dollars(estimate.cost.map(|cost| cost.at_most)),
            ]
        })
        .collect();
    output::line(&format!("What measuring {texts} texts would cost; nobody was called"))?;
    output::table(&header, &rows, 2)?;
    output::line(
        "note: kept answers were bought by earlier evaluations and cost nothing again; the same \
         answer is bought once, however many strategies need it",
    )?;
    output::line(&format!("note: {}", run.app.estimate_basis()))
}
