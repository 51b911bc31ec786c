//! Keys at the door: each route says in the router what its callers' keys have to open.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::Problem;
use crate::app::{Scope, SharedApp, Standing};

/// A route for keys with that scope; of none, for any key.
pub fn keyed(
    app: &SharedApp,
    scope: impl Into<Option<Scope>>,
    route: MethodRouter<SharedApp>,
) -> MethodRouter<SharedApp> {
    route.route_layer(from_fn_with_state((app.clone(), scope.into()), admit))
}

/// Turns away who may not ask before any of the body is read. The handler finds the caller's leave
/// among the request's extensions.
async fn admit(
    State((app, scope)): State<(SharedApp, Option<Scope>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let grant = match app.access().admit(sent, scope) {
        Ok(grant) => grant,
        Err(denied) => return Problem::from(denied).into_response(),
    };
    request.extensions_mut().insert(grant.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(grant.clone());
    if let Some(standing) = grant.standing() {
        describe(standing, response.headers_mut());
    }
    response
}

/// How the key's limit on requests stands, as the header fields of the IETF's draft say it.
pub fn describe(standing: Standing, headers: &mut HeaderMap) {
    for (name, value) in [
        ("ratelimit-limit", u64::from(standing.limit)),
        ("ratelimit-remaining", u64::from(standing.remaining)),
        ("ratelimit-reset", standing.reset),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}
