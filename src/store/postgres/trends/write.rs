//! How windows become rows: a statement for all rows of a kind, each column an array.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::places::{stored_keys, stored_terms};
use crate::store::trends::{SOURCE, signed, tell_crowded};
use crate::trends::{Bounds, Sums, Window, WindowId, fit_keys, fit_terms};

/// Adds to what the windows have, in the order of their ids.
pub(super) async fn add(
    client: &Client,
    windows: Vec<Window>,
    bounds: Bounds,
) -> Result<(), Error> {
    if windows.is_empty() {
        return Ok(());
    }
    let keys = stored_keys(client, &windows).await?;
    let (mut windows, mut crowded) = fit_keys(windows, keys, bounds);
    let terms = stored_terms(client, &windows).await?;
    crowded.terms = fit_terms(&mut windows, &terms, bounds).terms;
    tell_crowded(crowded, bounds);
    add_windows(client, &windows).await?;
    add_emotions(client, &windows).await?;
    add_terms(client, &windows).await
}

/// The columns that tell windows apart, as arrays.
#[derive(Default)]
pub(super) struct Ids<'a> {
    pub starts: Vec<i64>,
    pub keys: Vec<&'a str>,
    pub widths: Vec<i64>,
}

impl<'a> Ids<'a> {
    pub fn push(&mut self, id: &'a WindowId) {
        self.starts.push(id.start_ms);
        self.keys.push(id.key.stored());
        self.widths.push(id.width_seconds.into());
    }

    pub fn of(ids: impl Iterator<Item = &'a WindowId>) -> Ids<'a> {
        let mut all = Ids::default();
        ids.for_each(|id| all.push(id));
        all
    }

    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        vec![
            (&self.starts, Type::INT8_ARRAY),
            (&self.keys, Type::TEXT_ARRAY),
            (&self.widths, Type::INT8_ARRAY),
            (&SOURCE, Type::TEXT),
        ]
    }
}

async fn add_windows(client: &Client, windows: &[Window]) -> Result<(), Error> {
    let ids = Ids::of(windows.iter().map(|window| &window.id));
    let numbers = |read: fn(&Sums) -> u64| -> Vec<i64> {
        windows.iter().map(|window| signed(read(&window.sums))).collect()
    };
    let scores: Vec<i64> = windows.iter().map(|window| window.sums.score_micros).collect();
    let sums = [
        numbers(|sums| sums.count),
        numbers(|sums| sums.late),
        numbers(|sums| sums.labels[0]),
        numbers(|sums| sums.labels[1]),
        numbers(|sums| sums.labels[2]),
        numbers(|sums| sums.labels[3]),
        scores,
    ];
    let mut parameters = ids.parameters();
    parameters.extend(sums.iter().map(|sums| (sums as &(dyn ToSql + Sync), Type::INT8_ARRAY)));
    client
        .query_typed(
            "INSERT INTO trend_windows AS w (start_ms, window_key, width_seconds, source, texts,
                late, negative, neutral, positive, mixed, score_micros)
             SELECT start_ms, window_key, width_seconds, $4, texts, late, negative, neutral,
                positive, mixed, score_micros
             FROM unnest($1, $2, $3, $5, $6, $7, $8, $9, $10, $11)
                AS n (start_ms, window_key, width_seconds, texts, late, negative, neutral,
                    positive, mixed, score_micros)
             ON CONFLICT (start_ms, window_key, width_seconds, source) DO UPDATE SET
                texts = w.texts + excluded.texts, late = w.late + excluded.late,
                negative = w.negative + excluded.negative,
                neutral = w.neutral + excluded.neutral,
                positive = w.positive + excluded.positive, mixed = w.mixed + excluded.mixed,
                score_micros = w.score_micros + excluded.score_micros",
            &parameters,
        )
        .await?;
    Ok(())
}

async fn add_emotions(client: &Client, windows: &[Window]) -> Result<(), Error> {
    let (mut ids, mut names, mut texts) = (Ids::default(), Vec::new(), Vec::new());
    for Window { id, sums } in windows {
        for (name, count) in &sums.emotions {
            ids.push(id);
            names.push(*name);
            texts.push(signed(*count));
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let mut parameters = ids.parameters();
    parameters.push((&names, Type::TEXT_ARRAY));
    parameters.push((&texts, Type::INT8_ARRAY));
    client
        .query_typed(
            "INSERT INTO trend_emotions AS e (start_ms, window_key, width_seconds, source, emotion,
                texts)
             SELECT start_ms, window_key, width_seconds, $4, emotion, texts
             FROM unnest($1, $2, $3, $5, $6)
                AS n (start_ms, window_key, width_seconds, emotion, texts)
             ON CONFLICT (start_ms, window_key, width_seconds, source, emotion) DO UPDATE SET
                texts = e.texts + excluded.texts",
            &parameters,
        )
        .await?;
    Ok(())
}

async fn add_terms(client: &Client, windows: &[Window]) -> Result<(), Error> {
    let (mut ids, mut terms) = (Ids::default(), Vec::new());
    let mut labels: [Vec<i64>; 4] = Default::default();
    for Window { id, sums } in windows {
        for (term, counts) in &sums.aspects {
            ids.push(id);
            terms.push(term.as_str());
            labels.iter_mut().zip(counts).for_each(|(all, count)| all.push(signed(*count)));
        }
    }
    if terms.is_empty() {
        return Ok(());
    }
    let mut parameters = ids.parameters();
    parameters.push((&terms, Type::TEXT_ARRAY));
    parameters.extend(labels.iter().map(|all| (all as &(dyn ToSql + Sync), Type::INT8_ARRAY)));
    client
        .query_typed(
            "INSERT INTO trend_aspects AS a (start_ms, window_key, width_seconds, source, term,
                negative, neutral, positive, mixed)
             SELECT start_ms, window_key, width_seconds, $4, term, negative, neutral, positive,
                mixed
             FROM unnest($1, $2, $3, $5, $6, $7, $8, $9)
                AS n (start_ms, window_key, width_seconds, term, negative, neutral, positive, mixed)
             ON CONFLICT (start_ms, window_key, width_seconds, source, term) DO UPDATE SET
                negative = a.negative + excluded.negative,
                neutral = a.neutral + excluded.neutral,
                positive = a.positive + excluded.positive, mixed = a.mixed + excluded.mixed",
            &parameters,
        )
        .await?;
    Ok(())
}
