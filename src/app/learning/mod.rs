//! What the gateway learns from: with consent in the configuration it keeps texts with their
//! verdicts, written off the requests' path, and takes what people say of them.

mod feedback;
mod latest;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use self::latest::Latest;
use super::kept_verdict::KeptVerdict;
use super::{App, Store};
use crate::cascade::{Analysis, Overruled};
use crate::sentiment::{Outcome, Reason, Task, Verdict};
use crate::store::{self, KeptText, Owner};

pub use feedback::{FeedbackError, FeedbackReceipt, SaidAspect, Word};

/// The section `[learning]`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningConfig {
    /// Consent: without it no text is written down anywhere.
    pub keep_texts: bool,
    pub keep_days: u32,
    /// How long, and how many, of the other texts stay for feedback.
    pub keep_local_hours: u32,
    pub keep_local_texts: u64,
}

/// Texts that may wait to be written; more are dropped, and counted.
const MOST_PENDING: usize = 10_000;

/// The longest id of a verdict that is remembered; a longer one can only be a sender's own.
pub const ID_LIMIT: usize = 128;

const PURGE_EVERY: Duration = Duration::from_secs(60);

/// What is kept until it is written, and what feedback can be about.
pub struct Learning {
    config: LearningConfig,
    pending: Mutex<Vec<Pending>>,
    latest: Latest,
    purged: Mutex<Option<Instant>>,
}

/// A text that waits to be written.
struct Pending {
    id: String,
    owner: Owner,
    task: Task,
    text: Arc<str>,
    language: String,
    by_llm: bool,
    model: String,
    verdict: Verdict,
    overruled: Option<Overruled>,
    /// An LLM was paid for it now, rather than before or not at all.
    bought: bool,
    at: SystemTime,
}

impl LearningConfig {
    pub(super) fn days(&self) -> Duration {
        Duration::from_secs(24 * 60 * 60) * self.keep_days
    }

    fn hours(&self) -> Duration {
        Duration::from_secs(60 * 60) * self.keep_local_hours
    }

    fn keeps(&self, bought: bool) -> bool {
        self.keep_texts && (bought || (self.keep_local_hours > 0 && self.keep_local_texts > 0))
    }
}

impl Learning {
    pub fn new(config: LearningConfig) -> Learning {
        let (pending, purged) = (Mutex::default(), Mutex::default());
        Learning { config, pending, latest: Latest::default(), purged }
    }

    /// Remembers a verdict for feedback, and with consent its text.
    fn remember(&self, id: &str, owner: Owner, task: Task, text: &Arc<str>, analysis: &Analysis) {
        if id.is_empty() || id.len() > ID_LIMIT {
            return;
        }
        let by_llm = analysis.outcome == Outcome::Answered;
        self.latest.remember(id, &owner, analysis.verdict.gist(), by_llm);
        let bought = by_llm && !analysis.cached;
        if !self.config.keeps(bought) {
            return;
        }
        let pending = Pending {
            id: id.to_owned(),
            owner,
            task,
            text: Arc::clone(text),
            language: analysis.language.code.to_string(),
            by_llm,
            model: analysis.model.clone(),
            verdict: analysis.verdict.clone(),
            overruled: analysis.overruled,
            bought,
            at: SystemTime::now(),
        };
        let mut waiting = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.len() {
            ..MOST_PENDING => waiting.push(pending),
            _ => metrics::counter!("undertone_texts_not_kept_total").increment(1),
        }
    }

    /// Writes down what waits, and deletes what has had its time.
    async fn write(&self, store: &Store) {
        let waiting =
            std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let count = waiting.len() as u64;
        if !waiting.is_empty() {
            let texts = waiting.into_iter().map(|pending| self.kept(pending)).collect();
            match store.keep_texts(texts).await {
                Ok(()) => metrics::counter!("undertone_texts_kept_total").increment(count),
                Err(error) => {
                    tracing::warn!(%error, count, "texts could not be kept for learning");
                    metrics::counter!("undertone_texts_not_kept_total").increment(count);
                }
            }
        }
        if self.is_purge_due()
            && let Err(error) = self.purge(store).await
        {
            tracing::warn!(%error, "texts past their retention could not be deleted; the gateway \
                tries again");
        }
    }

    async fn purge(&self, store: &Store) -> Result<(), store::Error> {
        // Without consent, what was kept under an earlier one goes by its own time.
        let most = if self.config.keep_texts { self.config.keep_local_texts } else { 0 };
        store.purge_texts(SystemTime::now(), most).await
    }

    fn is_purge_due(&self) -> bool {
        let mut purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = purged.is_none_or(|at| at.elapsed() >= PURGE_EVERY);
        if is_due {
            *purged = Some(Instant::now());
        }
        is_due
    }

    fn kept(&self, pending: Pending) -> KeptText {
        let stays = if pending.bought { self.config.days() } else { self.config.hours() };
        let json = |value: &KeptVerdict| serde_json::to_string(value).expect("plain values");
        let scores = |overruled: Overruled| {
            serde_json::to_string(&overruled.scores.as_array()).expect("numbers")
        };
        KeptText {
            id: pending.id,
            owner: pending.owner,
            task: pending.task.name().to_owned(),
            text: pending.text,
            language: pending.language,
            by_llm: pending.by_llm,
            model: pending.model,
            verdict: json(&KeptVerdict::of(&pending.verdict)),
            local_scores: pending.overruled.map(scores),
            recent: !pending.bought,
            kept_at: pending.at,
            expires_at: pending.at + stays,
        }
    }
}

impl App {
    /// Remembers a verdict under the id that its sender knows it by, so that they can say whether it
    /// is right; with consent (`learning.keep_texts`) the text as well.
    pub fn remember(
        &self,
        id: &str,
        owner: Owner,
        task: Task,
        text: &Arc<str>,
        analysis: &Analysis,
    ) {
        self.learning.remember(id, owner, task, text, analysis);
    }

    pub(super) async fn write_texts(&self) {
        self.learning.write(&self.store).await;
    }
}

/// Counts whether an LLM agreed with the local model, under each reason for which it was asked. Of
/// the sampled ones, those at odds are the error rate of what stays local, as far as LLMs are right.
pub(super) fn compare(task: Task, analysis: &Analysis) {
    let Some(overruled) = analysis.overruled else { return };
    let agrees = overruled.gist.agrees(analysis.verdict.gist());
    let agrees = if agrees { "true" } else { "false" };
    for reason in analysis.reasons.iter().copied().map(Reason::name) {
        metrics::counter!(
            "undertone_compared_total",
            "task" => task.name(), "reason" => reason, "agrees" => agrees
        )
        .increment(1);
    }
}
