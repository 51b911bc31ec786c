//! How corrections become rows, and the sums that rest on them.

use rusqlite::types::Type;
use rusqlite::{Connection, Error as SqlError, OptionalExtension, Result, Row, params};

use super::budgets::{self, Counted};
use super::report;
use crate::store::corrections::{Found, NotOpen, charges_sql, summed, usage_sql};
use crate::store::{Charge, Correction, DayUsage, Error};

/// Writes the corrections, all of them or, where the inner error says that one cannot be, none.
pub(super) fn correct(
    connection: &Connection,
    corrections: &[Correction],
    now: i64,
) -> Result<std::result::Result<(), Error>> {
    let mut all = Vec::with_capacity(corrections.len());
    for correction in corrections {
        match correctable(connection, correction, now)? {
            Ok(found) => all.push((correction, found)),
            Err(error) => return Ok(Err(error)),
        }
    }
    for (correction, found) in all {
        let id = correction.attempt.to_string();
        let counted = connection
            .prepare_cached(
                "UPDATE attempts SET corrected_at = ?2 WHERE id = ?1
                 RETURNING key_id, team, reserved_at, reserved_pico",
            )?
            .query_row(params![id, now], Counted::read)?;
        connection
            .prepare_cached(
                "INSERT INTO corrections (attempt, made_at, kind, cost_pico, price_version, note)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                id,
                now,
                correction.kind.name(),
                correction.cost.saturating_sub(found.settled_at()).pico(),
                correction.price_version,
                correction.note,
            ])?;
        match found.is_settled() {
            true => budgets::recount(connection, &counted)?,
            false => budgets::settle(connection, &counted, correction.cost)?,
        }
    }
    Ok(Ok(()))
}

/// The attempt, where it can be corrected like that.
fn correctable(
    connection: &Connection,
    correction: &Correction,
    now: i64,
) -> Result<std::result::Result<Found, Error>> {
    let id = correction.attempt;
    let found = connection
        .prepare_cached(
            "SELECT state, expires_at, corrected_at, cost_pico FROM attempts WHERE id = ?1",
        )?
        .query_row([id.to_string()], |row| {
            Ok(Found {
                state: row.get(0)?,
                expires_at: row.get(1)?,
                corrected_at: row.get(2)?,
                cost: row.get(3)?,
            })
        })
        .optional()?;
    Ok(match found {
        None => Err(Error::UnknownAttempt(id)),
        Some(found) => match NotOpen::against(correction.kind, &found, now) {
            None => Ok(found),
            Some(why) => Err(Error::NotOpen(id, why)),
        },
    })
}

pub(super) fn charges(connection: &Connection, from: i64, to: i64) -> Result<Vec<Charge>> {
    let month = |column: &str| format!("strftime('%Y-%m', {column} / 1000, 'unixepoch')");
    let charge = |row: &Row<'_>| {
        let tags: String = row.get(7)?;
        let (calls, usage) = summed(|column| row.get(column + 10))?;
        Ok(Charge {
            day: row.get(0)?,
            provider: row.get(1)?,
            model: row.get(2)?,
            tier: row.get(3)?,
            endpoint: row.get(4)?,
            team: row.get(5)?,
            key_id: row.get(6)?,
            tags: serde_json::from_str(&tags).map_err(|error| {
                SqlError::FromSqlConversionFailure(7, Type::Text, Box::new(error))
            })?,
            correction: row.get(8)?,
            late: row.get(9)?,
            calls,
            usage,
            cost: report::sum(row, 17)?,
        })
    };
    connection.prepare(&charges_sql(day, month))?.query_map(params![from, to], charge)?.collect()
}

pub(super) fn usage(
    connection: &Connection,
    provider: &str,
    from: i64,
    to: i64,
) -> Result<Vec<DayUsage>> {
    let usage = |row: &Row<'_>| {
        let (calls, usage) = summed(|column| row.get(column + 2))?;
        let (day, model, cost) = (row.get(0)?, row.get(1)?, report::sum(row, 9)?);
        Ok(DayUsage { day, model, calls, usage, cost })
    };
    connection.prepare(&usage_sql(day))?.query_map(params![from, to, provider], usage)?.collect()
}

fn day(column: &str) -> String {
    format!("date({column} / 1000, 'unixepoch')")
}
