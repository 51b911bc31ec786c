//! What is shown of an address that may hold a secret: in messages, in the log, by `undertone config show`.
//! The address itself is had by [`ServerUrl::expose`] and [`WebhookUrl::expose`] alone.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What stands in a secret's stead.
pub const MASK: &str = "***";

/// Parameters of PostgreSQL's addresses that hold no secret; of any other the value is not shown.
const OPEN_PARAMETERS: [&str; 12] = [
    "user",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "sslmode",
    "application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "target_session_attrs",
];

/// Where a server is. Shown and written without user, password and the values of its parameters.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ServerUrl(String);

/// Where a webhook is. Of what follows the host nothing is shown: it often is the secret.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct WebhookUrl(String);

impl ServerUrl {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl WebhookUrl {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The address of a server without its secrets.
pub fn server_url(url: &str) -> String {
    let Some((scheme, authority, rest)) = parts(url) else { return unreadable(url) };
    let host = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{MASK}@{host}"),
        None => authority.to_owned(),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, format!("?{}", parameters(query, &[]))),
        None => (rest, String::new()),
    };
    format!("{scheme}://{host}{path}{query}")
}

/// The address of a database without its password: the user is told, as who may not come in needs to know.
pub fn database_url(url: &str) -> String {
    // A file's path, which may hold an `@`.
    if url.starts_with("sqlite://") {
        return url.to_owned();
    }
    let Some((scheme, authority, rest)) = parts(url) else { return unreadable(url) };
    let host = match authority.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split([':', '/', '?']).next().unwrap_or_default();
            let hidden = if name.len() < user.len() { format!(":{MASK}") } else { String::new() };
            format!("{name}{hidden}@{host}")
        }
        None => authority.to_owned(),
    };
    match rest.split_once('?') {
        Some((path, query)) => {
            format!("{scheme}://{host}{path}?{}", parameters(query, &OPEN_PARAMETERS))
        }
        None => format!("{scheme}://{host}{rest}"),
    }
}

/// Scheme, what stands up to the path, and the rest. A password may hold anything, so that all up to the last
/// `@` is taken for user and password.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let host_at = rest.rfind('@').map_or(0, |at| at + 1);
    let end = rest[host_at..].find(['/', '?', '#']).map_or(rest.len(), |at| host_at + at);
    Some((scheme, &rest[..end], &rest[end..]))
}

/// What is no address is shown as it is, unless it looks like one with a secret.
fn unreadable(url: &str) -> String {
    match url.contains(['@', '=']) {
        true => MASK.to_owned(),
        false => url.to_owned(),
    }
}

fn parameters(query: &str, open: &[&str]) -> String {
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if !open.contains(&name) => format!("{name}={MASK}"),
        Some(_) => pair.to_owned(),
        None if pair.is_empty() => String::new(),
        None => MASK.to_owned(),
    };
    query.split('&').map(hide).collect::<Vec<_>>().join("&")
}

/// Whether what is sent there stays on this machine.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host of an address that is spoken to in the clear over a network; `None` for any other.
pub fn plain_host(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    let host = url.host_str()?;
    (!is_loopback(host)).then(|| host.to_owned())
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&server_url(&self.0))
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, authority, rest)) = parts(&self.0) else {
            return f.write_str(&unreadable(&self.0));
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let hidden = if matches!(rest, "" | "/") { String::new() } else { format!("/{MASK}") };
        let user = if host == authority { String::new() } else { format!("{MASK}@") };
        write!(f, "{scheme}://{user}{host}{hidden}")
    }
}

macro_rules! shown_masked {
    ($($url:ty),*) => {$(
        impl fmt::Debug for $url {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $url {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl From<&str> for $url {
            fn from(url: &str) -> $url {
                Self(url.to_owned())
            }
        }
    )*};
}

shown_masked!(ServerUrl, WebhookUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_servers_address_neither_user_nor_parameters_are_shown() {
        for (url, shown) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            ("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1"),
            ("https://ann:s3cret@proxy/v1", "https://***@proxy/v1"),
            (
                "https://s3cret@proxy:81/v1?key=s3cret&b#s3cret",
                "https://***@proxy:81/v1?key=***&***",
            ),
            ("https://a:b/s3@c?r@proxy", "https://***@proxy"),
            ("localhost:1", "localhost:1"),
            ("ann:s3cret@proxy", "***"),
            ("", ""),
        ] {
            let url = ServerUrl::from(url);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), shown.into()));
            assert_eq!(serde_json::to_value(&url).expect("a string"), shown);
        }
    }

    #[test]
    fn of_a_webhook_the_host_alone_is_shown() {
        for (url, shown) in [
            ("https://hooks.slack.com/services/T0/B0/s3cret", "https://hooks.slack.com/***"),
            ("https://example.com?token=s3cret", "https://example.com/***"),
            ("https://ann:s3cret@example.com:444/", "https://***@example.com:444"),
            ("https://example.com", "https://example.com"),
            ("", ""),
        ] {
            let url = WebhookUrl::from(url);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), shown.into()));
            assert_eq!(serde_json::to_value(&url).expect("a string"), shown);
        }
    }

    #[test]
    fn of_a_databases_address_the_user_is_shown_and_no_password_wherever_it_stands() {
        for (url, shown) in [
            ("sqlite://data/me@home/u.db", "sqlite://data/me@home/u.db"),
            ("postgres://db/x", "postgres://db/x"),
            ("postgres://ann@db/x", "postgres://ann@db/x"),
            ("postgres://ann:s3cr@t@db:5432/x?a=b", "postgres://ann:***@db:5432/x?a=***"),
            ("postgres://ann:s3?cr/et@db/x", "postgres://ann:***@db/x"),
            (
                "postgres://db/x?user=ann&password=s3cret&sslmode=require",
                "postgres://db/x?user=ann&password=***&sslmode=require",
            ),
            ("postgres://db/x?pass%77ord=s3cret", "postgres://db/x?pass%77ord=***"),
            ("postgres://db/x?password=s3cret&application_name=a@b", "postgres://db:***@b"),
            ("postgres:/ann:s3cret@db/x", "***"),
        ] {
            assert_eq!(database_url(url), shown);
        }
    }

    #[test]
    fn plain_http_is_told_from_what_stays_on_this_machine() {
        for url in ["http://10.0.0.7/v1", "http://vllm:8000", "http://u:p@localhost.example/"] {
            assert!(plain_host(url).is_some(), "{url}");
        }
        for url in
            ["http://127.0.0.1:9/v1", "http://[::1]/v1", "http://LOCALHOST:1", "https://10.0.0.7"]
        {
            assert_eq!(plain_host(url), None, "{url}");
        }
    }
}
