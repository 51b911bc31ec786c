//! What several commands take on their command line, and how they refuse it.

use crate::app::BadParameter;
use crate::pricing::Usd;

/// The most characters of a team's name, as in a request's tags.
const TEAM_LIMIT: usize = 64;

/// Something that has to be typed differently: exit code 2.
pub fn usage(field: &'static str, message: impl Into<String>) -> anyhow::Error {
    BadParameter { field, message: message.into() }.into()
}

/// US dollars, 0 or more.
pub fn amount(text: &str) -> Result<Usd, String> {
    match text.parse::<Usd>() {
        Ok(amount) if amount < Usd::ZERO => Err("is below 0".into()),
        result => result.map_err(|error| error.to_string()),
    }
}

pub fn team(name: &str) -> Result<String, String> {
    match name.chars().count() {
        1..=TEAM_LIMIT => Ok(name.to_owned()),
        length => Err(format!("has {length} characters; 1 to {TEAM_LIMIT} are allowed")),
    }
}
