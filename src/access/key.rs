//! A key: how it is made, what is kept of it, and what a gateway keeps in mind.

use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::SecretString;
use time::OffsetDateTime;

use super::rate::Bucket;
use super::{Config, Scope, Scopes};
use crate::pricing::Usd;
use crate::store::{self, Period, Store, StoredKey, Subject};

/// What every key begins with, so that it is known for one where it should not be.
const PREFIX: &str = "ut_";

/// The most characters of a team's name, as of a tag's value.
const TEAM_LIMIT: usize = 64;

/// What a key is to be.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub team: String,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<OffsetDateTime>,
    pub requests_per_minute: Option<u32>,
    pub texts_per_minute: Option<u32>,
    pub tokens_per_minute: Option<u32>,
    pub budgets: Vec<(Period, Usd)>,
    /// Whether its budgets may not be overrun.
    pub hard: bool,
}

/// Why a key is not made.
#[derive(Debug, thiserror::Error)]
pub enum NewKeyError {
    #[error("--{option}: {message}")]
    Option { option: &'static str, message: String },
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Makes a key and writes its hash down, with its budgets. The key itself is returned this once.
pub async fn create(store: &Store, new: NewKey) -> Result<(StoredKey, SecretString), NewKeyError> {
    let now = OffsetDateTime::now_utc();
    check(&new, now)?;
    let secret = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
    let key = StoredKey {
        id: format!("k-{}", hex::encode(rand::random::<[u8; 8]>())),
        hash: hash(&secret),
        team: new.team,
        scopes: new.scopes.into_iter().collect::<Scopes>().to_string(),
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        requests_per_minute: new.requests_per_minute,
        texts_per_minute: new.texts_per_minute,
        tokens_per_minute: new.tokens_per_minute,
    };
    // Its budgets first: at no moment is there a key that they do not bind.
    for (period, limit) in new.budgets {
        let subject = Subject::Key(key.id.clone());
        store.set_budget(subject, period, Some((limit, new.hard)), now.into()).await?;
    }
    store.add_key(key.clone()).await?;
    Ok((key, SecretString::from(secret)))
}

fn check(new: &NewKey, now: OffsetDateTime) -> Result<(), NewKeyError> {
    let wrong = |option, message: String| Err(NewKeyError::Option { option, message });
    let length = new.team.chars().count();
    if new.team.trim().is_empty() || length > TEAM_LIMIT || new.team.chars().any(char::is_control) {
        let message = format!(
            "has {length} characters; 1 to {TEAM_LIMIT} are allowed, none of \
                               them control characters"
        );
        return wrong("team", message);
    }
    if new.scopes.is_empty() {
        return wrong("scopes", "names no scope; a key without a scope opens no route".into());
    }
    if new.expires_at.is_some_and(|expires| expires <= now) {
        return wrong("expires", "is in the past".into());
    }
    for (period, limit) in &new.budgets {
        if *limit < Usd::ZERO {
            let option = match period {
                Period::Day => "budget-day",
                Period::Month => "budget-month",
            };
            return wrong(option, format!("{limit} is below 0"));
        }
    }
    Ok(())
}

/// A plain, fast hash is right here: it need not withstand guessing, since nobody guesses 256 random
/// bits, and it is computed for every request.
pub(super) fn hash(key: &str) -> [u8; 32] {
    *blake3::hash(key.as_bytes()).as_bytes()
}

/// A key that opens something, and what is left of its limits in this process.
#[derive(Debug)]
pub(super) struct KnownKey {
    stored: StoredKey,
    pub scopes: Scopes,
    pub requests: Option<Bucket>,
    pub texts: Option<Bucket>,
    pub tokens: Option<Bucket>,
    gone: AtomicBool,
}

impl KnownKey {
    pub fn new(stored: StoredKey, config: &Config) -> KnownKey {
        KnownKey {
            scopes: Scopes::stored(&stored.scopes),
            requests: Bucket::new(stored.requests_per_minute.unwrap_or(config.requests_per_minute)),
            texts: Bucket::new(stored.texts_per_minute.unwrap_or(config.texts_per_minute)),
            tokens: Bucket::new(stored.tokens_per_minute.unwrap_or(config.tokens_per_minute)),
            stored,
            gone: AtomicBool::new(false),
        }
    }

    pub fn is(&self, key: &StoredKey) -> bool {
        self.stored == *key
    }

    pub fn id(&self) -> &str {
        &self.stored.id
    }

    pub fn team(&self) -> &str {
        &self.stored.team
    }

    /// For whoever still holds it.
    pub fn revoke(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    pub fn is_live(&self) -> bool {
        !self.gone.load(Ordering::Relaxed) && self.stored.is_live(OffsetDateTime::now_utc())
    }
}
