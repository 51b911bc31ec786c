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

/// A share, from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

/// The most tags of a row, as of a request.
pub const TAGS_LIMIT: usize = 10;

/// A tag as NAME=VALUE; each part as in a request's tags.
pub fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("is not of the form NAME=VALUE")?;
    for (what, part) in [("name", name), ("value", value)] {
        let length = part.chars().count();
        if !(1..=TEAM_LIMIT).contains(&length) {
            let limits = format!("1 to {TEAM_LIMIT} are allowed");
            return Err(format!("its {what} has {length} characters; {limits}"));
        }
    }
    Ok((name.to_owned(), value.to_owned()))
}

pub fn team(name: &str) -> Result<String, String> {
    match name.chars().count() {
        1..=TEAM_LIMIT => Ok(name.to_owned()),
        length => Err(format!("has {length} characters; 1 to {TEAM_LIMIT} are allowed")),
    }
}
