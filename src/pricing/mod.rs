//! Money, tokens and prices. Plain values, no I/O.

mod book;
mod usage;
mod usd;

pub use book::{Catalogue, Error, Price, PriceBook};
pub use usage::Usage;
pub use usd::{ParseUsdError, Usd};
