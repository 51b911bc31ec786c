//! `GET /v1/costs`: what was spent, and what was answered for nothing.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;

use crate::app::{CostRequest, SharedApp};
use crate::http::Problem;

/// Times as RFC 3339 or as a date (UTC); `group_by` lists columns, separated by commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    from: Option<String>,
    to: Option<String>,
    group_by: Option<String>,
}

pub async fn costs(
    State(app): State<SharedApp>,
    parameters: Result<Query<Parameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Parameters { from, to, group_by }) =
        parameters.map_err(|error| Problem::field("query", error.body_text()))?;
    let request = CostRequest::parse(from.as_deref(), to.as_deref(), group_by.as_deref())
        .map_err(|error| Problem::field(error.field, error.message))?;
    Ok(Json(app.costs(request).await?).into_response())
}
