//! `POST /v1/feedback`: what a person says of a verdict.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json as JsonBody, Response};

use crate::app::{FeedbackError, RequestError, SharedApp};
use crate::http::Problem;
use crate::http::extract::Json;
use crate::http::wire::FeedbackRequest;

/// 200 where it can be learnt from, 202 where it is only counted.
pub async fn feedback(
    State(app): State<SharedApp>,
    Json(request): Json<FeedbackRequest>,
) -> Result<Response, Problem> {
    let (id, task, word) = request.into_word()?;
    let receipt = app.feedback(id, task, word).await?;
    let status = if receipt.learnable { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, JsonBody(receipt)).into_response())
}

impl From<FeedbackError> for Problem {
    fn from(error: FeedbackError) -> Problem {
        let detail = error.to_string();
        match error {
            FeedbackError::Unknown => Problem::new(StatusCode::NOT_FOUND, detail),
            FeedbackError::Ambiguous(_) => Problem::new(StatusCode::CONFLICT, detail),
            FeedbackError::Aspect(index, message) => {
                Problem::field(format!("aspects[{index}]"), message)
            }
            FeedbackError::Store(error) => RequestError::Store(error).into(),
        }
    }
}
