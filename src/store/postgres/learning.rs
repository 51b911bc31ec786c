//! How texts that may be learnt from become rows, and rows such texts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::rows::text;
use super::{Op, Postgres};
use crate::store::learning::Change;
use crate::store::{Asker, Baseline, Error, KeptRow, KeptText, Owner, Said, millis};

type Done = Result<(), tokio_postgres::Error>;

impl Postgres {
    pub(in crate::store) async fn change(&self, change: Change) -> Result<(), Error> {
        self.queue.write(Op::Learn(Box::new(change))).await
    }

    /// All of them, or those under an id; the oldest first.
    pub async fn kept_texts(&self, wanted: Option<(String, Asker)>) -> Result<Vec<KeptRow>, Error> {
        const ROW: &str =
            "SELECT seq, id, key_id, team, task, text, language, route, model, verdict,
            local_scores, recent, kept_at, expires_at FROM kept_texts";
        self.read(async |snapshot| {
            let rows = match &wanted {
                None => snapshot.query_typed(&format!("{ROW} ORDER BY seq"), &[]).await?,
                Some((id, asker)) => {
                    let select = format!(
                        "{ROW} WHERE id = $1 AND (key_id IS NOT DISTINCT FROM $2 OR team = $3)
                         ORDER BY seq"
                    );
                    let team = asker.reviewed_team.as_deref().map(text);
                    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
                        [(&text(id), Type::TEXT), (&asker.key_id, Type::TEXT), (&team, Type::TEXT)];
                    snapshot.query_typed(&select, &parameters).await?
                }
            };
            rows.iter().map(kept).collect()
        })
        .await
    }

    /// How many rows hold a text that is kept under that id.
    pub async fn count_texts_like(&self, id: String) -> Result<u64, Error> {
        self.read(async |snapshot| {
            let rows = snapshot
                .query_typed(
                    "SELECT count(*) FROM kept_texts
                     WHERE text_hash IN (SELECT text_hash FROM kept_texts WHERE id = $1)",
                    &[(&id, Type::TEXT)],
                )
                .await?;
            let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    pub async fn said(&self) -> Result<Vec<Said>, Error> {
        self.read(async |snapshot| {
            let select = "SELECT id, task, said, agrees, kept, said_at, expires_at, key_id
                          FROM feedback ORDER BY seq";
            let rows = snapshot.query_typed(select, &[]).await?;
            rows.iter()
                .map(|row| {
                    Ok(Said {
                        id: row.try_get(0)?,
                        task: row.try_get(1)?,
                        what: row.try_get(2)?,
                        agrees: row.try_get(3)?,
                        kept: row.try_get(4)?,
                        said_at: moment(row.try_get(5)?),
                        expires_at: moment(row.try_get(6)?),
                        key_id: row.try_get(7)?,
                    })
                })
                .collect()
        })
        .await
    }

    pub async fn baseline(&self, model: String, task: String) -> Result<Option<Baseline>, Error> {
        self.read(async |snapshot| {
            let select = "SELECT texts, counts FROM baselines WHERE model = $1 AND task = $2";
            let rows =
                snapshot.query_typed(select, &[(&model, Type::TEXT), (&task, Type::TEXT)]).await?;
            let baseline = |row: &Row| {
                let texts: i64 = row.try_get(0)?;
                Ok(Baseline { texts: texts.unsigned_abs(), counts: row.try_get(1)? })
            };
            rows.first().map(baseline).transpose()
        })
        .await
    }
}

pub(super) async fn change(client: &Client, change: &Change) -> Done {
    match change {
        Change::Keep(texts) => {
            for text in texts {
                keep(client, text).await?;
            }
            Ok(())
        }
        Change::Say(said) => say(client, said).await,
        Change::Forget(id) => forget(client, id).await,
        Change::Purge { now, most_recent } => purge(client, *now, *most_recent).await,
        Change::KeepBaseline { model, task, baseline } => {
            client
                .query_typed(
                    "INSERT INTO baselines (model, task, texts, counts) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (model, task) DO UPDATE
                        SET texts = excluded.texts, counts = excluded.counts
                        WHERE excluded.texts > baselines.texts",
                    &[
                        (model, Type::TEXT),
                        (task, Type::TEXT),
                        (&signed(baseline.texts), Type::INT8),
                        (&baseline.counts, Type::TEXT),
                    ],
                )
                .await?;
            Ok(())
        }
        Change::ForgetBaselines => {
            client.query_typed("DELETE FROM baselines", &[]).await.map(|_| ())
        }
    }
}

async fn keep(client: &Client, kept: &KeptText) -> Done {
    let hash = blake3::hash(kept.text.as_bytes());
    client
        .query_typed(
            "INSERT INTO kept_texts (id, task, text, text_hash, language, route, model, verdict,
                local_scores, recent, kept_at, expires_at, key_id, team)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            &[
                (&text(&kept.id), Type::TEXT),
                (&kept.task, Type::TEXT),
                (&text(&kept.text), Type::TEXT),
                (&hash.as_bytes().as_slice(), Type::BYTEA),
                (&text(&kept.language), Type::TEXT),
                (&if kept.by_llm { "llm" } else { "local" }, Type::TEXT),
                (&text(&kept.model), Type::TEXT),
                (&kept.verdict, Type::TEXT),
                (&kept.local_scores, Type::TEXT),
                (&kept.recent, Type::BOOL),
                (&millis(kept.kept_at), Type::INT8),
                (&millis(kept.expires_at), Type::INT8),
                (&kept.owner.key_id, Type::TEXT),
                (&kept.owner.team.as_deref().map(text), Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}

async fn say(client: &Client, said: &Said) -> Done {
    let id = text(&said.id);
    client
        .query_typed(
            "DELETE FROM feedback WHERE id = $1 AND task = $2 AND kept IS NOT DISTINCT FROM $3
                AND (kept IS NOT NULL OR key_id IS NOT DISTINCT FROM $4)",
            &[
                (&id, Type::TEXT),
                (&said.task, Type::TEXT),
                (&said.kept, Type::INT8),
                (&said.key_id, Type::TEXT),
            ],
        )
        .await?;
    // A text that was purged a moment ago leaves the word without it.
    client
        .query_typed(
            "INSERT INTO feedback (id, task, said, agrees, kept, said_at, expires_at, key_id)
             VALUES ($1, $2, $3, $4, (SELECT seq FROM kept_texts WHERE seq = $5 FOR UPDATE), $6, $7,
                $8)",
            &[
                (&id, Type::TEXT),
                (&said.task, Type::TEXT),
                (&text(&said.what), Type::TEXT),
                (&said.agrees, Type::BOOL),
                (&said.kept, Type::INT8),
                (&millis(said.said_at), Type::INT8),
                (&millis(said.expires_at), Type::INT8),
                (&said.key_id, Type::TEXT),
            ],
        )
        .await?;
    client
        .query_typed(
            "UPDATE kept_texts SET recent = false, expires_at = greatest(expires_at, $2)
             WHERE seq = $1",
            &[(&said.kept, Type::INT8), (&millis(said.expires_at), Type::INT8)],
        )
        .await?;
    Ok(())
}

/// What is deleted here the server's own vacuum overwrites in its time.
async fn forget(client: &Client, id: &str) -> Done {
    let id = text(id);
    client
        .query_typed(
            "DELETE FROM feedback WHERE id = $1 OR id IN (
                SELECT id FROM kept_texts
                WHERE text_hash IN (SELECT text_hash FROM kept_texts WHERE id = $1))",
            &[(&id, Type::TEXT)],
        )
        .await?;
    client
        .query_typed(
            "DELETE FROM kept_texts
             WHERE text_hash IN (SELECT text_hash FROM kept_texts WHERE id = $1)",
            &[(&id, Type::TEXT)],
        )
        .await?;
    Ok(())
}

async fn purge(client: &Client, now: SystemTime, most_recent: u64) -> Done {
    let now = millis(now);
    for table in ["feedback", "kept_texts"] {
        let delete = format!("DELETE FROM {table} WHERE expires_at <= $1");
        client.query_typed(&delete, &[(&now, Type::INT8)]).await?;
    }
    client
        .query_typed(
            "DELETE FROM kept_texts WHERE recent AND seq <= (
                SELECT seq FROM kept_texts WHERE recent ORDER BY seq DESC LIMIT 1 OFFSET $1)",
            &[(&signed(most_recent), Type::INT8)],
        )
        .await?;
    Ok(())
}

fn kept(row: &Row) -> Result<KeptRow, tokio_postgres::Error> {
    let text: String = row.try_get("text")?;
    let route: String = row.try_get("route")?;
    let kept = KeptText {
        id: row.try_get("id")?,
        owner: Owner { key_id: row.try_get("key_id")?, team: row.try_get("team")? },
        task: row.try_get("task")?,
        text: text.into(),
        language: row.try_get("language")?,
        by_llm: route == "llm",
        model: row.try_get("model")?,
        verdict: row.try_get("verdict")?,
        local_scores: row.try_get("local_scores")?,
        recent: row.try_get("recent")?,
        kept_at: moment(row.try_get("kept_at")?),
        expires_at: moment(row.try_get("expires_at")?),
    };
    Ok(KeptRow { seq: row.try_get("seq")?, kept })
}

fn moment(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
