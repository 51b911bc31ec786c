//! What happens around every request: its id, who may call, how problems are written.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv6Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use metrics::Histogram;
use tracing::Instrument;
use uuid::Uuid;

use super::Problem;
use super::access_line::{AccessLine, BatchLine, Tally, Told};
use super::bodies::{Held, watched};
use super::bytes::Budget;
use super::connections::Peer;
use crate::app::{Grant, SharedApp};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id of a request that is taken over from its sender.
const REQUEST_ID_LIMIT: usize = 128;

/// The id under which a request is logged, answered and billed.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// What the layer around every route works with.
#[derive(Clone)]
pub struct Surroundings {
    app: SharedApp,
    budget: Budget,
}

impl Surroundings {
    pub fn of(app: &SharedApp) -> Surroundings {
        let budget = Budget::new(app.config().server.max_in_flight_bytes);
        Surroundings { app: Arc::clone(app), budget }
    }
}

/// The one layer around every route: gives a request its id and its share of the budget of bytes, turns
/// away whom a page from elsewhere sent, renders problems under the id, counts and logs.
pub async fn surround(
    State(Surroundings { app, budget }): State<Surroundings>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let header = HeaderValue::from_str(&id).expect("checked to be visible ASCII");
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let method = request.method().clone();
    let peer = request.extensions().get::<Peer>().cloned();
    let caller = peer.as_ref().map(|peer| peer.caller(request.headers()));
    let connection = peer.as_ref().map(|peer| Arc::clone(peer.connection()));
    let (mut request, left_unread) = watched(request, connection);
    let lease = budget.lease();
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(lease.clone());

    let counted = peer.zip(caller).map_or(Ok(None), |(peer, caller)| peer.count(caller));
    let (mut response, counted) = match counted {
        Ok(counted) if !app.access().is_open() || is_for_this_machine(&request) => {
            // Whatever is logged on the way says which request it was for, at any level.
            let span = tracing::error_span!("request", request_id = id);
            let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
            let answered = answering.instrument(span).await;
            (answered.unwrap_or_else(|_| panicked()), counted)
        }
        refused => {
            // With it goes its body: whether that was read is asked below.
            drop(request);
            (refused.map_or_else(IntoResponse::into_response, |_| elsewhere()), None)
        }
    };
    let mut told = response.extensions_mut().remove::<Told>();
    let tally = response.extensions_mut().remove::<Arc<Tally>>();
    let grant = response.extensions_mut().remove::<Grant>();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        told = Told::of_problem(&problem);
        let headers = std::mem::replace(response.headers_mut(), HeaderMap::new());
        response = problem.render(&id);
        for (name, value) in &headers {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    response.headers_mut().insert(REQUEST_ID, header);
    if left_unread.get() {
        // What follows of the body is not read as another request.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    let status = response.status();
    observe(route, status, started.elapsed());
    let line = AccessLine {
        method,
        route: route.to_owned(),
        status,
        team: grant.as_ref().and_then(Grant::team).map(str::to_owned),
        key_id: grant.as_ref().and_then(Grant::key_id).map(str::to_owned),
        caller,
        request_id: id,
        started,
    };
    let batch = match tally {
        Some(tally) => Some(BatchLine { line, tally }),
        None => {
            line.write(told.as_ref());
            None
        }
    };
    response.extensions_mut().insert(Held::new(lease, (counted, batch)));
    response
}

thread_local! {
    /// The histogram of each route and status that this thread has met: to look one up by its labels
    /// costs more than to record in it.
    static DURATIONS: RefCell<Vec<(String, StatusCode, Histogram)>> = const { RefCell::new(Vec::new()) };
}

fn observe(route: &str, status: StatusCode, elapsed: Duration) {
    DURATIONS.with_borrow_mut(|known| {
        let found = known.iter().find(|known| known.1 == status && known.0 == route);
        if let Some((.., histogram)) = found {
            return histogram.record(elapsed);
        }
        let histogram = metrics::histogram!(
            "undertone_http_request_duration_seconds",
            "route" => route.to_owned(), "status" => status.as_str().to_owned()
        );
        histogram.record(elapsed);
        known.push((route.to_owned(), status, histogram));
    });
}

fn request_id(request: &Request) -> String {
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    sent.filter(|id| (1..=REQUEST_ID_LIMIT).contains(&id.len()))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Without keys the gateway is for this machine alone: a page from elsewhere that makes a browser
/// call it comes with the name of its own host (DNS rebinding), and is refused.
fn is_for_this_machine(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    host.is_some_and(is_loopback_host)
}

fn elsewhere() -> Response {
    let detail = "Without keys the gateway answers on loopback only: call it as localhost, \
                  127.0.0.1 or [::1].";
    Problem::new(StatusCode::FORBIDDEN, detail).into_response()
}

fn is_loopback_host(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return (port.is_empty() || port.starts_with(':'))
            && address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// A panic in a handler becomes a 500 with a body, and one line in the log.
fn panicked() -> Response {
    tracing::error!("a handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "The gateway failed on this request. Its log \
        has the reason, under the id of the request.",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in
            ["localhost", "LOCALHOST:8787", "127.0.0.1:1", "127.9.9.9", "[::1]:8787", "[::1]"]
        {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["example.com", "localhost.evil.com", "10.0.0.1", "[::2]", "[::1", "::1", ""] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
