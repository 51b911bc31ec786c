//! How records become rows: a statement for all records of a kind, each column an array.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::SystemTime;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row, Transaction};

use crate::pricing::{AttemptId, AttemptState, Reservation, Settlement, Usd};
use crate::store::{CountKey, Counts, count, json, millis};

/// Writes the reservations, and returns the ids of those that are new.
pub(super) async fn reserve(
    client: &Client,
    reservations: &[&Reservation],
) -> Result<HashSet<AttemptId>, Error> {
    let all = reservations;
    let ids: Vec<AttemptId> = all.iter().map(|one| one.id).collect();
    let requests: Vec<_> = all.iter().map(|one| text(&one.caller.request_id)).collect();
    let reserved_at: Vec<i64> = all.iter().map(|one| millis(one.reserved_at)).collect();
    let expires_at: Vec<i64> = all.iter().map(|one| millis(one.expires_at)).collect();
    let keys: Vec<_> = all.iter().map(|one| one.caller.key_id.as_deref().map(text)).collect();
    let teams: Vec<_> = all.iter().map(|one| one.caller.team.as_deref().map(text)).collect();
    let tags: Vec<String> = all.iter().map(|one| tags(&one.caller.tags)).collect();
    let endpoints: Vec<&str> = all.iter().map(|one| one.endpoint.as_ref()).collect();
    let texts: Vec<i64> = all.iter().map(|one| count(one.texts)).collect();
    let text_bytes: Vec<i64> = all.iter().map(|one| count(one.text_bytes)).collect();
    let providers: Vec<&str> = all.iter().map(|one| one.provider.as_ref()).collect();
    let models: Vec<_> = all.iter().map(|one| text(&one.model)).collect();
    let regions: Vec<_> = all.iter().map(|one| one.region.as_deref().map(text)).collect();
    let reserved: Vec<Option<i64>> = all.iter().map(|one| one.worst_case.map(Usd::pico)).collect();
    let rows = client
        .query_typed(
            "INSERT INTO attempts (id, request_id, reserved_at, expires_at, key_id, team, tags,
                endpoint, texts, text_bytes, provider, model_asked, region, reserved_pico, state)
             SELECT id, request_id, reserved_at, expires_at, key_id, team, tags::jsonb,
                endpoint, texts, text_bytes, provider, model_asked, region, reserved_pico, 'reserved'
             FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                AS r (id, request_id, reserved_at, expires_at, key_id, team, tags,
                    endpoint, texts, text_bytes, provider, model_asked, region, reserved_pico)
             ON CONFLICT (id) DO NOTHING
             RETURNING id",
            &[
                (&ids, Type::UUID_ARRAY),
                (&requests, Type::TEXT_ARRAY),
                (&reserved_at, Type::INT8_ARRAY),
                (&expires_at, Type::INT8_ARRAY),
                (&keys, Type::TEXT_ARRAY),
                (&teams, Type::TEXT_ARRAY),
                (&tags, Type::TEXT_ARRAY),
                (&endpoints, Type::TEXT_ARRAY),
                (&texts, Type::INT8_ARRAY),
                (&text_bytes, Type::INT8_ARRAY),
                (&providers, Type::TEXT_ARRAY),
                (&models, Type::TEXT_ARRAY),
                (&regions, Type::TEXT_ARRAY),
                (&reserved, Type::INT8_ARRAY),
            ],
        )
        .await?;
    Ok(ids_of(&rows))
}

/// Completes those of the attempts that are still open, and returns their ids.
pub(super) async fn settle(
    client: &Client,
    settlements: &[(AttemptId, &Settlement, SystemTime)],
) -> Result<HashSet<AttemptId>, Error> {
    if settlements.is_empty() {
        return Ok(HashSet::new());
    }
    let all = settlements;
    let numbers = |read: fn(&Settlement) -> u64| -> Vec<i64> {
        all.iter().map(|(_, one, _)| count(read(one))).collect()
    };
    let texts = |read: fn(&Settlement) -> Option<&str>| -> Vec<Option<Cow<'_, str>>> {
        all.iter().map(|(_, one, _)| read(one).map(text)).collect()
    };
    let ids: Vec<AttemptId> = all.iter().map(|(id, ..)| *id).collect();
    let states: Vec<&str> = all.iter().map(|(_, one, _)| state(one.state)).collect();
    let settled_at: Vec<i64> = all.iter().map(|(.., at)| millis(*at)).collect();
    let models = texts(|one| one.model_served.as_deref());
    let tiers = texts(|one| one.tier.as_deref());
    let regions = texts(|one| one.region.as_deref());
    let input = numbers(|one| one.usage.input);
    let cache_read = numbers(|one| one.usage.cache_read);
    let cache_write_5m = numbers(|one| one.usage.cache_write_5m);
    let cache_write_1h = numbers(|one| one.usage.cache_write_1h);
    let output = numbers(|one| one.usage.output);
    let reasoning = numbers(|one| one.usage.reasoning);
    let prices = texts(|one| one.price_version.as_deref());
    let costs: Vec<Option<i64>> = all.iter().map(|(_, one, _)| one.cost.map(Usd::pico)).collect();
    let errors = texts(|one| one.error.as_deref());
    let latencies: Vec<i64> = all
        .iter()
        .map(|(_, one, _)| i64::try_from(one.latency.as_millis()).unwrap_or(i64::MAX))
        .collect();
    let rows = client
        .query_typed(
            "UPDATE attempts AS a SET state = s.state, settled_at = s.settled_at,
                model_served = s.model_served, tier = s.tier, region = s.region, input = s.input,
                cache_read = s.cache_read, cache_write_5m = s.cache_write_5m,
                cache_write_1h = s.cache_write_1h, output = s.output, reasoning = s.reasoning,
                price_version = s.price_version, cost_pico = s.cost_pico, error = s.error,
                latency_ms = s.latency_ms
             FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                $16)
                AS s (id, state, settled_at, model_served, tier, region, input, cache_read,
                    cache_write_5m, cache_write_1h, output, reasoning, price_version, cost_pico,
                    error, latency_ms)
             WHERE a.id = s.id AND a.state = 'reserved' AND a.corrected_at IS NULL
             RETURNING a.id",
            &[
                (&ids, Type::UUID_ARRAY),
                (&states, Type::TEXT_ARRAY),
                (&settled_at, Type::INT8_ARRAY),
                (&models, Type::TEXT_ARRAY),
                (&tiers, Type::TEXT_ARRAY),
                (&regions, Type::TEXT_ARRAY),
                (&input, Type::INT8_ARRAY),
                (&cache_read, Type::INT8_ARRAY),
                (&cache_write_5m, Type::INT8_ARRAY),
                (&cache_write_1h, Type::INT8_ARRAY),
                (&output, Type::INT8_ARRAY),
                (&reasoning, Type::INT8_ARRAY),
                (&prices, Type::TEXT_ARRAY),
                (&costs, Type::INT8_ARRAY),
                (&errors, Type::TEXT_ARRAY),
                (&latencies, Type::INT8_ARRAY),
            ],
        )
        .await?;
    Ok(ids_of(&rows))
}

/// Those of the ids that are on the ledger.
pub(super) async fn existing(
    client: &Client,
    ids: &[AttemptId],
) -> Result<HashSet<AttemptId>, Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let select = "SELECT id FROM attempts WHERE id = ANY ($1)";
    Ok(ids_of(&client.query_typed(select, &[(&ids, Type::UUID_ARRAY)]).await?))
}

/// Takes back reservations of which nobody was told: nothing was sent on their strength. Returns
/// those that there were.
pub(super) async fn withdraw(
    client: &Client,
    ids: &[AttemptId],
) -> Result<HashSet<AttemptId>, Error> {
    let delete = "DELETE FROM attempts
                  WHERE id = ANY ($1) AND state = 'reserved' AND corrected_at IS NULL
                  RETURNING id";
    Ok(ids_of(&client.query_typed(delete, &[(&ids, Type::UUID_ARRAY)]).await?))
}

/// Adds counts, each key at most once, in an order that all gateways share.
pub(super) async fn add_counts(
    client: &Client,
    counts: &[(&CountKey, Counts)],
) -> Result<(), Error> {
    let all = counts;
    let numbers = |read: fn(&Counts) -> u64| -> Vec<i64> {
        all.iter().map(|(_, counts)| count(read(counts))).collect()
    };
    let ids: Vec<Vec<u8>> = all.iter().map(|(key, _)| row_id(key)).collect();
    let minutes: Vec<i64> = all.iter().map(|(key, _)| key.minute.start_ms()).collect();
    let teams: Vec<_> = all.iter().map(|(key, _)| key.team.as_deref().map(text)).collect();
    let keys: Vec<_> = all.iter().map(|(key, _)| key.key_id.as_deref().map(text)).collect();
    let tags: Vec<String> = all.iter().map(|(key, _)| tags(&key.tags)).collect();
    let endpoints: Vec<&str> = all.iter().map(|(key, _)| key.endpoint).collect();
    let routes: Vec<&str> = all.iter().map(|(key, _)| key.route.name()).collect();
    let models: Vec<_> = all.iter().map(|(key, _)| key.model.as_deref().map(text)).collect();
    let saved: Vec<i64> = all.iter().map(|(_, counts)| counts.saved.pico()).collect();
    client
        .query_typed(
            &format!(
                "INSERT INTO rollups (id, minute, team, key_id, tags, endpoint, route, model,
                local, cached, escalated, local_bytes, saved_pico, saved_unknown)
             SELECT id, minute, team, key_id, tags::jsonb, endpoint, route, model,
                local, cached, escalated, local_bytes, saved_pico, saved_unknown
             FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                AS r (id, minute, team, key_id, tags, endpoint, route, model,
                    local, cached, escalated, local_bytes, saved_pico, saved_unknown)
             ON CONFLICT (id) DO UPDATE SET {ADD_COUNTS}"
            ),
            &[
                (&ids, Type::BYTEA_ARRAY),
                (&minutes, Type::INT8_ARRAY),
                (&teams, Type::TEXT_ARRAY),
                (&keys, Type::TEXT_ARRAY),
                (&tags, Type::TEXT_ARRAY),
                (&endpoints, Type::TEXT_ARRAY),
                (&routes, Type::TEXT_ARRAY),
                (&models, Type::TEXT_ARRAY),
                (&numbers(|counts| counts.local), Type::INT8_ARRAY),
                (&numbers(|counts| counts.cached), Type::INT8_ARRAY),
                (&numbers(|counts| counts.escalated), Type::INT8_ARRAY),
                (&numbers(|counts| counts.local_bytes), Type::INT8_ARRAY),
                (&saved, Type::INT8_ARRAY),
                (&numbers(|counts| counts.saved_unknown), Type::INT8_ARRAY),
            ],
        )
        .await?;
    Ok(())
}

/// The first minute before that moment whose counts are not those of a whole day.
pub(super) async fn oldest_minute(
    snapshot: &Transaction<'_>,
    before: i64,
) -> Result<Option<i64>, Error> {
    let select = "SELECT minute FROM rollups WHERE minute < $1 AND minute % 86400000 <> 0
                  ORDER BY minute LIMIT 1";
    let rows = snapshot.query_typed(select, &[(&before, Type::INT8)]).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}

/// Moves the counts of those minutes to the first minute of their day.
pub(super) async fn add_up_days(client: &Client, from: i64, to: i64) -> Result<(), Error> {
    let sql = format!(
        "WITH fine AS (
            DELETE FROM rollups WHERE minute >= $1 AND minute < $2 AND minute % 86400000 <> 0
            RETURNING *, minute - minute % 86400000 AS day
         )
         INSERT INTO rollups (id, minute, team, key_id, tags, endpoint, route, model,
            local, cached, escalated, local_bytes, saved_pico, saved_unknown)
         SELECT sha256(convert_to(jsonb_build_array(
                'day', day, team, key_id, tags, endpoint, route, model)::text, 'UTF8')),
            day, team, key_id, tags, endpoint, route, model, sum(local), sum(cached),
            sum(escalated), sum(local_bytes), least(sum(saved_pico), 9223372036854775807),
            sum(saved_unknown)
         FROM fine GROUP BY day, team, key_id, tags, endpoint, route, model
         ON CONFLICT (id) DO UPDATE SET {ADD_COUNTS}"
    );
    client.query_typed(&sql, &[(&from, Type::INT8), (&to, Type::INT8)]).await?;
    Ok(())
}

const ADD_COUNTS: &str = "local = rollups.local + excluded.local,
    cached = rollups.cached + excluded.cached,
    escalated = rollups.escalated + excluded.escalated,
    local_bytes = rollups.local_bytes + excluded.local_bytes,
    saved_pico = least(rollups.saved_pico::numeric + excluded.saved_pico,
        9223372036854775807)::bigint,
    saved_unknown = rollups.saved_unknown + excluded.saved_unknown";

pub(super) async fn ping(client: &Client, now: SystemTime) -> Result<(), Error> {
    client.query_typed("UPDATE pulse SET at = $1", &[(&millis(now), Type::INT8)]).await?;
    Ok(())
}

pub(super) fn state(state: AttemptState) -> &'static str {
    match state {
        AttemptState::Settled => "settled",
        AttemptState::Unresolved => "unresolved",
        AttemptState::Unpriced => "unpriced",
    }
}

/// A text that PostgreSQL takes: it knows no NUL, which a tag may hold.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

fn tags(tags: &std::collections::BTreeMap<String, String>) -> String {
    let has_nul = tags.iter().any(|(name, value)| name.contains('\0') || value.contains('\0'));
    if !has_nul {
        return json(tags);
    }
    let clean = |part: &String| text(part).into_owned();
    json(&tags.iter().map(|(name, value)| (clean(name), clean(value))).collect())
}

/// The same for the same key, in every gateway of every version.
fn row_id(key: &CountKey) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&key.minute.start_ms().to_le_bytes());
    let tags = tags(&key.tags);
    let parts = [
        key.team.as_deref(),
        key.key_id.as_deref(),
        Some(&tags),
        Some(key.endpoint),
        Some(key.route.name()),
        key.model.as_deref(),
    ];
    for part in parts {
        // Led by its length, one more than that where it is there at all.
        let length = part.map_or(0, |part| part.len() as u64 + 1);
        hasher.update(&length.to_le_bytes());
        hasher.update(part.unwrap_or_default().as_bytes());
    }
    hasher.finalize().as_bytes().to_vec()
}

fn ids_of(rows: &[Row]) -> HashSet<AttemptId> {
    rows.iter().map(|row| row.get(0)).collect()
}
