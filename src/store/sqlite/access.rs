//! How keys become rows, and rows keys.

use rusqlite::{Connection, Result, Row, named_params};
use time::OffsetDateTime;

use crate::store::{AccessState, StoredKey, Subject, from_millis, millis};

pub(super) fn add(connection: &Connection, key: &StoredKey) -> Result<()> {
    let time = |at: Option<OffsetDateTime>| at.map(|at| millis(at.into()));
    connection.execute(
        "INSERT INTO keys (id, hash, team, scopes, created_at, expires_at, revoked_at,
            requests_per_minute, tokens_per_minute, texts_per_minute)
         VALUES (:id, :hash, :team, :scopes, :created_at, :expires_at, :revoked_at,
            :requests_per_minute, :tokens_per_minute, :texts_per_minute)",
        named_params! {
            ":id": key.id,
            ":hash": key.hash,
            ":team": key.team,
            ":scopes": key.scopes,
            ":created_at": millis(key.created_at.into()),
            ":expires_at": time(key.expires_at),
            ":revoked_at": time(key.revoked_at),
            ":requests_per_minute": key.requests_per_minute,
            ":tokens_per_minute": key.tokens_per_minute,
            ":texts_per_minute": key.texts_per_minute,
        },
    )?;
    Ok(())
}

/// `false` where there is no such key. Of two revocations the first counts.
pub(super) fn revoke(connection: &Connection, id: &str, at: OffsetDateTime) -> Result<bool> {
    let update = "UPDATE keys SET revoked_at = ifnull(revoked_at, ?2) WHERE id = ?1";
    Ok(connection.execute(update, (id, millis(at.into())))? > 0)
}

/// Every key that there ever was, the oldest first.
pub(super) fn all(connection: &Connection) -> Result<Vec<StoredKey>> {
    let select = format!("SELECT {COLUMNS} FROM keys ORDER BY created_at, id");
    connection.prepare(&select)?.query_map([], read)?.collect()
}

pub(super) fn state(connection: &Connection, now: OffsetDateTime) -> Result<AccessState> {
    let live = format!(
        "SELECT {COLUMNS} FROM keys
         WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?1)"
    );
    let now = millis(now.into());
    let keys = connection.prepare(&live)?.query_map([now], read)?.collect::<Result<Vec<_>>>()?;
    let hard = connection
        .prepare("SELECT DISTINCT subject, name FROM budgets WHERE hard")?
        .query_map([], |row| Ok(Subject::of(&row.get::<_, String>(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    let any_key = connection.prepare("SELECT 1 FROM keys")?.exists([])?;
    Ok(AccessState { any_key, keys, hard })
}

const COLUMNS: &str = "id, hash, team, scopes, created_at, expires_at, revoked_at, \
                       requests_per_minute, tokens_per_minute, texts_per_minute";

fn read(row: &Row<'_>) -> Result<StoredKey> {
    Ok(StoredKey {
        id: row.get("id")?,
        hash: row.get("hash")?,
        team: row.get("team")?,
        scopes: row.get("scopes")?,
        created_at: from_millis(row.get("created_at")?),
        expires_at: row.get::<_, Option<i64>>("expires_at")?.map(from_millis),
        revoked_at: row.get::<_, Option<i64>>("revoked_at")?.map(from_millis),
        requests_per_minute: row.get("requests_per_minute")?,
        tokens_per_minute: row.get("tokens_per_minute")?,
        texts_per_minute: row.get("texts_per_minute")?,
    })
}
