//! How keys become rows, and rows keys.

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row, Transaction};

use crate::store::{AccessState, StoredKey, Subject, from_millis, millis};

pub(super) async fn add(transaction: &Transaction<'_>, key: &StoredKey) -> Result<(), Error> {
    let time = |at: Option<OffsetDateTime>| at.map(|at| millis(at.into()));
    let per_minute = |limit: Option<u32>| limit.map(i64::from);
    transaction
        .query_typed(
            "INSERT INTO keys (id, hash, team, scopes, created_at, expires_at, revoked_at,
                requests_per_minute, tokens_per_minute, texts_per_minute)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            &[
                (&key.id, Type::TEXT),
                (&key.hash.as_slice(), Type::BYTEA),
                (&key.team, Type::TEXT),
                (&key.scopes, Type::TEXT),
                (&millis(key.created_at.into()), Type::INT8),
                (&time(key.expires_at), Type::INT8),
                (&time(key.revoked_at), Type::INT8),
                (&per_minute(key.requests_per_minute), Type::INT8),
                (&per_minute(key.tokens_per_minute), Type::INT8),
                (&per_minute(key.texts_per_minute), Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

/// `false` where there is no such key. Of two revocations the first counts.
pub(super) async fn revoke(
    transaction: &Transaction<'_>,
    id: &str,
    at: OffsetDateTime,
) -> Result<bool, Error> {
    let update = "UPDATE keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1 RETURNING id";
    let at = millis(at.into());
    let rows = transaction.query_typed(update, &[(&id, Type::TEXT), (&at, Type::INT8)]).await?;
    Ok(!rows.is_empty())
}

/// Every key that there ever was, the oldest first.
pub(super) async fn all(snapshot: &Transaction<'_>) -> Result<Vec<StoredKey>, Error> {
    let select = format!("SELECT {COLUMNS} FROM keys ORDER BY created_at, id");
    snapshot.query_typed(&select, &[]).await?.iter().map(read).collect()
}

pub(super) async fn state(
    snapshot: &Transaction<'_>,
    now: OffsetDateTime,
) -> Result<AccessState, Error> {
    let live = format!(
        "SELECT {COLUMNS} FROM keys
         WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)"
    );
    let now = millis(now.into());
    let keys = snapshot.query_typed(&live, &[(&now, Type::INT8)]).await?;
    let keys = keys.iter().map(read).collect::<Result<_, _>>()?;
    let hard = snapshot
        .query_typed("SELECT DISTINCT subject, name FROM budgets WHERE hard", &[])
        .await?
        .iter()
        .map(|row| Ok(Subject::of(row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, Error>>()?;
    let any = snapshot.query_typed("SELECT EXISTS (SELECT 1 FROM keys)", &[]).await?;
    let any_key = any.first().is_some_and(|row| row.get(0));
    Ok(AccessState { any_key, keys, hard })
}

const COLUMNS: &str = "id, hash, team, scopes, created_at, expires_at, revoked_at, \
                       requests_per_minute, tokens_per_minute, texts_per_minute";

fn read(row: &Row) -> Result<StoredKey, Error> {
    let hash: &[u8] = row.try_get("hash")?;
    let per_minute = |column: &str| -> Result<Option<u32>, Error> {
        let limit: Option<i64> = row.try_get(column)?;
        Ok(limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)))
    };
    Ok(StoredKey {
        id: row.try_get("id")?,
        // What is no hash is no key's.
        hash: hash.try_into().unwrap_or_default(),
        team: row.try_get("team")?,
        scopes: row.try_get("scopes")?,
        created_at: from_millis(row.try_get("created_at")?),
        expires_at: row.try_get::<_, Option<i64>>("expires_at")?.map(from_millis),
        revoked_at: row.try_get::<_, Option<i64>>("revoked_at")?.map(from_millis),
        requests_per_minute: per_minute("requests_per_minute")?,
        tokens_per_minute: per_minute("tokens_per_minute")?,
        texts_per_minute: per_minute("texts_per_minute")?,
    })
}
