//! The gateway over HTTP: the router, what surrounds every request, and the JSON of the surface.

mod extract;
mod middleware;
mod openapi;
mod problem;
mod routes;
mod serve;
mod wire;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use crate::app::SharedApp;
use crate::sentiment::Task;
use routes::{answer, batch, costs, feedback, health, metrics, openapi as document};

pub use openapi::document as openapi_document;
pub use problem::Problem;
pub use serve::{ListenError, listen, serve};
pub use wire::text_faults;

/// The table of contents.
pub fn router(app: SharedApp) -> Router {
    Router::new()
        .route("/v1/sentiment", answer::endpoint(Task::Sentiment))
        .route("/v1/aspects", answer::endpoint(Task::Aspects))
        .route("/v1/emotions", answer::endpoint(Task::Emotions))
        .route("/v1/batch", post(batch::analyse))
        .route("/v1/feedback", post(feedback::feedback))
        .route("/v1/costs", get(costs::costs))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(document::openapi))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn(middleware::surround))
        .with_state(app)
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no such route; /openapi.json lists them.")
}

/// axum adds the header `Allow` to what this returns.
async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This route does not take that method.")
}
