//! One HTTP exchange of which it is known afterwards whether the request left and whether the reply
//! was read. Both providers send through here; what a reply means is theirs to say.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout_at};

/// The most that is read of a reply: a hundred times what the longest answer takes.
const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// A reply whose end was reached.
pub(super) struct HttpReply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// `None` where it is longer than anybody should read.
    body: Option<Bytes>,
}

impl HttpReply {
    /// The body, where it is JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(self.body.as_deref()?).ok()
    }

    /// The body's bytes; none where it was too long.
    pub fn into_bytes(self) -> Bytes {
        self.body.unwrap_or_default()
    }
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoReply {
    /// Not a byte of the request's body left: nobody can have billed it.
    NotSent,
    /// The request left, and its reply did not come, or not whole.
    Lost,
}

/// Sends `request` and reads its reply, both by `deadline`. An error status is a reply, whatever
/// becomes of its body.
pub(super) async fn exchange(
    http: &reqwest::Client,
    mut request: reqwest::Request,
    deadline: Instant,
) -> Result<HttpReply, NoReply> {
    let left = Watched::replace_body(&mut request);
    let no_reply = || if left.load(Ordering::Acquire) { NoReply::Lost } else { NoReply::NotSent };

    let sent = timeout_at(deadline, http.execute(request)).await;
    let Ok(Ok(mut response)) = sent else {
        return Err(no_reply());
    };
    let (status, headers) = (response.status(), response.headers().clone());
    match timeout_at(deadline, read(&mut response)).await {
        Ok(Ok(body)) => Ok(HttpReply { status, headers, body }),
        _ if !status.is_success() => Ok(HttpReply { status, headers, body: None }),
        _ => Err(NoReply::Lost),
    }
}

/// The whole body, or `None` where it is too long.
async fn read(response: &mut reqwest::Response) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_REPLY_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.into()))
}

/// A request body that remembers whether it was asked for, which a connection does only once it
/// stands. reqwest's own errors cannot tell: a time-out looks the same before and after.
struct Watched {
    bytes: Option<Bytes>,
    left: Arc<AtomicBool>,
}

impl Watched {
    /// Puts a watched body in the place of the request's own.
    fn replace_body(request: &mut reqwest::Request) -> Arc<AtomicBool> {
        let left = Arc::new(AtomicBool::new(false));
        let bytes = request.body().and_then(|body| body.as_bytes()).map(Bytes::copy_from_slice);
        let watched =
            Watched { bytes: bytes.filter(|bytes| !bytes.is_empty()), left: left.clone() };
        *request.body_mut() = Some(reqwest::Body::wrap(watched));
        left
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.left.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    /// Exact, so that the request carries a `content-length` as if its body were plain.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const REQUEST_BODY: &str = r#"{"text":"a text"}"#;

    /// Exchanges with a server that reads one request, writes `reply` and closes, or with `None`
    /// says nothing. What the server read comes back too.
    async fn exchange_with(reply: Option<String>) -> (Result<HttpReply, NoReply>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(REQUEST_BODY.as_bytes()) {
                assert!(socket.read_buf(&mut read).await.unwrap() > 0);
            }
            match reply {
                Some(reply) => drop(socket.write_all(reply.as_bytes()).await),
                None => tokio::time::sleep(Duration::from_secs(60)).await,
            }
            String::from_utf8(read).unwrap()
        });
        let result = send(&format!("http://{address}/"), Duration::from_millis(500)).await;
        let read = tokio::time::timeout(Duration::from_secs(1), server).await;
        (result, read.map(Result::unwrap).unwrap_or_default())
    }

    async fn send(url: &str, time: Duration) -> Result<HttpReply, NoReply> {
        let http = reqwest::Client::builder().no_proxy();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http.build().unwrap();
        let request = http.post(url).body(REQUEST_BODY).build().unwrap();
        exchange(&http, request, Instant::now() + time).await
    }

    fn response(status: &str, length: usize, body: &str) -> Option<String> {
        Some(format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nretry-after: 3\r\n\r\n{body}"
        ))
    }

    #[tokio::test]
    async fn a_reply_is_read_whole_and_the_request_is_plain() {
        let (reply, request) = exchange_with(response("200 OK", 2, "{}")).await;
        let reply = reply.ok().unwrap();
        assert_eq!((reply.status, reply.json()), (StatusCode::OK, Some(serde_json::json!({}))));
        let length = format!("content-length: {}\r\n", REQUEST_BODY.len());
        assert!(request.to_lowercase().contains(&length), "{request}");
    }

    #[tokio::test]
    async fn a_reply_that_does_not_come_whole_is_lost() {
        for reply in
            [None, Some(String::new()), response("200 OK", 9, "{}"), Some("HTTP/1.1 2".into())]
        {
            let (result, _) = exchange_with(reply.clone()).await;
            assert_eq!(result.err(), Some(NoReply::Lost), "{reply:?}");
        }
    }

    #[tokio::test]
    async fn an_error_status_is_a_reply_whatever_becomes_of_its_body() {
        let (reply, _) = exchange_with(response("503 Service Unavailable", 9, "{}")).await;
        let reply = reply.ok().unwrap();
        assert_eq!((reply.status.as_u16(), reply.json()), (503, None));
        assert_eq!(reply.headers["retry-after"], "3");
    }

    #[tokio::test]
    async fn a_reply_without_end_is_not_kept() {
        let body = format!("\"{}\"", "x".repeat(2 * MAX_REPLY_BYTES));
        let (reply, _) = exchange_with(response("200 OK", body.len(), &body)).await;
        let reply = reply.ok().unwrap();
        assert_eq!((reply.json(), reply.into_bytes().len()), (None, 0));
    }

    #[tokio::test]
    async fn a_request_without_a_connection_never_left() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let no_time = Duration::from_millis(50);
        // A server that accepts but does not speak TLS leaves the handshake waiting.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = silent.local_addr().map(|address| (silent, address)).unwrap();
        for url in [
            format!("http://{closed}/"),
            "http://no-such-host.invalid/".to_owned(),
            format!("https://{}/", silent.1),
        ] {
            assert_eq!(send(&url, no_time).await.err(), Some(NoReply::NotSent), "{url}");
        }
    }
}
