//! What has gone of each budget, kept in step with the attempts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Result, Row, named_params, params};

use super::report;
use crate::pricing::{Reservation, Usd};
use crate::store::access::{Account, AccountId, gone_sql};
use crate::store::{Budget, BudgetState, Period, Subject, millis};

/// The budgets that bind a reservation, with what has gone of them in its period.
pub(super) fn accounts(
    connection: &Connection,
    reservation: &Reservation,
) -> Result<Vec<(AccountId, Account)>> {
    let caller = &reservation.caller;
    let at = reservation.reserved_at;
    let mut select = connection.prepare_cached(
        "SELECT b.subject, b.name, b.period, b.limit_pico, b.hard,
            ifnull(s.spent_pico, 0) AS spent, ifnull(s.reserved_pico, 0) AS reserved
         FROM budgets AS b LEFT JOIN spending AS s
            ON s.subject = b.subject AND s.name = b.name AND s.period = b.period
                AND s.starts_at = iif(b.period = 'day', :day, :month)
         WHERE (b.subject = 'key' AND b.name = :key) OR (b.subject = 'team' AND b.name = :team)",
    )?;
    let accounts = select.query_map(
        named_params! {
            ":key": caller.key_id,
            ":team": caller.team,
            ":day": Period::Day.start_ms(at),
            ":month": Period::Month.start_ms(at),
        },
        |row| {
            let (subject, period) = whose(row)?;
            let id = AccountId { subject, period, starts_at: period.start_ms(at) };
            let account = Account {
                limit: row.get("limit_pico")?,
                hard: row.get("hard")?,
                spent: row.get("spent")?,
                reserved: row.get("reserved")?,
            };
            Ok((id, account))
        },
    )?;
    accounts.collect()
}

/// Sets a worst case aside in those budgets.
pub(super) fn reserve(
    connection: &Connection,
    accounts: &[(AccountId, Account)],
    worst_case: Option<Usd>,
) -> Result<()> {
    for (id, _) in accounts {
        connection
            .prepare_cached(
                "INSERT INTO spending (subject, name, period, starts_at, spent_pico, reserved_pico)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5)
                 ON CONFLICT DO UPDATE SET
                    reserved_pico = min(reserved_pico + excluded.reserved_pico, 9223372036854775807)",
            )?
            .execute(params![
                id.subject.kind(),
                id.subject.name(),
                id.period.name(),
                id.starts_at,
                worst_case.map_or(0, Usd::pico)
            ])?;
    }
    Ok(())
}

/// What an attempt counts by, read from its row as it is changed.
pub(super) struct Counted {
    pub key_id: Option<String>,
    pub team: Option<String>,
    pub reserved_at: i64,
    pub reserved_pico: Option<i64>,
}

impl Counted {
    /// From what a statement returns.
    pub fn read(row: &Row<'_>) -> Result<Counted> {
        Ok(Counted {
            key_id: row.get("key_id")?,
            team: row.get("team")?,
            reserved_at: row.get("reserved_at")?,
            reserved_pico: row.get("reserved_pico")?,
        })
    }
}

/// Gives back what was reserved for an attempt and takes its cost instead.
pub(super) fn settle(connection: &Connection, counted: &Counted, cost: Usd) -> Result<()> {
    if counted.key_id.is_none() && counted.team.is_none() {
        return Ok(());
    }
    let at = UNIX_EPOCH + Duration::from_millis(counted.reserved_at.unsigned_abs());
    let mut update = connection.prepare_cached(
        "UPDATE spending SET reserved_pico = reserved_pico - ?5,
            spent_pico = min(spent_pico + ?6, 9223372036854775807)
         WHERE subject = ?1 AND name = ?2 AND period = ?3 AND starts_at = ?4",
    )?;
    for id in AccountId::all(counted.key_id.as_deref(), counted.team.as_deref(), at) {
        update.execute(params![
            id.subject.kind(),
            id.subject.name(),
            id.period.name(),
            id.starts_at,
            counted.reserved_pico.unwrap_or(0),
            cost.pico(),
        ])?;
    }
    Ok(())
}

/// Counts the budgets of an attempt's own periods again, from the ledger: what was settled at one cost
/// has another one now, and an account may have stopped at the largest number that there is.
pub(super) fn recount(connection: &Connection, counted: &Counted) -> Result<()> {
    let at = UNIX_EPOCH + Duration::from_millis(counted.reserved_at.unsigned_abs());
    for id in AccountId::all(counted.key_id.as_deref(), counted.team.as_deref(), at) {
        let (from, to) = id.period.around(at);
        let kept = connection
            .prepare_cached(
                "SELECT 1 FROM spending
                 WHERE subject = ?1 AND name = ?2 AND period = ?3 AND starts_at = ?4",
            )?
            .exists(params![
                id.subject.kind(),
                id.subject.name(),
                id.period.name(),
                id.starts_at
            ])?;
        if !kept {
            continue;
        }
        let (spent, reserved) =
            gone(connection, &id.subject, millis(from.into()), millis(to.into()))?;
        connection.execute(
            "UPDATE spending SET spent_pico = ?5, reserved_pico = ?6
             WHERE subject = ?1 AND name = ?2 AND period = ?3 AND starts_at = ?4",
            params![
                id.subject.kind(),
                id.subject.name(),
                id.period.name(),
                id.starts_at,
                spent.pico(),
                reserved.pico(),
            ],
        )?;
    }
    Ok(())
}

/// What the ledger has spent and reserved between two moments.
fn gone(connection: &Connection, subject: &Subject, from: i64, to: i64) -> Result<(Usd, Usd)> {
    let sum = gone_sql(subject, "?1", "?2", "?3");
    connection.query_row(&sum, params![from, to, subject.name()], |row| {
        Ok((report::sum(row, 0)?, report::sum(row, 1)?))
    })
}

/// Sets a budget, or lifts it where it is `None`. What has gone of it in this period is counted from
/// the ledger.
pub(super) fn set(
    connection: &Connection,
    subject: &Subject,
    period: Period,
    limit: Option<(Usd, bool)>,
    now: SystemTime,
) -> Result<()> {
    let whose = params![subject.kind(), subject.name(), period.name()];
    for table in ["budgets", "spending"] {
        let delete =
            format!("DELETE FROM {table} WHERE subject = ?1 AND name = ?2 AND period = ?3");
        connection.execute(&delete, whose)?;
    }
    let Some((limit, hard)) = limit else { return Ok(()) };
    connection.execute(
        "INSERT INTO budgets (subject, name, period, limit_pico, hard) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![subject.kind(), subject.name(), period.name(), limit.pico(), hard],
    )?;
    let (from, to) = period.around(now);
    let (from, to) = (millis(from.into()), millis(to.into()));
    let (spent, reserved) = gone(connection, subject, from, to)?;
    connection.execute(
        "INSERT INTO spending (subject, name, period, starts_at, spent_pico, reserved_pico)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            subject.kind(),
            subject.name(),
            period.name(),
            from,
            spent.pico(),
            reserved.pico(),
        ],
    )?;
    Ok(())
}

/// Every budget with what has gone of it in the period around `now`.
pub(super) fn states(connection: &Connection, now: SystemTime) -> Result<Vec<BudgetState>> {
    connection
        .prepare(
            "SELECT b.subject, b.name, b.period, b.limit_pico, b.hard,
                iif(b.subject = 'team', b.name, k.team) AS team,
                ifnull(s.spent_pico, 0) AS spent, ifnull(s.reserved_pico, 0) AS reserved,
                ifnull(s.warned, 0) AS warned
             FROM budgets AS b
                LEFT JOIN spending AS s
                    ON s.subject = b.subject AND s.name = b.name AND s.period = b.period
                        AND s.starts_at = iif(b.period = 'day', ?1, ?2)
                LEFT JOIN keys AS k ON b.subject = 'key' AND k.id = b.name
             ORDER BY team, b.subject DESC, b.name, b.period",
        )?
        .query_map([Period::Day.start_ms(now), Period::Month.start_ms(now)], |row| {
            let (subject, period) = whose(row)?;
            let limit = row.get("limit_pico").map(Usd::from_pico)?;
            Ok(BudgetState {
                budget: Budget { subject, period, limit, hard: row.get("hard")? },
                team: row.get("team")?,
                spent: row.get("spent").map(Usd::from_pico)?,
                reserved: row.get("reserved").map(Usd::from_pico)?,
                starts_at: period.around(now).0,
                warned: row.get("warned")?,
            })
        })?
        .collect()
}

/// Takes it upon this gateway to warn of a budget: `false` where it was done or another is at it.
pub(super) fn claim_warning(
    connection: &Connection,
    of: &BudgetState,
    percent: u32,
    now: SystemTime,
    until: SystemTime,
) -> Result<bool> {
    let claimed = connection.execute(
        "UPDATE spending SET warning_until = ?6
         WHERE subject = ?1 AND name = ?2 AND period = ?3 AND starts_at = ?4 AND warned < ?5
            AND warning_until <= ?7",
        params![
            of.budget.subject.kind(),
            of.budget.subject.name(),
            of.budget.period.name(),
            millis(of.starts_at.into()),
            percent,
            millis(until),
            millis(now),
        ],
    )?;
    Ok(claimed > 0)
}

/// Writes down that somebody was warned.
pub(super) fn warned(connection: &Connection, of: &BudgetState, percent: u32) -> Result<()> {
    connection.execute(
        "UPDATE spending SET warned = max(warned, ?5), warning_until = 0
         WHERE subject = ?1 AND name = ?2 AND period = ?3 AND starts_at = ?4",
        params![
            of.budget.subject.kind(),
            of.budget.subject.name(),
            of.budget.period.name(),
            millis(of.starts_at.into()),
            percent,
        ],
    )?;
    Ok(())
}

fn whose(row: &Row<'_>) -> Result<(Subject, Period)> {
    let (kind, period): (String, String) = (row.get("subject")?, row.get("period")?);
    Ok((Subject::of(&kind, row.get("name")?), Period::of(&period)))
}
