//! Leave to ask, as a request carries it along.

use std::sync::Arc;
use std::time::Duration;

use super::key::KnownKey;
use super::{Scope, Standing};

/// On whose behalf a request is made, and what it may do.
#[derive(Clone, Debug)]
pub struct Grant(Option<Arc<KnownKey>>);

/// Why a request is turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("a key is needed: send it as Authorization: Bearer KEY")]
    NoKey,
    #[error("the key is unknown, revoked or expired")]
    UnknownKey,
    #[error("the key lacks the scope {}", .0.name())]
    Scope(Scope),
    #[error("the key has used up its limit of {limit} {what} a minute")]
    Rate {
        /// `requests` or `tokens`.
        what: &'static str,
        limit: u32,
        retry_after: Duration,
        standing: Option<Standing>,
    },
}

impl Grant {
    /// Before there are keys.
    pub(super) fn open() -> Grant {
        Grant(None)
    }

    pub(super) fn of(key: Arc<KnownKey>) -> Grant {
        Grant(Some(key))
    }

    pub fn key_id(&self) -> Option<&str> {
        self.0.as_ref().map(|key| key.id())
    }

    pub fn team(&self) -> Option<&str> {
        self.0.as_ref().map(|key| key.team())
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.0.as_ref().is_none_or(|key| key.scopes.contain(scope))
    }

    /// Whether it still holds: a long batch outlives its key.
    pub fn check(&self) -> Result<(), Denied> {
        match &self.0 {
            Some(key) if !key.is_live() => Err(Denied::UnknownKey),
            _ => Ok(()),
        }
    }

    /// Whether the key has tokens of LLMs left in this minute.
    pub fn check_tokens(&self) -> Result<(), Denied> {
        let Some(tokens) = self.0.as_ref().and_then(|key| key.tokens.as_ref()) else {
            return Ok(());
        };
        tokens.check().map_err(|retry_after| Denied::Rate {
            what: "tokens",
            limit: tokens.limit(),
            retry_after,
            standing: self.standing(),
        })
    }

    /// Charges the tokens that LLMs have read and written for it.
    pub fn charge_tokens(&self, used: u64) {
        if let Some(tokens) = self.0.as_ref().and_then(|key| key.tokens.as_ref()) {
            tokens.charge(used);
        }
    }

    /// How its limit on requests stands, where it has one.
    pub fn standing(&self) -> Option<Standing> {
        Some(self.0.as_ref()?.requests.as_ref()?.standing())
    }

    pub(super) fn count_request(&self) -> Result<(), Denied> {
        let Some(requests) = self.0.as_ref().and_then(|key| key.requests.as_ref()) else {
            return Ok(());
        };
        requests.take().map_err(|retry_after| Denied::Rate {
            what: "requests",
            limit: requests.limit(),
            retry_after,
            standing: self.standing(),
        })
    }
}
