//! LLM answers kept in memory, and one flight for equal questions in the air.
//!
//! What an answer is, and which failures others may share, is the caller's to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// The section `[cache]`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub max_entries: u64,
    pub ttl_seconds: u64,
}

/// A digest of all that an answer depends on.
pub type Key = [u8; 32];

/// Answers of type `A`, and flights that may fail for a reason `F` which all aboard share.
pub struct Cache<A, F> {
    kept: moka::sync::Cache<Key, Arc<A>>,
    flights: Arc<Flights<A, F>>,
}

type Flights<A, F> = Mutex<HashMap<Key, watch::Receiver<Landing<A, F>>>>;

/// `None` while in the air.
type Landing<A, F> = Option<Result<Arc<A>, F>>;

/// How a question gets its answer.
pub enum Boarding<A, F> {
    /// It is known already.
    Kept(Arc<A>),
    /// Nobody is asking: the caller has to, and [lands](Flight::land) the answer for all.
    Lead(Flight<A, F>),
    /// Somebody is asking.
    Follow(Passenger<A, F>),
}

impl<A, F> Cache<A, F>
where
    A: Send + Sync + 'static,
    F: Clone + Send + Sync + 'static,
{
    pub fn new(config: Config) -> Cache<A, F> {
        let kept = moka::sync::Cache::builder()
            .max_capacity(config.max_entries)
            .time_to_live(Duration::from_secs(config.ttl_seconds))
            .build();
        Cache { kept, flights: Arc::default() }
    }

    pub fn get(&self, key: &Key) -> Option<Arc<A>> {
        self.kept.get(key)
    }

    /// Keeps an answer that was had without a flight of that key.
    pub fn keep(&self, key: Key, answer: Arc<A>) {
        self.kept.insert(key, answer);
    }

    pub fn board(&self, key: Key) -> Boarding<A, F> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            return Boarding::Follow(Passenger(flight.clone()));
        }
        // Looked up again under the lock: a flight is kept before it is taken off the list.
        if let Some(kept) = self.kept.get(&key) {
            return Boarding::Kept(kept);
        }
        let (landing, passengers) = watch::channel(None);
        flights.insert(key, passengers);
        Boarding::Lead(Flight {
            key,
            landing,
            kept: self.kept.clone(),
            flights: Arc::clone(&self.flights),
        })
    }
}

/// The right, and the duty, to ask for all who wait. Dropped without landing, it says nothing of
/// the question: those who wait board again.
pub struct Flight<A, F> {
    key: Key,
    landing: watch::Sender<Landing<A, F>>,
    kept: moka::sync::Cache<Key, Arc<A>>,
    flights: Arc<Flights<A, F>>,
}

impl<A, F> Flight<A, F>
where
    A: Send + Sync + 'static,
{
    /// Hands the answer, which is kept, or the failure, which is not, to all who wait.
    pub fn land(self, result: Result<Arc<A>, F>) {
        if let Ok(answer) = &result {
            self.kept.insert(self.key, Arc::clone(answer));
        }
        self.landing.send_replace(Some(result));
    }
}

impl<A, F> Drop for Flight<A, F> {
    fn drop(&mut self) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Waits on somebody else's flight.
pub struct Passenger<A, F>(watch::Receiver<Landing<A, F>>);

impl<A, F: Clone> Passenger<A, F> {
    /// What the flight brought; `None` where its leader left without asking.
    pub async fn landed(mut self) -> Option<Result<Arc<A>, F>> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|landing| landing.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> Cache<&'static str, &'static str> {
        Cache::new(Config { max_entries: 10, ttl_seconds: 60 })
    }

    fn lead(cache: &Cache<&'static str, &'static str>) -> Flight<&'static str, &'static str> {
        match cache.board([7; 32]) {
            Boarding::Lead(flight) => flight,
            _ => panic!("nobody is in the air"),
        }
    }

    fn follow(cache: &Cache<&'static str, &'static str>) -> Passenger<&'static str, &'static str> {
        match cache.board([7; 32]) {
            Boarding::Follow(passenger) => passenger,
            _ => panic!("somebody is in the air"),
        }
    }

    #[tokio::test]
    async fn one_leads_all_follow_and_the_answer_is_kept() {
        let cache = cache();
        let flight = lead(&cache);
        let passenger = follow(&cache);
        flight.land(Ok(Arc::new("answer")));
        assert_eq!(passenger.landed().await, Some(Ok(Arc::new("answer"))));
        assert!(matches!(cache.board([7; 32]), Boarding::Kept(answer) if *answer == "answer"));
    }

    #[tokio::test]
    async fn a_failure_is_shared_and_not_kept() {
        let cache = cache();
        let flight = lead(&cache);
        let passenger = follow(&cache);
        flight.land(Err("down"));
        assert_eq!(passenger.landed().await, Some(Err("down")));
        drop(lead(&cache));
    }

    #[tokio::test]
    async fn who_followed_a_leader_that_left_boards_again() {
        let cache = cache();
        let flight = lead(&cache);
        let passenger = follow(&cache);
        drop(flight);
        assert_eq!(passenger.landed().await, None);
        drop(lead(&cache));
    }
}
