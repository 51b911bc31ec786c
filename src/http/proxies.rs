//! Who a caller is behind the proxies in front: the right-most address that no trusted proxy has.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::FORWARDED;

use crate::app::Network;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of whoever asks, where `peer` is at the other end of the connection. Headers of anybody but
/// a trusted proxy say nothing.
pub fn caller(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut caller = peer.to_canonical();
    if !is_trusted(caller) {
        return caller;
    }
    let name = match headers.contains_key(X_FORWARDED_FOR) {
        true => X_FORWARDED_FOR,
        false => FORWARDED.as_str(),
    };
    let fields = headers.get_all(name).iter().collect::<Vec<_>>();
    for field in fields.into_iter().rev() {
        let Ok(field) = field.to_str() else { return caller };
        for entry in field.rsplit(',') {
            // What a proxy did not write as an address is nobody's: the proxy itself stands for it.
            let Some(address) = address(entry) else { return caller };
            caller = address;
            if !is_trusted(caller) {
                return caller;
            }
        }
    }
    caller
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, or the same in `for="…"` among other parameters.
fn address(entry: &str) -> Option<IpAddr> {
    let parameters = entry.split(';').map(str::trim);
    let named = parameters.clone().find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    });
    let text = named.unwrap_or(entry.trim());
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().ok();
    let parsed = parsed.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    parsed.map(|address| address.to_canonical())
}

/// The address by which somebody is counted: of IPv6, the network of one subscriber.
pub fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_caller_is_the_right_most_address_that_is_not_trusted() {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"];
        let trusted = trusted.map(|text| Network::try_from(text.to_owned()).unwrap());
        for (peer, fields, expected) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("127.0.0.1", &[("x-forwarded-for", "192.0.2.1")], "192.0.2.1"),
            ("192.0.2.9", &[("x-forwarded-for", "192.0.2.1")], "192.0.2.9"),
            ("127.0.0.1", &[("x-forwarded-for", "198.51.100.7, 192.0.2.1, 10.0.0.2")], "192.0.2.1"),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")],
                "192.0.2.1",
            ),
            ("127.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("127.0.0.1", &[("x-forwarded-for", "192.0.2.1, unknown, 10.0.0.2")], "10.0.0.2"),
            ("127.0.0.1", &[("x-forwarded-for", "[2001:db8::1]:4711")], "2001:db8::1"),
            ("::ffff:127.0.0.1", &[("x-forwarded-for", "192.0.2.1:80")], "192.0.2.1"),
            (
                "fd00::5",
                &[("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=https")],
                "2001:db8::1",
            ),
            (
                "10.0.0.1",
                &[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "192.0.2.1")],
                "192.0.2.1",
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                let name = HeaderName::from_static(name);
                headers.append(name, HeaderValue::from_static(value));
            }
            let found = caller(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {fields:?}");
        }
    }

    #[test]
    fn a_subscriber_has_many_addresses_and_counts_once() {
        let same = |one: &str, other: &str| {
            counted(one.parse().unwrap()) == counted(other.parse().unwrap())
        };
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }
}
