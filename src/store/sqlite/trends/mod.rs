//! Windows of verdicts: how they become rows. How rows become windows is `read`'s business.

mod read;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::Sqlite;
use crate::store::Error;
use crate::store::queue::{Answer, Op};
use crate::store::trends::{
    Advance, Changes, MOST_FORGOTTEN, Position, SOURCE, WindowQuery, WindowsFold, moved, signed,
    tell_crowded,
};
use crate::trends::{StoredKeys, StoredTerms, Window, WindowId, WindowKey, fit_keys, fit_terms};

type Read<T> = std::result::Result<T, Error>;

impl Sqlite {
    pub async fn fold_windows(&self, fold: WindowsFold) -> Read<()> {
        self.queue.write(Op::FoldWindows(Box::new(fold))).await
    }

    pub async fn forget_windows(&self, unchanged_since_us: i64) -> Read<()> {
        self.queue.write(Op::ForgetWindows(unchanged_since_us)).await
    }

    pub async fn positions(&self, topic: String) -> Read<Vec<Position>> {
        self.read(move |connection| {
            let mut select = connection.prepare(
                "SELECT partition, next_offset, greatest_ms, updated_us FROM trend_offsets
                 WHERE topic = ?1 ORDER BY partition",
            )?;
            let position = |row: &Row<'_>| {
                Ok(Position {
                    partition: row.get(0)?,
                    next_offset: row.get(1)?,
                    greatest_ms: row.get(2)?,
                    updated_us: row.get(3)?,
                })
            };
            select.query_map([topic], position)?.collect()
        })
        .await
    }

    pub async fn windows(&self, query: WindowQuery) -> Read<Vec<Window>> {
        self.read(move |connection| read::windows(connection, &query)).await
    }

    pub async fn changed_windows(&self, since_us: i64, most: usize) -> Read<Changes> {
        self.read(move |connection| {
            // Before the state that is read: what is committed meanwhile is later.
            let now_us = now_us();
            let mut select = connection.prepare(
                "SELECT start_ms, window_key, width_seconds, updated_us FROM trend_windows
                 WHERE updated_us > ?1 ORDER BY updated_us DESC LIMIT ?2",
            )?;
            let changed = |row: &Row<'_>| Ok((id(row)?, row.get("updated_us")?));
            let rows = select.query_map(params![since_us, signed(most as u64)], changed)?;
            Ok(Changes { now_us, windows: rows.collect::<Result<_>>()? })
        })
        .await
    }
}

/// Adds to the windows; the inner error says that the topic is elsewhere, and nothing was added.
pub(super) fn fold(connection: &Connection, fold: &WindowsFold) -> Result<Answer> {
    if let Some(advance) = &fold.advance
        && let Some(moved) = moved(advance, &stored_offsets(connection, advance)?)
    {
        return Ok(Err(moved));
    }
    let keys = stored_keys(connection, &fold.windows)?;
    let (mut windows, mut crowded) = fit_keys(fold.windows.clone(), keys, fold.bounds);
    let terms = stored_terms(connection, &windows)?;
    crowded.terms = fit_terms(&mut windows, &terms, fold.bounds).terms;
    tell_crowded(crowded, fold.bounds);
    let now_us = now_us();
    for window in &windows {
        add(connection, window, now_us)?;
    }
    if let Some(advance) = &fold.advance {
        set_offsets(connection, advance, now_us)?;
    }
    Ok(Ok(()))
}

fn stored_offsets(connection: &Connection, advance: &Advance) -> Result<HashMap<i32, i64>> {
    let mut select = connection.prepare_cached(
        "SELECT next_offset FROM trend_offsets WHERE topic = ?1 AND partition = ?2",
    )?;
    let mut stored = HashMap::new();
    for one in &advance.partitions {
        let found = select.query_row(params![advance.topic, one.partition], |row| row.get(0));
        if let Some(next) = found.optional()? {
            stored.insert(one.partition, next);
        }
    }
    Ok(stored)
}

fn set_offsets(connection: &Connection, advance: &Advance, now_us: i64) -> Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO trend_offsets (topic, partition, next_offset, greatest_ms, updated_us)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset,
            greatest_ms = excluded.greatest_ms, updated_us = excluded.updated_us",
    )?;
    for one in &advance.partitions {
        upsert.execute(params![advance.topic, one.partition, one.to, one.greatest_ms, now_us])?;
    }
    Ok(())
}

fn stored_keys(connection: &Connection, windows: &[Window]) -> Result<StoredKeys> {
    let mut stored = StoredKeys::default();
    let mut count = connection.prepare_cached(
        "SELECT count(*) FROM trend_windows
         WHERE start_ms = ?1 AND width_seconds = ?2 AND source = ?3 AND window_key <> ''",
    )?;
    let mut known = connection.prepare_cached(
        "SELECT 1 FROM trend_windows
         WHERE start_ms = ?1 AND width_seconds = ?2 AND source = ?3 AND window_key = ?4",
    )?;
    for Window { id, .. } in windows.iter().filter(|window| window.id.key.name().is_some()) {
        let window = (id.start_ms, id.width_seconds);
        if let Entry::Vacant(place) = stored.counts.entry(window) {
            let keys: i64 =
                count.query_row(params![window.0, window.1, SOURCE], |row| row.get(0))?;
            place.insert(usize::try_from(keys).unwrap_or_default());
        }
        if known.exists(params![window.0, window.1, SOURCE, id.key.stored()])? {
            stored.known.insert(id.clone());
        }
    }
    Ok(stored)
}

fn stored_terms(connection: &Connection, windows: &[Window]) -> Result<StoredTerms> {
    let mut stored = StoredTerms::default();
    let mut count = connection.prepare_cached(
        "SELECT count(*) FROM trend_aspects WHERE start_ms = ?1 AND width_seconds = ?2
            AND source = ?3 AND window_key = ?4 AND term <> ''",
    )?;
    let mut known = connection.prepare_cached(
        "SELECT 1 FROM trend_aspects WHERE start_ms = ?1 AND width_seconds = ?2
            AND source = ?3 AND window_key = ?4 AND term = ?5",
    )?;
    for Window { id, sums } in windows.iter().filter(|window| !window.sums.aspects.is_empty()) {
        let whose = params![id.start_ms, id.width_seconds, SOURCE, id.key.stored()];
        let terms: i64 = count.query_row(whose, |row| row.get(0))?;
        stored.counts.insert(id.clone(), usize::try_from(terms).unwrap_or_default());
        for term in sums.aspects.keys() {
            if known.exists(params![
                id.start_ms,
                id.width_seconds,
                SOURCE,
                id.key.stored(),
                term
            ])? {
                stored.known.entry(id.clone()).or_default().insert(term.clone());
            }
        }
    }
    Ok(stored)
}

fn add(connection: &Connection, Window { id, sums }: &Window, now_us: i64) -> Result<()> {
    let [negative, neutral, positive, mixed] = sums.labels.map(signed);
    connection
        .prepare_cached(
            "INSERT INTO trend_windows (start_ms, window_key, width_seconds, source, texts, late,
                negative, neutral, positive, mixed, score_micros, updated_us)
             VALUES (:start, :key, :width, :source, :texts, :late, :negative, :neutral, :positive,
                :mixed, :score, :now)
             ON CONFLICT DO UPDATE SET texts = texts + excluded.texts, late = late + excluded.late,
                negative = negative + excluded.negative, neutral = neutral + excluded.neutral,
                positive = positive + excluded.positive, mixed = mixed + excluded.mixed,
                score_micros = score_micros + excluded.score_micros,
                updated_us = excluded.updated_us",
        )?
        .execute(named_params! {
            ":start": id.start_ms,
            ":key": id.key.stored(),
            ":width": id.width_seconds,
            ":source": SOURCE,
            ":texts": signed(sums.count),
            ":late": signed(sums.late),
            ":negative": negative,
            ":neutral": neutral,
            ":positive": positive,
            ":mixed": mixed,
            ":score": sums.score_micros,
            ":now": now_us,
        })?;
    let mut emotion = connection.prepare_cached(
        "INSERT INTO trend_emotions VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET texts = texts + excluded.texts",
    )?;
    for (name, texts) in &sums.emotions {
        let whose = (id.start_ms, id.key.stored(), id.width_seconds);
        emotion.execute(params![whose.0, whose.1, whose.2, SOURCE, name, signed(*texts)])?;
    }
    let mut aspect = connection.prepare_cached(
        "INSERT INTO trend_aspects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET negative = negative + excluded.negative,
            neutral = neutral + excluded.neutral, positive = positive + excluded.positive,
            mixed = mixed + excluded.mixed",
    )?;
    for (term, counts) in &sums.aspects {
        let [negative, neutral, positive, mixed] = counts.map(signed);
        aspect.execute(params![
            id.start_ms,
            id.key.stored(),
            id.width_seconds,
            SOURCE,
            term,
            negative,
            neutral,
            positive,
            mixed
        ])?;
    }
    Ok(())
}

/// Lets go of windows that have not changed for long, the longest first, of what belongs to them, and of
/// alerts of that time that are done with.
pub(super) fn forget(connection: &Connection, unchanged_since_us: i64) -> Result<()> {
    let old: Vec<(i64, String, i64, String)> = connection
        .prepare_cached(
            "SELECT start_ms, window_key, width_seconds, source FROM trend_windows
             WHERE updated_us < ?1 ORDER BY updated_us LIMIT ?2",
        )?
        .query_map(params![unchanged_since_us, MOST_FORGOTTEN], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_>>()?;
    for table in ["trend_emotions", "trend_aspects", "trend_windows"] {
        let mut delete = connection.prepare_cached(&format!(
            "DELETE FROM {table} WHERE start_ms = ?1 AND window_key = ?2 AND width_seconds = ?3
                AND source = ?4"
        ))?;
        for (start, key, width, source) in &old {
            delete.execute(params![start, key, width, source])?;
        }
    }
    connection
        .prepare_cached(
            "DELETE FROM alerts WHERE id IN (
                SELECT id FROM alerts WHERE outcome IS NOT NULL AND fired_ms < ?1 LIMIT ?2)",
        )?
        .execute(params![unchanged_since_us / 1000, MOST_FORGOTTEN])?;
    Ok(())
}

fn id(row: &Row<'_>) -> Result<WindowId> {
    Ok(WindowId {
        start_ms: row.get("start_ms")?,
        key: WindowKey::from_stored(row.get("window_key")?),
        width_seconds: row.get("width_seconds")?,
    })
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
