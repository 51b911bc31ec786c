//! Leave to ask, as a request carries it along.

use std::sync::Arc;
use std::time::Duration;

use super::key::KnownKey;
use super::rate::Bucket;
use super::{Scope, Standing};

/// How long a text of a long batch sleeps between two looks at its key's limit.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// On whose behalf a request is made, and what it may do.
#[derive(Clone, Debug)]
pub struct Grant(Option<Arc<KnownKey>>);

/// Why a request is turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this route needs a key: send it in the header `Authorization: Bearer KEY`")]
    NoKey,
    #[error("the key is unknown, revoked or expired")]
    UnknownKey,
    #[error("the key lacks the scope {}", .0.name())]
    Scope(Scope),
    #[error("the key has used up its limit of {limit} {what} a minute")]
    Rate {
        /// `requests`, `texts` or `tokens`.
        what: &'static str,
        limit: u32,
        retry_after: Duration,
        standing: Option<Standing>,
    },
    #[error(
        "the batch holds {asked} texts, and the key has {left} left of its {limit} texts a minute; send \
         fewer, or send them as NDJSON, which is slowed to the limit"
    )]
    Texts { asked: usize, left: u32, limit: u32, retry_after: Duration, standing: Option<Standing> },
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

    /// Counts one text against the key's limit.
    pub fn count_text(&self) -> Result<(), Denied> {
        let Some(texts) = self.texts() else { return Ok(()) };
        texts.take().map_err(|retry_after| Denied::Rate {
            what: "texts",
            limit: texts.limit(),
            retry_after,
            standing: Some(texts.standing()),
        })
    }

    /// Counts the texts of a batch against the key's limit: all of them or, where they do not fit, none.
    pub fn count_texts(&self, asked: usize) -> Result<(), Denied> {
        let Some(texts) = self.texts() else { return Ok(()) };
        let count = u32::try_from(asked).unwrap_or(u32::MAX);
        texts.take_all(count).map_err(|retry_after| {
            let standing = texts.standing();
            let (left, limit) = (standing.remaining, texts.limit());
            Denied::Texts { asked, left, limit, retry_after, standing: Some(standing) }
        })
    }

    /// Counts one text once the key's limit has room for it; sooner where the key opens nothing any
    /// more.
    pub async fn wait_for_text(&self) {
        let Some(texts) = self.texts() else { return };
        while let Err(wait) = texts.take() {
            if self.check().is_err() {
                return;
            }
            tokio::time::sleep(wait.clamp(SHORTEST_WAIT, LONGEST_WAIT)).await;
        }
    }

    fn texts(&self) -> Option<&Bucket> {
        self.0.as_ref()?.texts.as_ref()
    }

    /// How its limits on requests and texts stand, where it has any: the one of which less is left.
    pub fn standing(&self) -> Option<Standing> {
        let key = self.0.as_ref()?;
        let standings = [&key.requests, &key.texts].into_iter().flatten().map(Bucket::standing);
        standings.min_by_key(|standing| standing.remaining)
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
