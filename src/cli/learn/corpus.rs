//! What is known of each text: the last answer of an LLM, and the last word of a person.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::app::{KeptRow, KeptVerdict, Said, Word};
use crate::sentiment::{Scores, Task, Verdict};

/// Each text once, in the order in which they came.
pub struct Corpus {
    pub entries: Vec<Entry>,
    /// Words of people that came without a text, and how many of all agreed with the verdict.
    pub said: SaidCounts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaidCounts {
    pub all: u64,
    pub without_text: u64,
    pub agreed: u64,
    pub disagreed: u64,
}

/// A text, and what was said of it.
pub struct Entry {
    /// Of the last row in which it came.
    pub id: String,
    pub text: Arc<str>,
    /// The last verdict that its sender got.
    pub last: Verdict,
    /// The local model's scores, where they are known.
    pub local: Option<Scores>,
    /// An LLM's last verdict of each task.
    answers: [Option<(SystemTime, Verdict)>; Task::ALL.len()],
    /// A person's last word on each task.
    words: [Option<Word>; Task::ALL.len()],
}

impl Entry {
    pub fn answer(&self, task: Task) -> Option<&Verdict> {
        self.answers[task as usize].as_ref().map(|(_, verdict)| verdict)
    }

    /// The last of them, whatever was asked: each has the sentiment and the sarcasm.
    pub fn last_answer(&self) -> Option<&Verdict> {
        let answers = self.answers.iter().flatten();
        answers.max_by_key(|(at, _)| *at).map(|(_, verdict)| verdict)
    }

    pub fn word(&self, task: Task) -> Option<&Word> {
        self.words[task as usize].as_ref()
    }

    pub fn is_spoken_of(&self) -> bool {
        self.words.iter().any(Option::is_some)
    }
}

/// The form under which two texts count as the same, as `training/` has it: lower case, white space
/// folded.
pub fn normalised(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Corpus {
    /// Rows that a later version has written in another form are left out.
    pub fn gather(rows: Vec<KeptRow>, said: Vec<Said>) -> Corpus {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut by_row: HashMap<i64, (usize, bool)> = HashMap::new();
        for KeptRow { seq, kept } in rows {
            let Some(task) = named(&kept.task) else { continue };
            let Ok(verdict) = serde_json::from_str::<KeptVerdict>(&kept.verdict) else { continue };
            let verdict = verdict.verdict(&kept.text);
            let at = *places.entry(normalised(&kept.text)).or_insert(entries.len());
            let local = match &kept.local_scores {
                Some(json) => serde_json::from_str(json).ok().map(Scores::from_weights),
                None => (!kept.by_llm).then_some(verdict.scores),
            };
            if at == entries.len() {
                entries.push(Entry {
                    id: String::new(),
                    text: Arc::clone(&kept.text),
                    last: verdict.clone(),
                    local: None,
                    answers: [const { None }; Task::ALL.len()],
                    words: [const { None }; Task::ALL.len()],
                });
            }
            let entry = &mut entries[at];
            // The places of terms belong to the text as it was written in this row.
            let same = entry.text == kept.text;
            (entry.id, entry.last) = (kept.id, verdict.clone());
            entry.local = local.or(entry.local);
            by_row.insert(seq, (at, same));
            if kept.by_llm && (same || task != Task::Aspects) {
                entry.answers[task as usize] = Some((kept.kept_at, verdict));
            }
        }
        let mut counts = SaidCounts::default();
        for said in said {
            counts.all += 1;
            counts.without_text += u64::from(said.kept.is_none());
            counts.agreed += u64::from(said.agrees == Some(true));
            counts.disagreed += u64::from(said.agrees == Some(false));
            let row = said.kept.and_then(|seq| by_row.get(&seq));
            let word = serde_json::from_str::<Word>(&said.what);
            if let (Some((at, same)), Some(task), Ok(word)) = (row, named(&said.task), word)
                && (*same || task != Task::Aspects)
            {
                entries[*at].words[task as usize] = Some(word);
            }
        }
        Corpus { entries, said: counts }
    }
}

fn named(name: &str) -> Option<Task> {
    Task::ALL.into_iter().find(|task| task.name() == name)
}
