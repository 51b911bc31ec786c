//! Opening the store: to serve from it, to change it, or to read it.

use super::url::Place;
use super::{Config, Error, Store, postgres, sqlite};

impl Store {
    /// Opens the store, creates it where there is none, and brings its tables up to date.
    pub async fn open(config: &Config) -> Result<Store, Error> {
        Ok(match config.url.place()? {
            Place::Sqlite(path) => {
                Store::Sqlite(sqlite::Sqlite::open(path, config.durability).await?)
            }
            Place::Postgres(url) => {
                let (durability, folder) = (config.durability, &config.journal);
                Store::Postgres(postgres::Postgres::open(&url, durability, folder).await?)
            }
        })
    }

    /// Opens a store that is there, and brings its tables up to date; creates none.
    ///
    /// # Errors
    /// [`Error::NoLedger`] where there is none.
    pub async fn open_existing(config: &Config) -> Result<Store, Error> {
        match Store::open_to_read(config).await {
            Ok(_) | Err(Error::OlderLedger { .. }) => Store::open(config).await,
            Err(error) => Err(error),
        }
    }

    /// Opens a store that is there, to read it: nothing is created or changed, and every write fails.
    ///
    /// # Errors
    /// [`Error::NoLedger`] where there is none; [`Error::OlderLedger`] and [`Error::NewerLedger`]
    /// where its tables are not those of this version.
    pub async fn open_to_read(config: &Config) -> Result<Store, Error> {
        Ok(match config.url.place()? {
            Place::Sqlite(path) => {
                let path = std::path::absolute(&path).unwrap_or(path);
                Store::Sqlite(sqlite::Sqlite::open_to_read(path).await?)
            }
            Place::Postgres(url) => {
                let (durability, folder) = (config.durability, &config.journal);
                Store::Postgres(postgres::Postgres::open_to_read(&url, durability, folder).await?)
            }
        })
    }

    /// The same, where a store that is not there yet reads as an empty one.
    pub async fn open_to_read_if_any(config: &Config) -> Result<Store, Error> {
        match Store::open_to_read(config).await {
            Err(Error::NoLedger { store }) => {
                Ok(Store::Sqlite(sqlite::Sqlite::nothing(store.into())))
            }
            opened => opened,
        }
    }
}
