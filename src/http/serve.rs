//! Listening, and going down without losing what is in flight.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

/// Why the gateway does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("server.listen: {0:?} is not an address and port such as 127.0.0.1:8787")]
    Address(String),
    #[error(
        "server.listen: {0} is not a loopback address. Without keys of its own the gateway listens \
         on this machine only: use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    #[error("{address} cannot be listened on: {reason}")]
    Bind { address: SocketAddr, reason: std::io::Error },
}

/// Binds the address, which has to be loopback as long as no keys protect the gateway.
pub async fn listen(address: &str) -> Result<TcpListener, ListenError> {
    let unknown = || ListenError::Address(address.to_owned());
    let address: SocketAddr = address
        .strip_prefix("localhost:")
        .map_or_else(|| address.to_owned(), |port| format!("127.0.0.1:{port}"))
        .parse()
        .map_err(|_| unknown())?;
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|reason| ListenError::Bind { address, reason })
}

/// Serves until `stop` completes, then takes no more connections and finishes those at hand.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
