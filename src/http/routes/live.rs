//! `GET /v1/live`: windows as they change, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, sleep_until};

use crate::app::{
    Grant, ListenError, Listener, Listening, RequestError, SharedApp, TrendsError, Update,
};
use crate::http::Problem;
use crate::http::extract::query;
use crate::http::wire::WindowResponse;

/// How often something is sent, so that neither side takes the other for gone.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// How often it is looked at whether the caller's key still holds.
const GRANT_EVERY: Duration = Duration::from_millis(500);

pub async fn live(
    State(app): State<SharedApp>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let [key, window_seconds] = query(&uri, ["key", "window_seconds"])?;
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let listening =
        Listening::parse(key.as_deref(), window_seconds.as_deref(), after, app.windowing())
            .map_err(TrendsError::from)?;
    let listener = app.listen(listening).await?;
    let max_terms = app.trends_config().max_terms;
    let now = Instant::now();
    let stream = Stream { listener, grant, max_terms, comment_at: now, grant_at: now };
    let events = futures::stream::unfold(stream, async |mut stream| {
        let bytes = stream.next().await?;
        Some((Ok::<_, Infallible>(bytes), stream))
    });
    let kind = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that know it pass each event on at once.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((kind, Body::from_stream(events)).into_response())
}

struct Stream {
    listener: Listener,
    grant: Grant,
    max_terms: usize,
    comment_at: Instant,
    grant_at: Instant,
}

impl Stream {
    /// What is sent next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                update = self.listener.next() => {
                    return update.map(|update| events(&update, self.max_terms));
                }
                () = sleep_until(self.grant_at) => {
                    self.grant.check().ok()?;
                    self.grant_at = Instant::now() + GRANT_EVERY;
                }
                // The first goes out at once: it says that the stream has begun.
                () = sleep_until(self.comment_at) => {
                    self.comment_at = Instant::now() + COMMENT_EVERY;
                    return Some(Bytes::from_static(b": undertone\n\n"));
                }
            }
        }
    }
}

/// An event for each window. With the last one comes the id from which a broken connection can be taken up:
/// whoever has only some of them gets all again.
fn events(update: &Update, max_terms: usize) -> Bytes {
    let mut text = String::new();
    for (at, window) in update.windows.iter().enumerate() {
        let json = serde_json::to_string(&WindowResponse::new(window, max_terms))
            .expect("numbers and strings always serialise");
        text.push_str("event: window\n");
        if at + 1 == update.windows.len() {
            let _ = writeln!(text, "id: {}", update.as_of_us);
        }
        // JSON has no line breaks of its own.
        let _ = write!(text, "data: {json}\n\n");
    }
    text.into()
}

impl From<ListenError> for Problem {
    fn from(error: ListenError) -> Problem {
        let detail = format!("The stream cannot be opened now: {error}.");
        match error {
            ListenError::Full(_) => Problem::busy(detail),
            ListenError::Closing => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail),
            ListenError::Store(error) => RequestError::Store(error).into(),
        }
    }
}
