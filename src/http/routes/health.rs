//! `GET /healthz`: the process runs. `GET /readyz`: it can answer, and what else is amiss.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::app::SharedApp;

pub async fn healthz() -> &'static str {
    "ok\n"
}

/// 503 only while local answers cannot be given; what else is down is named in a 200.
pub async fn readyz(State(app): State<SharedApp>) -> Response {
    let readiness = app.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}
