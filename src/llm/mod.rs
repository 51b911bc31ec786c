//! Asking an LLM: providers, their dialects, retries, fallback, breakers, and what each attempt
//! cost. What to ask about is the cascade's business, where attempts are recorded the store's.

mod ledger;

pub use ledger::{AttemptLog, LogDown};
