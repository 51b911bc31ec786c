//! How texts that may be learnt from become rows, and rows such texts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::Sqlite;
use crate::store::learning::Change;
use crate::store::queue::Op;
use crate::store::{Asker, Baseline, Error, KeptRow, KeptText, Owner, Said, millis};

impl Sqlite {
    pub(in crate::store) async fn change(&self, change: Change) -> std::result::Result<(), Error> {
        self.queue.write(Op::Learn(Box::new(change))).await
    }

    /// All of them, or those under an id; the oldest first.
    pub async fn kept_texts(
        &self,
        wanted: Option<(String, Asker)>,
    ) -> std::result::Result<Vec<KeptRow>, Error> {
        const ROW: &str =
            "SELECT seq, id, key_id, team, task, text, language, route, model, verdict,
            local_scores, recent, kept_at, expires_at FROM kept_texts";
        self.read(move |connection| match wanted {
            None => {
                connection.prepare(&format!("{ROW} ORDER BY seq"))?.query_map([], kept)?.collect()
            }
            Some((id, asker)) => connection
                .prepare(&format!(
                    "{ROW} WHERE id = ?1 AND (key_id IS ?2 OR team = ?3) ORDER BY seq"
                ))?
                .query_map(params![id, asker.key_id, asker.reviewed_team], kept)?
                .collect(),
        })
        .await
    }

    /// How many rows hold a text that is kept under that id.
    pub async fn count_texts_like(&self, id: String) -> std::result::Result<u64, Error> {
        self.read(move |connection| {
            let count: i64 = connection.query_row(
                "SELECT count(*) FROM kept_texts
                 WHERE text IN (SELECT text FROM kept_texts WHERE id = ?1)",
                [id],
                |row| row.get(0),
            )?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    pub async fn said(&self) -> std::result::Result<Vec<Said>, Error> {
        self.read(|connection| {
            let mut select = connection.prepare(
                "SELECT id, key_id, task, said, agrees, kept, said_at, expires_at
                 FROM feedback ORDER BY seq",
            )?;
            let said = |row: &Row<'_>| {
                Ok(Said {
                    id: row.get(0)?,
                    key_id: row.get(1)?,
                    task: row.get(2)?,
                    what: row.get(3)?,
                    agrees: row.get(4)?,
                    kept: row.get(5)?,
                    said_at: moment(row.get(6)?),
                    expires_at: moment(row.get(7)?),
                })
            };
            select.query_map([], said)?.collect()
        })
        .await
    }

    pub async fn baseline(
        &self,
        model: String,
        task: String,
    ) -> std::result::Result<Option<Baseline>, Error> {
        self.read(move |connection| {
            let mut select = connection
                .prepare("SELECT texts, counts FROM baselines WHERE model = ?1 AND task = ?2")?;
            let found = select.query_row([model, task], |row| {
                let texts: i64 = row.get(0)?;
                Ok(Baseline { texts: texts.unsigned_abs(), counts: row.get(1)? })
            });
            found.optional()
        })
        .await
    }
}

pub(super) fn change(connection: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::Keep(texts) => texts.iter().try_for_each(|text| keep(connection, text)),
        Change::Say(said) => say(connection, said),
        Change::Forget(id) => forget(connection, id),
        Change::Purge { now, most_recent } => purge(connection, *now, *most_recent),
        Change::KeepBaseline { model, task, baseline } => {
            connection
                .prepare_cached(
                    "INSERT INTO baselines (model, task, texts, counts) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (model, task) DO UPDATE
                        SET texts = excluded.texts, counts = excluded.counts
                        WHERE excluded.texts > baselines.texts",
                )?
                .execute(params![model, task, signed(baseline.texts), baseline.counts])?;
            Ok(())
        }
        Change::ForgetBaselines => connection.execute("DELETE FROM baselines", []).map(|_| ()),
    }
}

fn keep(connection: &Connection, kept: &KeptText) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO kept_texts (id, key_id, team, task, text, language, route, model, verdict,
                local_scores, recent, kept_at, expires_at)
             VALUES (:id, :key_id, :team, :task, :text, :language, :route, :model, :verdict, :local_scores,
                :recent, :kept_at, :expires_at)",
        )?
        .execute(named_params! {
            ":id": kept.id,
            ":key_id": kept.owner.key_id,
            ":team": kept.owner.team,
            ":task": kept.task,
            ":text": &*kept.text,
            ":language": kept.language,
            ":route": if kept.by_llm { "llm" } else { "local" },
            ":model": kept.model,
            ":verdict": kept.verdict,
            ":local_scores": kept.local_scores,
            ":recent": kept.recent,
            ":kept_at": millis(kept.kept_at),
            ":expires_at": millis(kept.expires_at),
        })?;
    Ok(())
}

fn say(connection: &Connection, said: &Said) -> Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM feedback WHERE id = ?1 AND task = ?2 AND kept IS ?3
                AND (kept IS NOT NULL OR key_id IS ?4)",
        )?
        .execute(params![said.id, said.task, said.kept, said.key_id])?;
    // A text that was purged a moment ago leaves the word without it.
    connection
        .prepare_cached(
            "INSERT INTO feedback (id, task, said, agrees, kept, said_at, expires_at, key_id)
             VALUES (?1, ?2, ?3, ?4, (SELECT seq FROM kept_texts WHERE seq = ?5), ?6, ?7, ?8)",
        )?
        .execute(params![
            said.id,
            said.task,
            said.what,
            said.agrees,
            said.kept,
            millis(said.said_at),
            millis(said.expires_at),
            said.key_id,
        ])?;
    connection
        .prepare_cached(
            "UPDATE kept_texts SET recent = 0, expires_at = max(expires_at, ?2) WHERE seq = ?1",
        )?
        .execute(params![said.kept, millis(said.expires_at)])?;
    Ok(())
}

/// What is freed is overwritten (`secure_delete`); so is the log, once it has been brought into the
/// file and begins anew.
fn forget(connection: &Connection, id: &str) -> Result<()> {
    connection.execute(
        "DELETE FROM feedback WHERE id = ?1 OR id IN (
            SELECT id FROM kept_texts
            WHERE text IN (SELECT text FROM kept_texts WHERE id = ?1))",
        [id],
    )?;
    connection.execute(
        "DELETE FROM kept_texts WHERE text IN (SELECT text FROM kept_texts WHERE id = ?1)",
        [id],
    )?;
    Ok(())
}

fn purge(connection: &Connection, now: SystemTime, most_recent: u64) -> Result<()> {
    let now = millis(now);
    connection.prepare_cached("DELETE FROM feedback WHERE expires_at <= ?1")?.execute([now])?;
    connection.prepare_cached("DELETE FROM kept_texts WHERE expires_at <= ?1")?.execute([now])?;
    connection
        .prepare_cached(
            "DELETE FROM kept_texts WHERE recent = 1 AND seq <= (
                SELECT seq FROM kept_texts WHERE recent = 1
                ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
        )?
        .execute([signed(most_recent)])?;
    Ok(())
}

fn kept(row: &Row<'_>) -> Result<KeptRow> {
    let text: String = row.get("text")?;
    let route: String = row.get("route")?;
    let kept = KeptText {
        id: row.get("id")?,
        owner: Owner { key_id: row.get("key_id")?, team: row.get("team")? },
        task: row.get("task")?,
        text: text.into(),
        language: row.get("language")?,
        by_llm: route == "llm",
        model: row.get("model")?,
        verdict: row.get("verdict")?,
        local_scores: row.get("local_scores")?,
        recent: row.get("recent")?,
        kept_at: moment(row.get("kept_at")?),
        expires_at: moment(row.get("expires_at")?),
    };
    Ok(KeptRow { seq: row.get("seq")?, kept })
}

fn moment(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
