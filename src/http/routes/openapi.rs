//! `GET /openapi.json`.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;

use crate::http::openapi_document;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi_document().to_string());

pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}
