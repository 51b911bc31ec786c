//! `GET /v1/costs`: what was spent, and what was answered for nothing.

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Json, Response};

use crate::app::{CostRequest, SharedApp};
use crate::http::Problem;
use crate::http::extract::query;

/// Times as RFC 3339 or as a date (UTC); `group_by` lists columns, separated by commas.
pub async fn costs(State(app): State<SharedApp>, uri: Uri) -> Result<Response, Problem> {
    let [from, to, group_by] = query(&uri, ["from", "to", "group_by"])?;
    let request = CostRequest::parse(from.as_deref(), to.as_deref(), group_by.as_deref())
        .map_err(|error| Problem::field(error.field, error.message))?;
    Ok(Json(app.costs(request).await?).into_response())
}
