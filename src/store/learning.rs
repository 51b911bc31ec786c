//! What may be learnt from: texts with their verdicts, where that is consented to, what people said
//! of verdicts, and how the input was distributed. Verdicts and words are JSON in the form of whoever
//! keeps them.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Error, Store};

/// A text with the verdict that its sender got.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptText {
    /// The verdict's, as its sender knows it. Several texts can share one that a sender chose.
    pub id: String,
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
    /// Of what somebody says twice of one verdict, the later word stays.
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
        };
        self.change(Change::Forget(id.to_owned())).await?;
        Ok(count)
    }

    /// The texts under an id, the oldest first.
    pub async fn texts_of(&self, id: &str) -> Result<Vec<KeptRow>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.kept_texts(Some(id.to_owned())).await,
        }
    }

    /// All kept texts, the oldest first, and all that was said.
    pub async fn learnable(&self) -> Result<(Vec<KeptRow>, Vec<Said>), Error> {
        match self {
            Store::Sqlite(sqlite) => Ok((sqlite.kept_texts(None).await?, sqlite.said().await?)),
        }
    }

    pub async fn baseline(&self, model: &str, task: &str) -> Result<Option<Baseline>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.baseline(model.to_owned(), task.to_owned()).await,
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
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::store::{Config, Durability};

    async fn open(folder: &std::path::Path) -> Store {
        let url = format!("sqlite://{}", folder.join("ledger.db").display());
        let config = Config { url, durability: Durability::Process };
        Store::open(&config).await.expect("a new store opens")
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn kept(id: &str, text: &str, recent: bool) -> KeptText {
        KeptText {
            id: id.into(),
            task: "sentiment".into(),
            text: text.into(),
            language: "en".into(),
            by_llm: !recent,
            model: "m".into(),
            verdict: "{}".into(),
            local_scores: None,
            recent,
            kept_at: at(1),
            expires_at: at(100),
        }
    }

    fn said(id: &str, what: &str, kept: Option<i64>) -> Said {
        Said {
            id: id.into(),
            task: "sentiment".into(),
            what: what.into(),
            agrees: Some(false),
            kept,
            said_at: at(2),
            expires_at: at(200),
        }
    }

    async fn texts(store: &Store) -> Vec<String> {
        let (rows, _) = store.learnable().await.expect("read");
        rows.into_iter().map(|row| row.kept.text.to_string()).collect()
    }

    #[tokio::test]
    async fn the_last_recent_texts_stay_and_those_that_were_spoken_of_all() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path()).await;
        let mut all: Vec<KeptText> =
            (0..5).map(|n| kept(&format!("r{n}"), &format!("recent {n}"), true)).collect();
        all.push(kept("e", "escalated", false));
        store.keep_texts(all.clone()).await.expect("kept");
        let row = store.texts_of("r1").await.expect("read").remove(0);
        assert_eq!(row.kept, all[1]);
        store.say(said("r1", "\"negative\"", Some(row.seq))).await.expect("said");
        store.say(said("r1", "\"positive\"", Some(row.seq))).await.expect("said again");
        store.purge_texts(at(50), 2).await.expect("purged");
        assert_eq!(texts(&store).await, ["recent 1", "recent 3", "recent 4", "escalated"]);
        let (_, words) = store.learnable().await.expect("read");
        assert_eq!(words, [said("r1", "\"positive\"", Some(row.seq))]);

        store.purge_texts(at(100), 2).await.expect("purged");
        assert_eq!(texts(&store).await, ["recent 1"], "as long as what was said of it");
        store.purge_texts(at(200), 2).await.expect("purged");
        let nothing = (Vec::new(), Vec::new());
        assert_eq!(store.learnable().await, Ok(nothing));
    }

    #[tokio::test]
    async fn a_forgotten_text_is_gone_under_every_id_and_from_the_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path()).await;
        let texts = [kept("a", "a secret", false), kept("b", "a secret", true)];
        store.keep_texts(texts.into()).await.expect("kept");
        store.keep_texts(vec![kept("c", "another", true)]).await.expect("kept");
        let row = store.texts_of("a").await.expect("read").remove(0);
        store.say(said("a", "\"negative\"", Some(row.seq))).await.expect("said");
        store.say(said("x", "\"negative\"", None)).await.expect("said");
        assert_eq!(store.forget_text("b").await, Ok(2));
        assert_eq!(store.forget_text("b").await, Ok(0));
        let (rows, words) = store.learnable().await.expect("read");
        assert_eq!((rows.len(), words.len()), (1, 1));
        assert_eq!((rows[0].kept.id.as_str(), words[0].id.as_str()), ("c", "x"));
        store.close().await;
        for entry in std::fs::read_dir(folder.path()).expect("a folder") {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
            assert!(!bytes.windows(8).any(|window| window == b"a secret"));
        }
    }

    #[tokio::test]
    async fn a_baseline_gives_way_to_one_of_more_texts_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path()).await;
        let of = |texts: u64| Baseline { texts, counts: format!("{{\"{texts}\": []}}") };
        for (texts, stays) in [(10, 10), (30, 30), (20, 30)] {
            store.keep_baseline("m", "sentiment", of(texts)).await.expect("kept");
            assert_eq!(store.baseline("m", "sentiment").await, Ok(Some(of(stays))));
        }
        assert_eq!(store.baseline("m", "aspects").await, Ok(None));
        store.forget_baselines().await.expect("forgotten");
        assert_eq!(store.baseline("m", "sentiment").await, Ok(None));
    }
}
