//! OpenAI's chat completions, through async-openai. The crate keeps the client, its URLs and its
//! request; sending and reading are ours (`wire`), put in by its middleware: its own would retry
//! behind the ledger's back, read without bound, and log whole bodies that it cannot parse.

mod endpoint;

use async_openai::Client;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::endpoint::Endpoint;
use super::config::{Error, OpenAiConfig, OutputLimitField};
use super::manner::Manner;
use super::models::Model;
use super::provider::{
    Completion, Content, ErrorReply, Fault, Provider, Reply, count_at, count_of, name_at, text_at,
};
use super::retry::RetryAdvice;
use super::structured::Dialect;
use super::wire::{self, HttpReply, NoReply};
use super::{Question, prompt};
use crate::pricing::Usage;

pub(super) struct OpenAi {
    client: Client<Endpoint>,
    http: reqwest::Client,
    /// What requests name; empty: nothing.
    service_tier: String,
    region: String,
    manner: Manner,
}

impl OpenAi {
    pub fn new(
        config: &OpenAiConfig,
        manner: Manner,
        key: SecretString,
        http: reqwest::Client,
    ) -> Result<OpenAi, Error> {
        let endpoint = Endpoint::new(config.base_url.expose(), key)?;
        Ok(OpenAi {
            client: Client::build(http.clone(), endpoint),
            http,
            service_tier: config.service_tier.clone(),
            region: config.region.clone(),
            manner,
        })
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
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
            "messages": [
                {"role": "system", "content": self.manner.system(model, questions)},
                {"role": "user", "content": prompt::user(questions)},
            ],
        });
        let limit_field = match abilities.output_limit_field {
            OutputLimitField::MaxCompletionTokens => "max_completion_tokens",
            OutputLimitField::MaxTokens => "max_tokens",
        };
        body[limit_field] = json!(self.manner.output_limit(questions));
        if let Some(schema) = self.manner.schema(model, questions, Dialect::OpenAi) {
            body["response_format"] = json!({"type": "json_schema", "json_schema": {
                "name": "answer",
                "strict": true,
                "schema": schema,
            }});
        }
        if !self.service_tier.is_empty() {
            body["service_tier"] = json!(self.service_tier);
        }
        if let Some(temperature) = abilities.temperature {
            body["temperature"] = json!(temperature);
        }
        if let Some(effort) = &abilities.reasoning_effort {
            body["reasoning_effort"] = json!(effort);
        }
        body
    }

    async fn send(&self, body: String, deadline: Instant) -> Reply {
        let http = self.http.clone();
        let service = tower::service_fn(move |request| post(http.clone(), request, deadline));
        let client = self.client.clone().with_http_service(service);
        let Ok(body) = RawValue::from_string(body) else {
            return Reply::NotSent;
        };
        match client.chat().create_byot::<_, Value>(&*body).await {
            Ok(response) => Reply::Read(completion(&response)),
            Err(OpenAIError::Boxed(error)) => match error.downcast::<Aside>() {
                Ok(aside) => aside.0,
                Err(_) => Reply::NotSent,
            },
            // All that is left to fail in the crate is building the request: what comes back from
            // `post` is an aside, or a body that parses.
            Err(_) => Reply::NotSent,
        }
    }
}

/// A reply that takes its way around async-openai, which would log it or lose its headers.
struct Aside(Reply);

impl std::fmt::Debug for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aside")
    }
}

impl std::fmt::Display for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the exchange gave no completion")
    }
}

impl std::error::Error for Aside {}

/// Sends once. Only a success whose body is JSON goes back into async-openai.
async fn post(
    http: reqwest::Client,
    request: HttpRequestFactory,
    deadline: Instant,
) -> Result<reqwest::Response, OpenAIError> {
    let request = request.build().await?;
    let aside = |reply| Err(OpenAIError::Boxed(Box::new(Aside(reply))));
    let reply = match wire::exchange(&http, request, deadline).await {
        Ok(reply) => reply,
        Err(NoReply::NotSent) => return aside(Reply::NotSent),
        Err(NoReply::Lost) => return aside(Reply::Lost),
    };
    if !reply.status.is_success() {
        return aside(Reply::Error(error_reply(&reply)));
    }
    // Parsed as async-openai will parse it, so that it cannot fail there, and log what it read.
    if reply.json().is_none() {
        return aside(Reply::Read(Completion::unreadable()));
    }
    Ok(http::Response::new(reply.into_bytes()).into())
}

fn error_reply(reply: &HttpReply) -> ErrorReply {
    let status = reply.status.as_u16();
    ErrorReply {
        status,
        fault: fault(status, reply.json().as_ref()),
        advice: RetryAdvice::from_headers(&reply.headers, std::time::SystemTime::now()),
    }
}

fn fault(status: u16, body: Option<&Value>) -> Fault {
    let Some(error) = body.and_then(|body| body.get("error")) else {
        // A 404 without an error object comes from something else that listens there.
        return Fault::of_status(status);
    };
    let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("code") == "insufficient_quota" || text("type") == "insufficient_quota" {
        return Fault::Quota;
    }
    // Compatible servers answer 404 with codes of their own; OpenAI has the same status for a wrong
    // path, and only the message tells them apart.
    let wrong_path = text("message").starts_with("Invalid URL");
    if text("code") == "model_not_found" || status == 404 && !wrong_path {
        return Fault::ModelNotFound;
    }
    Fault::of_status(status)
}

fn completion(response: &Value) -> Completion {
    Completion {
        model: name_at(response, "/model"),
        tier: name_at(response, "/service_tier"),
        // The address decides, and no reply repeats it.
        region: None,
        usage: response.get("usage").and_then(usage),
        content: content(response),
    }
}

fn content(response: &Value) -> Content {
    if text_at(response, "/choices/0/message/refusal").is_some() {
        return Content::Refused;
    }
    match response.pointer("/choices/0/finish_reason").and_then(Value::as_str) {
        Some("content_filter") => return Content::Refused,
        Some("length") => return Content::Truncated,
        _ => {}
    }
    match text_at(response, "/choices/0/message/content") {
        Some(text) => Content::Text(text),
        None => Content::Unreadable,
    }
}

/// `prompt_tokens` includes what was read from and written to the cache. A usage whose parts exceed
/// the whole is none.
fn usage(usage: &Value) -> Option<Usage> {
    let prompt = count_of(usage.get("prompt_tokens")?)?;
    let output = count_of(usage.get("completion_tokens")?)?;
    let cache_read = count_at(usage, "/prompt_tokens_details/cached_tokens")?;
    let cache_write_5m = count_at(usage, "/prompt_tokens_details/cache_write_tokens")?;
    let reasoning = count_at(usage, "/completion_tokens_details/reasoning_tokens")?;
    let input = prompt.checked_sub(cache_read.checked_add(cache_write_5m)?)?;
    Some(Usage { input, cache_read, cache_write_5m, cache_write_1h: 0, output, reasoning })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::testing::{http, manner, model, question};

    fn provider(base_url: &str, service_tier: &str) -> OpenAi {
        let config = OpenAiConfig {
            base_url: base_url.into(),
            service_tier: service_tier.into(),
            ..OpenAiConfig::default()
        };
        OpenAi::new(&config, manner(), "sk-secret".into(), http()).unwrap()
    }

    #[test]
    fn the_request_names_all_that_its_price_depends_on() {
        let gpt = model("gpt-4o-2024-08-06", &OpenAiConfig::default().models);
        let body = provider("http://x/v1", "default").compose(&gpt, &[question("a \"text\"")]);
        assert_eq!(body["model"], "gpt-4o-2024-08-06");
        assert_eq!(body["max_completion_tokens"], 200);
        assert_eq!(body["service_tier"], "default");
        assert_eq!(body["temperature"], 0.0);
        assert_eq!(body.get("reasoning_effort"), None);
        assert_eq!(body["response_format"]["json_schema"]["strict"], true);
        assert_eq!(body["messages"][0]["role"], "system");
        let user: Value =
            serde_json::from_str(body["messages"][1]["content"].as_str().unwrap()).unwrap();
        assert_eq!(user["text"], "a \"text\"");
    }

    #[test]
    fn a_model_is_asked_only_for_what_it_can_do() {
        let models = toml::from_str(
            "[plain]\nstructured_output = false\noutput_limit_field = 'max_tokens'\nreasoning_effort = 'low'",
        )
        .unwrap();
        let body = provider("http://x/v1", "").compose(&model("plain", &models), &[question("t")]);
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["model", "messages", "max_tokens", "reasoning_effort"]);
    }

    #[test]
    fn a_base_url_may_end_in_a_slash() {
        use async_openai::config::Config;
        for base_url in ["http://x/v1", "http://x/v1/"] {
            let url = provider(base_url, "default").client.config().url("/chat/completions");
            assert_eq!(url, "http://x/v1/chat/completions");
        }
    }

    #[test]
    fn usage_becomes_disjoint_buckets() {
        let check = |json: Value, expected: Option<Usage>| {
            assert_eq!(usage(&json), expected, "{json}");
        };
        check(
            json!({"prompt_tokens": 143, "completion_tokens": 22, "total_tokens": 165}),
            Some(Usage { input: 143, output: 22, ..Usage::default() }),
        );
        check(
            json!({"prompt_tokens": 2000, "completion_tokens": 300,
                "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 500, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 256}}),
            Some(Usage {
                input: 476,
                cache_read: 1024,
                cache_write_5m: 500,
                output: 300,
                reasoning: 256,
                ..Usage::default()
            }),
        );
        check(
            json!({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": null}),
            Some(Usage { input: 5, output: 1, ..Usage::default() }),
        );
        check(json!({"prompt_tokens": 5}), None);
        check(json!({"prompt_tokens": "5", "completion_tokens": 1}), None);
        for absurd in [json!(-5), json!(5.5), json!(1e30)] {
            check(
                json!({"prompt_tokens": absurd, "completion_tokens": 1}),
                Some(Usage { input: u64::MAX, output: 1, ..Usage::default() }),
            );
        }
        check(
            json!({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 6}}),
            None,
        );
    }

    #[test]
    fn a_reply_is_read_without_trusting_its_form() {
        let reply = |choice: Value| json!({"model": "gpt-4o-2024-08-06", "choices": [choice]});
        let check = |choice: Value, expected: Content| {
            assert!(content(&reply(choice.clone())) == expected, "{choice}");
        };
        check(
            json!({"finish_reason": "stop", "message": {"content": "{}", "refusal": null}}),
            Content::Text("{}".into()),
        );
        check(
            json!({"finish_reason": "a new one", "message": {"content": "{}"}}),
            Content::Text("{}".into()),
        );
        check(
            json!({"finish_reason": "stop", "message": {"content": null, "refusal": "I can't"}}),
            Content::Refused,
        );
        check(
            json!({"finish_reason": "content_filter", "message": {"content": "{"}}),
            Content::Refused,
        );
        check(json!({"finish_reason": "length", "message": {"content": "{"}}), Content::Truncated);
        check(json!({"finish_reason": "stop", "message": {"content": null}}), Content::Unreadable);
        check(json!(7), Content::Unreadable);
        let bare = completion(&json!({"choices": []}));
        assert!(bare.model.is_none() && bare.tier.is_none() && bare.usage.is_none());
        for name in ["a text, not a name".to_owned(), "x".repeat(129)] {
            assert_eq!(completion(&json!({"model": name})).model, None);
        }
    }

    #[test]
    fn errors_are_told_apart_by_status_and_code() {
        let error = |kind: &str, code: Value| json!({"error": {"message": "m", "type": kind, "code": code}});
        let check = |status, body: Option<Value>, expected| {
            assert_eq!(fault(status, body.as_ref()), expected, "{status} {body:?}");
        };
        check(429, Some(error("requests", json!("rate_limit_exceeded"))), Fault::Passing);
        check(429, Some(error("insufficient_quota", json!("insufficient_quota"))), Fault::Quota);
        check(
            404,
            Some(error("invalid_request_error", json!("model_not_found"))),
            Fault::ModelNotFound,
        );
        check(
            400,
            Some(error("invalid_request_error", json!("model_not_found"))),
            Fault::ModelNotFound,
        );
        check(404, Some(error("NotFoundError", json!(404))), Fault::ModelNotFound);
        check(404, Some(json!({"error": {"message": "Invalid URL (POST /x)"}})), Fault::Rejected);
        check(404, None, Fault::Rejected);
        check(404, Some(json!({"detail": "Not Found"})), Fault::Rejected);
        check(400, Some(error("invalid_request_error", json!(null))), Fault::Rejected);
        check(401, Some(error("invalid_request_error", json!("invalid_api_key"))), Fault::Key);
        check(403, None, Fault::Key);
        for status in [408, 409, 500, 503] {
            check(status, None, Fault::Passing);
        }
    }
}
