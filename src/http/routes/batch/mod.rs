//! `POST /v1/batch`: many texts in one request, as a JSON list or as lines of any number.

mod item;
mod lines;
mod query;
mod stream;
mod work;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::app::{Grant, SharedApp};
use crate::http::Problem;
use crate::http::extract::{self, Json, is_of_type};
use crate::http::middleware::RequestId;
use crate::sentiment::Task;
use item::Item;
use work::Work;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// The most items of the JSON form, which is held whole; the NDJSON form has no limit.
pub const ITEMS_LIMIT: usize = 1_000;

/// The JSON form. An item is kept as it was sent: what is wrong in it is its own error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    task: Task,
    items: Vec<Box<RawValue>>,
}

pub async fn analyse(
    State(app): State<SharedApp>,
    Extension(id): Extension<RequestId>,
    Extension(grant): Extension<Grant>,
    request: Request,
) -> Result<Response, Problem> {
    if is_of_type(request.headers(), NDJSON) {
        let task = query::task(request.uri())?;
        return Ok(lines(app, id, grant, task, request.into_body()).await);
    }
    if is_of_type(request.headers(), JSON) {
        // The task of this form is in its body.
        let [] = extract::query(request.uri(), [])?;
        let Json(envelope) = Json::from_request(request, &app).await?;
        return list(app, id, grant, envelope).await;
    }
    let detail = format!("A batch is JSON or lines of it: send Content-Type: {JSON} or {NDJSON}.");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

async fn list(
    app: SharedApp,
    id: RequestId,
    grant: Grant,
    envelope: Envelope,
) -> Result<Response, Problem> {
    let count = envelope.items.len();
    if !(1..=ITEMS_LIMIT).contains(&count) {
        let message = format!("holds {count} items; 1 to {ITEMS_LIMIT} are allowed");
        return Err(Problem::field("items", message));
    }
    grant.count_texts(count)?;
    let work = Work::new(app, envelope.task, id, grant);
    let answers = futures::stream::iter(envelope.items)
        .map(|raw| work.clone().answer(Item::parse(raw.get().as_bytes())))
        .buffered(ITEMS_LIMIT);
    let mut answers = std::pin::pin!(answers);
    let mut body = br#"{"items":["#.to_vec();
    let mut separator = "";
    while let Some(answer) = answers.next().await {
        body.extend_from_slice(separator.as_bytes());
        body.extend_from_slice(&answer);
        separator = ",";
    }
    body.extend_from_slice(b"]}");
    Ok(([(header::CONTENT_TYPE, JSON)], body).into_response())
}

async fn lines(app: SharedApp, id: RequestId, grant: Grant, task: Task, body: Body) -> Response {
    let mut lines = lines::Lines::new(body, app.config().server.max_body_bytes);
    lines.invite().await;
    let work = Work::paced(app, task, id, grant);
    let answers = stream::answers(move |item| work.clone().answer(item), lines);
    ([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(answers)).into_response()
}
