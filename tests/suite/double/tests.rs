//! The double itself: it must take what the vendors take, refuse what they refuse, and lose what a
//! script says is lost.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::dialect;
use super::{ANTHROPIC_KEY, Double, Gate, OPENAI_KEY, Provider, Script, Tokens};
use crate::client::{Client, Reply};

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": ["negative", "neutral", "positive", "mixed"]},
            "confidence": {"type": "number"},
            "scores": {"$ref": "#/$defs/Scores"},
            "sarcastic": {"type": "boolean"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["label", "confidence", "scores", "sarcastic", "note"],
        "additionalProperties": false,
        "$defs": {"Scores": {
            "type": "object",
            "properties": {"mixed": {"type": "number"}, "neutral": {"type": "number"}},
            "required": ["mixed", "neutral"],
            "additionalProperties": false,
        }},
    })
}

fn openai_body() -> Value {
    json!({
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Judge the text."},
            {"role": "user", "content": "Fine, \"I guess\"."},
        ],
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "verdict", "strict": true, "schema": schema(),
        }},
        "temperature": 0.0,
        "max_completion_tokens": 200,
        "service_tier": "default",
    })
}

fn anthropic_body() -> Value {
    json!({
        "model": "claude-haiku-4-5",
        "max_tokens": 200,
        "system": [{"type": "text", "text": "Judge the text."}],
        "messages": [{"role": "user", "content": "Fine, \"I guess\"."}],
        "output_config": {"format": {"type": "json_schema", "schema": schema()}},
        "service_tier": "standard_only",
    })
}

fn request(double: &Double, provider: Provider, body: &Value) -> reqwest::RequestBuilder {
    match provider {
        Provider::OpenAi => Client::of(&double.openai_url())
            .request(Method::POST, "/chat/completions")
            .bearer_auth(OPENAI_KEY),
        Provider::Anthropic => Client::of(&double.anthropic_url())
            .request(Method::POST, "/v1/messages")
            .header("x-api-key", ANTHROPIC_KEY)
            .header("anthropic-version", "2023-06-01"),
    }
    .json(body)
}

async fn call(double: &Double, provider: Provider, body: &Value) -> Reply {
    Reply::of(request(double, provider, body)).await
}

/// The body with the value at that JSON Pointer replaced, or taken out where it is `null`.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer starts with a slash");
    let parent = body.pointer_mut(parent).expect("the test names a place that there is");
    match parent.as_object_mut().expect("the test names a place in an object") {
        object if value.is_null() => {
            object.remove(key);
        }
        object => {
            object.insert(key.to_owned(), value);
        }
    }
    body
}

#[tokio::test]
async fn answers_have_the_vendors_form_and_the_schemas() {
    let double = Double::start().await;
    double.script([Script::answer("negative").sarcastic()]);
    let reply = call(&double, Provider::OpenAi, &openai_body()).await;
    let body = reply.ok();
    assert_eq!(body["model"], "gpt-4o-2024-08-06", "the reply names the dated id");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["service_tier"], "default");
    assert!(reply.header("x-request-id").starts_with("req_"));
    let choice = &body["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["refusal"]),
        (&json!("stop"), &Value::Null)
    );
    let content = choice["message"]["content"].as_str().unwrap();
    let said: Value = serde_json::from_str(content).unwrap();
    assert_eq!(said["label"], "negative");
    assert_eq!(said["sarcastic"], true);
    assert_eq!(said["scores"], json!({"mixed": 0.03, "neutral": 0.03}));
    let usage = &body["usage"];
    let prompt = "Judge the text.Fine, \"I guess\".".len() / 4;
    assert_eq!(usage["prompt_tokens"], prompt);
    assert_eq!(usage["completion_tokens"], content.len() / 4 + 1);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 0);

    let reply = call(&double, Provider::Anthropic, &anthropic_body()).await;
    let body = reply.ok();
    assert_eq!(body["model"], "claude-haiku-4-5-20251001");
    assert_eq!((&body["type"], &body["stop_reason"]), (&json!("message"), &json!("end_turn")));
    assert_eq!(body["usage"]["service_tier"], "standard");
    assert_eq!(body["usage"]["cache_creation"]["ephemeral_1h_input_tokens"], 0);
    let said: Value = serde_json::from_str(body["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(said["label"], "mixed", "the default part");
    assert_eq!(said["scores"]["mixed"], 0.91);

    let bill = double.bill();
    assert_eq!((bill.0.len(), bill.known().0.len()), (2, 2));
    assert_eq!(bill.0[0].tokens.buckets()[0], prompt as u64);
    let [first, second] = &double.requests()[..] else { panic!("two requests") };
    assert_eq!((first.system(), first.last_user()), (second.system(), second.last_user()));
    assert!(!first.settings().contains("I guess"), "{}", first.settings());
    assert_eq!(second.header("anthropic-version"), Some("2023-06-01"));
}

#[tokio::test]
async fn each_vendor_counts_tokens_in_its_own_way() {
    let double = Double::start().await;
    let tokens = Tokens {
        input: 100,
        cache_read: 40,
        cache_write_5m: 20,
        cache_write_1h: 7,
        output: 9,
        reasoning: 4,
    };
    double.otherwise(Script::answer("mixed").tokens(tokens).served_by("gpt-6-sol"));
    let usage = call(&double, Provider::OpenAi, &openai_body()).await.ok()["usage"].clone();
    assert_eq!(usage["prompt_tokens"], 167, "OpenAI's includes what is cached");
    assert_eq!(usage["total_tokens"], 176);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 40);
    assert_eq!(usage["prompt_tokens_details"]["cache_write_tokens"], 27);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 4);
    let usage = call(&double, Provider::Anthropic, &anthropic_body()).await.ok()["usage"].clone();
    assert_eq!(usage["input_tokens"], 100, "Anthropic's excludes it");
    assert_eq!(usage["cache_creation_input_tokens"], 27);
    assert_eq!(usage["cache_creation"]["ephemeral_5m_input_tokens"], 20);
    assert_eq!(double.bill().buckets(), [200, 18, 80, 54]);
}

#[tokio::test]
async fn what_the_vendors_refuse_is_refused() {
    let double = Double::start().await;
    let openai = "/response_format/json_schema/schema";
    for (pointer, value, said) in [
        ("/model", Value::Null, "you must provide a model"),
        ("/messages", json!([]), "minimum length 1"),
        ("/tempurature", json!(1), "Unrecognized request argument supplied: tempurature"),
        ("/reasoning_effort", json!("low"), "Unrecognized request argument supplied: reasoning"),
        ("/temperature", json!(2.5), "Invalid 'temperature'"),
        ("/service_tier", json!("standard"), "Supported values"),
        ("/max_completion_tokens", json!(0), "positive integer"),
        ("/response_format/json_schema/name", json!("a b"), "does not match pattern"),
        (
            &format!("{openai}/additionalProperties"),
            Value::Null,
            "'additionalProperties' is required",
        ),
        (&format!("{openai}/required"), json!(["label"]), "Missing 'confidence'"),
        (&format!("{openai}/properties/label/minLength"), json!(1), "'minLength' is not permitted"),
    ] {
        let reply = call(&double, Provider::OpenAi, &with(openai_body(), pointer, value)).await;
        assert_eq!(reply.status, 400, "{pointer}");
        let error = &reply.json()["error"];
        assert!(error["message"].as_str().unwrap().contains(said), "{pointer}: {error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let luna = with(openai_body(), "/model", json!("gpt-6-luna"));
    assert_eq!(call(&double, Provider::OpenAi, &luna).await.status, 400, "temperature and effort");
    let luna = with(luna, "/reasoning_effort", json!("none"));
    assert_eq!(call(&double, Provider::OpenAi, &luna).await.status, 200);

    let anthropic = "/output_config/format/schema";
    for (pointer, value, said) in [
        ("/max_tokens", Value::Null, "max_tokens: Field required"),
        ("/messages", json!([{"role": "system", "content": "x"}]), "first message must use"),
        ("/seed", json!(1), "seed: Extra inputs are not permitted"),
        ("/service_tier", json!("default"), "service_tier"),
        (
            &format!("{anthropic}/additionalProperties"),
            Value::Null,
            "'additionalProperties' must be",
        ),
        (
            &format!("{anthropic}/properties/confidence/minimum"),
            json!(0),
            "'minimum' is not supported",
        ),
        (&format!("{anthropic}/properties/note/oneOf"), json!([]), "'oneOf' is not supported"),
        ("/output_config/format/name", json!("verdict"), "Extra inputs"),
    ] {
        let reply =
            call(&double, Provider::Anthropic, &with(anthropic_body(), pointer, value)).await;
        assert_eq!(reply.status, 400, "{pointer}");
        let body = reply.json();
        assert_eq!(
            (&body["type"], &body["error"]["type"]),
            (&json!("error"), &json!("invalid_request_error"))
        );
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{pointer}: {message}");
    }
    let new = with(anthropic_body(), "/model", json!("claude-haiku-5-5"));
    assert_eq!(call(&double, Provider::Anthropic, &new).await.status, 200);
    let sampled = with(new, "/temperature", json!(0));
    assert_eq!(call(&double, Provider::Anthropic, &sampled).await.status, 400);
    assert_eq!(double.bill().0.len(), 2, "a refused request is not billed");
    assert_eq!(double.requests().iter().filter(|request| request.complaint.is_none()).count(), 2);
}

#[tokio::test]
async fn keys_versions_and_models_are_checked() {
    let double = Double::start().await;
    let openai = Client::of(&double.openai_url());
    let bare = openai.request(Method::POST, "/chat/completions").json(&openai_body());
    assert_eq!(Reply::of(bare).await.status, 401);
    let wrong = openai.request(Method::POST, "/chat/completions").json(&openai_body());
    let reply = Reply::of(wrong.bearer_auth("sk-other-key")).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    let gone = with(openai_body(), "/model", json!("gpt-3"));
    let reply = call(&double, Provider::OpenAi, &gone).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (404, &json!("model_not_found")));
    double.retire("gpt-4o-2024-08-06");
    assert_eq!(call(&double, Provider::OpenAi, &openai_body()).await.status, 404, "by its alias");
    let models =
        Reply::of(openai.request(Method::GET, "/models").bearer_auth(OPENAI_KEY)).await.ok();
    let ids: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert!(ids.contains(&&json!("gpt-6-luna")) && !ids.contains(&&json!("gpt-4o")), "{ids:?}");

    let anthropic = Client::of(&double.anthropic_url());
    let post = || anthropic.request(Method::POST, "/v1/messages").json(&anthropic_body());
    for (request, status, kind) in [
        (post(), 401, "authentication_error"),
        (post().header("x-api-key", "sk-ant-other"), 401, "authentication_error"),
        (post().header("x-api-key", ANTHROPIC_KEY), 400, "invalid_request_error"),
    ] {
        let reply = Reply::of(request).await;
        assert_eq!((reply.status, &reply.json()["error"]["type"]), (status, &json!(kind)));
    }
    let gone = with(anthropic_body(), "/model", json!("claude-2"));
    let reply = call(&double, Provider::Anthropic, &gone).await;
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (404, &json!("not_found_error")));
}

#[tokio::test]
async fn what_a_script_spoils_is_spoilt_and_billed_as_the_vendors_would() {
    let double = Double::start().await;
    let both = |part: Script| double.script([part.clone(), part]);
    both(Script::refusal());
    let openai = call(&double, Provider::OpenAi, &openai_body()).await.ok();
    assert!(openai["choices"][0]["message"]["refusal"].is_string(), "{openai}");
    assert!(openai["choices"][0]["message"]["content"].is_null(), "{openai}");
    let anthropic = call(&double, Provider::Anthropic, &anthropic_body()).await.ok();
    assert_eq!(anthropic["stop_reason"], "refusal");

    both(Script::truncated());
    let openai = call(&double, Provider::OpenAi, &openai_body()).await.ok();
    assert_eq!(openai["choices"][0]["finish_reason"], "length");
    let anthropic = call(&double, Provider::Anthropic, &anthropic_body()).await.ok();
    assert_eq!(anthropic["stop_reason"], "max_tokens");
    let small = with(openai_body(), "/max_completion_tokens", json!(3));
    let openai = call(&double, Provider::OpenAi, &small).await.ok();
    assert_eq!(openai["choices"][0]["finish_reason"], "length", "a limit is a limit");
    assert_eq!(openai["usage"]["completion_tokens"], 3);

    double.script([Script::prose(), Script::wrong_label(), Script::no_usage(), Script::page()]);
    let content =
        |body: &Value| body["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let prose = content(&call(&double, Provider::OpenAi, &openai_body()).await.ok());
    assert!(prose.contains("\"Fine, \"I guess\".\""), "{prose}");
    let wrong = content(&call(&double, Provider::OpenAi, &openai_body()).await.ok());
    assert_eq!(serde_json::from_str::<Value>(&wrong).unwrap()["label"], "furious");
    let bare = call(&double, Provider::OpenAi, &openai_body()).await.ok();
    assert!(bare.get("usage").is_none(), "{bare}");
    let page = call(&double, Provider::OpenAi, &openai_body()).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html"));
    assert_eq!((double.bill().0.len(), double.bill().known().0.len()), (9, 7));

    double.script([
        Script::status(429).header("Retry-After", 2),
        Script::insufficient_quota(),
        Script::status(529),
    ]);
    let limited = call(&double, Provider::OpenAi, &openai_body()).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, "2"));
    let broke = call(&double, Provider::OpenAi, &openai_body()).await;
    assert_eq!(broke.json()["error"]["code"], "insufficient_quota");
    let overloaded = call(&double, Provider::Anthropic, &anthropic_body()).await;
    assert_eq!(overloaded.json()["error"]["type"], "overloaded_error");
    assert_eq!(double.bill().0.len(), 9, "an error status is not charged");

    double.script([Script::answer("mixed").served_by("gpt-9"), Script::answer("mixed").no_tier()]);
    assert_eq!(call(&double, Provider::OpenAi, &openai_body()).await.ok()["model"], "gpt-9");
    let bare = call(&double, Provider::OpenAi, &openai_body()).await.ok();
    assert!(bare.get("service_tier").is_none(), "{bare}");
    assert_eq!((double.bill().0.len(), double.bill().known().0.len()), (11, 7));
}

#[tokio::test]
async fn replies_are_lost_as_told_and_charged_all_the_same() {
    let double = Double::start().await;
    for (part, whole) in [(Script::reset(), false), (Script::cut(), true)] {
        double.script([part]);
        let sent = request(&double, Provider::OpenAi, &openai_body()).send().await;
        match sent {
            Err(error) => assert!(!whole, "the headers of a cut reply arrive: {error:?}"),
            Ok(reply) => {
                assert!(whole && reply.status() == 200, "{reply:?}");
                reply.bytes().await.expect_err("the body is cut");
            }
        }
    }
    double.script([Script::hang()]);
    let request = request(&double, Provider::Anthropic, &anthropic_body());
    let hung = tokio::spawn(request.timeout(Duration::from_millis(300)).send());
    double.arrived(3).await;
    assert!(hung.await.unwrap().unwrap_err().is_timeout());
    assert_eq!((double.bill().0.len(), double.bill().known().0.len()), (3, 0));
}

#[tokio::test]
async fn a_gate_holds_all_and_the_most_at_once_are_counted() {
    let double = Double::start().await;
    let gate = Gate::shut();
    double.otherwise(Script::answer("positive").behind(&gate));
    let body = openai_body();
    let calls = (0..3).map(|_| tokio::spawn(request(&double, Provider::OpenAi, &body).send()));
    let calls: Vec<_> = calls.collect();
    double.arrived(3).await;
    assert_eq!(double.bill().known().0.len(), 0);
    gate.open();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((double.bill().known().0.len(), double.most_at_once()), (3, 3));
    let start = std::time::Instant::now();
    double.script([Script::answer("positive").after(Duration::from_millis(200))]);
    call(&double, Provider::OpenAi, &body).await.ok();
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[test]
fn the_strict_dialects_refuse_what_a_rust_schema_generator_emits() {
    let around = |property: Value| {
        json!({
            "type": "object", "properties": {"x": property}, "required": ["x"],
            "additionalProperties": false, "$defs": {"T": {"type": "string"}},
        })
    };
    let root = json!({"anyOf": [{"type": "string"}]});
    assert!(dialect::openai(&root).is_err() && dialect::anthropic(&root).is_err());
    for (property, openai, anthropic) in [
        (json!({"type": "string"}), true, true),
        (json!({"type": ["string", "null"]}), true, true),
        (json!({"$ref": "#/$defs/T"}), true, true),
        (json!({"$ref": "#/$defs/T", "description": "T"}), false, true),
        (json!({"$ref": "#/$defs/U"}), false, false),
        (json!({"$ref": "https://example.com/T"}), false, false),
        (json!({"enum": ["a"]}), false, true),
        (json!({"type": "number", "format": "double"}), false, false),
        (json!({"type": "number", "minimum": 0, "maximum": 1}), true, false),
        (json!({"type": "string", "maxLength": 3}), false, false),
        (json!({"type": "string", "default": ""}), false, true),
        (json!({"oneOf": [{"type": "string"}]}), false, false),
        (json!({"allOf": [{"type": "string"}]}), false, true),
        (json!({"type": "array", "items": {"type": "string"}, "minItems": 2}), true, false),
        (json!({"type": "array", "items": {"type": "string"}, "maxItems": 2}), true, false),
        (json!({"type": "array", "items": {"type": "object"}}), false, false),
    ] {
        let schema = around(property.clone());
        let (by_openai, by_anthropic) = (dialect::openai(&schema), dialect::anthropic(&schema));
        assert_eq!(by_openai.is_ok(), openai, "OpenAI, {property}: {by_openai:?}");
        assert_eq!(by_anthropic.is_ok(), anthropic, "Anthropic, {property}: {by_anthropic:?}");
    }
    let optional: serde_json::Map<_, _> =
        (0..25).map(|at| (format!("p{at}"), json!({"type": "string"}))).collect();
    let many = json!({"type": "object", "properties": optional, "additionalProperties": false});
    assert!(dialect::anthropic(&many).unwrap_err().contains("optional parameters (25)"));
}
