//! Money, tokens, prices, and what an attempt at a provider is on record with. Plain values, no I/O.

mod amend;
mod attempt;
mod book;
mod litellm;
mod price;
mod prices;
mod refusal;
mod service;
mod split;
mod usage;
mod usd;

pub use amend::{Change, Changes, Error as AmendError};
pub use attempt::{AttemptId, AttemptState, Caller, Reservation, Settlement};
pub use book::{Error, ModelEntry, PriceBook};
pub use litellm::{Error as PublicPricesError, PublicPrices};
pub use price::Price;
pub use prices::Prices;
pub use refusal::{LimitOf, Refusal};
pub use service::Service;
pub use usage::Usage;
pub use usd::{ParseUsdError, Usd};
