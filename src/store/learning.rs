//! What may be learnt from: texts with their verdicts, where that is consented to, what people said
//! of verdicts, and how the input was distributed. Verdicts and words are JSON in the form of whoever
//! keeps them.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Error, Store};

/// On whose behalf a text was analysed: a key, where there are keys, and its team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub key_id: Option<String>,
    pub team: Option<String>,
}

/// Who asks about a verdict. What is another's is to them as if it were not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// Their own key; `None` where there are none.
    pub key_id: Option<String>,
    /// The team whose verdicts they may speak of beside their own.
    pub reviewed_team: Option<String>,
}

/// A text with the verdict that its sender got.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptText {
    /// The verdict's, as its sender knows it. Several texts can share one that a sender chose.
    pub id: String,
    pub owner: Owner,
    pub task: String,
    pub text: Arc<str>,
    pub language: String,
    pub by_llm: bool,
    /// Whose verdict it is.
    pub model: String,
    pub verdict: String,
    /// The local model's scores, where the verdict is an LLM's.
    pub local_scores: Option<String>,
    /// Kept a while in case somebody says something of it; once that is so, no longer recent.
    pub recent: bool,
    pub kept_at: SystemTime,
    pub expires_at: SystemTime,
}

/// A kept text and the number of its row.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptRow {
    pub seq: i64,
    pub kept: KeptText,
}

/// What a person said of a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub id: String,
    /// The key of who said it; `None` where there are none.
    pub key_id: Option<String>,
    pub task: String,
    pub what: String,
    /// With the verdict; `None`: that cannot be told.
    pub agrees: Option<bool>,
    /// The row of the kept text that it was said of.
    pub kept: Option<i64>,
    pub said_at: SystemTime,
    pub expires_at: SystemTime,
}

/// How the input of a task was distributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    pub texts: u64,
    pub counts: String,
}

/// A change to these tables.
#[derive(Clone, Debug)]
pub(in crate::store) enum Change {
    Keep(Vec<KeptText>),
    /// Of what is said twice of one kept text, or by one key under one id, the later word stays.
    Say(Said),
    Forget(String),
    Purge {
        now: SystemTime,
        most_recent: u64,
    },
    KeepBaseline {
        model: String,
        task: String,
        baseline: Baseline,
    },
    ForgetBaselines,
}

impl Store {
    /// Keeps texts: all of these or, after an error, none.
    pub async fn keep_texts(&self, texts: Vec<KeptText>) -> Result<(), Error> {
        self.change(Change::Keep(texts)).await
    }

    /// Keeps what a person said, for as long as that says the text that it was said of too.
    pub async fn say(&self, said: Said) -> Result<(), Error> {
        self.change(Change::Say(said)).await
    }

    /// Deletes what has expired, and all recent texts but the last ones.
    pub async fn purge_texts(&self, now: SystemTime, most_recent: u64) -> Result<(), Error> {
        self.change(Change::Purge { now, most_recent }).await
    }

    /// Deletes the texts that were kept under an id, under whatever other ids they were kept too,
    /// and all that was said of them; says how many texts that were.
    pub async fn forget_text(&self, id: &str) -> Result<u64, Error> {
        let count = match self {
            Store::Sqlite(sqlite) => sqlite.count_texts_like(id.to_owned()).await?,
            Store::Postgres(postgres) => postgres.count_texts_like(id.to_owned()).await?,
        };
        self.change(Change::Forget(id.to_owned())).await?;
        Ok(count)
    }

    /// Those of the texts under an id that the asker may speak of, the oldest first.
    pub async fn texts_of(&self, id: &str, asker: &Asker) -> Result<Vec<KeptRow>, Error> {
        let wanted = Some((id.to_owned(), asker.clone()));
        match self {
            Store::Sqlite(sqlite) => sqlite.kept_texts(wanted).await,
            Store::Postgres(postgres) => postgres.kept_texts(wanted).await,
        }
    }

    /// All kept texts, the oldest first, and all that was said.
    pub async fn learnable(&self) -> Result<(Vec<KeptRow>, Vec<Said>), Error> {
        match self {
            Store::Sqlite(sqlite) => Ok((sqlite.kept_texts(None).await?, sqlite.said().await?)),
            Store::Postgres(postgres) => {
                Ok((postgres.kept_texts(None).await?, postgres.said().await?))
            }
        }
    }

    pub async fn baseline(&self, model: &str, task: &str) -> Result<Option<Baseline>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.baseline(model.to_owned(), task.to_owned()).await,
            Store::Postgres(postgres) => postgres.baseline(model.to_owned(), task.to_owned()).await,
        }
    }

    /// Keeps a baseline, unless one of more texts is there.
    pub async fn keep_baseline(
        &self,
        model: &str,
        task: &str,
        baseline: Baseline,
    ) -> Result<(), Error> {
        let (model, task) = (model.to_owned(), task.to_owned());
        self.change(Change::KeepBaseline { model, task, baseline }).await
    }

    /// Deletes every baseline: gateways that run begin new ones.
    pub async fn forget_baselines(&self) -> Result<(), Error> {
        self.change(Change::ForgetBaselines).await
    }

    async fn change(&self, change: Change) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.change(change).await,
            Store::Postgres(postgres) => postgres.change(change).await,
        }
    }
}
