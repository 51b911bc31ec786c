//! The way of texts from a stream to the LLM: so many at once, apart from those that are read locally.
//!
//! A text of a stream has a place among the local readers. It gives that up before it waits for its
//! turn at the LLM, so that a slow LLM holds up nobody who doesn't need it; and its deadline runs from
//! that turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// What all texts of a stream pass on their way to the LLM.
pub struct Gate {
    turns: Semaphore,
    at_once: usize,
    patience: Duration,
    waiting: AtomicUsize,
}

impl Gate {
    /// Lets so many texts at once to the LLM; one that has waited for longer stays without it.
    pub fn new(at_once: usize, patience: Duration) -> Gate {
        Gate { turns: Semaphore::new(at_once), at_once, patience, waiting: AtomicUsize::new(0) }
    }

    /// How many texts wait for their turn.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many texts are being asked about.
    pub fn asking(&self) -> usize {
        self.at_once.saturating_sub(self.turns.available_permits())
    }
}

/// One text's way.
#[derive(Debug)]
pub struct Passage {
    gate: Arc<Gate>,
    /// Its place among those that are read locally.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate({} asking, {} waiting)", self.asking(), self.waiting())
    }
}

impl Passage {
    pub fn new(gate: Arc<Gate>, place: OwnedSemaphorePermit) -> Passage {
        Passage { gate, place: Mutex::new(Some(place)) }
    }

    /// Gives up the place and waits for a turn; `None` where that takes too long.
    pub(super) async fn pass(&self) -> Option<SemaphorePermit<'_>> {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _waiting = Counted::new(&self.gate.waiting);
        let turn = tokio::time::timeout(self.gate.patience, self.gate.turns.acquire()).await;
        turn.ok()?.ok()
    }
}

/// Counts itself as long as it lives, however its owner ends.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Counted<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn passage(gate: &Arc<Gate>, places: &Arc<Semaphore>) -> Passage {
        let place = Arc::clone(places).acquire_owned().await.expect("nobody closes it");
        Passage::new(Arc::clone(gate), place)
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_turn_holds_no_place_and_goes_without_it_in_the_end() {
        let gate = Arc::new(Gate::new(1, Duration::from_secs(60)));
        let places = Arc::new(Semaphore::new(1));
        let first = passage(&gate, &places).await;
        let turn = first.pass().await;
        assert!(turn.is_some());
        assert_eq!((gate.asking(), gate.waiting(), places.available_permits()), (1, 0, 1));
        let second = passage(&gate, &places).await;
        let mut waits = Box::pin(second.pass());
        assert!(futures::poll!(&mut waits).is_pending());
        assert_eq!((gate.asking(), gate.waiting(), places.available_permits()), (1, 1, 1));
        assert!(waits.await.is_none(), "nobody gave way for a minute");
        assert_eq!(gate.waiting(), 0);
        drop(turn);
        let third = passage(&gate, &places).await;
        assert!(third.pass().await.is_some());
    }
}
