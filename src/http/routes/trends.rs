//! `GET /v1/trends`: windows of all texts.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Json;

use crate::app::{RequestError, SharedApp, TrendsError, TrendsRequest};
use crate::http::Problem;
use crate::http::extract::query;
use crate::http::wire::{TrendsResponse, WindowResponse};

/// Times as RFC 3339 or as a date (UTC).
pub async fn trends(
    State(app): State<SharedApp>,
    uri: Uri,
) -> Result<Json<TrendsResponse>, Problem> {
    let known = ["from", "to", "key", "window_seconds"];
    let [from, to, key, window_seconds] = query(&uri, known)?;
    let request = TrendsRequest::parse(
        from.as_deref(),
        to.as_deref(),
        key.as_deref(),
        window_seconds.as_deref(),
        app.windowing(),
    )
    .map_err(TrendsError::from)?;
    let windows = app.trends(request).await?;
    let most = app.trends_config().max_terms;
    let windows = windows.iter().map(|window| WindowResponse::new(window, most)).collect();
    Ok(Json(TrendsResponse { windows }))
}

impl From<TrendsError> for Problem {
    fn from(error: TrendsError) -> Problem {
        match error {
            TrendsError::Parameter(error) => Problem::field(error.field, error.message),
            TrendsError::Store(error) => RequestError::Store(error).into(),
        }
    }
}
