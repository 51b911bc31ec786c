//! Listening, and going down without losing what is in flight.

use std::convert::Infallible;
use std::fmt::Write;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;
use uuid::Uuid;

use super::Problem;
use super::bodies::{Held, Outgoing};
use super::connections::{Connections, raise_descriptor_limit};
use super::socket::Socket;
use crate::app::ServerConfig;

/// Why the gateway does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("server.listen: {0:?} is not an address and port such as 127.0.0.1:8787")]
    Address(String),
    #[error(
        "server.listen: {0} is not a loopback address. Without keys of its own the gateway listens \
         on this machine only: use 127.0.0.1 or [::1], or create a key first (undertone keys create)"
    )]
    NotLoopback(SocketAddr),
    #[error("the gateway cannot listen on {address}: {reason}")]
    Bind { address: SocketAddr, reason: std::io::Error },
}

/// Reads an address and port.
pub fn address(text: &str) -> Result<SocketAddr, ListenError> {
    text.strip_prefix("localhost:")
        .map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"))
        .parse()
        .map_err(|_| ListenError::Address(text.to_owned()))
}

/// Binds the address, which has to be loopback as long as no keys protect the gateway.
pub async fn listen(address: SocketAddr, has_keys: bool) -> Result<TcpListener, ListenError> {
    if !has_keys && !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    bind(address).map_err(|reason| ListenError::Bind { address, reason })
}

/// How long to wait where a connection cannot be accepted: too many files are open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the system may hold of a connection each way. It would otherwise grow to several megabytes, and
/// a peer that takes nothing would be noticed that much later.
const SOCKET_BUFFER: u32 = 64 << 10;

/// Connections that the system keeps before they are accepted.
const BACKLOG: u32 = 1024;

/// The most bytes of a request's head, and what is gathered of an answer before it is written.
const HEAD_LIMIT: usize = 64 << 10;

/// How many that are turned away are told why at a time, and how long each takes at most.
const TURNED_AWAY: usize = 64;
const TURNED_AWAY_LIMIT: Duration = Duration::from_secs(1);

/// Going down, how long a peer may take nothing of its answer, and how often that is looked at.
const STALL_LIMIT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long before the end batches answer what they have not done with an error, so that they end whole.
const HURRY: Duration = Duration::from_secs(2);

/// How long what is left has to close, once it was told to.
const CUT_LIMIT: Duration = Duration::from_secs(1);

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Connections take them over. What cannot be set costs memory, nothing else.
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop` completes, then takes no more connections and finishes the requests at hand, for
/// `drain` at most. Returns how many were cut off without their whole answer.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &ServerConfig,
    drain: Duration,
    stop: impl Future<Output = ()> + Send,
) -> usize {
    let connections = Connections::new(config, raise_descriptor_limit());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(config.idle_timeout());
    http.max_buf_size(HEAD_LIMIT);
    let watched = GracefulShutdown::new();
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small: each is sent at once. What cannot be set costs time, nothing else.
        let _ = stream.set_nodelay(true);
        let place = match connections.admit(peer.ip()) {
            Ok(place) => place,
            Err(problem) => {
                if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
                    tokio::spawn(async move {
                        let _permit = permit;
                        let told = turn_away(stream, &problem);
                        let _ = tokio::time::timeout(TURNED_AWAY_LIMIT, told).await;
                    });
                }
                continue;
            }
        };
        let peer = place.peer();
        let router = router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let (router, at_hand) = (router.clone(), peer.begin());
            async move {
                let mut response = router.oneshot(request).await?;
                let held = response.extensions_mut().remove::<Held>();
                Ok::<_, Infallible>(response.map(|body| Outgoing::new(body, held, at_hand)))
            }
        });
        let socket = Socket::new(stream, Arc::clone(place.connection()), config.write_timeout());
        let connection = watched.watch(http.serve_connection(TokioIo::new(socket), service));
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke off");
                },
                () = place.cut() => {}
            }
        });
    }
    drop(listener);
    connections.stop().told.cancel();
    finish(&connections, watched, drain).await
}

/// Waits for the requests at hand, those aside whose peers take nothing, and then cuts off what is left.
async fn finish(connections: &Connections, watched: GracefulShutdown, drain: Duration) -> usize {
    let all = watched.shutdown();
    tokio::pin!(all);
    let end = Instant::now() + drain;
    let hurry = end - HURRY.min(drain / 2);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = &mut all => return 0,
            () = sleep_until(end) => break,
            () = sleep_until(hurry), if !connections.stop().hurry.is_cancelled() => {
                connections.stop().hurry.cancel();
            }
            _ = looks.tick() => connections.cut_stalled(STALL_LIMIT),
        }
    }
    let lost = connections.cut_all();
    let _ = tokio::time::timeout(CUT_LIMIT, all).await;
    lost
}

/// Tells a connection that there is no room for it why.
async fn turn_away(mut stream: TcpStream, problem: &Problem) {
    let response = problem.render(&Uuid::now_v7().to_string());
    let mut text = format!("HTTP/1.1 {}\r\nconnection: close\r\n", response.status());
    for (name, value) in response.headers() {
        let _ = write!(text, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    let body = response.into_body().collect().await;
    let body = body.map(|collected| collected.to_bytes()).unwrap_or_default();
    let _ = write!(text, "content-length: {}\r\n\r\n", body.len());
    let written = async {
        stream.write_all(text.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await
    };
    if written.await.is_err() {
        return;
    }
    // What comes in is thrown away: to close before would take the answer along.
    let mut space = [0; 1024];
    while stream.read(&mut space).await.is_ok_and(|read| read > 0) {}
}
