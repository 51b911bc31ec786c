//! Listening, and going down without losing what is in flight.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

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
    #[error("{address} cannot be listened on: {reason}")]
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
    TcpListener::bind(address).await.map_err(|reason| ListenError::Bind { address, reason })
}

/// How long a connection may take to send the head of a request, idle time before it included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait where a connection cannot be accepted: too many files are open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` completes, then takes no more connections and finishes the requests at hand.
///
/// axum's own `serve` sets no time limit on a request's head.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()> + Send) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connections = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small: each is sent at once. What cannot be set costs time, nothing else.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}
