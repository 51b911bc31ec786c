//! `undertone stream`: the Kafka worker.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::arguments::team;
use super::output;
use crate::app::{App, Config, start_logs, warnings};
use crate::{http, stream};

/// How much longer than a call to an LLM may take the worker waits, going down, for records at work.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// How much longer Kafka may take to let the worker go.
const LEAVE_GRACE: Duration = Duration::from_secs(15);

/// How often a worker is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const HELP: &str = "\
The topics and fields stand in the configuration, section [stream], or in the environment:

  export UNDERTONE_STREAM__BROKERS=localhost:9092
  export UNDERTONE_STREAM__INPUT_TOPIC=reviews
  export UNDERTONE_STREAM__OUTPUT_TOPIC=reviews.verdicts
  export UNDERTONE_STREAM__TEXT_FIELD=/text UNDERTONE_STREAM__KEY_FIELD=/brand
  undertone stream

  echo '{\"text\": \"Great screen, awful battery.\", \"brand\": \"acme\"}' \\
    | kcat -P -b localhost:9092 -t reviews
  kcat -C -b localhost:9092 -t reviews.verdicts -X isolation.level=read_committed

A result's key is the record's; its value:

  {\"input\": {\"topic\", \"partition\", \"offset\", \"timestamp\"}, \"key\": \"acme\",
   \"sentiment\": {...}, \"aspects\": {...}, \"emotions\": {...}}

Records that cannot be analysed go to INPUT_TOPIC.dead with their bytes as they are; the headers
__connect.errors.* say what was wrong. Tombstones (records without a value) are passed over.

Exactly once holds for who reads with isolation.level=read_committed. Results come as they are done: a
text that an LLM is asked about holds up no other, not even one with the same key. To go faster, start
more workers: they share the partitions of the group. `undertone config check` checks all but the
brokers; /readyz and /metrics on --metrics-listen say how the worker is.";

/// Read a Kafka topic, analyse each record, and write the results to another, exactly once.
///
/// Every text takes the same way as over HTTP: read locally, and by an LLM where the signals call for
/// it. Results, dead letters and offsets are committed in one transaction, so that rebalances, kills
/// and restarts of the broker lose nothing and double nothing. On SIGTERM or Ctrl-C the worker
/// finishes what is under way and leaves the group.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Stream {
    /// Where /metrics, /healthz and /readyz are served; port 0 takes a free one
    /// [default: telemetry.metrics_listen]
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<String>,
    /// The team that the report of costs shows these texts under
    #[arg(long, value_parser = team)]
    team: Option<String>,
}

impl Stream {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        start_logs(&config.telemetry)?;
        for warning in warnings(&config) {
            tracing::warn!("{warning}");
        }
        config.stream.check_worker()?;
        stream::check(&config.stream)?;
        let address = self.metrics_listen.as_deref().unwrap_or(&config.telemetry.metrics_listen);
        let address = http::address(address)?;
        let drain = config.llm.deadline() + DRAIN_GRACE;
        // Listened for from now on, so that one during the start is not missed.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let app = App::start(config).await?;
        let listener = http::listen(address, !app.access().is_open()).await?;
        if let Some(error) = app.readiness().await.model.error {
            anyhow::bail!("the local model does not answer: {error}");
        }
        let mut beside = vec![app.spawn_flushing(), app.spawn_minding(), app.spawn_price_watch()];
        beside.extend(app.spawn_watching().await?);

        let stop = CancellationToken::new();
        let worker = stream::start(&app, self.team, stop.clone(), drain)?;
        let status = worker.status();
        let url = format!("http://{}", listener.local_addr()?);
        let router = http::worker_router(Arc::clone(&app), move || {
            let kafka = status.part();
            (kafka.ok, serde_json::json!(kafka))
        });
        let (server, stopped) = (app.config().server.clone(), stop.clone().cancelled_owned());
        let serving =
            tokio::spawn(
                async move { http::serve(listener, router, &server, drain, stopped).await },
            );
        let section = &app.config().stream;
        let topics = section.topics();
        let reads = format!(
            "Undertone reads {} and writes {} ({}); its state is on {url}",
            topics.input,
            topics.output,
            section.delivery.name(),
        );
        output::address(&reads, &url)?;

        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut hurry = false;
        let mut stopping: Option<Instant> = None;
        while !worker.has_ended() {
            tokio::select! {
                _ = terminate.recv() => stop_once(&stop),
                _ = interrupt.recv() => {
                    hurry = stop.is_cancelled();
                    stop_once(&stop);
                }
                _ = looks.tick() => {}
            }
            if hurry {
                anyhow::bail!(
                    "stopped at once: what was under way is done again by another worker"
                );
            }
            if stop.is_cancelled() {
                let since = *stopping.get_or_insert_with(Instant::now);
                anyhow::ensure!(
                    since.elapsed() < drain + LEAVE_GRACE,
                    "stopped without leaving the group: Kafka does not answer; what was not committed \
                     is done again by another worker"
                );
            }
        }
        let ended = tokio::task::spawn_blocking(|| worker.join()).await?;
        stop.cancel();
        // Its connections are told to end; who holds one longer is cut off with the process.
        let _ = tokio::time::timeout(Duration::from_secs(1), serving).await;
        beside.iter().for_each(JoinHandle::abort);
        app.close().await;
        ended?;
        Ok(ExitCode::SUCCESS)
    }
}

fn stop_once(stop: &CancellationToken) {
    if !stop.is_cancelled() {
        tracing::info!("stopping: no new records are read, those under way are finished");
        stop.cancel();
    }
}
