//! How logged signals become rows, and rows logged signals.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row, Transaction};

use super::rows::text;
use crate::pricing::Usd;
use crate::store::{LoggedSignals, millis};

/// The most rows that are deleted at once, so that nobody waits long for the store. More than are logged
/// in a minute.
const MOST_DELETED: i64 = 20_000;

/// Rows that are in memory at a time while they are folded.
const FETCHED: usize = 1000;

/// Adds rows, and deletes those from before `forget`, the oldest first. Those that another gateway
/// is deleting are left to it.
pub(super) async fn log(
    client: &Client,
    rows: &[LoggedSignals],
    forget: SystemTime,
) -> Result<(), Error> {
    let texts = |read: fn(&LoggedSignals) -> &str| -> Vec<_> {
        rows.iter().map(|row| text(read(row))).collect()
    };
    let signals = |read: fn(&LoggedSignals) -> f32| -> Vec<f32> { rows.iter().map(read).collect() };
    let flags = |read: fn(&LoggedSignals) -> bool| -> Vec<bool> { rows.iter().map(read).collect() };
    let times: Vec<i64> = rows.iter().map(|row| millis(row.at)).collect();
    let weights: Vec<f64> = rows.iter().map(|row| row.weight).collect();
    let bytes: Vec<i64> =
        rows.iter().map(|row| i64::try_from(row.text_bytes).unwrap_or(i64::MAX)).collect();
    let reasons: Vec<String> = rows.iter().map(|row| row.reasons.join(",")).collect();
    let costs: Vec<Option<i64>> = rows.iter().map(|row| row.cost.map(Usd::pico)).collect();
    client
        .query_typed(
            "INSERT INTO signals (at, weight, task, route, text_bytes, ambiguous, sarcasm,
                multi_aspect, out_of_domain, reasons, outcome, cached, asked, cost_pico)
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            &[
                (&times, Type::INT8_ARRAY),
                (&weights, Type::FLOAT8_ARRAY),
                (&texts(|row| &row.task), Type::TEXT_ARRAY),
                (&texts(|row| &row.route), Type::TEXT_ARRAY),
                (&bytes, Type::INT8_ARRAY),
                (&signals(|row| row.ambiguous), Type::FLOAT4_ARRAY),
                (&signals(|row| row.sarcasm), Type::FLOAT4_ARRAY),
                (&signals(|row| row.multi_aspect), Type::FLOAT4_ARRAY),
                (&signals(|row| row.out_of_domain), Type::FLOAT4_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (&texts(|row| &row.outcome), Type::TEXT_ARRAY),
                (&flags(|row| row.cached), Type::BOOL_ARRAY),
                (&flags(|row| row.asked), Type::BOOL_ARRAY),
                (&costs, Type::INT8_ARRAY),
            ],
        )
        .await?;
    client
        .query_typed(
            "DELETE FROM signals WHERE (at, id) IN
                (SELECT at, id FROM signals WHERE at < $1 ORDER BY at, id LIMIT $2
                 FOR UPDATE SKIP LOCKED)",
            &[(&millis(forget), Type::INT8), (&MOST_DELETED, Type::INT8)],
        )
        .await?;
    Ok(())
}

/// Folds the rows of a period, the end not included, in the order of time.
pub(super) async fn fold<T>(
    snapshot: &Transaction<'_>,
    from: i64,
    to: i64,
    mut folded: T,
    mut fold: impl FnMut(&mut T, LoggedSignals),
) -> Result<T, Error> {
    let declare = format!(
        "DECLARE logged NO SCROLL CURSOR FOR
            SELECT at, weight, task, route, text_bytes, ambiguous, sarcasm, multi_aspect,
                out_of_domain, reasons, outcome, cached, asked, cost_pico
            FROM signals WHERE at >= {from} AND at < {to} ORDER BY at, id"
    );
    snapshot.batch_execute(&declare).await?;
    let fetch = format!("FETCH {FETCHED} FROM logged");
    loop {
        let rows = snapshot.query_typed(&fetch, &[]).await?;
        for row in &rows {
            fold(&mut folded, logged(row)?);
        }
        if rows.len() < FETCHED {
            return Ok(folded);
        }
    }
}

fn logged(row: &Row) -> Result<LoggedSignals, Error> {
    let at: i64 = row.try_get("at")?;
    let text_bytes: i64 = row.try_get("text_bytes")?;
    let reasons: String = row.try_get("reasons")?;
    Ok(LoggedSignals {
        at: UNIX_EPOCH + Duration::from_millis(at.unsigned_abs()),
        weight: row.try_get("weight")?,
        task: row.try_get("task")?,
        route: row.try_get("route")?,
        text_bytes: text_bytes.unsigned_abs(),
        ambiguous: row.try_get("ambiguous")?,
        sarcasm: row.try_get("sarcasm")?,
        multi_aspect: row.try_get("multi_aspect")?,
        out_of_domain: row.try_get("out_of_domain")?,
        reasons: reasons.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        outcome: row.try_get("outcome")?,
        cached: row.try_get("cached")?,
        asked: row.try_get("asked")?,
        cost: row.try_get::<_, Option<i64>>("cost_pico")?.map(Usd::from_pico),
    })
}
