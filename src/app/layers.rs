//! The layers of the configuration, put together: the defaults, the file, the environment. All that is
//! wrong in them is found at once, each with where it was set and, of a name that nothing has, the nearest one
//! that something has. What the values mean together is left to [`Config`].

use std::path::{Path, PathBuf};

use figment::error::{Actual, Kind};
use figment::providers::{Env, Format, Toml};
use figment::value::Value;
use figment::{Figment, Metadata, Source};
use serde::Deserialize;

use super::Config;

/// Every key with its default, and why; a user's file and the environment override it.
pub(super) const DEFAULTS: &str = include_str!("../../config/undertone.toml");

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "config/undertone.toml";

/// How the name of a variable that sets a key begins.
pub(super) const PREFIX: &str = "UNDERTONE_";

/// What the layers come to.
pub struct Layered {
    /// With the default where something was wrong; `None` where a file is no TOML at all.
    pub config: Option<Config>,
    /// What is wrong, a sentence each.
    pub faults: Vec<String>,
}

/// Reads the layers. A file that is not named need not be there.
///
/// # Errors
/// The named file cannot be read.
pub(super) fn read(file: Option<&Path>) -> Result<Layered, (PathBuf, std::io::Error)> {
    let mut figment = Figment::from(Toml::string(DEFAULTS));
    let file = match file {
        Some(named) => Some(named),
        None => Some(Path::new(DEFAULT_FILE)).filter(|default| default.exists()),
    };
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|reason| (file.to_owned(), reason))?;
        if let Err(error) = text.parse::<toml::Table>() {
            let fault = syntax_fault(file, &text, &error);
            return Ok(Layered { config: None, faults: vec![fault] });
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    let sections = Env::prefixed(PREFIX).filter(|key| key.as_str().contains("__"));
    Ok(take_apart(&figment.merge(sections.split("__"))))
}

/// Never with the line itself: it may hold a secret.
fn syntax_fault(file: &Path, text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map(|span| span.start.min(text.len()));
    let line = at.map(|at| text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1);
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    format!("{}{line} is not TOML: {}", file.display(), error.message())
}

/// Reads a value again and again, each time without what was wrong in it, until nothing is.
fn take_apart(figment: &Figment) -> Layered {
    let mut value = match figment.find_value("") {
        Ok(value) => value,
        Err(error) => return Layered { config: None, faults: vec![error.to_string()] },
    };
    let defaults = Figment::from(Toml::string(DEFAULTS)).find_value("").ok();
    let mut faults = Vec::new();
    loop {
        let error = match Config::deserialize(&value) {
            Ok(config) => return Layered { config: Some(config), faults },
            Err(error) => error,
        };
        let tag = find(&value, &error.path).map(Value::tag);
        let metadata = tag.and_then(|tag| figment.get_metadata(tag));
        faults.push(describe(&error, metadata));
        let default = match error.kind {
            Kind::UnknownField(..) => None,
            _ => defaults.as_ref().and_then(|defaults| find(defaults, &error.path)),
        };
        if !replace(&mut value, &error.path, default.cloned()) {
            return Layered { config: None, faults };
        }
    }
}

fn find<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Dict(_, dict) => dict.get(key),
        Value::Array(_, list) => list.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Puts the default in the place of what is there, or nothing; whether that changed anything. Of a list as
/// a whole, since its other items would not be where they were.
fn replace(value: &mut Value, path: &[String], default: Option<Value>) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match value {
        Value::Dict(_, dict) if rest.is_empty() => {
            let before = dict.remove(first);
            let changed = before.is_some() && before != default;
            dict.extend(default.map(|default| (first.clone(), default)));
            changed
        }
        Value::Dict(_, dict) => match dict.get_mut(first) {
            Some(Value::Array(_, list)) if rest.len() == 1 => {
                let is_filled = !list.is_empty();
                dict.remove(first);
                is_filled
            }
            Some(inner) => replace(inner, rest, default),
            None => false,
        },
        Value::Array(_, list) => {
            let at = first.parse().ok().filter(|at: &usize| *at < list.len());
            at.is_some_and(|at| replace(&mut list[at], rest, default))
        }
        _ => false,
    }
}

/// A fault as a sentence.
fn describe(error: &figment::Error, metadata: Option<&Metadata>) -> String {
    let key = named(&error.path);
    let place = place(&error.path, metadata);
    let seen = |actual: &Actual| match may_be_secret(&error.path) {
        true => "something else, which is not shown here".to_owned(),
        false => match actual {
            Actual::Str(text) => format!("{text:?}"),
            Actual::Unsigned(number) => number.to_string(),
            Actual::Signed(number) => number.to_string(),
            Actual::Float(number) => number.to_string(),
            Actual::Bool(is) => is.to_string(),
            Actual::Seq => "a list".to_owned(),
            Actual::Map => "a section".to_owned(),
            other => other.to_string(),
        },
    };
    match &error.kind {
        Kind::UnknownField(_, expected) => unknown(&error.path, expected, &place),
        Kind::UnknownVariant(found, expected) => {
            let list = expected.join("`, `");
            format!(
                "{key}{place} is {found:?}; it has to be one of `{list}`{}",
                near(found, expected)
            )
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("{key}{place} is {}; it has to be {}", seen(actual), wanted(expected))
        }
        Kind::MissingField(name) => format!("{key}.{name} is missing{place}"),
        other => format!("{key}{place}: {other}"),
    }
}

fn unknown(path: &[String], expected: &[&str], place: &str) -> String {
    let (name, parents) = path.split_last().map_or(("", &[][..]), |(name, rest)| (name, rest));
    let elsewhere = sections_with(name, parents);
    match parents {
        [] if elsewhere.is_empty() => {
            let near = nearest(name, expected);
            let near = near.map(|near| format!("; did you mean [{near}]?")).unwrap_or_default();
            format!("unknown section [{name}]{place}{near}")
        }
        [] => format!("unknown key `{name}` before any section{place}; it is a key of {elsewhere}"),
        parents => {
            let mut hint = near(name, expected);
            if hint.is_empty() && !elsewhere.is_empty() {
                hint = format!("; it is a key of {elsewhere}");
            }
            let parent = named(parents);
            format!("unknown key `{name}` in [{parent}]{place}{hint}")
        }
    }
}

/// The sections, beside this one, that have a key of that name.
fn sections_with(name: &str, parents: &[String]) -> String {
    let defaults: toml::Table = DEFAULTS.parse().unwrap_or_default();
    let sections = defaults.iter().filter(|(section, keys)| {
        let has = keys.as_table().is_some_and(|keys| keys.contains_key(name));
        has && parents.first() != Some(section)
    });
    sections.map(|(section, _)| format!("[{section}]")).collect::<Vec<_>>().join(" and of ")
}

/// `alerts.rules[0].name`.
fn named(path: &[String]) -> String {
    path.iter().fold(String::new(), |so_far, part| match part.parse::<usize>() {
        Ok(at) if !so_far.is_empty() => format!("{so_far}[{at}]"),
        _ if so_far.is_empty() => part.clone(),
        _ => format!("{so_far}.{part}"),
    })
}

/// Where it was set.
fn place(path: &[String], metadata: Option<&Metadata>) -> String {
    match metadata {
        Some(Metadata { source: Some(Source::File(file)), .. }) => {
            format!(" (in {})", file.display())
        }
        Some(Metadata { name, .. }) if name.contains("environment") => {
            format!(" ({PREFIX}{} in the environment)", path.join("__").to_uppercase())
        }
        _ => String::new(),
    }
}

fn near(name: &str, expected: &[&str]) -> String {
    let near = nearest(name, expected);
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The known name that was likely meant: a few letters off, or with other separators.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', '.', ' '], "");
    let name = plain(name);
    let most = (name.chars().count() / 3).max(1);
    let distance = |known: &str| strsim::osa_distance(&name, &plain(known));
    let nearest = known.iter().map(|known| (distance(known), *known)).min();
    nearest.filter(|(distance, _)| *distance <= most).map(|(_, known)| known)
}

fn may_be_secret(path: &[String]) -> bool {
    let secret = ["kafka", "url", "webhook", "secret", "password", "token", "key"];
    path.iter().any(|part| secret.iter().any(|word| part.contains(word)))
}

/// What serde wants, for people.
fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "path string" | "string" => "a text in quotation marks",
        "a boolean" => "true or false",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(toml: &str) -> Vec<String> {
        take_apart(&Figment::from(Toml::string(DEFAULTS)).merge(Toml::string(toml))).faults
    }

    #[test]
    fn a_key_that_nothing_has_is_told_with_the_nearest_one() {
        for (toml, told) in [
            ("[server]\nlistn = \"x\"", "unknown key `listn` in [server]; did you mean `listen`?"),
            ("[sever]\nlisten = \"x\"", "unknown section [sever]; did you mean [server]?"),
            ("listen = \"x\"", "unknown key `listen` before any section; it is a key of [server]"),
            ("[store]\nlisten = 1", "unknown key `listen` in [store]; it is a key of [server]"),
            (
                "[llm]\nmax-retries = 1",
                "unknown key `max-retries` in [llm]; did you mean `max_retries`?",
            ),
            (
                "[cascade]\nsarcsm = 0.5",
                "unknown key `sarcsm` in [cascade]; did you mean `sarcasm`?",
            ),
            (
                "[openai.models.\"gpt-9\"]\ntemprature = 0.5",
                "unknown key `temprature` in [openai.models.gpt-9]; did you mean `temperature`?",
            ),
            (
                "[[aspects.categories]]\nname = \"a\"\ndescripton = \"b\"",
                "unknown key `descripton` in [aspects.categories[0]]; did you mean `description`?",
            ),
            ("[server]\nzzzzzz = 1", "unknown key `zzzzzz` in [server]"),
        ] {
            assert_eq!(faults(toml).first().map(String::as_str), Some(told), "{toml}");
        }
    }

    #[test]
    fn every_fault_of_a_configuration_is_told_and_not_the_first_alone() {
        let faults = faults(
            "[server]\nlistn = 1\nmax_body_bytes = \"big\"\n[llm]\ndeadline_ms = -5\nhint = \"no\"\n\
             [store]\ndurability = \"disc\"\n[trends]\nkeep = 3\n[stream]\ntasks = \"sentiment\"\n",
        );
        let all = faults.join("\n");
        assert_eq!(faults.len(), 7, "{all}");
        for told in [
            "`listn`",
            "server.max_body_bytes is \"big\"; it has to be a whole number, 0 or more",
            "llm.deadline_ms is -5",
            "llm.hint is \"no\"; it has to be true or false",
            "store.durability is \"disc\"; it has to be one of `disk`, `process`; did you mean `disk`?",
            "`keep` in [trends]",
            "stream.tasks is \"sentiment\"; it has to be a list",
        ] {
            assert!(all.contains(told), "{told}: {all}");
        }
    }

    #[test]
    fn a_secret_in_a_wrong_place_is_not_told() {
        let faults = faults("[store]\nurl = [\"postgres://u:s3cret@db/x\"]\n[openai]\nmodel = 7\n");
        let all = faults.join("\n");
        assert!(all.contains("store.url is") && all.contains("openai.model is 7"), "{all}");
        assert!(!all.contains("s3cret"), "{all}");
        let text = "[store]\nurl = \"postgres://u:s3cret@db/x\n";
        let error = text.parse::<toml::Table>().expect_err("no TOML");
        let told = syntax_fault(Path::new("a.toml"), text, &error);
        assert!(
            told.starts_with("a.toml, line 2 is not TOML") && !told.contains("s3cret"),
            "{told}"
        );
    }
}
