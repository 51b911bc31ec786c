//! Logs and metrics. Neither ever holds a text or a key.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::layers::nearest;

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
    let filter = filter(config)?;
    // The message of a panic in a text library can quote the text: only its place is logged.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(at = panic.location().map(ToString::to_string), "a panic");
    }));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    // Beside the user's filter, so that none of its directives, however special, goes past it.
    let discreet = filter_fn(|metadata| *metadata.level() <= most(metadata.target()));
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .with(discreet)
        .try_init()
        .map_err(|error| anyhow::anyhow!("logs cannot be started: {error}"))?;
    IS_JSON.store(config.format == LogFormat::Json, Ordering::Relaxed);
    Ok(())
}

/// The most that is heard of what is not ours, whatever the filter says, and why. Whoever is not named here
/// was not read for what it logs, and is heard up to `info`.
const MOST: [(&str, LevelFilter); 10] = [
    // Ours never logs a text or a key.
    ("undertone", LevelFilter::TRACE),
    // It logs whole bodies that it cannot parse, as errors: users' texts.
    ("async_openai", LevelFilter::OFF),
    // At `trace` it logs texts letter by letter; below, only what a training of its own would say.
    ("tokenizers", LevelFilter::WARN),
    // At `trace` all bytes of a connection, and at `debug` a proxy's address with its password.
    ("reqwest", LevelFilter::INFO),
    // At `debug` statements without their values; at `trace` nothing of use.
    ("tokio_postgres", LevelFilter::DEBUG),
    // At `debug` counts of headers and bytes, hosts and ends of connections; at `trace` more than was read.
    ("hyper", LevelFilter::DEBUG),
    ("hyper_util", LevelFilter::DEBUG),
    // At `debug` cipher suites and sessions; at `trace` whole messages of a handshake.
    ("rustls", LevelFilter::DEBUG),
    // ONNX Runtime and the migrations tell every step of a start.
    ("ort", LevelFilter::WARN),
    ("refinery_core", LevelFilter::WARN),
];

/// How much is heard of a target, at most.
fn most(target: &str) -> LevelFilter {
    let name = target.split([':', '.']).next().unwrap_or_default();
    let known = MOST.iter().find(|(known, _)| *known == name);
    known.map_or(LevelFilter::INFO, |(_, most)| *most)
}

/// What is logged, as configured.
///
/// # Errors
/// A filter that is none.
pub fn filter(config: &Config) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(&config.log).map_err(|error| {
        anyhow::anyhow!("telemetry.log is {:?}, which is not a log filter: {error}", config.log)
    })
}

/// A misspelt level is a filter too: it reads as the name of a module, of which nothing is heard.
pub fn filter_warnings(config: &Config) -> Vec<String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let words = config.log.split(',').map(str::trim);
    let names = words.filter(|word| !word.contains(['=', ':', '[']));
    let mistaken = names.filter(|word| !LEVELS.contains(&word.to_lowercase().as_str()));
    mistaken
        .filter_map(|word| {
            let level = nearest(word, &LEVELS)?;
            Some(format!(
                "telemetry.log is {:?}, where {word} counts as the name of a module. Did you mean \
                 {level}?",
                config.log
            ))
        })
        .collect()
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
