//! `[stream.kafka]`: any property of librdkafka, but for those that the guarantee rests on.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mask::{MASK, server_url};

/// Values by name. `sasl.username`, `"sasl.username"` and `sasl_username` are one name, so that TOML's
/// dotted keys and environment variables can give it. Shown and written without secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    pub fn iter(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone()))
    }

    fn shown(&self) -> BTreeMap<&str, String> {
        let shown = |name: &str, value: &str| match (is_secret(name), value.contains("://")) {
            (true, _) => MASK.to_owned(),
            (false, true) => server_url(value),
            (false, false) => value.to_owned(),
        };
        self.0.iter().map(|(name, value)| (name.as_str(), shown(name, value))).collect()
    }
}

/// The name as librdkafka knows it. One property has an underscore of its own.
pub(super) fn dotted(name: &str) -> String {
    match name {
        "log_level" => name.to_owned(),
        name => name.replace('_', "."),
    }
}

/// Why a property is not the user's to set.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    Some(match name {
        "bootstrap.servers" | "metadata.broker.list" => "stream.brokers sets it",
        "group.id" => "stream.group sets it",
        "enable.auto.commit"
        | "auto.commit.interval.ms"
        | "auto.commit.enable"
        | "enable.auto.offset.store"
        | "offset.store.method" => "offsets are committed with the results, never by themselves",
        "isolation.level" => "records of aborted transactions must not be read",
        "transactional.id" => {
            "each worker makes one of its own at its start, so that any number can share a host"
        }
        "enable.idempotence"
        | "acks"
        | "request.required.acks"
        | "enable.gapless.guarantee"
        | "retries"
        | "message.send.max.retries" => "a result could be lost or written twice",
        "delivery.report.only.error" => "the worker waits for the report of each result",
        "group.protocol" => "workers are fenced by the generation of the classic protocol",
        "enable.partition.eof" => "the worker has no use for the end of a partition",
        _ => return None,
    })
}

/// Whether a property's value is one: librdkafka's passwords, private keys, client secrets and what holds them.
pub fn is_secret(name: &str) -> bool {
    let parts = [
        "password",
        "passphrase",
        "secret",
        "key.pem",
        "private.key",
        "jaas",
        "oauthbearer.config",
        "oauthbearer.extensions",
    ];
    let is_place = name.ends_with(".location") || name.ends_with(".file");
    !is_place && parts.iter().any(|part| name.contains(part))
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Serialize for KafkaProperties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shown().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KafkaProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KafkaProperties, D::Error> {
        let nested = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let mut flat = BTreeMap::new();
        for (name, value) in nested {
            flatten(dotted(&name), value, &mut flat).map_err(D::Error::custom)?;
        }
        Ok(KafkaProperties(flat))
    }
}

fn flatten(
    name: String,
    value: serde_json::Value,
    flat: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let value = match value {
        serde_json::Value::Object(inner) => {
            return inner.into_iter().try_for_each(|(part, value)| {
                flatten(format!("{name}.{}", dotted(&part)), value, flat)
            });
        }
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::Bool(is) => is.to_string(),
        _ => return Err(format!("{name}: expected a text, a number, true or false")),
    };
    flat.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_any_of_three_ways_and_a_secret_is_never_shown() {
        for toml in [
            "sasl.password = \"s3cret\"\nlinger.ms = 5",
            "\"sasl.password\" = \"s3cret\"\n\"linger.ms\" = \"5\"",
            "sasl_password = \"s3cret\"\nlinger_ms = 5",
        ] {
            let properties: KafkaProperties = toml::from_str(toml).expect("it is TOML");
            let all: Vec<_> = properties.iter().collect();
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            assert_eq!(all, [pair("linger.ms", "5"), pair("sasl.password", "s3cret")]);
            let shown = format!("{properties:?}{}", serde_json::json!(properties));
            assert!(!shown.contains("s3cret") && shown.contains("***"), "{shown}");
        }
        for (toml, shown) in [
            ("ssl_key_pem = \"s3cret\"", "***"),
            ("sasl_oauthbearer_client_secret = \"s3cret\"", "***"),
            ("sasl_oauthbearer_assertion_private_key_passphrase = \"s3cret\"", "***"),
            (
                "sasl_oauthbearer_token_endpoint_url = \"https://u:s3cret@x/t?k=s3cret\"",
                "***@x/t?k=***",
            ),
            ("ssl_key_location = \"/run/key.pem\"", "/run/key.pem"),
        ] {
            let properties: KafkaProperties = toml::from_str(toml).expect("it is TOML");
            let all = serde_json::json!(properties).to_string();
            assert!(all.contains(shown) && !all.contains("s3cret"), "{all}");
        }
        assert!(toml::from_str::<KafkaProperties>("a = [1]").is_err());
        assert_eq!(dotted("log_level"), "log_level");
    }
}
