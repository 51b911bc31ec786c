//! `POST /v1/sentiment`: what one text feels.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json as JsonBody, Response};

use super::answer::answer;
use crate::app::SharedApp;
use crate::http::Problem;
use crate::http::extract::Json;
use crate::http::middleware::RequestId;
use crate::http::wire::{AnalysisRequest, SentimentResponse};
use crate::sentiment::Task;

pub async fn analyse(
    State(app): State<SharedApp>,
    Extension(id): Extension<RequestId>,
    Json(request): Json<AnalysisRequest>,
) -> Result<Response, Problem> {
    let body = answer(&app, Task::Sentiment, request, &id).await?;
    Ok((headers(&body), JsonBody(body)).into_response())
}

/// What a proxy or a log can read of an answer without its body.
fn headers(body: &SentimentResponse) -> HeaderMap {
    let timing = &body.timing;
    let server_timing = format!(
        "total;dur={}, local;dur={}, llm;dur={}",
        timing.total_ms, timing.local_ms, timing.llm_ms
    );
    let pairs = [
        ("server-timing", Some(server_timing)),
        ("x-undertone-route", Some(body.route.to_owned())),
        ("x-undertone-cost-usd", body.cost_usd.clone()),
    ];
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .map(|(name, value)| {
            let value = value.parse().expect("digits, words and punctuation are a header's value");
            (axum::http::HeaderName::from_static(name), value)
        })
        .collect()
}
