//! Webhooks: what is told to a server of the user's own, signed as Standard Webhooks says
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>). One try
//! at a time; who tries again, and when, is its caller's business.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::json::unmarked_text;
use crate::mask::WebhookUrl;

/// How long a receiver may take to answer.
const DELIVERY_LIMIT: Duration = Duration::from_secs(5);

/// Where the secret may come from, before the file.
const SECRET_VARIABLE: &str = "UNDERTONE_WEBHOOK_SECRET";

/// The form of a secret, and the bytes that it may hold.
const PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The section `[webhooks]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file that holds the secret; empty: none.
    pub secret_file: PathBuf,
}

impl Config {
    /// What webhooks are signed with: from `UNDERTONE_WEBHOOK_SECRET`, else from the file.
    ///
    /// # Errors
    /// A file that cannot be read, and a secret that is none; never with any of it.
    pub fn secret(&self) -> anyhow::Result<Option<Secret>> {
        if let Ok(text) = std::env::var(SECRET_VARIABLE) {
            return Secret::parse(text.trim()).context(SECRET_VARIABLE).map(Some);
        }
        if self.secret_file.as_os_str().is_empty() {
            return Ok(None);
        }
        let named = || format!("webhooks.secret_file {}", self.secret_file.display());
        let text = std::fs::read_to_string(&self.secret_file).with_context(named)?;
        Secret::parse(unmarked_text(&text).trim()).with_context(named).map(Some)
    }
}

/// A key for signatures.
#[derive(Clone, Debug)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Reads `whsec_` and base64.
    pub fn parse(text: &str) -> anyhow::Result<Secret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
        let bytes =
            bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len())).with_context(|| {
                format!(
                    "the secret has to be {PREFIX} and {} to {} bytes in base64; `echo \
                 \"{PREFIX}$(openssl rand -base64 32)\"` makes one",
                    SECRET_BYTES.start(),
                    SECRET_BYTES.end()
                )
            })?;
        Ok(Secret(bytes.into()))
    }

    /// The header `webhook-signature` of a message.
    fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Where messages are sent.
#[derive(Clone)]
pub struct Webhook {
    url: reqwest::Url,
    http: reqwest::Client,
    secret: Option<Secret>,
}

impl Webhook {
    /// `None` for an empty URL. `key` names it where it is wrong.
    pub fn of(
        key: &str,
        url: &WebhookUrl,
        secret: Option<Secret>,
    ) -> anyhow::Result<Option<Webhook>> {
        let url = url.expose();
        if url.is_empty() {
            return Ok(None);
        }
        let parsed = reqwest::Url::parse(url)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()))
            .with_context(|| format!("{key} is not the URL of an http or https server"))?;
        // Whoever was first has installed it; all of this program's parts choose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("undertone/", env!("CARGO_PKG_VERSION")))
            .timeout(DELIVERY_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Some(Webhook { url: parsed, http, secret }))
    }

    /// Sends a message once. `id` is the same at each try of one message, so that a receiver can tell a
    /// repetition.
    ///
    /// # Errors
    /// Why it did not arrive; anything but a status 2xx is no arrival.
    pub async fn send(&self, id: &str, body: &str) -> Result<(), String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let timestamp = now.as_secs();
        let mut request = self
            .http
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp);
        if let Some(secret) = &self.secret {
            request = request.header("webhook-signature", secret.sign(id, timestamp, body));
        }
        let sent = request.body(body.to_owned()).send().await;
        // The URL may hold a secret.
        let reply = sent.map_err(|error| error.without_url().to_string())?;
        match reply.status().is_success() {
            true => Ok(()),
            false => Err(format!("it answered {}", reply.status())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_the_standards() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_refused_without_a_word_of_it() {
        for text in ["", "hunter2hunter2hunter2hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_*"] {
            let error = format!("{:#}", Secret::parse(text).expect_err(text));
            assert!(error.contains("openssl") && !error.contains("hunter2"), "{error}");
        }
    }
}
