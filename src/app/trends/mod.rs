//! Windows of verdicts at work: the gateway's own texts are counted in memory and written once a second,
//! those of a topic together with how far it has been read; both are read back, and listened to.

mod live;
mod query;
mod records;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use live::{ListenError, Listener, Listening, Update};
pub(super) use query::key as window_key;
pub use query::{TrendsError, TrendsRequest};
pub use records::{FoldError, Reached};

use super::App;
use crate::cascade::Analysis;
use crate::sentiment::{Findings, Task};
use crate::store::{self, WindowsFold};
use crate::trends::{
    Bounds, Config, Crowded, DAY_SECONDS, Fold, Observation, Place, Quota, WindowId, WindowKey,
    Windowing, score_micros, term_of,
};

/// The tag by which a request says whose window its text belongs to.
pub const KEY_TAG: &str = "key";

/// Windows times keys that may wait for a store that fails: about 100 MB, each with a dozen terms.
const MOST_CELLS: usize = 100_000;

/// How often old windows are let go of.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// The gateway's part in the windows.
pub struct Trends {
    windowing: Windowing,
    config: Config,
    waiting: Mutex<Fold>,
    /// Which keys the teams have in the newest window.
    quota: Mutex<Quota>,
    forgot: Mutex<Option<Instant>>,
    pub(super) live: live::Live,
}

impl Trends {
    pub fn new(windowing: Windowing, config: Config) -> Trends {
        let live = live::Live::new(&config);
        let (waiting, quota, forgot) = (Mutex::default(), Mutex::default(), Mutex::default());
        Trends { windowing, config, waiting, quota, forgot, live }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            keys: self.config.keys_per_window,
            terms: self.config.terms_per_window,
            cells: MOST_CELLS,
        }
    }

    /// Counts a text that arrived now, and is never late.
    fn count(&self, mut text: Observation, team: Option<&str>) {
        if let Some(team) = team.filter(|_| text.key.name().is_some()) {
            let width = self.windowing.window_seconds;
            let start_ms = WindowId::of(text.at_ms, WindowKey::default(), width).start_ms;
            let most = self.config.keys_per_team;
            let mut quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
            if let Place::Full { is_news } = quota.take(team, &text.key, start_ms, most) {
                drop(quota);
                tell_full(team, most, is_news);
                text.key = WindowKey::default();
            }
        }
        let mut waiting = self.waiting();
        waiting.add(&text, self.windowing.window_seconds, false, self.bounds());
    }

    /// How many texts wait to be written.
    pub fn waiting_texts(&self) -> u64 {
        self.waiting().texts()
    }

    /// Writes what waits; after an error it goes on waiting.
    async fn write(&self, store: &store::Store) {
        let fold = std::mem::take(&mut *self.waiting());
        if fold.is_empty() {
            return;
        }
        let bounds = self.bounds();
        tell_crowded(fold.crowded());
        let windows = fold.clone().into_windows();
        match store.fold_windows(WindowsFold { windows, bounds, advance: None }).await {
            Ok(()) => self.live.wake(),
            Err(error) => {
                tracing::warn!(%error, "windows cannot be written; they stay in memory until the \
                    store answers");
                self.waiting().merge(fold, bounds);
            }
        }
    }

    /// Lets go of windows that have had their time, now and then.
    async fn forget(&self, store: &store::Store) {
        let is_due = {
            let mut forgot = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = forgot.is_none_or(|last| last.elapsed() >= FORGET_EVERY);
            if is_due {
                *forgot = Some(Instant::now());
            }
            is_due
        };
        if !is_due {
            return;
        }
        let kept = Duration::from_secs(u64::from(DAY_SECONDS) * u64::from(self.config.keep_days));
        let before = now_ms().saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        if let Err(error) = store.forget_windows(before.saturating_mul(1000)).await {
            tracing::debug!(%error, "windows past their retention could not be deleted; the \
                gateway tries again");
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Fold> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_full(team: &str, most: usize, is_news: bool) {
    metrics::counter!("undertone_trends_crowded_total", "what" => "team_key").increment(1);
    if is_news {
        tracing::warn!(
            team,
            most,
            "the texts of a team came with more different tags.key within one window than \
             trends.keys_per_team allows: those of further keys count under no key"
        );
    }
}

/// Counts what found no place in memory already.
fn tell_crowded(crowded: Crowded) {
    for (what, count) in [("key", crowded.keys), ("term", crowded.terms)] {
        if count > 0 {
            metrics::counter!("undertone_trends_crowded_total", "what" => what).increment(count);
        }
    }
}

impl App {
    /// Counts a text that got its verdict in the window of this moment, under the key that its sender gave
    /// it. Of several tasks about one text all verdicts are given at once: it is one text. `team` is that of
    /// a sender who may only take its share of the window's keys.
    pub fn count_in_windows(
        &self,
        key: Option<&str>,
        team: Option<&str>,
        analyses: &[(Task, &Analysis)],
    ) {
        if let Some(text) = observation(now_ms(), key, analyses) {
            self.trends.count(text, team);
        }
    }

    /// Writes the windows of the gateway's own texts, and lets old ones go.
    pub(super) async fn write_windows(&self) {
        self.trends.write(&self.store).await;
        self.trends.forget(&self.store).await;
    }
}

/// What windows take of the verdicts on one text. Label and scores are the sentiment's verdict, where that
/// was asked for.
fn observation(
    at_ms: i64,
    key: Option<&str>,
    analyses: &[(Task, &Analysis)],
) -> Option<Observation> {
    let whole = analyses.iter().find(|(task, _)| *task == Task::Sentiment).or(analyses.first())?;
    let scores = &whole.1.verdict.scores;
    let [negative, _, positive, _] = scores.as_array();
    let mut text = Observation {
        at_ms,
        key: WindowKey::of(key),
        label: scores.label(),
        score_micros: score_micros(positive.into(), negative.into()),
        emotions: Vec::new(),
        aspects: Vec::new(),
    };
    for (_, analysis) in analyses {
        match &analysis.verdict.findings {
            Findings::None => {}
            Findings::Aspects(aspects) => text.aspects.extend(
                aspects.iter().filter_map(|one| Some((term_of(&one.term)?, one.sentiment?))),
            ),
            Findings::Emotions(emotions) => text.emotions.extend(
                emotions.sorted().into_iter().filter(|(.., is)| *is).map(|(emotion, ..)| emotion),
            ),
        }
    }
    Some(text)
}

/// Milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
