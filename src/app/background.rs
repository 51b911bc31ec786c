//! What runs beside the requests, from the start to the end of a gateway: what is counted, logged or
//! kept goes to the store, keys and budgets come from it, and the input is watched.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::{App, signal_log};

/// How often the store is asked which keys there are: a change takes effect within a second.
const REFRESH_EVERY: Duration = Duration::from_millis(300);

/// How often counts go to the store.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Refreshes from one look at the budgets, and at the journal, to the next.
const WARN_EVERY: u64 = 3;

/// Refreshes from one look at how the store is to the next.
const PROBE_EVERY: u64 = 15;

impl App {
    /// Writes counts to the store once a second, until the task is aborted.
    pub fn spawn_flushing(self: &Arc<App>) -> JoinHandle<()> {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(FLUSH_EVERY);
            loop {
                ticks.tick().await;
                app.flush().await;
                app.metrics.run_upkeep();
            }
        })
    }

    /// Keeps in mind which keys there are, warns of budgets, and brings the journal to the store, until
    /// the task is aborted.
    pub fn spawn_minding(self: &Arc<App>) -> JoinHandle<()> {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(REFRESH_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut failing = false;
            for tick in 0u64.. {
                ticks.tick().await;
                let mut seen = app.access.refresh().await;
                if tick.is_multiple_of(WARN_EVERY) && seen.is_ok() {
                    seen = app.access.warn().await;
                    app.ledger.replay().await;
                }
                if tick.is_multiple_of(PROBE_EVERY) {
                    app.ledger.tell_journal();
                    // For `/metrics`, where nobody asks for `/readyz`.
                    app.readiness().await;
                }
                if let Err(error) = &seen {
                    error.count();
                }
                // Told once: what waits for the store says so itself.
                if let Err(error) = &seen
                    && !failing
                {
                    tracing::warn!(%error, "the keys cannot be read from the store; those that \
                        were read last stay in force");
                }
                failing = seen.is_err();
            }
        })
    }

    /// Watches over what the gateway reads: whether its input is what it was, compared with the
    /// baseline that the store has, and what a model in shadow makes of it. Ends with the tasks.
    pub async fn spawn_watching(self: &Arc<App>) -> anyhow::Result<Vec<JoinHandle<()>>> {
        if let Err(error) = self.drift.resume(&self.store).await {
            tracing::warn!(%error, "the drift baseline cannot be read from the store");
        }
        let app = Arc::clone(self);
        let drift = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(FLUSH_EVERY);
            loop {
                ticks.tick().await;
                app.drift.close_windows(&app.store).await;
            }
        });
        let shadow = self.start_shadow().await?;
        Ok(std::iter::once(drift).chain(shadow).collect())
    }

    /// Writes counts and kept texts in a task of its own: who goes away in the meantime takes none along.
    pub(super) async fn flush(self: &Arc<App>) {
        let app = Arc::clone(self);
        // It can only end early by a panic, which has been logged.
        let written = async move {
            app.write_counts().await;
            app.write_windows().await;
            app.write_signals(false).await;
            app.write_texts().await;
            app.add_up_days().await;
        };
        let _ = tokio::spawn(written).await;
    }

    pub(super) async fn write_counts(&self) {
        for text in self.cascade.take_abandoned() {
            self.counter.count_undelivered(text.task, &text.caller, text.model.as_deref());
        }
        let counts = self.counter.take();
        if counts.is_empty() {
            return;
        }
        if let Err(error) = self.store.add_counts(counts.clone()).await {
            tracing::warn!(%error, "the counts of texts cannot be written; they stay in memory \
                until the store answers");
            self.counter.put_back(counts);
        }
    }

    /// Adds old counts up by the day, some at a time and now and then.
    async fn add_up_days(&self) {
        if !self.counter.is_adding_up_due() {
            return;
        }
        let day = Duration::from_secs(24 * 60 * 60);
        let before = SystemTime::now() - day * self.config.store.minute_days;
        match self.store.add_up_days(before).await {
            Ok(are_more) => self.counter.added_up(are_more),
            Err(error) => tracing::debug!(%error, "old counts stay as they are a while longer"),
        }
    }

    pub(super) async fn write_signals(&self, is_end: bool) {
        // Without rows too: those that are old are let go of.
        let Some(rows) = self.signal_log.take(is_end) else { return };
        let forget = SystemTime::now() - signal_log::KEPT_FOR;
        if let Err(error) = self.store.log_signals(rows.clone(), forget).await {
            tracing::warn!(%error, "the logged signals cannot be written; they stay in memory \
                until the store answers");
            self.signal_log.put_back(rows);
        }
    }
}
