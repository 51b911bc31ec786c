//! `--max-cost-usd`: what all calls of a run may cost together.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::pricing::Usd;

/// How many of an attempt's worst cases a call is given where there is room, so that a retry has its
/// chance.
const ATTEMPTS: usize = 3;

/// Money is set aside for each call before it is made, so that those under way never come to more
/// than what is left together.
pub struct Ceiling {
    limit: Usd,
    state: Mutex<State>,
    /// What was set aside has been given back, or spent.
    freed: Notify,
}

#[derive(Clone, Copy)]
struct State {
    spent: Usd,
    held: Usd,
}

impl Ceiling {
    pub fn new(limit: Usd, spent: Usd) -> Ceiling {
        let state = Mutex::new(State { spent, held: Usd::ZERO });
        Ceiling { limit, state, freed: Notify::new() }
    }

    /// Sets money aside for a call whose every attempt costs at most `worst`. Waits for the calls
    /// under way where these hold what it needs; gives nothing once not even one attempt fits, and
    /// nothing to a model without a price.
    pub async fn allow(&self, worst: Option<Usd>) -> Usd {
        let Some(worst) = worst else { return Usd::ZERO };
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Listened for before looking, so that nothing freed in between is missed.
            freed.as_mut().enable();
            {
                let mut state = self.state();
                let left = self.limit.saturating_sub(state.spent);
                if worst > left {
                    return Usd::ZERO;
                }
                let room = left.saturating_sub(state.held);
                if worst <= room {
                    let allowance = several(worst).min(room);
                    state.held = state.held + allowance;
                    return allowance;
                }
            }
            freed.await;
        }
    }

    /// A call has ended for which `allowed` was set aside; an unknown cost counts as all of it.
    pub fn settle(&self, allowed: Usd, cost: Option<Usd>) {
        let mut state = self.state();
        state.held = state.held.saturating_sub(allowed);
        state.spent = state.spent + cost.unwrap_or(allowed);
        drop(state);
        self.freed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most that is set aside for a call whose every attempt costs at most `worst`.
pub fn several(worst: Usd) -> Usd {
    std::iter::repeat_n(worst, ATTEMPTS).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENT: Usd = Usd::from_pico(10_000_000_000);

    #[tokio::test]
    async fn what_is_under_way_never_exceeds_what_is_left() {
        let ceiling = Ceiling::new(several(CENT) + CENT, Usd::ZERO);
        assert_eq!(ceiling.allow(Some(CENT)).await, several(CENT));
        assert_eq!(ceiling.allow(Some(CENT)).await, CENT);
        let mut next = Box::pin(ceiling.allow(Some(CENT)));
        assert!(futures::poll!(&mut next).is_pending(), "all is held");
        ceiling.settle(several(CENT), Some(several(CENT)));
        assert!(futures::poll!(&mut next).is_pending(), "what was held is spent");
        ceiling.settle(CENT, None);
        assert_eq!(next.await, Usd::ZERO, "an unknown cost counts as all that was allowed");
        assert_eq!(ceiling.allow(None).await, Usd::ZERO);
    }
}
