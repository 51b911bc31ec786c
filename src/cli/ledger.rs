//! Opening the ledger for the commands that report on it or change it, each of which says which one
//! that is: a relative store.url leads elsewhere from another folder.

use crate::app::{Config, Store};

/// To read it; none is made, and nothing in it is changed.
pub async fn to_read(config: &Config) -> anyhow::Result<Store> {
    let store = Store::open_to_read(&config.store).await?;
    eprintln!("undertone: reading the ledger {}", config.store.url.location());
    Ok(store)
}

/// To change what is in it already; none is made.
pub async fn to_change(config: &Config) -> anyhow::Result<Store> {
    let store = Store::open_existing(&config.store).await?;
    eprintln!("undertone: changing the ledger {}", config.store.url.location());
    Ok(store)
}

/// To write to it. One is made where there is none, as for the first key of a gateway that has not
/// been started yet.
pub async fn to_write(config: &Config) -> anyhow::Result<Store> {
    let store = Store::open(&config.store).await?;
    eprintln!("undertone: writing to the ledger {}", config.store.url.location());
    Ok(store)
}
