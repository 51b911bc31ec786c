//! The configuration of the store.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::StoreUrl;

/// Where the store is and what it withstands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite://PATH`, where a relative path starts at the working directory, or
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: StoreUrl,
    pub durability: Durability,
    pub when_down: WhenDown,
    /// The folder of what could not be written to the store.
    pub journal: PathBuf,
    /// Different sets of tags of a caller and day that reports tell apart.
    pub tag_sets_per_day: usize,
    /// How long texts are counted by the minute; after that by the day.
    pub minute_days: u32,
}

impl Config {
    /// With the journal beside the working directory's data, as shipped.
    pub fn new(url: String, durability: Durability) -> Config {
        Config {
            url: url.into(),
            durability,
            when_down: WhenDown::Stop,
            journal: PathBuf::from("data/journal"),
            tag_sets_per_day: 1000,
            minute_days: 35,
        }
    }
}

/// What becomes of calls at LLMs while the store cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenDown {
    /// None is made.
    Stop,
    /// Those that no hard budget binds are made, each on the journal before it is sent.
    Journal,
}

/// What outlives what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Each group of commits is synced to disk before its callers are answered.
    Disk,
    /// Commits outlive the process; a power cut may lose the last second. With PostgreSQL, the
    /// power of the server's machine, or a crash of the server.
    Process,
}
