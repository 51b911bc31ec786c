//! Who may ask, and how much: keys, their scopes and rate limits, and warnings of budgets. Keys live
//! in the store; a gateway keeps those that open anything in mind, so that no request waits for the
//! store, and none is told that its key is unknown because the store is down.

mod grant;
mod key;
mod rate;
mod scope;
mod warning;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use grant::{Denied, Grant};
pub use key::{NewKey, NewKeyError, create};
pub use rate::Standing;
pub use scope::{ParseScopeError, Scope, Scopes};

use crate::mask::WebhookUrl;
use crate::store::{self, AccessState, Store, StoredKey, Subject};
use crate::webhook::{Secret, Webhook};
use key::{KnownKey, hash};

/// The key of the configuration that names it.
const WEBHOOK_KEY: &str = "access.budget_webhook";

/// The section `[access]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Keys are asked for although there never was one.
    pub require_keys: bool,
    pub requests_per_minute: u32,
    pub texts_per_minute: u32,
    pub tokens_per_minute: u32,
    /// Empty: nobody is told of budgets but the log and the metrics.
    pub budget_webhook: WebhookUrl,
}

impl Config {
    /// # Errors
    /// A webhook that is no URL.
    pub fn check(&self) -> anyhow::Result<()> {
        Webhook::of(WEBHOOK_KEY, &self.budget_webhook, None).map(|_| ())
    }
}

/// What the gateway knows of keys and budgets.
pub struct Access {
    store: Store,
    config: Config,
    webhook: Option<Webhook>,
    known: RwLock<Arc<Known>>,
}

#[derive(Default)]
struct Known {
    any_key: bool,
    /// By the hash of the key.
    keys: HashMap<[u8; 32], Arc<KnownKey>>,
    hard: HashSet<Subject>,
}

impl Access {
    /// Reads what there is. Webhooks are signed with the secret, where there is one.
    ///
    /// # Errors
    /// A store that cannot be read, and a webhook that is no URL.
    pub async fn open(
        store: Store,
        config: Config,
        secret: Option<Secret>,
    ) -> anyhow::Result<Access> {
        let webhook = Webhook::of(WEBHOOK_KEY, &config.budget_webhook, secret)?;
        let access = Access { store, config, webhook, known: RwLock::default() };
        access.refresh().await?;
        let known = access.known();
        if known.any_key && known.keys.is_empty() {
            tracing::warn!(
                "no key opens this gateway: every request that needs one is answered with 401. Create \
                 one with undertone keys create"
            );
        }
        Ok(access)
    }

    /// Reads again which keys there are. After an error the last known ones go on counting.
    pub async fn refresh(&self) -> Result<(), store::Error> {
        let now = OffsetDateTime::now_utc();
        let state = self.store.access_state(now).await?;
        let before = self.known();
        let known = Arc::new(self.merge(&before, state));
        for (hash, key) in &before.keys {
            if !known.keys.contains_key(hash) {
                key.revoke();
            }
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    /// Whether there never was a key, and none is required: then this machine alone is served, and asked for none.
    pub fn is_open(&self) -> bool {
        !self.known().any_key
    }

    /// Whether a hard budget binds the calls of that key and team.
    pub fn is_bound(&self, key: Option<&str>, team: Option<&str>) -> bool {
        let known = self.known();
        let bound = |subject: Subject| known.hard.contains(&subject);
        !known.hard.is_empty()
            && (key.is_some_and(|key| bound(Subject::Key(key.to_owned())))
                || team.is_some_and(|team| bound(Subject::Team(team.to_owned()))))
    }

    /// Lets a request in, or says why not. `authorization` is the header as it was sent.
    pub fn admit(
        &self,
        authorization: Option<&str>,
        scope: Option<Scope>,
    ) -> Result<Grant, Denied> {
        let known = self.known();
        if !known.any_key {
            return Ok(Grant::open());
        }
        let sent = authorization.and_then(bearer).ok_or(Denied::NoKey)?;
        let key = known.keys.get(&hash(sent)).ok_or(Denied::UnknownKey)?;
        let grant = Grant::of(Arc::clone(key));
        grant.check()?;
        match scope {
            Some(scope) if !grant.may(scope) => Err(Denied::Scope(scope)),
            _ => grant.count_request().map(|()| grant),
        }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keys that were known before keep what is left of their limits.
    fn merge(&self, before: &Known, state: AccessState) -> Known {
        let keep = |key: StoredKey| {
            let known = before.keys.get(&key.hash).filter(|known| known.is(&key));
            let hash = key.hash;
            (hash, known.cloned().unwrap_or_else(|| Arc::new(KnownKey::new(key, &self.config))))
        };
        Known {
            any_key: before.any_key || state.any_key || self.config.require_keys,
            keys: state.keys.into_iter().map(keep).collect(),
            hard: state.hard.into_iter().collect(),
        }
    }
}

/// The key in `Authorization: Bearer KEY`.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.trim().split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests;
