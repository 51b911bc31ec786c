//! How kept answers become rows, and rows kept answers.

use std::time::{Duration, UNIX_EPOCH};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Transaction};

use super::rows::text;
use crate::pricing::Usd;
use crate::store::{Interview, KeptAnswer, KeptContent, millis};

pub(super) async fn keep(
    client: &Client,
    interview: &Interview,
    kept: &KeptAnswer,
) -> Result<(), Error> {
    let (verdict, failure) = match &kept.content {
        KeptContent::Verdict(json) => (Some(text(json)), None),
        KeptContent::Failure(word) => (None, Some(text(word))),
    };
    client
        .query_typed(
            "INSERT INTO answers (provider, model, endpoint, prompt, question, model_served,
                verdict, failure, cost_pico, latency_us, alone, bought_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (provider, model, endpoint, prompt, question) DO NOTHING",
            &[
                (&interview.provider, Type::TEXT),
                (&text(&interview.model), Type::TEXT),
                (&interview.endpoint, Type::TEXT),
                (&interview.prompt, Type::TEXT),
                (&kept.question, Type::TEXT),
                (&text(&kept.model_served), Type::TEXT),
                (&verdict, Type::TEXT),
                (&failure, Type::TEXT),
                (&kept.cost.map(Usd::pico), Type::INT8),
                (&i64::try_from(kept.latency.as_micros()).unwrap_or(i64::MAX), Type::INT8),
                (&kept.alone, Type::BOOL),
                (&millis(kept.bought_at), Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn kept(
    snapshot: &Transaction<'_>,
    interview: &Interview,
) -> Result<Vec<KeptAnswer>, Error> {
    let rows = snapshot
        .query_typed(
            "SELECT question, model_served, verdict, failure, cost_pico, latency_us, alone,
                bought_at
             FROM answers WHERE provider = $1 AND model = $2 AND endpoint = $3 AND prompt = $4
             ORDER BY question",
            &[
                (&interview.provider, Type::TEXT),
                (&interview.model, Type::TEXT),
                (&interview.endpoint, Type::TEXT),
                (&interview.prompt, Type::TEXT),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let content = match row.try_get::<_, Option<String>>("verdict")? {
                Some(json) => KeptContent::Verdict(json),
                None => KeptContent::Failure(row.try_get("failure")?),
            };
            let micros: i64 = row.try_get("latency_us")?;
            let bought_at: i64 = row.try_get("bought_at")?;
            Ok(KeptAnswer {
                question: row.try_get("question")?,
                model_served: row.try_get("model_served")?,
                content,
                cost: row.try_get::<_, Option<i64>>("cost_pico")?.map(Usd::from_pico),
                latency: Duration::from_micros(micros.unsigned_abs()),
                alone: row.try_get("alone")?,
                bought_at: UNIX_EPOCH + Duration::from_millis(bought_at.unsigned_abs()),
            })
        })
        .collect()
}
