//! How logged signals become rows, and rows logged signals.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Result, Row, named_params};

use crate::pricing::Usd;
use crate::store::{LoggedSignals, millis};

/// The most rows that are deleted at once, so that nobody waits long for the store. More than are logged
/// in a minute.
const MOST_DELETED: i64 = 20_000;

/// Adds rows, and deletes those from before `forget`, the oldest first.
pub(super) fn log(
    connection: &Connection,
    rows: &[LoggedSignals],
    forget: SystemTime,
) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO signals (at, weight, task, route, text_bytes, ambiguous, sarcasm, multi_aspect,
            out_of_domain, reasons, outcome, cached, asked, cost_pico)
         VALUES (:at, :weight, :task, :route, :text_bytes, :ambiguous, :sarcasm, :multi_aspect,
            :out_of_domain, :reasons, :outcome, :cached, :asked, :cost_pico)",
    )?;
    for row in rows {
        insert.execute(named_params! {
            ":at": millis(row.at),
            ":weight": row.weight,
            ":task": row.task,
            ":route": row.route,
            ":text_bytes": i64::try_from(row.text_bytes).unwrap_or(i64::MAX),
            ":ambiguous": row.ambiguous,
            ":sarcasm": row.sarcasm,
            ":multi_aspect": row.multi_aspect,
            ":out_of_domain": row.out_of_domain,
            ":reasons": row.reasons.join(","),
            ":outcome": row.outcome,
            ":cached": row.cached,
            ":asked": row.asked,
            ":cost_pico": row.cost.map(Usd::pico),
        })?;
    }
    connection
        .prepare_cached(
            "DELETE FROM signals WHERE rowid IN
                (SELECT rowid FROM signals WHERE at < :forget ORDER BY at LIMIT :most)",
        )?
        .execute(named_params! { ":forget": millis(forget), ":most": MOST_DELETED })?;
    Ok(())
}

/// Folds the rows of a period, the end not included, in the order of time.
pub(super) fn fold<T>(
    connection: &Connection,
    from: i64,
    to: i64,
    mut folded: T,
    mut fold: impl FnMut(&mut T, LoggedSignals),
) -> Result<T> {
    let mut select = connection.prepare(
        "SELECT at, weight, task, route, text_bytes, ambiguous, sarcasm, multi_aspect,
            out_of_domain, reasons, outcome, cached, asked, cost_pico
         FROM signals WHERE at >= :from AND at < :to ORDER BY at",
    )?;
    let mut rows = select.query(named_params! { ":from": from, ":to": to })?;
    while let Some(row) = rows.next()? {
        fold(&mut folded, logged(row)?);
    }
    Ok(folded)
}

fn logged(row: &Row<'_>) -> Result<LoggedSignals> {
    let at: i64 = row.get("at")?;
    let text_bytes: i64 = row.get("text_bytes")?;
    let reasons: String = row.get("reasons")?;
    Ok(LoggedSignals {
        at: UNIX_EPOCH + Duration::from_millis(at.unsigned_abs()),
        weight: row.get("weight")?,
        task: row.get("task")?,
        route: row.get("route")?,
        text_bytes: text_bytes.unsigned_abs(),
        ambiguous: row.get("ambiguous")?,
        sarcasm: row.get("sarcasm")?,
        multi_aspect: row.get("multi_aspect")?,
        out_of_domain: row.get("out_of_domain")?,
        reasons: reasons.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        outcome: row.get("outcome")?,
        cached: row.get("cached")?,
        asked: row.get("asked")?,
        cost: row.get::<_, Option<i64>>("cost_pico")?.map(Usd::from_pico),
    })
}
