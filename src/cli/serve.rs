//! `undertone serve`: the gateway.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::greeting::Greeting;
use super::output;
use crate::app::{App, Config, Readiness, logs_are_json, start_logs, warnings};
use crate::{http, stream};

/// How long the parts may take to close, once no request is at hand: longer than a paid call that has no
/// request any more.
const CLOSE_GRACE: Duration = Duration::from_secs(10);

/// Start the gateway. Without keys (`undertone keys create`) it answers on this machine only. It stops on Ctrl-C or SIGTERM once the
/// requests at hand are answered.
#[derive(Args)]
pub struct Serve {
    /// Where to listen, such as 127.0.0.1:8787; port 0 takes a free one [default: server.listen]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

impl Serve {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        start_logs(&config.telemetry)?;
        for warning in warnings(&config) {
            tracing::warn!("{warning}");
        }
        let address = self.listen.as_deref().unwrap_or(&config.server.listen);
        let address = http::address(address)?;
        let drain = config.server.drain(config.llm.deadline());
        // Listened for from now on, so that one during the start is not missed.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let app = App::start(config).await?;
        let listener = http::listen(address, !app.access().is_open()).await?;
        let readiness = app.readiness().await;
        if let Some(error) = &readiness.model.error {
            anyhow::bail!("the local model does not answer: {error}");
        }
        let flushing = app.spawn_flushing();
        let minding = app.spawn_minding();
        let prices = app.spawn_price_watch();
        let watching = app.spawn_watching().await?;
        let live = app.spawn_live();
        let reading = CancellationToken::new();
        let following = match app.config().reads_results() {
            true => Some(stream::follow(&app, reading.clone())?),
            false => None,
        };
        let alerts = app.spawn_alerts();

        let url = format!("http://{}", listener.local_addr()?);
        let listens = format!("Undertone listens on {url}");
        output::address(&listens, &url)?;
        if std::io::stdout().is_terminal() && !logs_are_json() {
            output::line(&greeting(&url, &app, &readiness).text())?;
        }
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let stopped = async {
            // An error means that the sender is gone: time to stop as well.
            let _ = stopping.await;
        };
        let (router, server) = (http::router(app.clone()), app.config().server.clone());
        let serving =
            tokio::spawn(
                async move { http::serve(listener, router, &server, drain, stopped).await },
            );
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: new requests are refused, those under way are finished");
        let _ = stop.send(());
        // Nobody who listens would ever be finished.
        app.stop_live();
        let lost = tokio::select! {
            lost = serving => lost?,
            _ = interrupt.recv() => anyhow::bail!("stopped at once: requests were still running"),
        };
        flushing.abort();
        minding.abort();
        prices.abort();
        live.abort();
        reading.cancel();
        if let Some(following) = following {
            following.join().await;
        }
        alerts.abort();
        watching.iter().for_each(JoinHandle::abort);
        let closing = app.config().llm.deadline() + CLOSE_GRACE;
        let closed = tokio::time::timeout(closing, app.close()).await;
        closed.map_err(|_| anyhow::anyhow!(
            "the store did not close within {} s: what it had not taken is lost, and calls whose end \
             it does not know are unresolved", closing.as_secs()
        ))?;
        anyhow::ensure!(
            lost == 0,
            "{lost} requests were cut off: they were still running {} s after the signal to stop \
             (server.drain_seconds)",
            drain.as_secs()
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn greeting(url: &str, app: &App, readiness: &Readiness) -> Greeting {
    Greeting {
        url: url.to_owned(),
        model: readiness.model.name.clone(),
        languages: app.classifier().languages().to_vec(),
        store: app.config().store.url.location(),
        llms: readiness
            .providers
            .iter()
            .map(|one| format!("{} ({})", one.model, one.name))
            .collect(),
        keys_are_needed: !app.access().is_open(),
    }
}
