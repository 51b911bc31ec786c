//! Kafka: a topic is read, each record is analysed by the cascade, and what it comes to is written to
//! another topic, exactly once.
//!
//! In reading order: `record` says what of a record is analysed, `desk` has it analysed, `outcome` is
//! what it becomes, `offsets` and `partitions` know how far each partition is, `delivery` writes,
//! `worker` is the loop over all of it. `kafka` sets the clients up, `start` waits for the topics,
//! `status` and `gauges` tell how it stands. `results` and `lag` are the gateway's side.

mod delivery;
mod desk;
mod gauges;
mod kafka;
mod lag;
mod offsets;
mod outcome;
mod partitions;
mod record;
mod results;
mod routing;
mod start;
mod status;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::{ConfigError, Delivery as Guarantee, SharedApp};
use delivery::Delivery;
use desk::Desk;
use kafka::{Reader, Reading};
use worker::Worker;

pub use kafka::check;
pub use results::{Following, follow};
pub use status::{KafkaPart, Status};

/// A worker that runs.
pub struct Running {
    thread: JoinHandle<anyhow::Result<()>>,
    status: Arc<Status>,
}

/// Starts a worker, as `[stream]` says. It ends once `stop` is cancelled and what is under way is
/// finished, within `drain`. Texts are on the ledger under `team`.
///
/// # Errors
/// A configuration that librdkafka does not take.
pub fn start(
    app: &SharedApp,
    team: Option<String>,
    stop: CancellationToken,
    drain: Duration,
) -> anyhow::Result<Running> {
    let config = app.config().stream.clone();
    let status = Arc::new(Status::default());
    let reader = Reader::new(Arc::clone(&status), &config.input_topic);
    let consumer: Reading = created(&kafka::group_client(&config)?, reader)?;
    // Of the group and a UUID: any number of workers share a host, and one that is taken for dead is
    // fenced by the group's generation.
    let id = format!("{}-{}", config.group, Uuid::now_v7());
    let is_transactional = config.delivery == Guarantee::ExactlyOnce;
    let client = kafka::writing_client(&config, &id)?;
    client.create_native_config().map_err(kafka::refused)?;
    let delivery = Delivery::new(client, Arc::clone(&status), config.topics(), is_transactional);
    let desk = Arc::new(Desk::new(app, Handle::current(), team));
    let told = Arc::clone(&status);
    let thread = std::thread::Builder::new().name("stream".into()).spawn(move || {
        if !start::wait_for_topics(&consumer, &config, &told, &stop) {
            return Ok(());
        }
        Worker::new(consumer, delivery, desk, told, config).run(&stop, drain)
    })?;
    Ok(Running { thread, status })
}

fn created(client: &ClientConfig, reader: Reader) -> Result<Reading, ConfigError> {
    client.create_with_context(reader).map_err(kafka::refused)
}

impl Running {
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// What the worker could not go on with.
    pub fn join(self) -> anyhow::Result<()> {
        self.thread
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the worker stopped with an error")))
    }
}
