//! OpenAI's chat completions, as far as the gateway may use them.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, http::Method, http::Uri};
use serde_json::{Value, json};

use super::recorded::{max_tokens, text_of};
use super::script::Failure;
use super::socket::Cord;
use super::stage::{Ask, Complaint, Ending, Inner, Said, Stage, play};
use super::{OPENAI_KEY, Provider, dialect};

/// Dated ids with their aliases, and whether the model reasons.
const MODELS: [(&str, &str, bool); 7] = [
    ("gpt-4o-2024-08-06", "gpt-4o", false),
    ("gpt-4o-2024-11-20", "", false),
    ("gpt-4o-mini-2024-07-18", "gpt-4o-mini", false),
    ("gpt-4.1-2025-04-14", "gpt-4.1", false),
    ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini", false),
    ("gpt-6-luna", "", true),
    ("gpt-6-sol", "", true),
];

const PARAMETERS: &[&str] = &[
    "model",
    "messages",
    "response_format",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "seed",
    "stop",
    "stream",
    "service_tier",
    "store",
    "user",
    "metadata",
    "reasoning_effort",
    "verbosity",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "frequency_penalty",
    "presence_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "modalities",
];

pub fn routes() -> Router<Arc<Stage>> {
    Router::new()
        .route("/v1/chat/completions", post(completions))
        .route("/v1/models", get(models))
        .fallback(unknown)
        .layer(DefaultBodyLimit::disable())
}

async fn completions(
    State(stage): State<Arc<Stage>>,
    ConnectInfo(cord): ConnectInfo<Cord>,
    headers: HeaderMap,
    raw: Bytes,
) -> Response {
    play(Provider::OpenAi, stage, cord, headers, raw).await
}

async fn models(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    if let Err(complaint) = authorised(&headers) {
        return error(complaint);
    }
    let inner = stage.lock();
    let known = MODELS.iter().flat_map(|(id, alias, _)| [*id, *alias]).filter(|id| !id.is_empty());
    let adopted = inner.adopted.iter().map(String::as_str);
    let data: Vec<_> = known
        .chain(adopted)
        .filter(|id| find(id, &inner).is_some())
        .map(|id| json!({"id": id, "object": "model", "created": 1_722_814_719, "owned_by": "system"}))
        .collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

async fn unknown(method: Method, uri: Uri) -> Response {
    error(complain(404, &format!("Invalid URL ({method} {})", uri.path()), Value::Null, None))
}

fn error(complaint: Complaint) -> Response {
    let status = StatusCode::from_u16(complaint.status).expect("complaints have real statuses");
    (status, Json(complaint.body)).into_response()
}

/// What the API checks before any model sees the request.
pub fn check(headers: &HeaderMap, body: &Value, inner: &Inner) -> Result<Ask, Complaint> {
    authorised(headers)?;
    let bad = |message: &str, param: &str| complain(400, message, json!(param), None);
    let Some(request) = body.as_object() else {
        return Err(complain(
            400,
            "We could not parse the JSON body of your request. (HINT: This likely means you \
             aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, \
             but what was sent was not valid JSON.)",
            Value::Null,
            None,
        ));
    };
    let Some(model) = body["model"].as_str() else {
        return Err(complain(400, "you must provide a model parameter", Value::Null, None));
    };
    let Some((model, reasons)) = find(model, inner) else {
        return Err(not_found(model));
    };
    let unknown = request.keys().find(|key| !PARAMETERS.contains(&key.as_str()));
    let unfit = request.contains_key("reasoning_effort") && !reasons;
    if let Some(name) = unknown.map(String::as_str).or(unfit.then_some("reasoning_effort")) {
        let message = format!("Unrecognized request argument supplied: {name}");
        return Err(complain(400, &message, Value::Null, None));
    }
    if reasons && request.contains_key("max_tokens") {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                       'max_completion_tokens' instead.";
        return Err(complain(400, message, json!("max_tokens"), Some("unsupported_parameter")));
    }
    if let Some(temperature) = request.get("temperature").filter(|value| !value.is_null()) {
        if !temperature.as_f64().is_some_and(|value| (0.0..=2.0).contains(&value)) {
            return Err(bad(
                "Invalid 'temperature': expected a decimal from 0 to 2.",
                "temperature",
            ));
        }
        if reasons && body["reasoning_effort"] != "none" && temperature.as_f64() != Some(1.0) {
            let message = format!(
                "Unsupported value: 'temperature' does not support {temperature} with this model. \
                 Only the default (1) value is supported."
            );
            let code = Some("unsupported_value");
            return Err(complain(400, &message, json!("temperature"), code));
        }
    }
    if request.contains_key("max_tokens") && request.contains_key("max_completion_tokens") {
        return Err(bad(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
        ));
    }
    for limit in ["max_tokens", "max_completion_tokens"] {
        if request.get(limit).is_some_and(|value| value.as_u64().unwrap_or(0) == 0) {
            return Err(bad(&format!("Invalid '{limit}': expected a positive integer."), limit));
        }
    }
    let tier = match body["service_tier"].as_str() {
        None | Some("auto" | "default") => "default",
        Some(tier @ ("flex" | "priority")) => tier,
        Some(other) => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'auto', 'default', 'flex', and \
                 'priority'."
            );
            return Err(complain(400, &message, json!("service_tier"), Some("invalid_value")));
        }
    };
    assert_ne!(body["stream"], true, "the double does not stream");
    let messages = messages(body)?;
    Ok(Ask {
        model,
        prompt_bytes: messages.iter().map(String::len).sum(),
        max_tokens: max_tokens(body),
        schema: schema(body)?,
        text: messages.last().cloned().unwrap_or_default(),
        tier: tier.to_owned(),
        region: None,
    })
}

fn authorised(headers: &HeaderMap) -> Result<(), Complaint> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    match header.and_then(|header| header.strip_prefix("Bearer ")) {
        None => Err(complain(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization \
             header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            Value::Null,
            None,
        )),
        Some(OPENAI_KEY) => Ok(()),
        Some(key) => Err(bad_key(key)),
    }
}

fn bad_key(key: &str) -> Complaint {
    let shown: String = key.chars().take(8).collect();
    let message = format!(
        "Incorrect API key provided: {shown}****. You can find your API key at \
         https://platform.openai.com/account/api-keys."
    );
    complain(401, &message, Value::Null, Some("invalid_api_key"))
}

fn not_found(model: &str) -> Complaint {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    complain(404, &message, Value::Null, Some("model_not_found"))
}

/// The dated id of a model that there is, and whether it reasons.
fn find(name: &str, inner: &Inner) -> Option<(String, bool)> {
    if inner.adopted.contains(name) {
        return Some((name.to_owned(), false));
    }
    let (id, alias, reasons) =
        MODELS.iter().find(|(id, alias, _)| *id == name || (*alias == name && !name.is_empty()))?;
    let gone = inner.retired.contains(*id) || inner.retired.contains(*alias);
    (!gone).then(|| ((*id).to_owned(), *reasons))
}

/// The text of each message.
fn messages(body: &Value) -> Result<Vec<String>, Complaint> {
    let bad = |message: &str, param: String| complain(400, message, json!(param), None);
    let Some(messages) = body["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        let message = "Invalid 'messages': expected an array with minimum length 1.";
        return Err(bad(message, "messages".to_owned()));
    };
    let mut texts = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["system", "developer", "user", "assistant"].contains(&role) {
            let text = format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', \
                 'function', 'tool', and 'developer'."
            );
            return Err(bad(&text, format!("messages[{at}].role")));
        }
        let content = &message["content"];
        let parts = content.as_array().is_some_and(|parts| {
            parts.iter().all(|part| part["type"] == "text" && part["text"].is_string())
        });
        if !content.is_string() && !parts {
            let text = "Invalid type: expected one of a string or array of objects.";
            return Err(bad(text, format!("messages[{at}].content")));
        }
        texts.push(text_of(content));
    }
    Ok(texts)
}

fn schema(body: &Value) -> Result<Option<Value>, Complaint> {
    let bad = |message: &str, param: &str| complain(400, message, json!(param), None);
    let format = &body["response_format"];
    match format["type"].as_str() {
        None if format.is_null() => return Ok(None),
        Some("text" | "json_object") => return Ok(None),
        Some("json_schema") => {}
        _ => {
            let message = "Invalid value for 'response_format.type'. Supported values are: \
                           'json_object', 'json_schema', and 'text'.";
            return Err(bad(message, "response_format.type"));
        }
    }
    let Some(name) = format["json_schema"]["name"].as_str() else {
        let message = "Missing required parameter: 'response_format.json_schema.name'.";
        return Err(bad(message, "response_format.json_schema.name"));
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        let message = "Invalid 'response_format.json_schema.name': string does not match pattern. \
                       Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
        return Err(bad(message, "response_format.json_schema.name"));
    }
    let schema = &format["json_schema"]["schema"];
    if format["json_schema"]["strict"] == true {
        dialect::openai(schema).map_err(|complaint| {
            let message = format!("Invalid schema for response_format '{name}': {complaint}");
            bad(&message, "response_format")
        })?;
    }
    Ok(Some(schema.clone()))
}

fn complain(status: u16, message: &str, param: Value, code: Option<&str>) -> Complaint {
    let kind = "invalid_request_error";
    let error = json!({"message": message, "type": kind, "param": param, "code": code});
    Complaint { status, message: message.to_owned(), body: json!({"error": error}) }
}

/// The body of an error status that a script asks for.
pub fn failure(failure: &Failure, ask: &Ask) -> Value {
    let error = |message: &str, kind: &str, code: Option<&str>| json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    match (failure.status, failure.kind) {
        (429, Some(kind)) => error(
            "You exceeded your current quota, please check your plan and billing details. For more \
             information on this error, read the docs: \
             https://platform.openai.com/docs/guides/error-codes/api-errors.",
            kind,
            Some(kind),
        ),
        (429, None) => {
            let message = format!(
                "Rate limit reached for {} in organization org-double on tokens per min (TPM): \
                 Limit 30000, Used 29800, Requested 900. Please try again in 1.4s.",
                ask.model
            );
            error(&message, "tokens", Some("rate_limit_exceeded"))
        }
        (401, _) => bad_key(OPENAI_KEY).body,
        (404, _) => not_found(&ask.model).body,
        (503, _) => error(
            "The server is currently overloaded with other requests. Sorry about that! You can \
             retry your request.",
            "server_error",
            None,
        ),
        (500.., _) => error(
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
        ),
        // Vendors quote what they were sent: it must not reach a log.
        _ => error(&format!("Invalid value: '{}'.", ask.text), "invalid_request_error", None),
    }
}

pub fn body(said: &Said) -> Value {
    let (content, refusal) = match said.ending {
        Ending::Refusal => (Value::Null, json!(said.content)),
        _ => (json!(said.content), Value::Null),
    };
    let finish = if said.ending == Ending::Truncated { "length" } else { "stop" };
    let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut body = json!({
        "id": format!("chatcmpl-{:029}", said.number),
        "object": "chat.completion",
        "created": created.as_secs(),
        "model": said.model,
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant", "content": content, "refusal": refusal, "annotations": [],
            },
            "logprobs": null,
            "finish_reason": finish,
        }],
    });
    if let Some(tokens) = &said.usage {
        let mut details = json!({"cached_tokens": tokens.cache_read, "audio_tokens": 0});
        if said.model.starts_with("gpt-6") {
            details["cache_write_tokens"] = json!(tokens.cache_write_5m + tokens.cache_write_1h);
        }
        body["usage"] = json!({
            "prompt_tokens": tokens.prompt(),
            "completion_tokens": tokens.output,
            "total_tokens": tokens.prompt() + tokens.output,
            "prompt_tokens_details": details,
            "completion_tokens_details": {
                "reasoning_tokens": tokens.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        });
    }
    if let Some(tier) = &said.tier {
        body["service_tier"] = json!(tier);
    }
    body["system_fingerprint"] = json!("fp_d00b1e0a11");
    body
}

pub fn headers(number: usize) -> Vec<(String, String)> {
    [
        ("x-request-id", format!("req_{number:032x}")),
        ("openai-organization", "org-double".to_owned()),
        ("openai-processing-ms", "412".to_owned()),
        ("openai-version", "2020-10-01".to_owned()),
        ("x-ratelimit-limit-requests", "500".to_owned()),
        ("x-ratelimit-limit-tokens", "30000".to_owned()),
        ("x-ratelimit-remaining-requests", "499".to_owned()),
        ("x-ratelimit-remaining-tokens", "29102".to_owned()),
        ("x-ratelimit-reset-requests", "120ms".to_owned()),
        ("x-ratelimit-reset-tokens", "1.796s".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
