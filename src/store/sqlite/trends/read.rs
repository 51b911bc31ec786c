//! How rows become windows. They are read in the order of the tables and summed here: SQLite would sort them
//! first, which for a day of fifty keys takes several times as long as the rest.

use rusqlite::{Connection, Result, Row, Statement, named_params};

use crate::store::trends::{Assembly, WindowQuery};
use crate::trends::{Sums, Window, WindowId, WindowKey};

const MEANT: &str = "start_ms >= :from AND start_ms < :to AND (:key IS NULL OR window_key = :key)";

pub(super) fn windows(connection: &Connection, query: &WindowQuery) -> Result<Vec<Window>> {
    let mut assembly = Assembly::default();
    let select = format!(
        "SELECT start_ms, window_key, width_seconds, texts, late, negative, neutral, positive,
            mixed, score_micros
         FROM trend_windows WHERE {MEANT}"
    );
    let mut select = connection.prepare_cached(&select)?;
    each(&mut select, query, |id, row| {
        let sums = Sums {
            count: number(row, 3)?,
            late: number(row, 4)?,
            labels: labels(row, 5)?,
            score_micros: row.get(9)?,
            ..Sums::default()
        };
        assembly.window(id.clone(), sums);
        Ok(assembly.len() <= query.most)
    })?;
    if assembly.len() > query.most {
        return Ok(assembly.finish());
    }
    let select = format!(
        "SELECT start_ms, window_key, width_seconds, emotion, texts FROM trend_emotions
         WHERE {MEANT}"
    );
    let mut select = connection.prepare_cached(&select)?;
    each(&mut select, query, |id, row| {
        assembly.emotion(id, row.get_ref(3)?.as_str()?, number(row, 4)?);
        Ok(true)
    })?;
    let select = format!(
        "SELECT start_ms, window_key, width_seconds, term, negative, neutral, positive, mixed
         FROM trend_aspects WHERE {MEANT}"
    );
    let mut select = connection.prepare_cached(&select)?;
    each(&mut select, query, |id, row| {
        assembly.term(id, row.get_ref(3)?.as_str()?, labels(row, 4)?);
        Ok(true)
    })?;
    Ok(assembly.finish())
}

/// Hands over the rows that are meant, each with the window of the width that is asked for, until nobody
/// wants more.
fn each(
    select: &mut Statement<'_>,
    query: &WindowQuery,
    mut take: impl FnMut(&WindowId, &Row<'_>) -> Result<bool>,
) -> Result<()> {
    let key = query.key.as_ref().map(WindowKey::stored);
    let mut rows =
        select.query(named_params! { ":from": query.from_ms, ":to": query.to_ms, ":key": key })?;
    // Rows of one window follow each other: most have the id of the one before.
    let mut last: Option<(WindowId, WindowId)> = None;
    while let Some(row) = rows.next()? {
        let (start_ms, width_seconds): (i64, u32) = (row.get(0)?, row.get(2)?);
        let key = row.get_ref(1)?.as_str()?;
        let is_same = |(stored, _): &(WindowId, WindowId)| {
            (stored.start_ms, stored.width_seconds) == (start_ms, width_seconds)
                && stored.key.stored() == key
        };
        if !last.as_ref().is_some_and(is_same) {
            let key = WindowKey::from_stored(key.to_owned());
            let stored = WindowId { start_ms, key, width_seconds };
            let wide = stored.within(query.width_seconds);
            last = Some((stored, wide));
        }
        if let Some((_, wide)) = &last
            && !take(wide, row)?
        {
            break;
        }
    }
    Ok(())
}

/// The four labels, from that column on.
fn labels(row: &Row<'_>, first: usize) -> Result<[u64; 4]> {
    Ok([
        number(row, first)?,
        number(row, first + 1)?,
        number(row, first + 2)?,
        number(row, first + 3)?,
    ])
}

fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
