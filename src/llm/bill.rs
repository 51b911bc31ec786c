//! What the attempts of one request cost together.

use crate::pricing::{AttemptState, Refusal, Settlement, Usage, Usd};

/// Tokens and money of all attempts of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    pub usage: Usage,
    /// `None` once the cost of any attempt is not known.
    pub cost: Option<Usd>,
    pub attempts: u32,
}

impl Default for Bill {
    /// Nothing was attempted, and nothing is owed.
    fn default() -> Bill {
        Bill { usage: Usage::default(), cost: Some(Usd::ZERO), attempts: 0 }
    }
}

/// A bill in the making.
#[derive(Debug, Default)]
pub(super) struct Tally {
    usage: Usage,
    settled: Usd,
    /// Reserved for attempts whose cost is not known.
    held: Usd,
    cost_unknown: bool,
    attempts: u32,
    /// The last limit that had no room for an attempt.
    refusal: Option<Box<Refusal>>,
}

impl Tally {
    /// Notes which limit has no room for an attempt.
    pub fn refused(&mut self, by: Box<Refusal>) {
        self.refusal = Some(by);
    }

    /// Which limit had no room.
    pub fn refusal(&self) -> Option<Box<Refusal>> {
        self.refusal.clone()
    }

    /// Why an attempt of that worst case does not fit `max_cost`.
    pub fn over(&self, worst_case: Option<Usd>, max_cost: Usd) -> Box<Refusal> {
        Box::new(Refusal::by_request(max_cost, self.settled, self.held, worst_case))
    }

    /// Adds an attempt for which `reserved` was set aside. One whose settlement is not on record
    /// counts as open, since that is how the ledger goes on showing it.
    pub fn add(&mut self, reserved: Option<Usd>, settlement: &Settlement, on_record: bool) {
        self.attempts += 1;
        self.usage = self.usage + settlement.usage;
        match settlement.cost {
            Some(cost) if on_record && settlement.state == AttemptState::Settled => {
                self.settled = self.settled + cost;
            }
            _ => {
                self.cost_unknown = true;
                self.held = self.held + reserved.unwrap_or_default();
            }
        }
    }

    /// Whether an attempt of that worst case still fits `max_cost`, together with all before it. An
    /// attempt without a price fits no limit.
    pub fn leaves_room(&self, worst_case: Option<Usd>, max_cost: Option<Usd>) -> bool {
        match (worst_case, max_cost) {
            (_, None) => true,
            (Some(worst_case), Some(max)) => self.settled + self.held + worst_case <= max,
            (None, Some(_)) => false,
        }
    }

    /// What each of several texts owes of the attempts that were made for all of them; together it is
    /// this.
    pub fn split(&self, weights: &[u64]) -> Vec<Tally> {
        let usages = self.usage.split(weights).into_iter();
        let amounts = self.settled.split(weights).into_iter().zip(self.held.split(weights));
        let part = |(usage, (settled, held))| Tally {
            usage,
            settled,
            held,
            cost_unknown: self.cost_unknown,
            attempts: self.attempts,
            refusal: self.refusal.clone(),
        };
        usages.zip(amounts).map(part).collect()
    }

    /// An attempt of which nothing is known, not even what was reserved for it.
    pub fn lost() -> Tally {
        Tally { cost_unknown: true, attempts: 1, ..Tally::default() }
    }

    pub fn bill(&self) -> Bill {
        let cost = (!self.cost_unknown).then_some(self.settled);
        Bill { usage: self.usage, cost, attempts: self.attempts }
    }
}
