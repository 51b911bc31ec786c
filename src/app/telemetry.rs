//! Logs and metrics. Neither ever holds a text or a key.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing_subscriber::EnvFilter;

use super::{families, process};

/// The section `[telemetry]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub log: String,
    pub format: LogFormat,
    /// Where a worker, which has no other address, tells how it is.
    pub metrics_listen: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

/// Seconds: from a cached answer to a slow LLM's.
const LATENCY_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0];

/// Whether standard error holds nothing but JSON from now on.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Whether each line of the log is a JSON object.
pub fn logs_are_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Tells on standard error why the program ends: as the log is written, where JSON is asked for.
pub fn tell_error(message: &str) {
    if logs_are_json() {
        tracing::error!("{message}");
    } else if std::env::var("UNDERTONE_TELEMETRY__FORMAT").is_ok_and(|format| format == "json") {
        // The log was not started: what is wrong is what would start it.
        let timestamp = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let line = json!({
            "timestamp": timestamp, "level": "ERROR", "fields": {"message": message}, "target": "undertone"
        });
        eprintln!("{line}");
    } else {
        eprintln!("undertone: {message}");
    }
}

/// Sends logs to standard error, as configured.
pub fn start_logs(config: &Config) -> anyhow::Result<()> {
    process::start();
    let filter = EnvFilter::try_new(&config.log)
        .with_context(|| format!("telemetry.log: {:?} is not a log filter", config.log))?
        // async-openai logs whole bodies that it cannot parse: users' texts.
        .add_directive("async_openai=off".parse().expect("a directive"))
        // ONNX Runtime and the migrations tell every step of a start.
        .add_directive("ort=warn".parse().expect("a directive"))
        .add_directive("refinery_core=warn".parse().expect("a directive"));
    // The message of a panic in a text library can quote the text: only its place is logged.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(at = panic.location().map(ToString::to_string), "a panic");
    }));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|error| anyhow::anyhow!("logs cannot be started: {error}"))?;
    IS_JSON.store(config.format == LogFormat::Json, Ordering::Relaxed);
    Ok(())
}

/// Texts in a pass of the local model, or in a call to an LLM.
const TEXT_BUCKETS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// Installs the program's metrics, once.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_per_pass".into()), &TEXT_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_per_call".into()), &TEXT_BUCKETS)?
        .install_recorder()
        .context("metrics cannot be started")?;
    families::describe();
    Ok(handle)
}
