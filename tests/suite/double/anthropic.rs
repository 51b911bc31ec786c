//! Anthropic's messages, as far as the gateway may use them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use super::recorded::text_of;
use super::script::Failure;
use super::socket::Cord;
use super::stage::{Ask, Complaint, Ending, Inner, Said, Stage, play};
use super::{ANTHROPIC_KEY, Provider, dialect};

/// Dated ids with their aliases, and whether the model takes sampling parameters.
const MODELS: [(&str, &str, bool); 8] = [
    ("claude-haiku-4-5-20251001", "claude-haiku-4-5", true),
    ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5", true),
    ("claude-sonnet-4-6", "", true),
    ("claude-opus-4-5-20251101", "claude-opus-4-5", true),
    ("claude-opus-4-8", "", false),
    ("claude-haiku-5-5", "", false),
    ("claude-sonnet-5-5", "", false),
    ("claude-opus-5-5", "", false),
];

const PARAMETERS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "output_config",
    "service_tier",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
    "tools",
    "tool_choice",
    "thinking",
    "cache_control",
    "inference_geo",
];

const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

pub fn routes() -> Router<Arc<Stage>> {
    Router::new().route("/v1/messages", post(messages)).layer(DefaultBodyLimit::disable())
}

async fn messages(
    State(stage): State<Arc<Stage>>,
    ConnectInfo(cord): ConnectInfo<Cord>,
    headers: HeaderMap,
    raw: Bytes,
) -> Response {
    play(Provider::Anthropic, stage, cord, headers, raw).await
}

/// What the API checks before any model sees the request.
pub fn check(headers: &HeaderMap, body: &Value, inner: &Inner) -> Result<Ask, Complaint> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bad = |message: String| complain(400, "invalid_request_error", &message);
    match header("x-api-key") {
        Some(ANTHROPIC_KEY) => {}
        Some(_) => return Err(complain(401, "authentication_error", "invalid x-api-key")),
        None => return Err(complain(401, "authentication_error", "x-api-key header is required")),
    }
    let version = match header("anthropic-version") {
        Some(version @ ("2023-06-01" | "2026-10-21")) => version,
        Some(other) => {
            return Err(bad(format!("anthropic-version: {other} is not a valid version")));
        }
        None => return Err(bad("anthropic-version: header is required".to_owned())),
    };
    let Some(request) = body.as_object() else {
        return Err(bad("The request body is not valid JSON".to_owned()));
    };
    if let Some(name) = request.keys().find(|key| !PARAMETERS.contains(&key.as_str())) {
        return Err(bad(format!("{name}: Extra inputs are not permitted")));
    }
    let field =
        |name: &str| request.get(name).ok_or_else(|| bad(format!("{name}: Field required")));
    let asked = field("model")?.as_str().unwrap_or_default();
    let max_tokens = field("max_tokens")?.as_u64().filter(|limit| *limit > 0);
    let Some(max_tokens) = max_tokens else {
        return Err(bad("max_tokens: Input should be greater than or equal to 1".to_owned()));
    };
    let texts = contents(field("messages")?)?;
    let Some((model, sampled)) = find(asked, inner) else {
        return Err(complain(404, "not_found_error", &format!("model: {asked}")));
    };
    let sampling = SAMPLING.iter().find(|name| request.contains_key(**name));
    if let Some(name) = sampling {
        if version == "2026-10-21" {
            return Err(bad(format!("{name}: not accepted under anthropic-version {version}")));
        }
        if !sampled {
            return Err(bad(format!("`{name}` is not supported for this model.")));
        }
        if !body["temperature"].as_f64().is_none_or(|value| (0.0..=1.0).contains(&value)) {
            return Err(bad("temperature: range: 0..1".to_owned()));
        }
    }
    if let Some(tier) = request.get("service_tier")
        && tier != "auto"
        && tier != "standard_only"
    {
        let message = "service_tier: Input should be 'auto' or 'standard_only'";
        return Err(bad(message.to_owned()));
    }
    assert_ne!(body["stream"], true, "the double does not stream");
    let region = match request.get("inference_geo").map(|geo| geo.as_str().unwrap_or_default()) {
        None => "global",
        Some(geo @ ("global" | "us")) => geo,
        Some(_) => return Err(bad("inference_geo: Input should be 'global' or 'us'".to_owned())),
    };
    let system = text_of(&body["system"]);
    Ok(Ask {
        region: Some(region.to_owned()),
        model,
        prompt_bytes: system.len() + texts.iter().map(String::len).sum::<usize>(),
        max_tokens: Some(max_tokens),
        schema: schema(body)?,
        text: texts.last().cloned().unwrap_or_default(),
        tier: "standard".to_owned(),
    })
}

/// The dated id of a model that there is, and whether it takes sampling parameters.
fn find(name: &str, inner: &Inner) -> Option<(String, bool)> {
    let (id, alias, sampled) =
        MODELS.iter().find(|(id, alias, _)| *id == name || (*alias == name && !name.is_empty()))?;
    let gone = inner.retired.contains(*id) || inner.retired.contains(*alias);
    (!gone).then(|| ((*id).to_owned(), *sampled))
}

/// The text of each message.
fn contents(messages: &Value) -> Result<Vec<String>, Complaint> {
    let bad = |message: String| complain(400, "invalid_request_error", &message);
    let list = messages.as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() {
        return Err(bad("messages: at least one message is required".to_owned()));
    }
    if list[0]["role"] != "user" {
        return Err(bad("messages: first message must use the \"user\" role".to_owned()));
    }
    let mut texts = Vec::new();
    for (at, message) in list.iter().enumerate() {
        if message["role"] != "user" && message["role"] != "assistant" {
            return Err(bad(format!(
                "messages.{at}.role: Input should be 'user' or 'assistant'. The Messages API \
                 accepts a top-level `system` parameter, not \"system\" as an input message role."
            )));
        }
        let text = text_of(&message["content"]);
        if text.trim().is_empty() {
            return Err(bad(format!("messages.{at}: all messages must have non-empty content")));
        }
        texts.push(text);
    }
    Ok(texts)
}

fn schema(body: &Value) -> Result<Option<Value>, Complaint> {
    let bad = |message: &str| complain(400, "invalid_request_error", message);
    let Some(config) = body.get("output_config") else { return Ok(None) };
    let known = ["format", "effort"];
    if let Some(name) = config
        .as_object()
        .and_then(|config| config.keys().find(|key| !known.contains(&key.as_str())))
    {
        return Err(bad(&format!("output_config.{name}: Extra inputs are not permitted")));
    }
    let Some(format) = config.get("format") else { return Ok(None) };
    if format["type"] != "json_schema" {
        return Err(bad("output_config.format.type: Input should be 'json_schema'"));
    }
    let extra = format
        .as_object()
        .and_then(|format| format.keys().find(|key| !["type", "schema"].contains(&key.as_str())));
    if let Some(name) = extra {
        return Err(bad(&format!("output_config.format.{name}: Extra inputs are not permitted")));
    }
    dialect::anthropic(&format["schema"]).map_err(|complaint| bad(&complaint))?;
    Ok(Some(format["schema"].clone()))
}

fn complain(status: u16, kind: &str, message: &str) -> Complaint {
    let error = json!({"type": kind, "message": message});
    let request_id = "req_011CDoubleRefusesThis";
    let body = json!({"type": "error", "error": error, "request_id": request_id});
    Complaint { status, message: message.to_owned(), body }
}

/// The body of an error status that a script asks for.
pub fn failure(failure: &Failure, ask: &Ask, number: usize) -> Value {
    let quoted = format!("messages: invalid content {:?}", ask.text);
    let (kind, message) = match failure.status {
        401 => ("authentication_error", "invalid x-api-key"),
        403 => ("permission_error", "Your API key does not have permission to use this resource."),
        404 => ("not_found_error", "model: gone"),
        429 => ("rate_limit_error", "This request would exceed your organization's rate limit."),
        529 => ("overloaded_error", "Overloaded"),
        504 => ("timeout_error", "The request timed out."),
        500.. => ("api_error", "Internal server error"),
        // Vendors quote what they were sent: it must not reach a log.
        _ => ("invalid_request_error", quoted.as_str()),
    };
    let error = json!({"type": kind, "message": message});
    json!({"type": "error", "error": error, "request_id": request_id(number)})
}

pub fn body(said: &Said) -> Value {
    let stop = match said.ending {
        Ending::Complete => "end_turn",
        Ending::Refusal => "refusal",
        Ending::Truncated => "max_tokens",
    };
    let content = match said.ending {
        Ending::Refusal => json!([]),
        _ => json!([{"type": "text", "text": said.content}]),
    };
    let mut body = json!({
        "id": format!("msg_01{:022}", said.number),
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
    });
    if let Some(tokens) = &said.usage {
        body["usage"] = json!({
            "input_tokens": tokens.input,
            "cache_creation_input_tokens": tokens.cache_write_5m + tokens.cache_write_1h,
            "cache_read_input_tokens": tokens.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": tokens.cache_write_5m,
                "ephemeral_1h_input_tokens": tokens.cache_write_1h,
            },
            "output_tokens": tokens.output,
        });
        if let Some(tier) = &said.tier {
            body["usage"]["service_tier"] = json!(tier);
        }
        if let Some(region) = &said.region {
            body["usage"]["inference_geo"] = json!(region);
        }
    }
    body
}

pub fn headers(number: usize) -> Vec<(String, String)> {
    [
        ("request-id", request_id(number)),
        ("anthropic-organization-id", "00000000-d0b1-4e00-8000-000000000000".to_owned()),
        ("anthropic-ratelimit-requests-limit", "50".to_owned()),
        ("anthropic-ratelimit-requests-remaining", "49".to_owned()),
        ("anthropic-ratelimit-requests-reset", "2026-11-23T12:00:01Z".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn request_id(number: usize) -> String {
    format!("req_011C{number:020}")
}
