//! The store as the ledger that attempts are written to, and the journal where the store is not there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::tag_sets::TagSets;
use crate::access::Access;
use crate::llm::{AttemptLog, LogDown, NotReserved};
use crate::pricing::{AttemptId, Reservation, Settlement};
use crate::store::{self, Journal, Store, WhenDown};

/// When a settlement that could not be written is tried again: a store that is busy may be so for a
/// moment. After that it goes to the journal.
const SETTLE_AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// The same, where the journal cannot be written either: a known cost is worth waiting for.
const SETTLE_AT_LAST_AFTER: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// A handle, cheap to clone.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

struct Shared {
    store: Store,
    journal: Journal,
    when_down: WhenDown,
    /// Whom a hard budget binds; `None`: nobody's keys are known here, and nothing is sent that is
    /// not on the store.
    access: Option<Arc<Access>>,
    /// Attempts in flight that are on the journal alone.
    journaled: Mutex<HashSet<AttemptId>>,
    tag_sets: Arc<TagSets>,
}

impl Ledger {
    pub fn new(store: Store, config: &store::Config, access: Option<Arc<Access>>) -> Ledger {
        Ledger(Arc::new(Shared {
            store,
            journal: Journal::open(config.journal.clone()),
            when_down: config.when_down,
            access,
            journaled: Mutex::default(),
            tag_sets: Arc::new(TagSets::new(config.tag_sets_per_day)),
        }))
    }

    /// Tells `/metrics` how much waits on the journal.
    pub fn tell_journal(&self) {
        metrics::gauge!("undertone_journal_bytes").set(self.0.journal.bytes() as f64);
    }

    /// Brings what is on the journal to the store, where there is anything and the store is there.
    pub async fn replay(&self) {
        match self.0.journal.replay(&self.0.store).await {
            Ok(0) => {}
            Ok(lines) => tracing::info!(lines, "the journal has been written to the ledger"),
            Err(error) => tracing::debug!(%error, "the journal cannot be written to the ledger \
                until the store answers"),
        }
    }

    /// Under which tags callers' attempts are written, and so their texts.
    pub fn tag_sets(&self) -> Arc<TagSets> {
        Arc::clone(&self.0.tag_sets)
    }

    /// What of the journal somebody should look at.
    pub fn warnings(&self) -> Vec<String> {
        self.0.journal.warnings()
    }

    /// Reserves on the journal, under an id of its own: whatever the store may have taken of the
    /// first one is taken back.
    async fn reserve_on_journal(
        &self,
        reservation: Reservation,
        error: store::Error,
    ) -> Result<AttemptId, NotReserved> {
        let Shared { when_down, access, journal, .. } = &*self.0;
        let caller = &reservation.caller;
        let may_go = *when_down == WhenDown::Journal
            && access.as_ref().is_some_and(|access| {
                !access.is_bound(caller.key_id.as_deref(), caller.team.as_deref())
            });
        if !may_go {
            return Err(down(&error));
        }
        let reservation = Reservation { id: Uuid::now_v7(), ..reservation };
        let id = reservation.id;
        journal.reserve(reservation).await.map_err(|error| down(&error))?;
        self.journaled().insert(id);
        tracing::warn!(%error, attempt = %id, "the store did not take an attempt; it is kept in \
            the journal");
        metrics::counter!("undertone_journaled_attempts_total").increment(1);
        Ok(id)
    }

    /// Tries the store now and after each wait.
    async fn settle_in_store(
        &self,
        id: AttemptId,
        settlement: &Settlement,
        waits: &[Duration],
    ) -> Result<(), store::Error> {
        let mut settled = self.0.store.settle(id, settlement.clone()).await;
        for wait in waits {
            if !matches!(settled, Err(store::Error::Write(_))) {
                break;
            }
            tokio::time::sleep(*wait).await;
            settled = self.0.store.settle(id, settlement.clone()).await;
        }
        settled
    }

    fn journaled(&self) -> MutexGuard<'_, HashSet<AttemptId>> {
        self.0.journaled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn down(error: &store::Error) -> NotReserved {
    NotReserved::Down(LogDown(error.to_string()))
}

#[async_trait]
impl AttemptLog for Ledger {
    async fn reserve(&self, mut reservation: Reservation) -> Result<AttemptId, NotReserved> {
        if let Some(tags) = self.0.tag_sets.fit(&reservation.caller).tags {
            reservation.caller.tags = tags;
        }
        let id = reservation.id;
        match self.0.store.reserve(reservation.clone()).await {
            Ok(()) => Ok(id),
            Err(store::Error::OverBudget(refusal)) => Err(NotReserved::OverBudget(refusal)),
            Err(error @ (store::Error::Write(_) | store::Error::Slow(_))) => {
                self.reserve_on_journal(reservation, error).await
            }
            Err(error) => Err(down(&error)),
        }
    }

    /// A known cost outlives a store that is gone, whatever becomes of further calls.
    async fn settle(&self, id: AttemptId, settlement: Settlement) -> Result<(), LogDown> {
        let is_journaled = self.journaled().remove(&id);
        if !is_journaled {
            match self.settle_in_store(id, &settlement, &SETTLE_AGAIN_AFTER).await {
                Err(store::Error::Write(_) | store::Error::Slow(_)) => {}
                result => return result.map_err(|error| LogDown(error.to_string())),
            }
        }
        let Err(error) = self.0.journal.settle(id, settlement.clone()).await else {
            return Ok(());
        };
        tracing::error!(%error, attempt = %id, "the journal cannot be written");
        let settled = self.settle_in_store(id, &settlement, &SETTLE_AT_LAST_AFTER).await;
        settled.map_err(|error| LogDown(error.to_string()))
    }
}
