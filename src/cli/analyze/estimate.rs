//! `--estimate`: what a whole file would cost and how long it would take, from a sample that is read
//! locally. Nobody is called, and nothing is counted.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::{ROWS_A_THREAD, progress};
use crate::app::{CallEstimate, SharedApp};
use crate::cli::output::{self, TableOrJson};
use crate::cli::page::Interval;
use crate::cli::rows::Input;
use crate::cli::share::{Share, Z};
use crate::pricing::Usd;
use crate::sentiment::{Route, Task};

/// How many texts are read.
const SAMPLE: u64 = 500;

/// Texts spread evenly over a file, or the first ones of what can be read only once.
pub struct Sample {
    texts: Vec<Arc<str>>,
    bad: u64,
    /// In all; `None`: not known.
    rows: Option<u64>,
}

/// What a file would cost.
#[derive(Debug, Serialize)]
pub struct Estimate {
    rows: Option<u64>,
    sampled: u64,
    /// Rows of the sample that would only get an error.
    bad: u64,
    /// The share of the rows that would go to the LLM.
    escalated: Range<f64>,
    /// The first configured model; `None` where no provider is configured.
    model: Option<String>,
    /// `None`: the number of rows, the model or its price is not known.
    cost_usd: Option<Range<Usd>>,
    /// The same at the worst case of every call.
    at_most_usd: Option<Usd>,
    texts_per_second: f64,
    /// For the local model; calls to the LLM overlap with it.
    local_seconds: Option<f64>,
    notes: Vec<String>,
    /// All rows were read: nothing is guessed but tokens.
    #[serde(skip)]
    is_whole: bool,
}

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, Serialize)]
struct Range<T> {
    likely: T,
    low: T,
    high: T,
}

pub fn sample(source: Option<&Path>, text_column: &str, input: Input) -> anyhow::Result<Sample> {
    let rows = source.and_then(|source| progress::count(source, text_column));
    let stride = rows.map_or(1, |rows| rows.div_ceil(SAMPLE)).max(1);
    let mut sample = Sample { texts: Vec::new(), bad: 0, rows };
    let mut read = 0;
    for row in input {
        if rows.is_none() && read == SAMPLE {
            return Ok(sample);
        }
        let row = row?;
        read += 1;
        match row.text {
            _ if row.number % stride != 0 => {}
            Ok(text) => sample.texts.push(text),
            Err(_) => sample.bad += 1,
        }
    }
    sample.rows = Some(read);
    Ok(sample)
}

pub async fn of(
    app: &SharedApp,
    tasks: &[Task],
    route: Route,
    sample: Sample,
) -> anyhow::Result<Estimate> {
    let Sample { texts, mut bad, rows } = sample;
    let at_once = app.config().classifier.sessions() * ROWS_A_THREAD;
    let at_once = at_once.min(app.config().classifier.queue);
    let started = Instant::now();
    // For each text the tasks for which an LLM would be asked; `None` for one that is too long.
    let wanted: Vec<Option<Vec<Task>>> = stream::iter(&texts)
        .map(async |text| {
            let mut asking = Vec::new();
            for task in tasks {
                let reading = match app.read(*task, Arc::clone(text)).await {
                    Err(error) if error.is_text_too_long() => return Ok(None),
                    reading => reading?,
                };
                let is_asked = match route {
                    Route::Local => false,
                    Route::Auto => {
                        !app.reasons(*task, text, &reading.signals).is_empty() || app.rolls_sample()
                    }
                    Route::Llm => true,
                };
                asking.extend(is_asked.then_some(*task));
            }
            Ok::<_, anyhow::Error>(Some(asking))
        })
        .buffered(at_once)
        .try_collect()
        .await?;
    let texts_per_second = texts.len() as f64 / started.elapsed().as_secs_f64().max(1e-9);

    let sampled = texts.len() as u64 + bad;
    bad += wanted.iter().filter(|asking| asking.is_none()).count() as u64;
    let (texts, wanted): (Vec<_>, Vec<_>) =
        texts.iter().zip(wanted).filter_map(|(text, asking)| Some((text, asking?))).unzip();
    let escalated = wanted.iter().filter(|asking| !asking.is_empty()).count() as u64;
    let is_whole = rows == Some(sampled);
    let share = share(escalated, sampled, is_whole);
    // Where none of the sample is to be asked about, all of it says what a call would cost.
    let asked =
        texts.iter().zip(&wanted).filter(|(_, asking)| !asking.is_empty() || escalated == 0);
    let calls: Option<Vec<CallEstimate>> = asked
        .map(|(text, asking)| {
            let asking = if asking.is_empty() { tasks } else { asking };
            asking.iter().map(|task| app.estimate_call(*task, text)).sum()
        })
        .collect();
    let calls = calls.filter(|calls| !calls.is_empty());
    let projected = |row: f64, share: f64| {
        let amount = rows? as f64 * share * row;
        Some(Usd::from_pico(amount.max(0.0) as i64))
    };
    let likely = calls.as_ref().map(|calls| mean(calls.iter().map(|call| call.likely), is_whole));
    let cost_usd = likely.and_then(|cost| {
        Some(Range {
            likely: projected(cost.likely, share.likely)?,
            low: projected(cost.low, share.low)?,
            high: projected(cost.high, share.high)?,
        })
    });
    let at_most = calls.as_ref().map(|calls| mean(calls.iter().map(|call| call.at_most), is_whole));
    let at_most_usd = at_most.and_then(|cost| projected(cost.high, share.high));
    let model = app.first_model();
    let mut notes = vec![app.estimate_basis()];
    if rows.is_none() {
        notes.push("only the first texts were read: give a file instead of a pipe".into());
    }
    match &model {
        None => notes.push("no provider is configured (llm.providers)".into()),
        Some(model) if calls.is_none() && !texts.is_empty() => {
            notes.push(format!("the price book has no price for {model}: see pricing.file"));
        }
        Some(_) => {}
    }
    if route != Route::Local && !app.has_llm() {
        notes.push("no provider has a key: without one every row stays local".into());
    }
    let local_seconds = rows.map(|rows| rows as f64 / texts_per_second.max(1e-9));
    Ok(Estimate {
        rows,
        sampled,
        bad,
        escalated: share,
        model,
        cost_usd,
        at_most_usd,
        texts_per_second,
        local_seconds: local_seconds.filter(|seconds| seconds.is_finite()),
        notes,
        is_whole,
    })
}

impl Estimate {
    pub fn print(&self, format: TableOrJson) -> anyhow::Result<ExitCode> {
        if format == TableOrJson::Json {
            return output::json(self);
        }
        let rows = self.rows.map_or("unknown".into(), |rows| rows.to_string());
        let Range { likely, low, high } = self.escalated;
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let escalated = match self.is_whole {
            true => format!("{} (all rows were read)", percent(likely)),
            false => {
                format!("{} (95 %: {} to {})", percent(likely), percent(low), percent(high))
            }
        };
        let cost = self.cost_usd.map_or("unknown".into(), |Range { likely, low, high }| match self
            .is_whole
        {
            true => format!("${}", cents(likely)),
            false => format!("${} (95 %: ${} to ${})", cents(likely), cents(low), cents(high)),
        });
        let at_most = self.at_most_usd.map_or("unknown".into(), |most| format!("${}", cents(most)));
        let time = self.local_seconds.map_or("unknown".into(), |seconds| {
            let whole = std::time::Duration::from_secs(seconds.ceil() as u64);
            indicatif::HumanDuration(whole).to_string()
        });
        let per_second = self.texts_per_second;
        let lines = [
            format!("rows          {rows} ({} sampled, {} of them bad)", self.sampled, self.bad),
            format!("to the LLM    {escalated}"),
            format!("model         {}", self.model.as_deref().unwrap_or("none")),
            format!("cost          {cost}"),
            format!("at most       {at_most}"),
            format!("time          {time} of local reading, at {per_second:.0} texts/s"),
        ];
        output::line(&lines.join("\n"))?;
        for note in &self.notes {
            output::line(&format!("note: {note}"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A share with its interval; none is needed where all rows were read.
fn share(hits: u64, of: u64, is_whole: bool) -> Range<f64> {
    let share = Share::of(hits, of);
    let likely = share.value();
    match is_whole {
        true => Range { likely, low: likely, high: likely },
        false => {
            let Interval { low, high } = share.interval();
            Range { likely, low, high }
        }
    }
}

/// The mean in picodollars, with the interval of a mean of so many.
fn mean(amounts: impl Iterator<Item = Usd>, is_whole: bool) -> Range<f64> {
    let amounts: Vec<f64> = amounts.map(|amount| amount.pico() as f64).collect();
    let n = amounts.len() as f64;
    let mean = amounts.iter().sum::<f64>() / n;
    let squares: f64 = amounts.iter().map(|amount| (amount - mean).powi(2)).sum();
    let half = match is_whole || amounts.len() < 2 {
        true => 0.0,
        false => Z * (squares / (n - 1.0) / n).sqrt(),
    };
    Range { likely: mean, low: mean - half, high: mean + half }
}

/// To a hundredth of a cent: an estimate has no more digits.
fn cents(amount: Usd) -> String {
    format!("{:.4}", amount.pico() as f64 / 1e12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_all_rows_is_no_guess() {
        let whole = share(3, 30, true);
        assert_eq!((whole.likely, whole.low, whole.high), (0.1, 0.1, 0.1));
        let guess = share(3, 30, false);
        assert!(guess.low < 0.1 && guess.high > 0.1);
    }
}
