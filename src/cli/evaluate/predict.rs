//! What a strategy says of each text, without its speed and its cost: for a suite, which asks about behaviour
//! alone.

use futures::{StreamExt, TryStreamExt, stream};

use super::buying::{self, Bought, Wanted};
use super::run::{Run, answers, no_provider};
use super::strategies::{Reader, Strategy, folder};
use super::{lexicon, progress};
use crate::app::{Classifier, Reading};
use crate::cli::arguments::usage;
use crate::evaluation::Prediction;
use crate::evaluation::suite::Said;

/// What each strategy says, with the configured model's readings kept: `local` and `cascade` share them.
pub struct Predictor<'a> {
    run: &'a Run<'a>,
    own: Option<Vec<Reading>>,
}

impl<'a> Predictor<'a> {
    pub fn new(run: &'a Run<'a>) -> Predictor<'a> {
        Predictor { run, own: None }
    }

    /// In the order of the texts; `None` where an LLM was asked and gave no usable answer.
    pub async fn all(&mut self, strategy: &Strategy) -> anyhow::Result<Vec<Option<Said>>> {
        let run = self.run;
        if self.own.is_none() && is_of_configured(&strategy.reader) {
            self.own = Some(read(run, run.app.classifier(), &strategy.typed).await?);
        }
        let own = self.own.as_deref().unwrap_or_default();
        match &strategy.reader {
            Reader::Lexicon => {
                let bar = progress::bar(&strategy.typed, run.dataset.examples.len());
                let read = lexicon::verdicts(run.dataset, &bar);
                bar.finish_and_clear();
                Ok(read.into_iter().map(|prediction| said(&prediction, false)).collect())
            }
            Reader::Local(None) => Ok(local(run, own)),
            Reader::Local(Some(name)) => {
                let model = run.app.open_model(&folder(name, run.app.config())?).await?;
                Ok(local(run, &read(run, &model, &strategy.typed).await?))
            }
            Reader::Cascade { share, .. } => cascade(run, own, *share, &strategy.typed).await,
            Reader::Recorded(_) => {
                let message = "recorded answers are about the texts of --data, not about a suite";
                Err(usage("--strategies", message))
            }
            Reader::Llm { provider, model } => {
                let model = run.app.interviewer(*provider, model.as_deref())?;
                let model = model.ok_or_else(no_provider)?;
                let wanted = (0..run.dataset.examples.len()).map(|at| Wanted { at, hint: None });
                let wanted: Vec<Wanted> = wanted.collect();
                let bar = progress::bar(&strategy.typed, wanted.len());
                let bought = buying::ask_all(&model, run.dataset, &wanted, run.purse, &bar).await;
                bar.finish_and_clear();
                let given = answers(run.dataset.subject, &bought?);
                Ok(given.iter().map(|answer| said(answer.as_ref()?, true)).collect())
            }
        }
    }
}

/// Whether the configured model reads.
fn is_of_configured(reader: &Reader) -> bool {
    matches!(reader, Reader::Local(None) | Reader::Cascade { .. })
}

fn local(run: &Run<'_>, readings: &[Reading]) -> Vec<Option<Said>> {
    readings.iter().map(|reading| said(&of_reading(run, reading), false)).collect()
}

/// Without a key, or where no answer came, an escalated text has the local verdict, as from the gateway.
async fn cascade(
    run: &Run<'_>,
    readings: &[Reading],
    share: Option<f64>,
    typed: &str,
) -> anyhow::Result<Vec<Option<Said>>> {
    let mut all = local(run, readings);
    let wanted = run.wanted(readings, share);
    for Wanted { at, .. } in &wanted {
        all[*at].iter_mut().for_each(|said| said.is_escalated = true);
    }
    let Some(model) = run.app.interviewer(None, None)?.filter(|model| model.has_key()) else {
        return Ok(all);
    };
    let bar = progress::bar(typed, wanted.len());
    let bought = buying::ask_all(&model, run.dataset, &wanted, run.purse, &bar).await;
    bar.finish_and_clear();
    let bought: Bought = bought?;
    for (Wanted { at, .. }, answer) in wanted.iter().zip(answers(run.dataset.subject, &bought)) {
        if let Some(said) = answer.and_then(|answer| said(&answer, true)) {
            all[*at] = Some(said);
        }
    }
    Ok(all)
}

async fn read(run: &Run<'_>, model: &Classifier, typed: &str) -> anyhow::Result<Vec<Reading>> {
    let (task, bar) =
        (run.dataset.subject.task(), progress::bar(typed, run.dataset.examples.len()));
    let reading = async |at: usize| {
        let reading = model.read(task, run.dataset.examples[at].text.clone(), None).await;
        bar.inc(1);
        reading
    };
    let texts = 0..run.dataset.examples.len();
    let readings = stream::iter(texts).map(reading).buffered(run.at_once()).try_collect().await;
    bar.finish_and_clear();
    Ok(readings?)
}

fn of_reading(run: &Run<'_>, reading: &Reading) -> Prediction {
    Prediction::of(run.dataset.subject, &reading.verdict)
}

fn said(prediction: &Prediction, is_escalated: bool) -> Option<Said> {
    match prediction {
        Prediction::Sentiment(scores) => Some(Said { scores: *scores, is_escalated }),
        _ => None,
    }
}
