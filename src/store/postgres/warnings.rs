//! Which gateway warns of a budget, and what was warned of.

use std::time::SystemTime;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, Transaction};

use crate::store::access::AccountId;
use crate::store::{BudgetState, millis};

/// Takes it upon this gateway to warn of a budget: `false` where it was done or another is at it.
pub(super) async fn claim_warning(
    transaction: &Transaction<'_>,
    of: &BudgetState,
    percent: u32,
    now: SystemTime,
    until: SystemTime,
) -> Result<bool, Error> {
    let id = AccountId {
        subject: of.budget.subject.clone(),
        period: of.budget.period,
        starts_at: millis(of.starts_at.into()),
    };
    let rows = transaction
        .query_typed(
            "UPDATE spending SET warning_until = $6
             WHERE subject = $1 AND name = $2 AND period = $3 AND starts_at = $4 AND warned < $5
                AND warning_until <= $7
             RETURNING 1",
            &[
                (&id.subject.kind(), Type::TEXT),
                (&id.subject.name(), Type::TEXT),
                (&id.period.name(), Type::TEXT),
                (&id.starts_at, Type::INT8),
                (&i64::from(percent), Type::INT8),
                (&millis(until), Type::INT8),
                (&millis(now), Type::INT8),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Writes down that somebody was warned.
pub(super) async fn warned(
    transaction: &Transaction<'_>,
    of: &BudgetState,
    percent: u32,
) -> Result<(), Error> {
    transaction
        .query_typed(
            "UPDATE spending SET warned = greatest(warned, $5), warning_until = 0
             WHERE subject = $1 AND name = $2 AND period = $3 AND starts_at = $4",
            &[
                (&of.budget.subject.kind(), Type::TEXT),
                (&of.budget.subject.name(), Type::TEXT),
                (&of.budget.period.name(), Type::TEXT),
                (&millis(of.starts_at.into()), Type::INT8),
                (&i64::from(percent), Type::INT8),
            ],
        )
        .await?;
    Ok(())
}
