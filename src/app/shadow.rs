//! A model in shadow: it reads a share of the texts beside the one that answers, off the requests'
//! path, and what it makes of them is counted and goes nowhere else.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{App, SharedApp};
use crate::cascade::Analysis;
use crate::classifier::Classifier;
use crate::sentiment::{Gist, Task};

/// Texts that may wait for it; of more it does not hear.
const QUEUE: usize = 64;

/// The way to the model that runs in shadow.
pub struct Shadow {
    share: f32,
    jobs: mpsc::Sender<Job>,
}

/// A text, and what was made of it.
struct Job {
    task: Task,
    text: Arc<str>,
    language: Option<String>,
    local: Gist,
    /// Where an LLM answered: what it said.
    llm: Option<Gist>,
}

impl App {
    /// Loads the model that is to run in shadow, if one is configured, with one session, and starts
    /// to show it texts. Until this is called there is none.
    pub async fn start_shadow(self: &SharedApp) -> anyhow::Result<Option<JoinHandle<()>>> {
        let config = &self.config().classifier;
        let Some(folder) = config.shadow() else { return Ok(None) };
        let mut own = config.clone();
        (own.model, own.threads) = (folder.to_owned(), 1);
        let categories = self.config().aspects.categories.clone();
        let load = move || Classifier::start(&own, &categories);
        let classifier = tokio::task::spawn_blocking(load).await??;
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let shadow = Shadow { share: config.shadow_share, jobs };
        tracing::info!(model = classifier.name(), share = shadow.share, "a model runs in shadow");
        anyhow::ensure!(self.shadow.set(shadow).is_ok(), "a model runs in shadow already");
        Ok(Some(tokio::spawn(read_all(classifier, waiting))))
    }

    /// Shows a text to the model in shadow, or leaves it: nothing here waits.
    pub(super) fn show(
        &self,
        task: Task,
        text: &Arc<str>,
        language: Option<&String>,
        analysis: &Analysis,
    ) {
        let Some(shadow) = self.shadow.get() else { return };
        if rand::random::<f32>() >= shadow.share {
            return;
        }
        let answer = analysis.verdict.gist();
        let (local, llm) = match analysis.overruled {
            Some(overruled) => (overruled.gist, Some(answer)),
            None => (answer, None),
        };
        let job = Job { task, text: Arc::clone(text), language: language.cloned(), local, llm };
        if shadow.jobs.try_send(job).is_err() {
            metrics::counter!("undertone_shadow_dropped_total").increment(1);
        }
    }
}

/// One text after the other, until nobody shows any more.
async fn read_all(classifier: Classifier, mut waiting: mpsc::Receiver<Job>) {
    while let Some(job) = waiting.recv().await {
        let reading = classifier.read(job.task, Arc::clone(&job.text), job.language.clone()).await;
        let Ok(reading) = reading else {
            metrics::counter!("undertone_shadow_failed_total").increment(1);
            continue;
        };
        metrics::histogram!("undertone_shadow_read_seconds").record(reading.took);
        count(&job, reading.verdict.gist());
    }
}

fn count(job: &Job, shadow: Gist) {
    let task = job.task.name();
    let word = |is: bool| if is { "true" } else { "false" };
    metrics::counter!(
        "undertone_shadow_texts_total",
        "task" => task,
        "label" => job.local.label.name(),
        "agrees" => word(shadow.agrees(job.local))
    )
    .increment(1);
    if let Some(llm) = job.llm {
        metrics::counter!(
            "undertone_shadow_compared_total",
            "task" => task,
            "serving_agrees" => word(job.local.agrees(llm)),
            "shadow_agrees" => word(shadow.agrees(llm))
        )
        .increment(1);
    }
}
