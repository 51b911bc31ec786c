//! How records become rows.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Result, named_params, params};

use super::budgets::{self, Counted};

use crate::pricing::{AttemptId, AttemptState, Reservation, Settlement, Usd};
use crate::store::queue::Answer;
use crate::store::{CountKey, Counts, count, json, millis};

/// Writes a reservation down if every budget has room for it; the inner error says which has none.
pub(super) fn reserve(connection: &Connection, reservation: &Reservation) -> Result<Answer> {
    let accounts = budgets::accounts(connection, reservation)?;
    let worst_case = reservation.worst_case;
    if let Some((id, account)) =
        accounts.iter().find(|(_, account)| !account.has_room_for(worst_case))
    {
        return Ok(Err(account.refusal(id, reservation)));
    }
    insert(connection, reservation)?;
    budgets::reserve(connection, &accounts, worst_case)?;
    Ok(Ok(()))
}

/// Writes down what was sent already, unless it is there.
pub(super) fn replay(connection: &Connection, reservation: &Reservation) -> Result<()> {
    let id = reservation.id.to_string();
    if connection.prepare_cached("SELECT 1 FROM attempts WHERE id = ?1")?.exists([id])? {
        return Ok(());
    }
    let accounts = budgets::accounts(connection, reservation)?;
    insert(connection, reservation)?;
    budgets::reserve(connection, &accounts, reservation.worst_case)
}

fn insert(connection: &Connection, reservation: &Reservation) -> Result<()> {
    let Reservation { caller, .. } = reservation;
    connection
        .prepare_cached(
            "INSERT INTO attempts (id, request_id, reserved_at, expires_at, key_id, team, tags,
                endpoint, texts, text_bytes, provider, model_asked, region, reserved_pico, state)
             VALUES (:id, :request_id, :reserved_at, :expires_at, :key_id, :team, :tags,
                :endpoint, :texts, :text_bytes, :provider, :model, :region, :reserved_pico, 'reserved')",
        )?
        .execute(named_params! {
            ":id": reservation.id.to_string(),
            ":request_id": caller.request_id,
            ":reserved_at": millis(reservation.reserved_at),
            ":expires_at": millis(reservation.expires_at),
            ":key_id": caller.key_id,
            ":team": caller.team,
            ":tags": json(&caller.tags),
            ":endpoint": reservation.endpoint,
            ":texts": count(reservation.texts),
            ":text_bytes": count(reservation.text_bytes),
            ":provider": reservation.provider,
            ":model": reservation.model,
            ":region": reservation.region,
            ":reserved_pico": reservation.worst_case.map(Usd::pico),
        })?;
    Ok(())
}

/// Completes an attempt that is still open, uncorrected too; `false` where there is no such attempt at all.
pub(super) fn settle(
    connection: &Connection,
    id: AttemptId,
    settlement: &Settlement,
    at: SystemTime,
) -> Result<bool> {
    let usage = &settlement.usage;
    let id = id.to_string();
    let settled = connection
        .prepare_cached(
            "UPDATE attempts SET state = :state, settled_at = :settled_at,
                model_served = :model_served, tier = :tier, region = :region, input = :input,
                cache_read = :cache_read, cache_write_5m = :cache_write_5m,
                cache_write_1h = :cache_write_1h, output = :output, reasoning = :reasoning,
                price_version = :price_version, cost_pico = :cost_pico, error = :error,
                latency_ms = :latency_ms
             WHERE id = :id AND state = 'reserved' AND corrected_at IS NULL
             RETURNING key_id, team, reserved_at, reserved_pico",
        )?
        .query_row(
            named_params! {
                ":id": id,
                ":state": match settlement.state {
                    AttemptState::Settled => "settled",
                    AttemptState::Unresolved => "unresolved",
                    AttemptState::Unpriced => "unpriced",
                },
                ":settled_at": millis(at),
                ":model_served": settlement.model_served,
                ":tier": settlement.tier,
                ":region": settlement.region,
                ":input": count(usage.input),
                ":cache_read": count(usage.cache_read),
                ":cache_write_5m": count(usage.cache_write_5m),
                ":cache_write_1h": count(usage.cache_write_1h),
                ":output": count(usage.output),
                ":reasoning": count(usage.reasoning),
                ":price_version": settlement.price_version,
                ":cost_pico": settlement.cost.map(Usd::pico),
                ":error": settlement.error,
                ":latency_ms": i64::try_from(settlement.latency.as_millis()).unwrap_or(i64::MAX),
            },
            Counted::read,
        )
        .optional()?;
    if let Some(counted) = settled {
        // What is not settled keeps its reservation.
        if let Some(cost) = settlement.cost {
            budgets::settle(connection, &counted, cost)?;
        }
        return Ok(true);
    }
    connection.prepare_cached("SELECT 1 FROM attempts WHERE id = ?1")?.exists([id])
}

/// Takes back a reservation of which nobody was told: nothing was sent on its strength.
pub(super) fn withdraw(connection: &Connection, id: AttemptId) -> Result<()> {
    let withdrawn = connection
        .prepare_cached(
            "DELETE FROM attempts
             WHERE id = ?1 AND state = 'reserved' AND corrected_at IS NULL
             RETURNING key_id, team, reserved_at, reserved_pico",
        )?
        .query_row([id.to_string()], Counted::read)
        .optional()?;
    match withdrawn {
        Some(counted) => budgets::settle(connection, &counted, Usd::ZERO),
        None => Ok(()),
    }
}

pub(super) fn add_counts(connection: &Connection, counts: &[(CountKey, Counts)]) -> Result<()> {
    let mut upsert = connection.prepare_cached(&format!(
        "INSERT INTO rollups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT DO UPDATE SET {ADD_COUNTS}"
    ))?;
    for (key, counts) in counts {
        upsert.execute(params![
            key.minute.start_ms(),
            key.team.as_deref().unwrap_or_default(),
            key.key_id.as_deref().unwrap_or_default(),
            json(&key.tags),
            key.endpoint,
            key.route.name(),
            key.model.as_deref().unwrap_or_default(),
            count(counts.local),
            count(counts.cached),
            count(counts.escalated),
            count(counts.local_bytes),
            counts.saved.pico(),
            count(counts.saved_unknown),
        ])?;
    }
    Ok(())
}

/// The first minute before that moment whose counts are not those of a whole day.
pub(super) fn oldest_minute(connection: &Connection, before: i64) -> Result<Option<i64>> {
    let select = "SELECT minute FROM rollups WHERE minute < ?1 AND minute % 86400000 <> 0
                  ORDER BY minute LIMIT 1";
    connection.prepare_cached(select)?.query_row([before], |row| row.get(0)).optional()
}

/// Moves the counts of those minutes to the first minute of their day.
pub(super) fn add_up_days(connection: &Connection, from: i64, to: i64) -> Result<()> {
    let which = "minute >= ?1 AND minute < ?2 AND minute % 86400000 <> 0";
    let insert = format!(
        "INSERT INTO rollups
         SELECT minute - minute % 86400000, team, key_id, tags, endpoint, route, model,
            sum(local), sum(cached), sum(escalated), sum(local_bytes),
            min(sum(saved_pico / 1000000000) * 1000000000 + sum(saved_pico % 1000000000),
                9223372036854775807),
            sum(saved_unknown)
         FROM rollups WHERE {which} GROUP BY 1, 2, 3, 4, 5, 6, 7
         ON CONFLICT DO UPDATE SET {ADD_COUNTS}"
    );
    connection.prepare_cached(&insert)?.execute([from, to])?;
    let delete = format!("DELETE FROM rollups WHERE {which}");
    connection.prepare_cached(&delete)?.execute([from, to])?;
    Ok(())
}

const ADD_COUNTS: &str = "local = local + excluded.local,
    cached = cached + excluded.cached,
    escalated = escalated + excluded.escalated,
    local_bytes = local_bytes + excluded.local_bytes,
    saved_pico = min(saved_pico + excluded.saved_pico, 9223372036854775807),
    saved_unknown = saved_unknown + excluded.saved_unknown";

pub(super) fn ping(connection: &Connection, now: SystemTime) -> Result<()> {
    connection.prepare_cached("UPDATE pulse SET at = ?1")?.execute([millis(now)])?;
    Ok(())
}
