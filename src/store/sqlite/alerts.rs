//! Alerts in rows.

use std::collections::HashMap;

use rusqlite::{Connection, Result, Row, params};

use super::Sqlite;
use crate::store::Error;
use crate::store::alerts::{AlertOutcome, DueAlert, Looked};

type Done<T> = std::result::Result<T, Error>;

impl Sqlite {
    pub async fn alert_progress(&self) -> Done<HashMap<String, i64>> {
        self.read(|connection| {
            let mut select = connection.prepare("SELECT rule, next_ms FROM alert_progress")?;
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .await
    }

    pub async fn begin_rule(&self, rule: String, from_ms: i64) -> Done<()> {
        self.transact(move |connection| {
            let insert = "INSERT INTO alert_progress VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            connection.execute(insert, params![rule, from_ms]).map(|_| ())
        })
        .await
    }

    pub async fn fire_alerts(&self, looked: Looked) -> Done<bool> {
        self.transact(move |connection| fire(connection, &looked)).await
    }

    pub async fn claim_alerts(&self, now_ms: i64, until_ms: i64, most: u32) -> Done<Vec<DueAlert>> {
        // Most of the time there is none, and nobody has to wait for a lock to find that out.
        let due = "SELECT EXISTS (SELECT 1 FROM alerts WHERE outcome IS NULL AND next_ms <= ?1)";
        let is_due =
            self.read(move |connection| connection.query_row(due, [now_ms], |row| row.get(0)));
        if !is_due.await? {
            return Ok(Vec::new());
        }
        self.transact(move |connection| {
            let mut update = connection.prepare(
                "UPDATE alerts SET next_ms = ?2, attempts = attempts + 1 WHERE id IN (
                    SELECT id FROM alerts WHERE outcome IS NULL AND next_ms <= ?1
                    ORDER BY next_ms LIMIT ?3)
                 RETURNING id, rule, body, attempts",
            )?;
            let due = |row: &Row<'_>| {
                Ok(DueAlert {
                    id: row.get(0)?,
                    rule: row.get(1)?,
                    body: row.get(2)?,
                    attempts: row.get(3)?,
                })
            };
            update.query_map(params![now_ms, until_ms, most], due)?.collect()
        })
        .await
    }

    pub async fn settle_alert(&self, id: String, outcome: AlertOutcome) -> Done<()> {
        self.transact(move |connection| {
            let (outcome, next_ms) = outcome.columns();
            let update = "UPDATE alerts SET outcome = ?2, next_ms = ifnull(?3, next_ms)
                          WHERE id = ?1 AND outcome IS NULL";
            connection.execute(update, params![id, outcome, next_ms]).map(|_| ())
        })
        .await
    }

    pub async fn slowest_partition_ms(&self, moved_since_us: i64) -> Done<Option<i64>> {
        self.read(move |connection| {
            let select = "SELECT min(greatest_ms) FROM trend_offsets WHERE updated_us > ?1";
            connection.query_row(select, [moved_since_us], |row| row.get(0))
        })
        .await
    }
}

fn fire(connection: &Connection, looked: &Looked) -> Result<bool> {
    let moved = connection.execute(
        "UPDATE alert_progress SET next_ms = ?3 WHERE rule = ?1 AND next_ms = ?2",
        params![looked.rule, looked.from_ms, looked.to_ms],
    )?;
    if moved == 0 {
        return Ok(false);
    }
    let mut insert = connection.prepare(
        "INSERT INTO alerts (id, rule, window_key, start_ms, width_seconds, body, fired_ms, next_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) ON CONFLICT DO NOTHING",
    )?;
    for one in &looked.fired {
        insert.execute(params![
            one.id,
            looked.rule,
            one.key.stored(),
            one.start_ms,
            one.width_seconds,
            one.body,
            looked.now_ms
        ])?;
    }
    Ok(true)
}
