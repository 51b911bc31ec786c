//! The gateway over HTTP: the router, what surrounds every request, and the JSON of the surface.

mod access_line;
mod auth;
mod bodies;
mod bytes;
mod connections;
mod extract;
mod middleware;
mod openapi;
mod problem;
mod proxies;
mod routes;
mod serve;
mod socket;
mod wire;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};

use crate::app::{Scope, SharedApp};
use crate::sentiment::Task;
use auth::keyed;
use extract::no_query;
use middleware::Surroundings;
use routes::{
    answer, batch, budgets, costs, feedback, health, live, metrics, openapi as document, page,
    trends,
};

pub use openapi::document as openapi_document;
pub use problem::Problem;
pub use serve::{ListenError, address, listen, serve};
pub use wire::{AnalysisResponse, text_faults};

/// The table of contents.
pub fn router(app: SharedApp) -> Router {
    let keyed = |scope: Option<Scope>, route| keyed(&app, scope, route);
    let analyze = |route| keyed(Some(Scope::Analyze), route);
    let bare = |route: MethodRouter<SharedApp>| route.route_layer(from_fn(no_query));
    Router::new()
        .route("/v1/sentiment", analyze(bare(answer::endpoint(Task::Sentiment))))
        .route("/v1/aspects", analyze(bare(answer::endpoint(Task::Aspects))))
        .route("/v1/emotions", analyze(bare(answer::endpoint(Task::Emotions))))
        .route("/v1/batch", analyze(post(batch::analyse)))
        .route("/v1/feedback", keyed(None, bare(post(feedback::feedback))))
        .route("/v1/costs", keyed(Some(Scope::CostsRead), get(costs::costs)))
        .route("/v1/budgets", keyed(None, bare(get(budgets::budgets))))
        .route("/v1/trends", keyed(Some(Scope::TrendsRead), get(trends::trends)))
        .route("/v1/live", keyed(Some(Scope::TrendsRead), get(live::live)))
        .route("/metrics", keyed(Some(Scope::MetricsRead), bare(get(metrics::metrics))))
        // Open, since they hold no data.
        .route("/", get(page::home))
        .route("/dashboard", get(page::dashboard))
        .route("/dashboard/{*file}", get(page::file))
        .route("/docs", get(page::docs))
        .route("/healthz", bare(get(health::healthz)))
        .route("/readyz", bare(get(health::readyz)))
        .route("/openapi.json", bare(get(document::openapi)))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(Surroundings::of(&app), middleware::surround))
        .with_state(app)
}

/// What a worker of a stream serves, which takes no texts: how it is. `kafka` says whether it reads, and
/// more of that.
pub fn worker_router(
    app: SharedApp,
    kafka: impl Fn() -> (bool, serde_json::Value) + Clone + Send + Sync + 'static,
) -> Router {
    let bare = |route: MethodRouter<SharedApp>| route.route_layer(from_fn(no_query));
    Router::new()
        .route("/metrics", keyed(&app, Some(Scope::MetricsRead), bare(get(metrics::metrics))))
        .route("/healthz", bare(get(health::healthz)))
        .route("/readyz", bare(get(move |app| health::worker_readyz(app, kafka()))))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_worker_route)
        .layer(from_fn_with_state(Surroundings::of(&app), middleware::surround))
        .with_state(app)
}

async fn no_worker_route() -> Problem {
    let detail = "A worker serves /metrics, /healthz and /readyz only; a gateway serves the other \
        routes.";
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no such route; /openapi.json lists them.")
}

/// axum adds the header `Allow` to what this returns.
async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This route does not accept this method.")
}
