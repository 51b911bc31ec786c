//! Connections: where to, over TLS or not, and within which limits the server works for us.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, Pool, Runtime, Timeouts};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::{Durability, Error};

/// How long a server may take to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Reports read side by side; more wait.
const READERS: usize = 4;

/// How long a report may wait for a connection.
const READER_WAIT: Duration = Duration::from_secs(10);

/// What every writing connection is told. A statement that takes longer, or waits longer for
/// another's lock, fails: those who wait for it have given up by then. A transaction whose gateway
/// has died lets go of its locks.
const WRITER: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s'; \
                      SET idle_in_transaction_session_timeout = '5s';";

/// A report over years may take its time, but not for ever.
const READER: &str = "SET statement_timeout = '60s'; SET lock_timeout = '5s'; \
                      SET idle_in_transaction_session_timeout = '60s';";

/// How to reach the database.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    durability: Durability,
}

/// A connection that writes.
pub(super) struct Link {
    pub client: Client,
    /// Carries what the client sends and receives.
    driver: JoinHandle<()>,
}

impl Link {
    /// Sends what is under way and closes the connection.
    pub async fn close(self) {
        drop(self.client);
        // It ends by itself once the server has been told, or is aborted with its runtime.
        let _ = tokio::time::timeout(CONNECT_LIMIT, self.driver).await;
    }
}

impl Connector {
    pub fn new(url: &str, durability: Durability) -> Result<Connector, Error> {
        let config = parse(url)?;
        // Whoever was first has installed it; all of this program's parts choose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = rustls::ClientConfig::with_platform_verifier().map_err(|error| Error::Open {
            store: name(&config),
            reason: format!("this machine's certificates cannot be read: {error}"),
        })?;
        Ok(Connector { config, tls: MakeRustlsConnect::new(tls), durability })
    }

    /// Host and database, for messages.
    pub fn name(&self) -> String {
        name(&self.config)
    }

    /// A new connection for writing.
    pub async fn connect(&self) -> Result<Link, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %reason(&error), "a connection to the store broke off");
            }
        });
        client.batch_execute(WRITER).await?;
        client.batch_execute(commits(self.durability)).await?;
        Ok(Link { client, driver })
    }

    /// Connections for reading, opened when they are needed.
    pub fn readers(&self) -> Result<Pool, Error> {
        let manager = Manager::new(self.config.clone(), self.tls.clone());
        Pool::builder(manager)
            .max_size(READERS)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(READER_WAIT),
                create: Some(CONNECT_LIMIT * 2),
                recycle: Some(CONNECT_LIMIT),
            })
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(
                    async move { client.batch_execute(READER).await.map_err(HookError::Backend) },
                )
            }))
            .build()
            .map_err(|error| Error::Open { store: self.name(), reason: error.to_string() })
    }

    /// Ends a statement of that connection, in the background: who waited for it has given up.
    pub fn cancel(&self, client: &Client) {
        let (token, tls) = (client.cancel_token(), self.tls.clone());
        tokio::spawn(async move {
            // One that cannot be reached ends it by its own limits.
            let _ = tokio::time::timeout(CONNECT_LIMIT, token.cancel_query(tls)).await;
        });
    }
}

/// `disk` holds even where the server's own default is off; a stronger one is kept. `process` may
/// lose the last moments in a crash of the server or its machine, never of this program.
fn commits(durability: Durability) -> &'static str {
    match durability {
        Durability::Disk => {
            "SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') = 'off'"
        }
        Durability::Process => "SET synchronous_commit = off",
    }
}

/// Reads the URL as PostgreSQL's own clients do, except for TLS: without `sslmode`, this machine is
/// spoken to in the clear and any other over TLS where it can; a certificate is always checked.
fn parse(url: &str) -> Result<Config, Error> {
    let wrong = |reason: String| Error::PostgresUrl(reason);
    // tokio-postgres knows `require`, which with this verifier is what others call verify-full.
    let known = url.replace("sslmode=verify-full", "sslmode=require");
    let mut config: Config = known.parse().map_err(|error| wrong(reason(&error)))?;
    if config.get_hosts().is_empty() {
        return Err(wrong("it names no host".into()));
    }
    if config.get_dbname().is_none() {
        return Err(wrong("it names no database".into()));
    }
    if config.get_password().is_none()
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        config.password(password);
    }
    if !url.contains("sslmode=") && config.get_hosts().iter().all(is_this_machine) {
        config.ssl_mode(SslMode::Disable);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_LIMIT);
    }
    // A peer that vanished without a word is noticed within seconds, not hours.
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(CONNECT_LIMIT * 2);
    }
    config.keepalives_idle(Duration::from_secs(10)).application_name("undertone");
    Ok(config)
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn name(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        // A password that holds an `@` and is not escaped ends up before it.
        Some(Host::Tcp(name)) => name.rsplit('@').next().unwrap_or_default().to_owned(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    format!("postgres://{host}/{}", config.get_dbname().unwrap_or_default())
}

/// Why no connection is made, and what to change where that can be told.
pub(super) fn why_not_connected(error: &tokio_postgres::Error) -> String {
    let reason = reason(error);
    let hint = match certificate_fault(error) {
        Some(_) => {
            "the server's certificate has to name the host of store.url and to be signed by an \
             authority that this machine knows, or one in the file that SSL_CERT_FILE names"
        }
        None if reason.contains("server does not support TLS") => {
            "switch TLS on at the server, or set sslmode=disable in store.url"
        }
        None if reason.ends_with("no encryption") => {
            "the server accepts connections over TLS only: set sslmode=require in store.url"
        }
        None => return reason,
    };
    format!("{reason}; {hint}")
}

/// Whether the next try may succeed although nothing was changed: the server starts, or is away.
pub(super) fn may_pass(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // What the server itself says, such as that a password is wrong, waiting does not mend.
        Some(code) => *code == tokio_postgres::error::SqlState::CANNOT_CONNECT_NOW,
        None => {
            certificate_fault(error).is_none()
                && !reason(error).contains("server does not support TLS")
        }
    }
}

/// What is wrong with the server's certificate.
fn certificate_fault(error: &tokio_postgres::Error) -> Option<&rustls::CertificateError> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match found.or_else(|| error.downcast_ref()) {
            Some(rustls::Error::InvalidCertificate(fault)) => return Some(fault),
            _ => source = error.source(),
        }
    }
    None
}

/// What the server said, without the values that it quotes elsewhere; else why it said nothing.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let text = error.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        source = error.source();
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_spoken_to_over_tls_and_this_one_in_the_clear() {
        for (url, mode) in [
            ("postgres://localhost/x", SslMode::Disable),
            ("postgres://127.0.0.1:5433/x", SslMode::Disable),
            ("postgres://%2Frun%2Fpostgresql/x", SslMode::Disable),
            ("postgres://db.example/x", SslMode::Prefer),
            ("postgres://localhost,db.example/x", SslMode::Prefer),
            ("postgres://localhost/x?sslmode=require", SslMode::Require),
            ("postgres://db.example/x?sslmode=verify-full", SslMode::Require),
            ("postgres://db.example/x?sslmode=disable", SslMode::Disable),
        ] {
            assert_eq!(parse(url).expect(url).get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn a_password_with_an_at_sign_in_it_is_not_told_as_the_host() {
        let config = parse("postgres://u:s3@cret@db/x").expect("it is read all the same");
        assert_eq!(name(&config), "postgres://db/x");
    }

    #[test]
    fn a_url_that_leads_nowhere_is_refused_without_its_password() {
        for url in ["postgres://", "postgres:///x", "postgres://db", "postgres://u:s3cret@db:x/y"] {
            let error = parse(url).expect_err(url).to_string();
            assert!(error.starts_with("store.url") && !error.contains("s3cret"), "{error}");
        }
    }
}
