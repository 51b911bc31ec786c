//! How many bytes of requests and answers are held at a time, of all callers together. A body waits for
//! room, and is turned away where none comes free; what a batch reads ahead only ever takes what is free.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Problem;

/// How long a body waits for room that others take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The budget; a handle, cheap to clone.
#[derive(Clone)]
pub struct Budget {
    all: Arc<Semaphore>,
    /// Of all, what batches may read ahead, a half, and what they have of the rest so that none stands still,
    /// a quarter: what is left is for those who have just come.
    ahead: Arc<Semaphore>,
    shares: Arc<Semaphore>,
    limit: usize,
    patience: Duration,
}

impl Budget {
    pub fn new(limit: usize) -> Budget {
        Budget {
            all: Arc::new(Semaphore::new(limit)),
            ahead: Arc::new(Semaphore::new(limit / 2)),
            shares: Arc::new(Semaphore::new(limit / 4)),
            limit,
            patience: PATIENCE,
        }
    }

    /// What one request holds of it; nothing as yet.
    pub fn lease(&self) -> Lease {
        Lease { budget: self.clone(), held: Arc::default() }
    }

    /// Room for what is read ahead, if there is any now.
    pub fn ahead(&self, bytes: usize) -> Option<Room> {
        self.part_of(&self.ahead, bytes)
    }

    /// Room for the little that each batch may have at work, if there is any now.
    pub fn share(&self, bytes: usize) -> Option<Room> {
        self.part_of(&self.shares, bytes)
    }

    fn part_of(&self, part: &Arc<Semaphore>, bytes: usize) -> Option<Room> {
        let bytes = self.permits(bytes);
        let part = Arc::clone(part).try_acquire_many_owned(bytes).ok()?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(bytes).ok()?;
        Some(Room(Gauged::of(all), Some(part)))
    }

    /// Room that is free at this moment, whoever left it.
    pub fn at_once(&self, bytes: usize) -> Option<Room> {
        let all = Arc::clone(&self.all).try_acquire_many_owned(self.permits(bytes)).ok()?;
        Some(Room(Gauged::of(all), None))
    }

    /// Waits for room.
    ///
    /// # Errors
    /// 429 where none came free for a few seconds.
    pub async fn room(&self, bytes: usize) -> Result<Room, Problem> {
        let wanted = Arc::clone(&self.all).acquire_many_owned(self.permits(bytes));
        match timeout(self.patience, wanted).await {
            Ok(Ok(all)) => Ok(Room(Gauged::of(all), None)),
            _ => {
                metrics::counter!("undertone_in_flight_refused_total").increment(1);
                Err(Problem::busy(format!(
                    "The gateway holds as many bytes of requests and answers as it may, {} \
                     (server.max_in_flight_bytes), and no room came free within {} s. Send it again \
                     later.",
                    self.limit,
                    self.patience.as_secs()
                )))
            }
        }
    }

    /// One that is larger than all there is takes all.
    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.limit / 2)).unwrap_or(u32::MAX)
    }
}

/// Bytes of the budget; given back when dropped.
pub struct Room(
    #[expect(dead_code, reason = "held")] Gauged,
    #[expect(dead_code, reason = "held")] Option<OwnedSemaphorePermit>,
);

/// Permits that `/metrics` tells of.
struct Gauged(OwnedSemaphorePermit);

impl Gauged {
    fn of(permit: OwnedSemaphorePermit) -> Gauged {
        metrics::gauge!("undertone_in_flight_bytes").increment(permit.num_permits() as f64);
        Gauged(permit)
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        metrics::gauge!("undertone_in_flight_bytes").decrement(self.0.num_permits() as f64);
    }
}

/// What one request holds, until its answer is out.
#[derive(Clone)]
pub struct Lease {
    budget: Budget,
    held: Arc<Mutex<Vec<Room>>>,
}

impl Lease {
    /// Takes more, waiting for it.
    ///
    /// # Errors
    /// As [`Budget::room`].
    pub async fn grow(&self, bytes: usize) -> Result<(), Problem> {
        let room = self.budget.room(bytes).await?;
        self.hold(room);
        Ok(())
    }

    /// Takes more where it is free: what is there already cannot be refused any more.
    pub fn grow_if_free(&self, bytes: usize) {
        if let Some(room) = self.budget.at_once(bytes) {
            self.hold(room);
        }
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    fn hold(&self, room: Room) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_is_turned_away_and_never_waits_for_ever() {
        let budget = Budget::new(1_000);
        let (one, other) = (budget.lease(), budget.lease());
        one.grow(500).await.unwrap();
        one.grow(400).await.unwrap();
        assert!(other.grow(200).await.unwrap_err().is_busy());
        drop(one);
        other.grow(200).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_read_ahead_leaves_half_to_those_who_come() {
        let budget = Budget::new(1_000);
        let ahead: Vec<Room> = std::iter::from_fn(|| budget.ahead(100)).collect();
        assert_eq!(ahead.len(), 5);
        assert!(budget.at_once(500).is_some());
        // What could never fit is let through alone, rather than never.
        drop(ahead);
        assert!(budget.ahead(1 << 30).is_some());
    }
}
