//! Alerts in rows.

use std::collections::HashMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use super::Postgres;
use crate::store::Error;
use crate::store::alerts::{AlertOutcome, DueAlert, Looked};

impl Postgres {
    pub async fn alert_progress(&self) -> Result<HashMap<String, i64>, Error> {
        self.read(async |snapshot| {
            let rows =
                snapshot.query_typed("SELECT rule, next_ms FROM alert_progress", &[]).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
        .await
    }

    pub async fn begin_rule(&self, rule: String, from_ms: i64) -> Result<(), Error> {
        self.transact(async |transaction| {
            let insert = "INSERT INTO alert_progress VALUES ($1, $2) ON CONFLICT DO NOTHING";
            let whose = [(&rule as _, Type::TEXT), (&from_ms as _, Type::INT8)];
            transaction.query_typed(insert, &whose).await.map(|_| ())
        })
        .await
    }

    pub async fn fire_alerts(&self, looked: Looked) -> Result<bool, Error> {
        self.transact(async |transaction| fire(transaction, &looked).await).await
    }

    pub async fn claim_alerts(
        &self,
        now_ms: i64,
        until_ms: i64,
        most: u32,
    ) -> Result<Vec<DueAlert>, Error> {
        self.transact(async |transaction| {
            // What another gateway is claiming is left to it.
            let rows = transaction
                .query_typed(
                    "UPDATE alerts SET next_ms = $2, attempts = attempts + 1 WHERE id IN (
                        SELECT id FROM alerts WHERE outcome IS NULL AND next_ms <= $1
                        ORDER BY next_ms LIMIT $3 FOR UPDATE SKIP LOCKED)
                     RETURNING id, rule, body, attempts",
                    &[
                        (&now_ms, Type::INT8),
                        (&until_ms, Type::INT8),
                        (&i64::from(most), Type::INT8),
                    ],
                )
                .await?;
            let due = |row: &Row| {
                Ok(DueAlert {
                    id: row.try_get(0)?,
                    rule: row.try_get(1)?,
                    body: row.try_get(2)?,
                    attempts: row.try_get(3)?,
                })
            };
            rows.iter().map(due).collect()
        })
        .await
    }

    pub async fn settle_alert(&self, id: String, outcome: AlertOutcome) -> Result<(), Error> {
        self.transact(async |transaction| {
            let (outcome, next_ms) = outcome.columns();
            let update = "UPDATE alerts SET outcome = $2, next_ms = coalesce($3, next_ms)
                          WHERE id = $1 AND outcome IS NULL";
            let values =
                [(&id as _, Type::TEXT), (&outcome as _, Type::TEXT), (&next_ms as _, Type::INT8)];
            transaction.query_typed(update, &values).await.map(|_| ())
        })
        .await
    }

    pub async fn slowest_partition_ms(&self, moved_since_us: i64) -> Result<Option<i64>, Error> {
        self.read(async |snapshot| {
            let select = "SELECT min(greatest_ms) FROM trend_offsets WHERE updated_us > $1";
            let rows = snapshot.query_typed(select, &[(&moved_since_us, Type::INT8)]).await?;
            rows.first().map_or(Ok(None), |row| row.try_get(0))
        })
        .await
    }
}

async fn fire(
    transaction: &Transaction<'_>,
    looked: &Looked,
) -> Result<bool, tokio_postgres::Error> {
    let moved = transaction
        .query_typed(
            "UPDATE alert_progress SET next_ms = $3 WHERE rule = $1 AND next_ms = $2 RETURNING 1",
            &[
                (&looked.rule, Type::TEXT),
                (&looked.from_ms, Type::INT8),
                (&looked.to_ms, Type::INT8),
            ],
        )
        .await?;
    if moved.is_empty() {
        return Ok(false);
    }
    for one in &looked.fired {
        transaction
            .query_typed(
                "INSERT INTO alerts (id, rule, window_key, start_ms, width_seconds, body, fired_ms,
                    next_ms)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING",
                &[
                    (&one.id, Type::TEXT),
                    (&looked.rule, Type::TEXT),
                    (&one.key.stored(), Type::TEXT),
                    (&one.start_ms, Type::INT8),
                    (&i64::from(one.width_seconds), Type::INT8),
                    (&one.body, Type::TEXT),
                    (&looked.now_ms, Type::INT8),
                ],
            )
            .await?;
    }
    Ok(true)
}
