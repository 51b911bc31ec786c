//! The seam to the ledger: what is written down before an attempt is sent and after its reply.
//! The application ties it to the store; this module only says what must be recorded.

use async_trait::async_trait;

use crate::pricing::{AttemptId, Refusal, Reservation, Settlement};

/// The log cannot be written now.
#[derive(Debug, thiserror::Error)]
#[error("the ledger cannot be written: {0}")]
pub struct LogDown(pub String);

/// Why an attempt must not be sent.
#[derive(Debug, thiserror::Error)]
pub enum NotReserved {
    /// A budget has no room for its worst case, or it has no price to tell by.
    #[error("{0}")]
    OverBudget(Box<Refusal>),
    #[error(transparent)]
    Down(LogDown),
}

/// Where attempts are written down. Each call returns once its record is committed.
#[async_trait]
pub trait AttemptLog: Send + Sync {
    /// Returns under which id the attempt is on record, and is to be settled.
    async fn reserve(&self, reservation: Reservation) -> Result<AttemptId, NotReserved>;
    async fn settle(&self, id: AttemptId, settlement: Settlement) -> Result<(), LogDown>;
}
