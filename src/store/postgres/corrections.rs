//! How corrections become rows, and the sums that rest on them.

use std::collections::HashMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Error as SqlError, Transaction};

use super::budgets::{self, Locked};
use super::rows::text;
use crate::pricing::AttemptId;
use crate::store::corrections::{NotOpen, charges_sql, summed, usage_sql};
use crate::store::{Charge, Correction, DayUsage, Error};

/// Writes the corrections, all of them or, where the inner error says that one cannot be, none.
pub(super) async fn correct(
    transaction: &Transaction<'_>,
    corrections: &[Correction],
    now: i64,
) -> Result<Result<(), Error>, SqlError> {
    // Whoever sets a budget meanwhile waits for this, or this for them.
    transaction.batch_execute("LOCK TABLE attempts IN ROW EXCLUSIVE MODE").await?;
    let ids: Vec<AttemptId> = corrections.iter().map(|one| one.attempt).collect();
    // Accounts before attempts, as every other writer locks them.
    let counted = budgets::open_ones(transaction.client(), &ids).await?;
    let mut locked = Locked::lock(transaction.client(), &counted, &[]).await?;
    if let Some(refusal) = refusal(transaction, &ids, now).await? {
        return Ok(Err(refusal));
    }
    let kinds: Vec<&str> = corrections.iter().map(|one| one.kind.name()).collect();
    let costs: Vec<i64> = corrections.iter().map(|one| one.cost.pico()).collect();
    let texts = |read: fn(&Correction) -> Option<&str>| -> Vec<_> {
        corrections.iter().map(|one| read(one).map(text)).collect()
    };
    transaction
        .query_typed(
            "INSERT INTO corrections (attempt, made_at, kind, cost_pico, price_version, note)
             SELECT attempt, $1, kind, cost, price_version, note
             FROM unnest($2, $3, $4, $5, $6) AS c (attempt, kind, cost, price_version, note)",
            &[
                (&now, Type::INT8),
                (&ids, Type::UUID_ARRAY),
                (&kinds, Type::TEXT_ARRAY),
                (&costs, Type::INT8_ARRAY),
                (&texts(|one| one.price_version.as_deref()), Type::TEXT_ARRAY),
                (&texts(|one| one.note.as_deref()), Type::TEXT_ARRAY),
            ],
        )
        .await?;
    transaction
        .query_typed(
            "UPDATE attempts SET corrected_at = $1 WHERE id = ANY ($2)",
            &[(&now, Type::INT8), (&ids, Type::UUID_ARRAY)],
        )
        .await?;
    let costs: HashMap<AttemptId, _> =
        corrections.iter().map(|one| (one.attempt, one.cost)).collect();
    for attempt in &counted {
        if let Some(cost) = costs.get(&attempt.id) {
            locked.settle(attempt, *cost);
        }
    }
    locked.write(transaction.client()).await?;
    Ok(Ok(()))
}

/// Locks the attempts, and says which of them is not open.
async fn refusal(
    transaction: &Transaction<'_>,
    ids: &[AttemptId],
    now: i64,
) -> Result<Option<Error>, SqlError> {
    let rows = transaction
        .query_typed(
            "SELECT id, state, expires_at, corrected_at, cost_pico FROM attempts
             WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
            &[(&ids, Type::UUID_ARRAY)],
        )
        .await?;
    let mut found: HashMap<AttemptId, Option<NotOpen>> = HashMap::new();
    for row in &rows {
        let state: String = row.try_get(1)?;
        let (expires_at, corrected_at, cost) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        found.insert(row.try_get(0)?, NotOpen::of(&state, expires_at, corrected_at, cost, now));
    }
    Ok(ids.iter().find_map(|id| match found.get(id) {
        None => Some(Error::UnknownAttempt(*id)),
        Some(not_open) => not_open.clone().map(|why| Error::NotOpen(*id, why)),
    }))
}

pub(super) async fn charges(
    snapshot: &Transaction<'_>,
    from: i64,
    to: i64,
) -> Result<Vec<Charge>, SqlError> {
    let sql = charges_sql(|column| date(column, "YYYY-MM-DD"), |column| date(column, "YYYY-MM"));
    let rows = snapshot.query_typed(&sql, &[(&from, Type::INT8), (&to, Type::INT8)]).await?;
    rows.iter()
        .map(|row| {
            let tags: String = row.try_get(7)?;
            let (calls, usage, cost) = summed(|column| row.try_get(column + 10))?;
            Ok(Charge {
                day: row.try_get(0)?,
                provider: row.try_get(1)?,
                model: row.try_get(2)?,
                tier: row.try_get(3)?,
                endpoint: row.try_get(4)?,
                team: row.try_get(5)?,
                key_id: row.try_get(6)?,
                // The table takes nothing else than an object of strings.
                tags: serde_json::from_str(&tags).unwrap_or_default(),
                correction: row.try_get(8)?,
                late: row.try_get(9)?,
                calls,
                usage,
                cost,
            })
        })
        .collect()
}

pub(super) async fn usage(
    snapshot: &Transaction<'_>,
    provider: &str,
    from: i64,
    to: i64,
) -> Result<Vec<DayUsage>, SqlError> {
    let sql = usage_sql(|column| date(column, "YYYY-MM-DD"));
    let rows = snapshot
        .query_typed(&sql, &[(&from, Type::INT8), (&to, Type::INT8), (&provider, Type::TEXT)])
        .await?;
    rows.iter()
        .map(|row| {
            let (calls, usage, cost) = summed(|column| row.try_get(column + 2))?;
            Ok(DayUsage { day: row.try_get(0)?, model: row.try_get(1)?, calls, usage, cost })
        })
        .collect()
}

fn date(column: &str, form: &str) -> String {
    format!("to_char(to_timestamp({column} / 1000) AT TIME ZONE 'UTC', '{form}')")
}
