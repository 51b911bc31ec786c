//! One attempt at a provider, as the ledger records it: plain values about money, so that the side
//! that makes attempts and the side that stores them agree on them without knowing each other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Usage, Usd};

/// One attempt's name on the ledger; a UUIDv7, so that ids sort by time.
pub type AttemptId = Uuid;

/// On whose behalf a call is made, as finance will read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Caller {
    pub request_id: String,
    pub key_id: Option<String>,
    pub team: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// What is committed before an attempt is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reservation {
    pub id: AttemptId,
    pub reserved_at: SystemTime,
    /// When nobody waits for the reply any more: an attempt still open after this is unresolved.
    pub expires_at: SystemTime,
    pub caller: Caller,
    /// What was asked for, by the name of its endpoint, such as `sentiment`.
    pub endpoint: Cow<'static, str>,
    /// How many texts it asks about, and their bytes together.
    pub texts: u64,
    pub text_bytes: u64,
    pub provider: Cow<'static, str>,
    pub model: String,
    /// Where the call is bound to run; `None`: anywhere.
    #[serde(default)]
    pub region: Option<String>,
    /// The worst case of this attempt; `None` for a model without a price.
    pub worst_case: Option<Usd>,
}

/// How an attempt ended. What a crash leaves open stays as reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptState {
    /// Its cost is known; 0 for one that never left or got an error status.
    Settled,
    /// Its reply was lost: it may have been billed.
    Unresolved,
    /// Its reply was read, but names no usage, no known model or no known tier.
    Unpriced,
}

/// What is committed after an attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settlement {
    pub state: AttemptState,
    pub model_served: Option<String>,
    pub tier: Option<String>,
    /// Where it ran, as the reply says, else as asked; `None`: anywhere.
    #[serde(default)]
    pub region: Option<String>,
    pub usage: Usage,
    /// `Some` exactly when the state is [`AttemptState::Settled`].
    pub cost: Option<Usd>,
    /// The version of the price that `cost` was computed with, so that it can be computed again.
    pub price_version: Option<String>,
    /// Why the attempt gave no answer, in a word or two; never a text, never a provider's message.
    pub error: Option<String>,
    pub latency: Duration,
}
