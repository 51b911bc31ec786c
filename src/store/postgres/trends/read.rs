//! How rows become windows.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Transaction};

use super::id;
use crate::store::trends::{Assembly, Changes, WindowQuery, signed};
use crate::trends::{Sums, Window, WindowKey};

/// The latest changes, those included that another writer made of a window's parts.
pub(super) async fn changed(
    snapshot: &Transaction<'_>,
    since_us: i64,
    most: usize,
) -> Result<Changes, Error> {
    let now = "SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint";
    let now = snapshot.query_typed(now, &[]).await?;
    let rows = snapshot
        .query_typed(
            "SELECT start_ms, window_key, width_seconds, max(updated_us) AS updated_us FROM (
                SELECT start_ms, window_key, width_seconds, updated_us FROM trend_windows
                WHERE updated_us > $1
                UNION ALL
                SELECT start_ms, window_key, width_seconds, updated_us FROM trend_emotions
                WHERE source <> 'gateway' AND updated_us > $1
                UNION ALL
                SELECT start_ms, window_key, width_seconds, updated_us FROM trend_aspects
                WHERE source <> 'gateway' AND updated_us > $1
             ) AS changed
             GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT $2",
            &[(&since_us, Type::INT8), (&signed(most as u64), Type::INT8)],
        )
        .await?;
    let windows = rows.iter().map(|row| Ok((id(row)?, row.try_get("updated_us")?)));
    Ok(Changes {
        now_us: now.first().map_or(Ok(0), |row| row.try_get(0))?,
        windows: windows.collect::<Result<_, Error>>()?,
    })
}

/// Rows of windows summed to the width that is asked for: its columns, and the rows that are meant.
const SUMMED: &str = "CASE WHEN $1 % width_seconds = 0 THEN start_ms - start_ms % ($1 * 1000)
        ELSE start_ms END AS start_ms,
    window_key,
    CASE WHEN $1 % width_seconds = 0 THEN $1 ELSE width_seconds END AS width_seconds";
const MEANT: &str = "start_ms >= $2 AND start_ms < $3 AND ($4::text IS NULL OR window_key = $4)";

pub(super) async fn windows(
    snapshot: &Transaction<'_>,
    query: &WindowQuery,
) -> Result<Vec<Window>, Error> {
    let width = i64::from(query.width_seconds);
    let key = query.key.as_ref().map(WindowKey::stored);
    let most = signed(query.most as u64 + 1);
    let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![
        (&width, Type::INT8),
        (&query.from_ms, Type::INT8),
        (&query.to_ms, Type::INT8),
        (&key, Type::TEXT),
        (&most, Type::INT8),
    ];
    let select = format!(
        "SELECT {SUMMED}, sum(texts)::bigint AS texts, sum(late)::bigint AS late,
            sum(negative)::bigint AS negative, sum(neutral)::bigint AS neutral,
            sum(positive)::bigint AS positive, sum(mixed)::bigint AS mixed,
            sum(score_micros)::bigint AS score_micros
         FROM trend_windows WHERE {MEANT} GROUP BY 1, 2, 3 LIMIT $5"
    );
    let rows = snapshot.query_typed(&select, &parameters).await?;
    let mut assembly = Assembly::default();
    for row in &rows {
        let sums = Sums {
            count: number(row, "texts")?,
            late: number(row, "late")?,
            labels: labels(row)?,
            score_micros: row.try_get("score_micros")?,
            ..Sums::default()
        };
        assembly.window(id(row)?, sums);
    }
    if rows.len() > query.most {
        return Ok(assembly.finish());
    }
    parameters.pop();
    let select = format!(
        "SELECT {SUMMED}, emotion, sum(texts)::bigint AS texts FROM trend_emotions WHERE {MEANT}
         GROUP BY 1, 2, 3, 4"
    );
    for row in &snapshot.query_typed(&select, &parameters).await? {
        assembly.emotion(&id(row)?, row.try_get("emotion")?, number(row, "texts")?);
    }
    let select = format!(
        "SELECT {SUMMED}, term, sum(negative)::bigint AS negative, sum(neutral)::bigint AS neutral,
            sum(positive)::bigint AS positive, sum(mixed)::bigint AS mixed
         FROM trend_aspects WHERE {MEANT} GROUP BY 1, 2, 3, 4"
    );
    for row in &snapshot.query_typed(&select, &parameters).await? {
        assembly.term(&id(row)?, row.try_get("term")?, labels(row)?);
    }
    Ok(assembly.finish())
}

fn labels(row: &Row) -> Result<[u64; 4], Error> {
    let number = |column| number(row, column);
    Ok([number("negative")?, number("neutral")?, number("positive")?, number("mixed")?])
}

fn number(row: &Row, column: &str) -> Result<u64, Error> {
    row.try_get::<_, i64>(column).map(i64::unsigned_abs)
}
