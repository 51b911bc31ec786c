//! `GET /healthz`: the process runs. `GET /readyz`: it can answer, and what else is amiss.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::{Readiness, SharedApp};

pub async fn healthz() -> &'static str {
    "ok\n"
}

/// 503 only while local answers cannot be given; what else is down is named in a 200.
pub async fn readyz(State(app): State<SharedApp>) -> Response {
    let readiness = app.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// The same of a worker, which has to reach Kafka too.
pub async fn worker_readyz(
    State(app): State<SharedApp>,
    (reads, kafka): (bool, serde_json::Value),
) -> Response {
    #[derive(Serialize)]
    struct Worker {
        ready: bool,
        kafka: serde_json::Value,
        parts: Readiness,
    }
    let parts = app.readiness().await;
    let ready = parts.ready && reads;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Worker { ready, kafka, parts })).into_response()
}
