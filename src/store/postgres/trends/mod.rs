//! Windows of verdicts: what a group adds to them in its transaction, and what they are read for. How they
//! become rows is `write`'s business, and how rows become windows `read`'s.

mod places;
mod read;
mod write;

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::rows::text;
use super::{Op, Postgres};
use crate::store::trends::{
    Advance, Changes, MOST_FORGOTTEN, Position, WindowQuery, WindowsFold, moved,
};
use crate::store::{self, queue::Waiting};
use crate::trends::{Sums, Window, WindowId, WindowKey};

type Read<T> = Result<T, store::Error>;

impl Postgres {
    pub async fn fold_windows(&self, fold: WindowsFold) -> Read<()> {
        self.queue.write(Op::FoldWindows(Box::new(fold))).await
    }

    pub async fn forget_windows(&self, unchanged_since_us: i64) -> Read<()> {
        self.queue.write(Op::ForgetWindows(unchanged_since_us)).await
    }

    pub async fn positions(&self, topic: String) -> Read<Vec<Position>> {
        self.read(async |snapshot| {
            let rows = snapshot
                .query_typed(
                    "SELECT partition, next_offset, greatest_ms, updated_us FROM trend_offsets
                     WHERE topic = $1 ORDER BY partition",
                    &[(&text(&topic), Type::TEXT)],
                )
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(Position {
                        partition: partition(row)?,
                        next_offset: row.try_get("next_offset")?,
                        greatest_ms: row.try_get("greatest_ms")?,
                        updated_us: row.try_get("updated_us")?,
                    })
                })
                .collect()
        })
        .await
    }

    pub async fn windows(&self, query: WindowQuery) -> Read<Vec<Window>> {
        self.read(async |snapshot| read::windows(snapshot, &query).await).await
    }

    pub async fn changed_windows(&self, since_us: i64, most: usize) -> Read<Changes> {
        self.read(async |snapshot| read::changed(snapshot, since_us, most).await).await
    }
}

/// Adds the folds of a group to the windows in one order, the same in every gateway. Returns those that do
/// not count, since their topic is elsewhere, by their place in the group.
pub(super) async fn fold(
    client: &Client,
    group: &[Waiting],
) -> Result<HashMap<usize, store::Error>, Error> {
    let folds: Vec<(usize, &WindowsFold)> = group
        .iter()
        .enumerate()
        .filter_map(|(at, (op, _))| match op {
            Op::FoldWindows(fold) => Some((at, &**fold)),
            _ => None,
        })
        .collect();
    let mut refused = HashMap::new();
    let Some(bounds) = folds.first().map(|(_, fold)| fold.bounds) else { return Ok(refused) };
    let mut advances: Vec<Advance> = Vec::new();
    let mut merged: BTreeMap<WindowId, Sums> = BTreeMap::new();
    let mut stored = locked_offsets(client, &folds).await?;
    for (at, fold) in folds {
        if let Some(advance) = &fold.advance {
            let offsets = stored.entry(advance.topic.clone()).or_default();
            if let Some(error) = moved(advance, offsets) {
                refused.insert(at, error);
                continue;
            }
            offsets.extend(advance.partitions.iter().map(|one| (one.partition, one.to)));
            advances.push(advance.clone());
        }
        for Window { id, sums } in &fold.windows {
            merged.entry(id.clone()).or_default().merge(sums.clone());
        }
    }
    let merged = merged.into_iter().map(|(id, sums)| Window { id, sums }).collect();
    write::add(client, merged, bounds).await?;
    for advance in &advances {
        set_offsets(client, advance).await?;
    }
    Ok(refused)
}

/// Where the topics of the folds are, held until the transaction ends: of two gateways that fold the same
/// records, the second waits and finds the topic elsewhere. A partition that nobody folded has no row to
/// hold; there a lock by its topic's name does the same.
async fn locked_offsets(
    client: &Client,
    folds: &[(usize, &WindowsFold)],
) -> Result<HashMap<String, HashMap<i32, i64>>, Error> {
    let mut topics: Vec<&str> = folds
        .iter()
        .filter_map(|(_, fold)| fold.advance.as_ref().map(|advance| advance.topic.as_str()))
        .collect();
    topics.sort_unstable();
    topics.dedup();
    let mut stored = HashMap::new();
    for topic in topics {
        let name = text(topic);
        client
            .query_typed(
                "SELECT pg_advisory_xact_lock(hashtext('undertone windows'), hashtext($1))",
                &[(&name, Type::TEXT)],
            )
            .await?;
        let rows = client
            .query_typed(
                "SELECT partition, next_offset FROM trend_offsets WHERE topic = $1",
                &[(&name, Type::TEXT)],
            )
            .await?;
        let offsets = rows
            .iter()
            .map(|row| Ok((partition(row)?, row.try_get("next_offset")?)))
            .collect::<Result<_, Error>>()?;
        stored.insert(topic.to_owned(), offsets);
    }
    Ok(stored)
}

async fn set_offsets(client: &Client, advance: &Advance) -> Result<(), Error> {
    let all = &advance.partitions;
    let partitions: Vec<i64> = all.iter().map(|one| one.partition.into()).collect();
    let next: Vec<i64> = all.iter().map(|one| one.to).collect();
    let greatest: Vec<Option<i64>> = all.iter().map(|one| one.greatest_ms).collect();
    client
        .query_typed(
            "INSERT INTO trend_offsets (topic, partition, next_offset, greatest_ms, updated_us)
             SELECT $1, partition, next_offset, greatest_ms,
                (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
             FROM unnest($2, $3, $4) AS o (partition, next_offset, greatest_ms)
             ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset,
                greatest_ms = excluded.greatest_ms, updated_us = excluded.updated_us",
            &[
                (&text(&advance.topic), Type::TEXT),
                (&partitions, Type::INT8_ARRAY),
                (&next, Type::INT8_ARRAY),
                (&greatest, Type::INT8_ARRAY),
            ],
        )
        .await?;
    Ok(())
}

/// Lets go of windows that have not changed for long, the longest first, of what belongs to them, and of
/// alerts of that time that are done with. What another gateway is deleting is left to it.
pub(super) async fn forget(client: &Client, unchanged_since_us: i64) -> Result<(), Error> {
    client
        .query_typed(
            "WITH old AS (
                SELECT start_ms, window_key, width_seconds, source FROM trend_windows
                WHERE updated_us < $1 ORDER BY updated_us LIMIT $2 FOR UPDATE SKIP LOCKED
             ), emotions AS (
                DELETE FROM trend_emotions AS e USING old WHERE e.start_ms = old.start_ms
                    AND e.window_key = old.window_key AND e.width_seconds = old.width_seconds
                    AND e.source = old.source
             ), aspects AS (
                DELETE FROM trend_aspects AS a USING old WHERE a.start_ms = old.start_ms
                    AND a.window_key = old.window_key AND a.width_seconds = old.width_seconds
                    AND a.source = old.source
             )
             DELETE FROM trend_windows AS w USING old WHERE w.start_ms = old.start_ms
                AND w.window_key = old.window_key AND w.width_seconds = old.width_seconds
                AND w.source = old.source",
            &[(&unchanged_since_us, Type::INT8), (&MOST_FORGOTTEN, Type::INT8)],
        )
        .await?;
    client
        .query_typed(
            "DELETE FROM alerts WHERE id IN (
                SELECT id FROM alerts WHERE outcome IS NOT NULL AND fired_ms < $1 LIMIT $2
                FOR UPDATE SKIP LOCKED)",
            &[(&(unchanged_since_us / 1000), Type::INT8), (&MOST_FORGOTTEN, Type::INT8)],
        )
        .await?;
    Ok(())
}

fn id(row: &Row) -> Result<WindowId, Error> {
    Ok(WindowId {
        start_ms: row.try_get("start_ms")?,
        key: WindowKey::from_stored(row.try_get("window_key")?),
        width_seconds: width(row)?,
    })
}

/// What another program may have written is not trusted to be in range.
fn width(row: &Row) -> Result<u32, Error> {
    let width: i64 = row.try_get("width_seconds")?;
    Ok(u32::try_from(width).unwrap_or(u32::MAX).max(1))
}

fn partition(row: &Row) -> Result<i32, Error> {
    let partition: i64 = row.try_get("partition")?;
    Ok(i32::try_from(partition).unwrap_or(i32::MAX))
}
