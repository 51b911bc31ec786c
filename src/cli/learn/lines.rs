//! The lines of a training set, in the form that `training/` reads: what a person said goes before
//! what an LLM answered.

use serde::Serialize;

use super::corpus::{Corpus, Entry, normalised};
use crate::app::Word;
use crate::sentiment::{Emotion, Findings, Label, Task};

/// A set of one of the folders that `training/README.md` names.
pub struct Set {
    pub folder: &'static str,
    pub train: Vec<Line>,
    pub dev: Vec<Line>,
    /// Texts that are known and cannot train it.
    pub left_out: u64,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Line {
    pub text: String,
    #[serde(flatten)]
    pub truth: Truth,
    /// `person` or `llm`.
    pub by: &'static str,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    Label(&'static str),
    Labels(Vec<Emotion>),
    Aspects(Vec<Term>),
}

/// A term that the text judges; `from` and `to` count code points.
#[derive(Debug, PartialEq, Serialize)]
pub struct Term {
    pub term: String,
    pub from: usize,
    pub to: usize,
    pub polarity: &'static str,
}

const PERSON: &str = "person";
const LLM: &str = "llm";

/// One set for each head of the model.
pub fn sets(corpus: &Corpus, holdout: f64) -> [Set; 4] {
    [
        set("sentiment", corpus, holdout, sentiment),
        set("sarcasm", corpus, holdout, sarcasm),
        set("emotion", corpus, holdout, emotions),
        set("aspects", corpus, holdout, aspects),
    ]
}

/// What a text can teach: `None` where nothing is known of it.
type Known = Option<Result<(Truth, &'static str), Unfit>>;

/// What is known is nothing that can be taught.
struct Unfit;

fn set(
    folder: &'static str,
    corpus: &Corpus,
    holdout: f64,
    known: impl Fn(&Entry) -> Known,
) -> Set {
    let mut set = Set { folder, train: Vec::new(), dev: Vec::new(), left_out: 0 };
    for entry in &corpus.entries {
        match known(entry) {
            Some(Ok((truth, by))) => {
                let line = Line { text: entry.text.to_string(), truth, by };
                let part =
                    if measures(&entry.text, holdout) { &mut set.dev } else { &mut set.train };
                part.push(line);
            }
            Some(Err(Unfit)) => set.left_out += 1,
            None => {}
        }
    }
    set
}

/// Whether a text measures. It follows from the text alone: what once measured never trains later.
fn measures(text: &str, holdout: f64) -> bool {
    let digest = blake3::hash(normalised(text).as_bytes());
    let bytes: [u8; 8] = digest.as_bytes()[..8].try_into().expect("a digest has 32");
    (u64::from_le_bytes(bytes) as f64 / u64::MAX as f64) < holdout
}

/// `mixed` is left out: the model has it from its tags, and no head for it.
fn sentiment(entry: &Entry) -> Known {
    let (label, by) = match entry.word(Task::Sentiment) {
        Some(Word::Label(label)) => (*label, PERSON),
        _ => (entry.last_answer()?.scores.label(), LLM),
    };
    Some(match label {
        Label::Mixed => Err(Unfit),
        label => Ok((Truth::Label(label.name()), by)),
    })
}

/// Of sarcasm nobody but LLMs says anything.
fn sarcasm(entry: &Entry) -> Known {
    let detected = entry.last_answer()?.sarcasm.detected();
    Some(Ok((Truth::Label(if detected { "sarcastic" } else { "not_sarcastic" }), LLM)))
}

fn emotions(entry: &Entry) -> Known {
    if let Some(Word::Emotions(emotions)) = entry.word(Task::Emotions) {
        return Some(Ok((Truth::Labels(emotions.clone()), PERSON)));
    }
    let Findings::Emotions(found) = &entry.answer(Task::Emotions)?.findings else { return None };
    let detected: Vec<Emotion> =
        found.sorted().into_iter().filter(|(_, _, is)| *is).map(|(emotion, ..)| emotion).collect();
    Some(if detected.is_empty() { Err(Unfit) } else { Ok((Truth::Labels(detected), LLM)) })
}

fn aspects(entry: &Entry) -> Known {
    let term = |span: Option<(usize, usize)>, sentiment: Option<Label>| {
        let ((from, to), polarity) = (span?, polarity(sentiment?));
        let term = entry.text.chars().skip(from).take(to.saturating_sub(from)).collect();
        Some(Term { term, from, to, polarity })
    };
    if let Some(Word::Aspects(said)) = entry.word(Task::Aspects) {
        let terms = said.iter().filter_map(|one| term(one.span, Some(one.sentiment))).collect();
        return Some(Ok((Truth::Aspects(terms), PERSON)));
    }
    let Findings::Aspects(found) = &entry.answer(Task::Aspects)?.findings else { return None };
    let terms = found.iter().filter_map(|one| term(one.span, one.sentiment)).collect();
    Some(Ok((Truth::Aspects(terms), LLM)))
}

/// As the sets of the field name them.
fn polarity(label: Label) -> &'static str {
    match label {
        Label::Mixed => "conflict",
        label => label.name(),
    }
}
