//! Variables of the environment that look like ours and are not read. They are warned of and are no errors:
//! Kubernetes sets some of its own accord for a Service that is called undertone.

use super::layers::{DEFAULTS, PREFIX, nearest};

/// Those that are read beside `UNDERTONE_SECTION__KEY`, or by what belongs to the program.
const OTHERS: [&str; 5] = [
    "UNDERTONE_CONFIG",
    "UNDERTONE_WEBHOOK_SECRET",
    // By `deploy/` and the training chain.
    "UNDERTONE_URL",
    "UNDERTONE_KEY",
    "UNDERTONE_BIN",
];

/// A sentence for each variable of the environment that looks like ours and is not read, but one for all
/// that Kubernetes sets.
pub fn unread_variables() -> Vec<String> {
    warnings(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

fn warnings(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut ours: Vec<String> = names
        .filter(|name| name.to_uppercase().starts_with(PREFIX))
        // Whatever has two underscores is read as a key, and refused where it is none.
        .filter(|name| !name[PREFIX.len()..].contains("__"))
        .filter(|name| !OTHERS.contains(&name.as_str()))
        .collect();
    ours.sort_unstable();
    let (services, mistaken): (Vec<_>, Vec<_>) =
        ours.into_iter().partition(|name| is_of_kubernetes(&name[PREFIX.len()..]));
    let mut warnings: Vec<String> = mistaken.iter().map(|name| mistake(name)).collect();
    if !services.is_empty() {
        warnings.push(format!(
            "These variables of the environment are not read: {}. Kubernetes sets them for a Service \
             that is called undertone; enableServiceLinks: false in the pod's spec stops it.",
            services.join(", ")
        ));
    }
    warnings
}

fn mistake(name: &str) -> String {
    let known = known();
    let known = known.iter().map(String::as_str).chain(OTHERS);
    // Without what all have in common, which would make all of them near.
    let known: Vec<&str> = known.filter_map(|name| name.strip_prefix(PREFIX)).collect();
    let hint = match nearest(&name[PREFIX.len()..], &known) {
        Some(meant) => format!("Did you mean {PREFIX}{meant}?"),
        None => format!(
            "A key of the configuration is set by {PREFIX}SECTION__KEY, with two underscores between \
             the section and the key."
        ),
    };
    format!("The environment variable {name} is not read. {hint}")
}

/// The variables of all keys that have a default.
fn known() -> Vec<String> {
    let defaults: toml::Table = DEFAULTS.parse().unwrap_or_default();
    let sections = defaults.iter().filter_map(|(name, keys)| Some((name, keys.as_table()?)));
    let names = sections.flat_map(|(section, keys)| {
        keys.keys().map(move |key| format!("{PREFIX}{section}__{key}").to_uppercase())
    });
    names.collect()
}

/// `PORT`, `SERVICE_HOST`, `SERVICE_PORT_HTTP`, `PORT_8787_TCP_ADDR`: what is set for the Service
/// `undertone`; for another whose name begins so, `GATEWAY_SERVICE_HOST` and the like
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_of_kubernetes(rest: &str) -> bool {
    let rest = format!("_{rest}");
    let port = rest.split("_PORT_").nth(1).unwrap_or_default();
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || rest == "_PORT"
        || port.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_almost_a_key_is_told_with_the_key() {
        for (name, told) in [
            ("UNDERTONE_SERVER_LISTEN", "Did you mean UNDERTONE_SERVER__LISTEN?"),
            ("UNDERTONE_STORE_ULR", "Did you mean UNDERTONE_STORE__URL?"),
            ("UNDERTONE_CONFG", "Did you mean UNDERTONE_CONFIG?"),
            ("UNDERTONE_FOO", "is set by UNDERTONE_SECTION__KEY"),
        ] {
            let warnings = warnings([name.to_owned()].into_iter());
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains(name) && warnings[0].contains(told), "{warnings:?}");
        }
        let read = ["UNDERTONE_CONFIG", "UNDERTONE_SERVER__LISTEN", "PATH", "UNDERTONEX"];
        assert!(warnings(read.into_iter().map(str::to_owned)).is_empty());
    }

    #[test]
    fn what_kubernetes_sets_is_one_warning() {
        let names = [
            "UNDERTONE_PORT",
            "UNDERTONE_SERVICE_HOST",
            "UNDERTONE_SERVICE_PORT",
            "UNDERTONE_SERVICE_PORT_HTTP",
            "UNDERTONE_PORT_8787_TCP",
            "UNDERTONE_PORT_8787_TCP_ADDR",
            "UNDERTONE_GATEWAY_SERVICE_HOST",
            "UNDERTONE_GATEWAY_PORT_80_TCP_PROTO",
        ];
        let warnings = warnings(names.into_iter().map(str::to_owned));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(names.iter().all(|name| warnings[0].contains(name)), "{warnings:?}");
    }
}
