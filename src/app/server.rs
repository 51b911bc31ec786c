//! The section `[server]`: where the gateway listens, and what its connections may take.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How much longer than a call to an LLM the requests at hand may take, going down, where
/// `server.drain_seconds` is not set.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// The longest time that a connection may be given.
const SECONDS_LIMIT: u64 = 24 * 60 * 60;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    pub listen: String,
    pub max_body_bytes: usize,
    pub max_in_flight_bytes: usize,
    /// 0: by how many files the process may open.
    pub max_connections: usize,
    /// 0: half of all.
    pub max_connections_per_address: usize,
    pub idle_timeout_seconds: u64,
    pub body_timeout_seconds: u64,
    pub write_timeout_seconds: u64,
    #[serde(default)]
    pub drain_seconds: Option<u64>,
    pub trusted_proxies: Vec<Network>,
}

impl ServerConfig {
    /// # Errors
    /// What is wrong with a value, with the key's name.
    pub fn check(&self) -> Result<(), String> {
        let least = self.max_body_bytes.saturating_mul(2);
        if self.max_in_flight_bytes < least || self.max_in_flight_bytes > u32::MAX as usize {
            return Err(format!(
                "server.max_in_flight_bytes is {}; it has to be at least {least}, twice \
                 server.max_body_bytes, and at most {}",
                self.max_in_flight_bytes,
                u32::MAX
            ));
        }
        for (key, seconds) in [
            ("server.idle_timeout_seconds", Some(self.idle_timeout_seconds)),
            ("server.body_timeout_seconds", Some(self.body_timeout_seconds)),
            ("server.write_timeout_seconds", Some(self.write_timeout_seconds)),
            ("server.drain_seconds", self.drain_seconds),
        ] {
            if seconds.is_some_and(|seconds| !(1..=SECONDS_LIMIT).contains(&seconds)) {
                return Err(format!(
                    "{key} is {}; it has to be from 1 to {SECONDS_LIMIT}",
                    seconds.unwrap_or_default()
                ));
            }
        }
        Ok(())
    }

    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds)
    }

    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }

    pub fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.write_timeout_seconds)
    }

    /// How long the requests at hand may take once the gateway was told to stop, where each may take
    /// as long as `deadline` for an LLM.
    pub fn drain(&self, deadline: Duration) -> Duration {
        self.drain_seconds.map_or(deadline + DRAIN_GRACE, Duration::from_secs)
    }
}

/// An address, or a range of them in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// Whether it holds that address; an IPv4 address that is written as IPv6 is the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Network, String> {
        let single =
            IpAddr::from_str(text.trim()).map(|address| IpNet::from(address.to_canonical()));
        single.or_else(|_| IpNet::from_str(text.trim())).map(Network).map_err(|_| {
            format!("{text:?} is not an address or a range of them such as 10.0.0.0/8 or fd00::/8")
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_or_a_range() {
        for (text, address, held) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("fd00::/8", "fd12::1", true),
            ("::1", "::1", true),
        ] {
            let network = Network::try_from(text.to_owned()).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), held, "{text} {address}");
        }
        for text in ["", "10.0.0.0/33", "proxy.example", "10.0.0", "*"] {
            assert!(Network::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
