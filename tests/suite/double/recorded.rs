//! Requests as they came, to be asserted on.

use axum::body::Bytes;
use axum::http::HeaderMap;
use serde_json::Value;

use super::Provider;

#[derive(Clone, Debug)]
pub struct Recorded {
    pub provider: Provider,
    pub headers: HeaderMap,
    pub raw: Bytes,
    /// `null` where the body is no JSON.
    pub body: Value,
    /// Why the vendor would have refused it.
    pub complaint: Option<String>,
}

impl Recorded {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The system prompt, however the vendor takes it.
    pub fn system(&self) -> String {
        match self.provider {
            Provider::OpenAi => {
                let leading = self.messages().iter().filter(|message| {
                    matches!(message["role"].as_str(), Some("system" | "developer"))
                });
                leading.map(|message| text_of(&message["content"])).collect()
            }
            Provider::Anthropic => text_of(&self.body["system"]),
        }
    }

    /// The text of the last message, which must be the user's.
    pub fn last_user(&self) -> String {
        let last = self.messages().last().expect("a request has messages");
        assert_eq!(last["role"], "user", "the last message is the user's");
        text_of(&last["content"])
    }

    /// The body without what the last message says: byte for byte the same for all texts of a task
    /// and model, or prompt caching is lost.
    pub fn settings(&self) -> String {
        let mut body = self.body.clone();
        let messages = body["messages"].as_array_mut().expect("a request has messages");
        messages.last_mut().expect("a request has messages")["content"] = Value::Null;
        body.to_string()
    }

    /// The most output tokens that the request allows.
    pub fn max_tokens(&self) -> u64 {
        max_tokens(&self.body).expect("a request limits its output")
    }

    fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }
}

pub(super) fn max_tokens(body: &Value) -> Option<u64> {
    body["max_completion_tokens"].as_u64().or_else(|| body["max_tokens"].as_u64())
}

/// The text of a content, which is a string or a list of blocks.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    }
}
