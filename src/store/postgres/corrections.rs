//! How corrections become rows, and the sums that rest on them.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::types::Type;
use tokio_postgres::{Error as SqlError, Transaction};

use super::budgets::{self, Locked};
use super::report;
use super::rows::text;
use crate::pricing::{AttemptId, Usd};
use crate::store::corrections::{Found, NotOpen, charges_sql, summed, usage_sql};
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
    let counted = budgets::correctable(transaction.client(), &ids).await?;
    let mut locked = Locked::lock(transaction.client(), &counted, &[]).await?;
    let found = match found(transaction, corrections, &ids, now).await? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let kinds: Vec<&str> = corrections.iter().map(|one| one.kind.name()).collect();
    let before = |id| found.get(id).map_or(Usd::ZERO, Found::settled_at);
    let costs: Vec<i64> = corrections
        .iter()
        .map(|one| one.cost.saturating_sub(before(&one.attempt)).pico())
        .collect();
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
    let mut again = BTreeSet::new();
    for attempt in &counted {
        // What settled between the look and the lock is on its row by now.
        let is_settled = found.get(&attempt.id).is_some_and(Found::is_settled);
        match costs.get(&attempt.id) {
            Some(_) if is_settled => again.extend(attempt.accounts.iter().cloned()),
            Some(cost) => locked.settle(attempt, *cost),
            None => {}
        }
    }
    locked.write(transaction.client()).await?;
    budgets::recount(transaction, &again).await?;
    Ok(Ok(()))
}

/// Locks the attempts, and says what they are or which of them cannot be corrected like that.
async fn found(
    transaction: &Transaction<'_>,
    corrections: &[Correction],
    ids: &[AttemptId],
    now: i64,
) -> Result<Result<HashMap<AttemptId, Found>, Error>, SqlError> {
    let rows = transaction
        .query_typed(
            "SELECT id, state, expires_at, corrected_at, cost_pico FROM attempts
             WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
            &[(&ids, Type::UUID_ARRAY)],
        )
        .await?;
    let mut found = HashMap::new();
    for row in &rows {
        let attempt = Found {
            state: row.try_get(1)?,
            expires_at: row.try_get(2)?,
            corrected_at: row.try_get(3)?,
            cost: row.try_get(4)?,
        };
        found.insert(row.try_get(0)?, attempt);
    }
    let refusal = corrections.iter().find_map(|one| match found.get(&one.attempt) {
        None => Some(Error::UnknownAttempt(one.attempt)),
        Some(attempt) => {
            NotOpen::against(one.kind, attempt, now).map(|why| Error::NotOpen(one.attempt, why))
        }
    });
    Ok(match refusal {
        None => Ok(found),
        Some(refusal) => Err(refusal),
    })
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
            let (calls, usage) = summed(|column| row.try_get(column + 10))?;
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
                cost: report::usd(row, 17)?,
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
            let (calls, usage) = summed(|column| row.try_get(column + 2))?;
            let (day, model, cost) = (row.try_get(0)?, row.try_get(1)?, report::usd(row, 9)?);
            Ok(DayUsage { day, model, calls, usage, cost })
        })
        .collect()
}

fn date(column: &str, form: &str) -> String {
    format!("to_char(to_timestamp({column} / 1000) AT TIME ZONE 'UTC', '{form}')")
}
