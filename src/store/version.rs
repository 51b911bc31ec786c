//! Whether the tables of a store that is only read are those that this program knows.

use super::Error;

/// `found` and `known` are the newest migrations there and here; `None` there: it is no ledger.
pub(super) fn check(store: &str, found: Option<i32>, known: Option<i32>) -> Result<(), Error> {
    let store = store.to_owned();
    match found {
        None => Err(Error::NoLedger { store }),
        Some(_) if found < known => Err(Error::OlderLedger { store }),
        Some(_) if found > known => Err(Error::NewerLedger { store }),
        Some(_) => Ok(()),
    }
}
