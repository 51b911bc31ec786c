//! Anthropic's messages, through reqwest.

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::config::{AnthropicConfig, Error};
use super::manner::Manner;
use super::models::Model;
use super::provider::{
    Completion, Content, ErrorReply, Fault, Provider, Reply, count_at, count_of, name_at,
};
use super::retry::RetryAdvice;
use super::structured::Dialect;
use super::wire::{self, NoReply};
use super::{Question, prompt};
use crate::pricing::Usage;

pub(super) struct Anthropic {
    http: reqwest::Client,
    url: String,
    headers: HeaderMap,
    service_tier: String,
    /// The `inference_geo` that requests name; empty: none.
    region: String,
    manner: Manner,
}

impl Anthropic {
    pub fn new(
        config: &AnthropicConfig,
        manner: Manner,
        key: SecretString,
        http: reqwest::Client,
    ) -> Result<Anthropic, Error> {
        let mut key = HeaderValue::from_str(key.expose_secret()).map_err(|_| Error::Key {
            source_name: "anthropic".into(),
            problem: "no HTTP header can carry it",
        })?;
        key.set_sensitive(true);
        let version = HeaderValue::from_str(&config.version).map_err(|_| {
            Error::value("anthropic.version", &config.version, "it must be a version's date")
        })?;
        Ok(Anthropic {
            http,
            url: format!("{}/v1/messages", config.base_url.expose().trim_end_matches('/')),
            headers: HeaderMap::from_iter([
                (HeaderName::from_static("x-api-key"), key),
                (HeaderName::from_static("anthropic-version"), version),
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            ]),
            service_tier: config.service_tier.clone(),
            region: config.region.clone(),
            manner,
        })
    }
}

#[async_trait]
impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn tier(&self) -> &str {
        &self.service_tier
    }

    fn region(&self) -> &str {
        &self.region
    }

    fn compose(&self, model: &Model, questions: &[Question]) -> Value {
        let abilities = &model.abilities;
        let mut body = json!({
            "model": model.id,
            "max_tokens": self.manner.output_limit(questions),
            "system": self.manner.system(model, questions),
            "messages": [{"role": "user", "content": prompt::user(questions)}],
            "service_tier": self.service_tier,
        });
        if let Some(schema) = self.manner.schema(model, questions, Dialect::Anthropic) {
            body["output_config"]["format"] = json!({"type": "json_schema", "schema": schema});
        }
        if !self.region.is_empty() {
            body["inference_geo"] = json!(self.region);
        }
        if let Some(temperature) = abilities.temperature {
            body["temperature"] = json!(temperature);
        }
        if let Some(effort) = &abilities.reasoning_effort {
            body["output_config"]["effort"] = json!(effort);
        }
        body
    }

    async fn send(&self, body: String, deadline: Instant) -> Reply {
        let request = self.http.post(&self.url).headers(self.headers.clone()).body(body);
        let Ok(request) = request.build() else {
            return Reply::NotSent;
        };
        let reply = match wire::exchange(&self.http, request, deadline).await {
            Ok(reply) => reply,
            Err(NoReply::NotSent) => return Reply::NotSent,
            Err(NoReply::Lost) => return Reply::Lost,
        };
        if reply.status.is_success() {
            let response = reply.json();
            return Reply::Read(response.as_ref().map_or_else(Completion::unreadable, completion));
        }
        let status = reply.status.as_u16();
        Reply::Error(ErrorReply {
            status,
            fault: fault(status, reply.json().as_ref()),
            advice: RetryAdvice::from_headers(&reply.headers, std::time::SystemTime::now()),
        })
    }
}

fn fault(status: u16, body: Option<&Value>) -> Fault {
    let kind = body.and_then(|body| body.pointer("/error/type")).and_then(Value::as_str);
    match kind {
        Some("not_found_error") => Fault::ModelNotFound,
        Some("authentication_error" | "permission_error") => Fault::Key,
        Some("billing_error") => Fault::Quota,
        _ => Fault::of_status(status),
    }
}

fn completion(response: &Value) -> Completion {
    Completion {
        model: name_at(response, "/model"),
        tier: name_at(response, "/usage/service_tier"),
        region: name_at(response, "/usage/inference_geo").map(region),
        usage: response.get("usage").and_then(usage),
        content: content(response),
    }
}

/// `global` is anywhere, at the common price, and so is what models say that cannot be bound.
fn region(inference_geo: String) -> String {
    match inference_geo.as_str() {
        "global" | "not_available" => String::new(),
        _ => inference_geo,
    }
}

fn content(response: &Value) -> Content {
    match response.get("stop_reason").and_then(Value::as_str) {
        Some("refusal") => return Content::Refused,
        Some("max_tokens" | "model_context_window_exceeded") => return Content::Truncated,
        _ => {}
    }
    let blocks = response.get("content").and_then(Value::as_array).map(Vec::as_slice);
    let text: String = blocks
        .unwrap_or_default()
        .iter()
        .filter(|block| block["type"] == "text")
        .filter_map(|block| block["text"].as_str())
        .collect();
    if text.is_empty() { Content::Unreadable } else { Content::Text(text) }
}

/// `input_tokens` excludes what was read from and written to the cache. What was written counts as
/// written for 5 minutes, the default, unless the split says for an hour.
fn usage(usage: &Value) -> Option<Usage> {
    let written = count_at(usage, "/cache_creation_input_tokens")?;
    let cache_write_1h = count_at(usage, "/cache_creation/ephemeral_1h_input_tokens")?;
    let named_5m = count_at(usage, "/cache_creation/ephemeral_5m_input_tokens")?;
    Some(Usage {
        input: count_of(usage.get("input_tokens")?)?,
        cache_read: count_at(usage, "/cache_read_input_tokens")?,
        cache_write_5m: named_5m.max(written.saturating_sub(cache_write_1h)),
        cache_write_1h,
        output: count_of(usage.get("output_tokens")?)?,
        reasoning: 0,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::llm::testing::{http, manner, model, question};

    #[test]
    fn the_request_names_all_that_its_price_depends_on() {
        let config = AnthropicConfig { base_url: "http://x/".into(), ..AnthropicConfig::default() };
        let provider = Anthropic::new(&config, manner(), "sk-secret".into(), http()).unwrap();
        assert_eq!(provider.url, "http://x/v1/messages");
        assert!(!format!("{:?}", provider.headers).contains("sk-secret"));

        let haiku = model("claude-haiku-5-5", &BTreeMap::new());
        let body = provider.compose(&haiku, &[question("a \"text\"")]);
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            ["model", "max_tokens", "system", "messages", "service_tier", "output_config"]
        );
        assert_eq!(body["service_tier"], "standard_only");
        assert_eq!(body["output_config"]["format"]["type"], "json_schema");
    }

    #[test]
    fn a_region_is_asked_for_and_read_from_the_reply() {
        let config = AnthropicConfig { region: "us".into(), ..AnthropicConfig::default() };
        let provider = Anthropic::new(&config, manner(), "sk-secret".into(), http()).unwrap();
        let haiku = model("claude-haiku-5-5", &BTreeMap::new());
        assert_eq!(provider.compose(&haiku, &[question("a")])["inference_geo"], "us");
        for (said, expected) in [
            (json!({"inference_geo": "us"}), Some("us")),
            (json!({"inference_geo": "global"}), Some("")),
            (json!({"inference_geo": "not_available"}), Some("")),
            (json!({"inference_geo": null}), None),
            (json!({}), None),
        ] {
            let read = completion(&json!({"usage": said}));
            assert_eq!(read.region.as_deref(), expected, "{said}");
        }
    }

    #[test]
    fn usage_becomes_disjoint_buckets() {
        let check = |json: Value, expected: Option<Usage>| {
            assert_eq!(usage(&json), expected, "{json}");
        };
        check(
            json!({"input_tokens": 143, "output_tokens": 22, "service_tier": "standard"}),
            Some(Usage { input: 143, output: 22, ..Usage::default() }),
        );
        check(
            json!({"input_tokens": 10, "cache_read_input_tokens": 2000,
                "cache_creation_input_tokens": 700, "output_tokens": 22,
                "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 300}}),
            Some(Usage {
                input: 10,
                cache_read: 2000,
                cache_write_5m: 400,
                cache_write_1h: 300,
                output: 22,
                reasoning: 0,
            }),
        );
        check(
            json!({"input_tokens": 10, "cache_read_input_tokens": null,
                "cache_creation_input_tokens": 700, "output_tokens": 22, "cache_creation": null}),
            Some(Usage { input: 10, cache_write_5m: 700, output: 22, ..Usage::default() }),
        );
        check(json!({"input_tokens": 10}), None);
        check(json!({"input_tokens": "10", "output_tokens": 1}), None);
        check(
            json!({"input_tokens": 10, "output_tokens": -1, "cache_read_input_tokens": 1e20}),
            Some(Usage { input: 10, cache_read: u64::MAX, output: u64::MAX, ..Usage::default() }),
        );
    }

    #[test]
    fn the_stop_reason_decides_before_the_text() {
        let check = |response: Value, expected: Content| {
            assert!(content(&response) == expected, "{response}");
        };
        let text = json!([{"type": "text", "text": "{}"}]);
        check(json!({"stop_reason": "end_turn", "content": text}), Content::Text("{}".into()));
        check(json!({"stop_reason": "a_new_one", "content": text}), Content::Text("{}".into()));
        check(json!({"stop_reason": "refusal", "content": text}), Content::Refused);
        check(json!({"stop_reason": "max_tokens", "content": text}), Content::Truncated);
        check(
            json!({"stop_reason": "model_context_window_exceeded", "content": []}),
            Content::Truncated,
        );
        let thought =
            json!([{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "{}"}]);
        check(json!({"stop_reason": "end_turn", "content": thought}), Content::Text("{}".into()));
        check(json!({"stop_reason": "end_turn", "content": []}), Content::Unreadable);
        check(json!([]), Content::Unreadable);
    }

    #[test]
    fn errors_are_told_apart_by_type_and_status() {
        let check = |status, kind: Option<&str>, expected| {
            let body = kind.map(|kind| json!({"type": "error", "error": {"type": kind}}));
            assert_eq!(fault(status, body.as_ref()), expected, "{status} {kind:?}");
        };
        check(404, Some("not_found_error"), Fault::ModelNotFound);
        check(404, None, Fault::Rejected);
        check(401, Some("authentication_error"), Fault::Key);
        check(402, Some("billing_error"), Fault::Quota);
        check(400, Some("invalid_request_error"), Fault::Rejected);
        check(413, Some("request_too_large"), Fault::Rejected);
        check(429, Some("rate_limit_error"), Fault::Passing);
        check(529, Some("overloaded_error"), Fault::Passing);
        check(500, None, Fault::Passing);
    }
}
