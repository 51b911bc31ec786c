//! `POST /v1/feedback`: what a person says of a verdict.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json as JsonBody, Response};

use crate::app::{Asker, Denied, FeedbackError, Grant, RequestError, Scope, SharedApp};
use crate::http::Problem;
use crate::http::extract::Json;
use crate::http::wire::FeedbackRequest;

/// 200 where it can be learnt from, 202 where it is only counted.
pub async fn feedback(
    State(app): State<SharedApp>,
    Extension(grant): Extension<Grant>,
    Json(request): Json<FeedbackRequest>,
) -> Result<Response, Problem> {
    if !grant.may(Scope::Analyze) && !grant.may(Scope::TextsReview) {
        return Err(Denied::Scope(Scope::Analyze).into());
    }
    let (id, task, word) = request.into_word()?;
    let reviewed_team = grant.team().filter(|_| grant.may(Scope::TextsReview)).map(str::to_owned);
    let asker = Asker { key_id: grant.key_id().map(str::to_owned), reviewed_team };
    let receipt = app.feedback(asker, id, task, word).await?;
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
