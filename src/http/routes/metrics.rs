//! `GET /metrics`: Prometheus's text format.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::app::SharedApp;

pub async fn metrics(State(app): State<SharedApp>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.render_metrics())
}
