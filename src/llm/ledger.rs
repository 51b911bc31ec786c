//! The seam to the ledger: what is written down before an attempt is sent and after its reply.
//! The application ties it to the store; this module only says what must be recorded.

use async_trait::async_trait;

use crate::pricing::{AttemptId, Reservation, Settlement};

/// The log cannot be written now.
#[derive(Debug, thiserror::Error)]
#[error("the ledger cannot be written: {0}")]
pub struct LogDown(pub String);

/// Where attempts are written down. Each call returns once its record is committed.
#[async_trait]
pub trait AttemptLog: Send + Sync {
    async fn reserve(&self, reservation: Reservation) -> Result<(), LogDown>;
    async fn settle(&self, id: AttemptId, settlement: Settlement) -> Result<(), LogDown>;
}
