//! The OpenAPI 3.1 document: routes by hand, shapes from the types that are (de)serialised.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::wire::{
    AnalysisRequest, AnalysisResponse, FeedbackRequest, OverBudget, TrendsResponse, WindowResponse,
};
use crate::sentiment::Task;

/// What a request for a verdict can end in.
const ANALYSIS_ERRORS: [u16; 13] =
    [400, 401, 402, 403, 408, 413, 415, 422, 429, 500, 502, 503, 504];

/// The document that `/openapi.json` serves.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let request = generator.subschema_for::<AnalysisRequest>();
    let response = generator.subschema_for::<AnalysisResponse>();
    let feedback_request = generator.subschema_for::<FeedbackRequest>();
    let trends_response = generator.subschema_for::<TrendsResponse>();
    let window = generator.subschema_for::<WindowResponse>();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("BatchItem".into(), batch_item(&schemas["AnalysisRequest"]));
    schemas.insert("Problem".into(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Undertone",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A sentiment gateway: a local model answers, and an LLM where it should.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": {
            "/v1/sentiment": { "post": {
                "summary": "What one text feels",
                "requestBody": { "required": true, "content": body(&request) },
                "responses": responses(&response, &ANALYSIS_ERRORS),
            }},
            "/v1/aspects": { "post": {
                "summary": "What one text likes and dislikes",
                "requestBody": { "required": true, "content": body(&request) },
                "responses": responses(&response, &ANALYSIS_ERRORS),
            }},
            "/v1/emotions": { "post": {
                "summary": "Which emotions one text shows",
                "requestBody": { "required": true, "content": body(&request) },
                "responses": responses(&response, &ANALYSIS_ERRORS),
            }},
            "/v1/batch": { "post": batch(&response) },
            "/v1/feedback": { "post": feedback(&feedback_request) },
            "/v1/costs": { "get": {
                "summary": "What was spent, and what was answered for nothing",
                "parameters": [
                    parameter("from", "The start of the period, itself included: a date or a time \
                        (RFC 3339). Default: the start of this month."),
                    parameter("to", "Not included."),
                    parameter("group_by", "Any of day, month, team, key, model, endpoint, route, \
                                           tag:NAME, separated by commas."),
                ],
                "responses": responses(&true, &[401, 403, 422, 429, 500, 503]),
            }},
            "/v1/budgets": { "get": {
                "summary": "How much of each budget is spent: of all budgets with the scope \
                    costs:read, else of those that bind the key, its team's included",
                "responses": responses(&true, &[401, 403, 422, 429, 500, 503]),
            }},
            "/v1/trends": { "get": trends(&trends_response) },
            "/v1/live": { "get": live(&window) },
            "/healthz": { "get": text("The process runs") },
            "/readyz": { "get": {
                "summary": "Whether local answers can be given, and what else is wrong",
                "responses": {
                    "200": { "description": "Ready", "content": body(&true) },
                    "422": unknown_parameter(),
                    "503": { "description": "Not ready", "content": body(&true) },
                },
            }},
            "/metrics": { "get": text("Prometheus's text format") },
            "/openapi.json": { "get": {
                "summary": "This document",
                "responses": {
                    "200": { "description": "OpenAPI 3.1", "content": body(&true) },
                    "422": unknown_parameter(),
                },
            }},
        },
        // Before the first key is created none is asked for.
        "security": [{ "key": [] }, {}],
        "components": {
            "schemas": schemas,
            "securitySchemes": { "key": {
                "type": "http", "scheme": "bearer",
                "description": "A key of `undertone keys create`, with the scope of the route.",
            }},
        },
    })
}

/// A request with an id of the sender's own.
fn batch_item(request: &Value) -> Value {
    let mut item = request.clone();
    item["description"] = json!("An item of a batch: a request, with an optional id.");
    item["properties"]["id"] = json!({
        "type": ["string", "null"],
        "description": "Names the item in its answer; without it the answer has an id of its own.",
    });
    item
}

fn batch(verdict: &impl serde::Serialize) -> Value {
    let items_limit = super::routes::batch::ITEMS_LIMIT;
    let task = json!({ "type": "string", "enum": Task::ALL });
    let item = json!({ "$ref": "#/components/schemas/BatchItem" });
    let failed = json!({
        "type": "object",
        "description": "An item's own error.",
        "required": ["id", "error"],
        "properties": {
            "id": { "type": ["string", "null"] },
            "error": { "$ref": "#/components/schemas/Problem" },
        },
    });
    let answer = json!({ "anyOf": [verdict, failed] });
    let list = json!({
        "type": "object",
        "required": ["task", "items"],
        "additionalProperties": false,
        "properties": {
            "task": task,
            "items": { "type": "array", "items": item, "minItems": 1, "maxItems": items_limit },
        },
    });
    let answers = json!({
        "type": "object",
        "required": ["items"],
        "properties": { "items": { "type": "array", "items": answer } },
    });
    let mut parameter = parameter("task", "What is asked of every line; for NDJSON alone.");
    parameter["schema"] = task;
    let mut responses = responses(&answers, &[400, 401, 403, 408, 413, 415, 422, 429, 500]);
    responses["200"]["content"]["application/x-ndjson"] = json!({ "schema": answer });
    json!({
        "summary": "What many texts feel, in order; an item's error is its own",
        "description": "A list in JSON, or NDJSON: lines of any number, each an item, answered \
                        line by line while the rest is still being sent.",
        "parameters": [parameter],
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": list },
            "application/x-ndjson": { "schema": item },
        }},
        "responses": responses,
    })
}

fn feedback(request: &impl serde::Serialize) -> Value {
    let receipt = json!({
        "type": "object",
        "required": ["id", "task", "learnable", "agrees"],
        "properties": {
            "id": { "type": "string" },
            "task": { "type": "string", "enum": Task::ALL },
            "learnable": {
                "type": "boolean",
                "description": "Whether `undertone learn` has both the word and the text.",
            },
            "agrees": {
                "type": ["boolean", "null"],
                "description": "Whether the verdict said the same; null where that cannot be told.",
            },
            "reason": { "type": "string", "description": "Why it cannot be learnt from." },
        },
    });
    let errors = [400, 403, 404, 408, 409, 413, 415, 422, 500, 503];
    let mut responses = responses(&receipt, &errors);
    responses["200"]["description"] = json!("Taken, to be learnt from");
    responses["202"] = json!({
        "description": "Counted only: the text is not kept",
        "content": body(&receipt),
    });
    responses["404"]["description"] = json!("No verdict of that id is known");
    responses["409"]["description"] = json!("Several texts were given that id");
    json!({
        "summary": "What a person says of a verdict; it counts more than an LLM's answer",
        "requestBody": { "required": true, "content": body(request) },
        "responses": responses,
    })
}

/// Which key's windows, and how wide.
fn window_parameters() -> [Value; 2] {
    let seconds = "A multiple of stream.window_seconds, which counts where nothing is given.";
    [
        parameter(
            "key",
            "Those of that key alone; empty: of texts without a key. A value in quotation marks is a \
             JSON string: \"\" asks for the empty key. Default: every key's, each for itself.",
        ),
        json!({ "name": "window_seconds", "in": "query", "description": seconds,
            "schema": { "type": "integer", "minimum": 1 } }),
    ]
}

fn trends(response: &impl serde::Serialize) -> Value {
    let [key, seconds] = window_parameters();
    json!({
        "summary": "Windows of all texts, whatever door they came in by",
        "description": "Every window that overlaps the period, whole. Times of texts over HTTP and of \
                        analyze are those of their arrival, those of records their own. The key is \
                        the tag `key`, or the record's. One that was stored wider than what is asked \
                        for comes as it was stored.",
        "parameters": [
            parameter("from", "A date or a time (RFC 3339). Default: 24 hours before `to`."),
            parameter("to", "Not included. Default: now."),
            key,
            seconds,
        ],
        "responses": responses(response, &[401, 403, 422, 429, 500, 503]),
    })
}

fn live(window: &impl serde::Serialize) -> Value {
    let [key, seconds] = window_parameters();
    let mut responses = responses(&true, &[401, 403, 422, 429, 500, 503]);
    responses["200"]["content"] = json!({ "text/event-stream": { "schema": window } });
    json!({
        "summary": "Windows as they change, as server-sent events",
        "description": "`event: window` with the JSON of a window of /v1/trends, whenever it changes, \
                        the newest ones first of all; a comment every 15 s. A client that does not \
                        keep up gets the newest state of each window; one that falls too far behind \
                        is let go.",
        "parameters": [key, seconds, {
            "name": "Last-Event-ID", "in": "header", "schema": { "type": "string" },
            "description": "The id of the last event that the client received: what changed since \
                then comes first.",
        }],
        "responses": responses,
    })
}

fn body(schema: &impl serde::Serialize) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn text(summary: &str) -> Value {
    let content = json!({ "text/plain": { "schema": { "type": "string" } } });
    json!({ "summary": summary, "responses": {
        "200": { "description": "OK", "content": content },
        "422": unknown_parameter(),
    }})
}

/// A query parameter that a route does not have is told, and not passed over.
fn unknown_parameter() -> Value {
    responses(&true, &[422])["422"].take()
}

fn parameter(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": { "type": "string" } })
}

fn responses(ok: &impl serde::Serialize, errors: &[u16]) -> Value {
    let mut responses = serde_json::Map::new();
    responses.insert("200".into(), json!({ "description": "OK", "content": body(ok) }));
    for status in errors {
        let status_code = axum::http::StatusCode::from_u16(*status).expect("listed by hand");
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let content = json!({ "application/problem+json": { "schema": schema } });
        let description = status_code.canonical_reason().unwrap_or_default();
        responses
            .insert(status.to_string(), json!({ "description": description, "content": content }));
    }
    Value::Object(responses)
}

/// RFC 9457, with this gateway's own members.
#[derive(JsonSchema)]
#[schemars(rename = "Problem")]
#[expect(dead_code, reason = "only its schema is used: problems are written by hand")]
struct ProblemSchema {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    request_id: String,
    /// The fields that are wrong.
    errors: Option<Vec<FieldSchema>>,
    /// What was paid before the request failed; `null` while it isn't known.
    cost_usd: Option<String>,
    /// Of a 402: which limit had no room, and the amounts.
    over_budget: Option<OverBudget>,
}

#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
struct FieldSchema {
    field: String,
    message: String,
}

fn problem_schema() -> Value {
    let mut schema = schemars::schema_for!(ProblemSchema).to_value();
    schema.as_object_mut().expect("a struct's schema is an object").remove("$schema");
    schema
}
