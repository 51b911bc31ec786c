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
use stream::{Around, Source};
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
    let around = Around::of(request.extensions());
    if is_of_type(request.headers(), NDJSON) {
        let task = query::task(request.uri())?;
        return Ok(lines(app, id, grant, task, request.into_body(), around).await);
    }
    if is_of_type(request.headers(), JSON) {
        // The task of this form is in its body.
        let [] = extract::query(request.uri(), [])?;
        let Json(envelope) = Json::from_request(request, &app).await?;
        return list(app, id, grant, envelope, around);
    }
    let detail = format!("A batch is JSON or lines of it: send Content-Type: {JSON} or {NDJSON}.");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

fn list(
    app: SharedApp,
    id: RequestId,
    grant: Grant,
    envelope: Envelope,
    around: Around,
) -> Result<Response, Problem> {
    let count = envelope.items.len();
    if !(1..=ITEMS_LIMIT).contains(&count) {
        let message = format!("holds {count} items; 1 to {ITEMS_LIMIT} are allowed");
        return Err(Problem::field("items", message));
    }
    grant.count_texts(count)?;
    let work = Work::new(app, envelope.task, id, grant, around.stop.clone());
    let items = Source::List(envelope.items.into_iter());
    let answers = answers(work.clone(), items, around);
    let separated = answers.enumerate().map(|(at, answer)| {
        let separator = if at == 0 { &br#"{"items":["#[..] } else { b"," };
        answer.map(|json| [separator, &json].concat())
    });
    let end = futures::stream::once(async { Ok(b"]}".to_vec()) });
    let body = Body::from_stream(separated.chain(end));
    Ok(([(header::CONTENT_TYPE, JSON)], Extension(work.tally()), body).into_response())
}

async fn lines(
    app: SharedApp,
    id: RequestId,
    grant: Grant,
    task: Task,
    body: Body,
    around: Around,
) -> Response {
    let limit = app.config().server.max_body_bytes;
    let mut lines = lines::Lines::new(body, limit, around.budget.clone());
    lines.invite().await;
    let work = Work::paced(app, task, id, grant, around.stop.clone());
    let answers = answers(work.clone(), Source::Lines(Box::new(lines)), around);
    let body = Body::from_stream(answers.map(|answer| {
        answer.map(|mut json| {
            json.push(b'\n');
            json
        })
    }));
    ([(header::CONTENT_TYPE, NDJSON)], Extension(work.tally()), body).into_response()
}

fn answers(
    work: Work,
    source: Source,
    around: Around,
) -> impl futures::Stream<Item = Result<Vec<u8>, axum::Error>> {
    stream::answers(move |item| work.clone().answer(item), source, around)
}
