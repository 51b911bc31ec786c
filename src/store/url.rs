//! `store.url`: which store it names, and how it is shown without its password.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use super::Error;
use crate::mask;

/// Where the store is. Shown and written without a password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StoreUrl(String);

/// What a [`StoreUrl`] names.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Sqlite(PathBuf),
    /// As PostgreSQL's own clients read it.
    Postgres(String),
}

impl StoreUrl {
    pub(super) fn place(&self) -> Result<Place, Error> {
        if let Some(path) = self.0.strip_prefix("sqlite://")
            && !path.is_empty()
            && path != ":memory:"
        {
            return Ok(Place::Sqlite(PathBuf::from(path)));
        }
        match ["postgres://", "postgresql://"].iter().any(|scheme| self.0.starts_with(scheme)) {
            true => Ok(Place::Postgres(self.0.clone())),
            false => Err(Error::Url(self.to_string())),
        }
    }
}

impl StoreUrl {
    /// For people: a file's whole path, since a relative one starts at the folder in which the
    /// program runs; or the URL, without its password.
    pub fn location(&self) -> String {
        match self.place() {
            Ok(Place::Sqlite(path)) => {
                std::path::absolute(&path).unwrap_or(path).display().to_string()
            }
            _ => self.to_string(),
        }
    }
}

impl From<String> for StoreUrl {
    fn from(url: String) -> StoreUrl {
        StoreUrl(url)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::database_url(&self.0))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_its_store() {
        let place = |url: &str| StoreUrl::from(url.to_owned()).place().ok();
        let sqlite = |path: &str| Some(Place::Sqlite(PathBuf::from(path)));
        assert!(place("sqlite://data/undertone.db") == sqlite("data/undertone.db"));
        assert!(place("sqlite:///var/lib/u.db") == sqlite("/var/lib/u.db"));
        for url in ["postgres://localhost/undertone", "postgresql://u:p@db:5433/x?sslmode=require"]
        {
            assert!(place(url) == Some(Place::Postgres(url.to_owned())), "{url}");
        }
        for url in ["", "sqlite://", "sqlite://:memory:", "mysql://localhost/x", "undertone.db"] {
            assert!(place(url).is_none(), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("sqlite://data/u.db", "sqlite://data/u.db"),
            ("postgres://ann:s3cret@db/x", "postgres://ann:***@db/x"),
        ] {
            let url = StoreUrl::from(url.to_owned());
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), shown.into()));
            assert_eq!(serde_json::to_value(&url).expect("a string"), shown);
        }
    }
}
