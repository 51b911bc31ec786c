//! What there is already of the windows that are about to be added to.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::write::Ids;
use super::{id, width};
use crate::store::trends::SOURCE;
use crate::trends::{StoredKeys, StoredTerms, Window};

pub(super) async fn stored_keys(client: &Client, windows: &[Window]) -> Result<StoredKeys, Error> {
    let ids = windows.iter().map(|window| &window.id).filter(|id| id.key.name().is_some());
    let ids = Ids::of(ids);
    let mut stored = StoredKeys::default();
    if ids.starts.is_empty() {
        return Ok(stored);
    }
    let rows = client
        .query_typed(
            "SELECT w.start_ms, w.window_key, w.width_seconds
             FROM unnest($1, $2, $3) AS n (start_ms, window_key, width_seconds)
                JOIN trend_windows AS w ON w.source = $4 AND w.start_ms = n.start_ms
                    AND w.window_key = n.window_key AND w.width_seconds = n.width_seconds",
            &ids.parameters(),
        )
        .await?;
    stored.known = rows.iter().map(id).collect::<Result<_, _>>()?;
    let rows = client
        .query_typed(
            "SELECT n.start_ms, n.width_seconds, (
                SELECT count(*) FROM trend_windows AS w WHERE w.source = $3
                    AND w.start_ms = n.start_ms AND w.width_seconds = n.width_seconds
                    AND w.window_key <> '') AS keys
             FROM (SELECT DISTINCT * FROM unnest($1, $2)) AS n (start_ms, width_seconds)",
            &[
                (&ids.starts, Type::INT8_ARRAY),
                (&ids.widths, Type::INT8_ARRAY),
                (&SOURCE, Type::TEXT),
            ],
        )
        .await?;
    for row in &rows {
        let window = (row.try_get("start_ms")?, width(row)?);
        stored.counts.insert(window, count(row, "keys")?);
    }
    Ok(stored)
}

pub(super) async fn stored_terms(
    client: &Client,
    windows: &[Window],
) -> Result<StoredTerms, Error> {
    let mut stored = StoredTerms::default();
    let (mut ids, mut terms) = (Ids::default(), Vec::new());
    for Window { id, sums } in windows {
        for term in sums.aspects.keys() {
            ids.push(id);
            terms.push(term.as_str());
        }
    }
    if terms.is_empty() {
        return Ok(stored);
    }
    let mut parameters = ids.parameters();
    parameters.push((&terms, Type::TEXT_ARRAY));
    let rows = client
        .query_typed(
            "SELECT a.start_ms, a.window_key, a.width_seconds, a.term
             FROM unnest($1, $2, $3, $5) AS n (start_ms, window_key, width_seconds, term)
                JOIN trend_aspects AS a ON a.source = $4 AND a.start_ms = n.start_ms
                    AND a.window_key = n.window_key AND a.width_seconds = n.width_seconds
                    AND a.term = n.term",
            &parameters,
        )
        .await?;
    for row in &rows {
        stored.known.entry(id(row)?).or_default().insert(row.try_get("term")?);
    }
    let rows = client
        .query_typed(
            "SELECT n.*, (
                SELECT count(*) FROM trend_aspects AS a WHERE a.source = $4
                    AND a.start_ms = n.start_ms AND a.window_key = n.window_key
                    AND a.width_seconds = n.width_seconds AND a.term <> '') AS terms
             FROM (SELECT DISTINCT * FROM unnest($1, $2, $3))
                AS n (start_ms, window_key, width_seconds)",
            &ids.parameters(),
        )
        .await?;
    for row in &rows {
        stored.counts.insert(id(row)?, count(row, "terms")?);
    }
    Ok(stored)
}

fn count(row: &Row, column: &str) -> Result<usize, Error> {
    let count: i64 = row.try_get(column)?;
    Ok(usize::try_from(count).unwrap_or_default())
}
