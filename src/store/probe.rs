//! What can be told of a store without opening it for good: nothing is created, migrated or written.

use super::{Config, Error, Store, postgres, sqlite, url};

/// What was found where the store is, or will be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Whether there is a ledger already.
    pub exists: bool,
    /// Whether a key was ever created in it.
    pub any_key: bool,
}

impl Store {
    /// Looks whether a store could be opened and written.
    ///
    /// # Errors
    /// Why it could not.
    pub async fn probe(config: &Config) -> Result<Probe, Error> {
        match config.url.place()? {
            url::Place::Sqlite(path) => sqlite::probe(path).await,
            url::Place::Postgres(url) => {
                postgres::probe(&url, config.durability, &config.journal).await
            }
        }
    }
}
