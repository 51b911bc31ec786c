//! What the vendors would charge for what they did, whether or not the reply arrived.

use time::OffsetDateTime;

use super::Provider;
use crate::money::{self, Pico};

/// Tokens of a call in buckets that do not overlap, whatever the vendor's own convention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input: u64,
    pub cache_read: u64,
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
    pub output: u64,
    /// The part of `output` that was thought and not said.
    pub reasoning: u64,
}

impl Tokens {
    pub fn of(input: u64, output: u64) -> Tokens {
        Tokens { input, output, ..Tokens::default() }
    }

    /// All that the model read.
    pub fn prompt(&self) -> u64 {
        self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }

    /// The four buckets of the gateway's `usage`: input, output, cache read, cache write.
    pub fn buckets(&self) -> [u64; 4] {
        [self.input, self.output, self.cache_read, self.cache_write_5m + self.cache_write_1h]
    }
}

/// One line of the bill.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Which of the calls it is for, the first being 1.
    pub call: usize,
    pub at: OffsetDateTime,
    pub provider: Provider,
    /// Who did the work, by its dated id; the reply may have named another.
    pub model: String,
    pub tokens: Tokens,
    /// The reply went out whole. One that hung, was reset or cut is charged all the same.
    pub delivered: bool,
    /// The reply says all that is needed to price it.
    pub priceable: bool,
}

impl Charge {
    /// At list prices.
    pub fn pico(&self) -> Pico {
        money::cost(&self.model, &self.tokens)
    }
}

/// All lines so far.
#[derive(Clone, Debug, Default)]
pub struct Bill(pub Vec<Charge>);

impl Bill {
    /// The calls whose cost a caller can know from the replies it got.
    pub fn known(&self) -> Bill {
        let known = |charge: &&Charge| charge.delivered && charge.priceable;
        Bill(self.0.iter().filter(known).cloned().collect())
    }

    /// What one vendor charges.
    pub fn of(&self, provider: Provider) -> Bill {
        Bill(self.0.iter().filter(|charge| charge.provider == provider).cloned().collect())
    }

    /// The sum at list prices.
    pub fn usd(&self) -> String {
        money::decimal(self.pico())
    }

    pub fn pico(&self) -> Pico {
        self.0.iter().map(Charge::pico).sum()
    }

    /// The sums of the four buckets of the gateway's `usage`.
    pub fn buckets(&self) -> [u64; 4] {
        self.0.iter().map(|charge| charge.tokens.buckets()).fold([0; 4], |sum, buckets| {
            std::array::from_fn(|bucket| sum[bucket] + buckets[bucket])
        })
    }
}
