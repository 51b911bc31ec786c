//! Money, tokens, prices, and what an attempt at a provider is on record with. Plain values, no I/O.

mod attempt;
mod book;
mod price;
mod split;
mod usage;
mod usd;

pub use attempt::{AttemptId, AttemptState, Caller, Reservation, Settlement};
pub use book::{Error, ModelEntry, PriceBook};
pub use price::Price;
pub use usage::Usage;
pub use usd::{ParseUsdError, Usd};
