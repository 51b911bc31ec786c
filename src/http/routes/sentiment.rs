//! `POST /v1/sentiment`: what one text feels.

use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json as JsonBody, Response};
use uuid::Uuid;

use crate::app::SharedApp;
use crate::http::Problem;
use crate::http::extract::Json;
use crate::http::middleware::RequestId;
use crate::http::wire::{AnalysisRequest, Include, SentimentResponse};
use crate::sentiment::Task;

pub async fn analyse(
    State(app): State<SharedApp>,
    Extension(id): Extension<RequestId>,
    Json(request): Json<AnalysisRequest>,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let thresholds = request.includes(Include::Signals).then(|| app.thresholds());
    let wants_sentences = request.includes(Include::Sentences);
    let request = request.into_request(Task::Sentiment, &id)?;
    // Before anything is paid for: what fails here must not lose a bought verdict.
    let sentences = match wants_sentences {
        true => Some(app.read_sentences(request.text.clone(), request.language.clone()).await?),
        false => None,
    };
    let analysis = app.analyse(request).await?;
    let verdict_id = Uuid::now_v7().to_string();
    let verdict = SentimentResponse::new(verdict_id, analysis, started.elapsed(), thresholds);
    let sentences = sentences.map(|all| all.into_iter().map(Into::into).collect());
    let body = SentimentResponse { sentences, ..verdict };
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
