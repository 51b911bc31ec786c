//! How kept answers become rows, and rows kept answers.

use std::time::{Duration, UNIX_EPOCH};

use rusqlite::{Connection, Result, named_params};

use crate::pricing::Usd;
use crate::store::{Interview, KeptAnswer, KeptContent, millis};

pub(super) fn keep(
    connection: &Connection,
    interview: &Interview,
    kept: &KeptAnswer,
) -> Result<()> {
    let (verdict, failure) = match &kept.content {
        KeptContent::Verdict(json) => (Some(json), None),
        KeptContent::Failure(word) => (None, Some(word)),
    };
    connection
        .prepare_cached(
            "INSERT INTO answers (provider, model, endpoint, prompt, question, model_served,
                verdict, failure, cost_pico, latency_us, alone, bought_at)
             VALUES (:provider, :model, :endpoint, :prompt, :question, :model_served,
                :verdict, :failure, :cost_pico, :latency_us, :alone, :bought_at)
             ON CONFLICT (provider, model, endpoint, prompt, question) DO NOTHING",
        )?
        .execute(named_params! {
            ":provider": interview.provider,
            ":model": interview.model,
            ":endpoint": interview.endpoint,
            ":prompt": interview.prompt,
            ":question": kept.question,
            ":model_served": kept.model_served,
            ":verdict": verdict,
            ":failure": failure,
            ":cost_pico": kept.cost.map(Usd::pico),
            ":latency_us": i64::try_from(kept.latency.as_micros()).unwrap_or(i64::MAX),
            ":alone": kept.alone,
            ":bought_at": millis(kept.bought_at),
        })?;
    Ok(())
}

pub(super) fn kept(connection: &Connection, interview: &Interview) -> Result<Vec<KeptAnswer>> {
    let mut select = connection.prepare(
        "SELECT question, model_served, verdict, failure, cost_pico, latency_us, alone, bought_at
         FROM answers WHERE provider = :provider AND model = :model AND endpoint = :endpoint
            AND prompt = :prompt",
    )?;
    let rows = select.query_map(
        named_params! {
            ":provider": interview.provider,
            ":model": interview.model,
            ":endpoint": interview.endpoint,
            ":prompt": interview.prompt,
        },
        |row| {
            let content = match row.get::<_, Option<String>>("verdict")? {
                Some(json) => KeptContent::Verdict(json),
                None => KeptContent::Failure(row.get("failure")?),
            };
            let micros: i64 = row.get("latency_us")?;
            let bought_at: i64 = row.get("bought_at")?;
            Ok(KeptAnswer {
                question: row.get("question")?,
                model_served: row.get("model_served")?,
                content,
                cost: row.get::<_, Option<i64>>("cost_pico")?.map(Usd::from_pico),
                latency: Duration::from_micros(micros.unsigned_abs()),
                alone: row.get("alone")?,
                bought_at: UNIX_EPOCH + Duration::from_millis(bought_at.unsigned_abs()),
            })
        },
    )?;
    rows.collect()
}
