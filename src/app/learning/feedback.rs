//! What a person says of a verdict: checked against the text where that is kept, counted, and kept
//! for `undertone learn`, in which it outranks an LLM.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::latest::LATEST;
use crate::app::kept_verdict::KeptVerdict;
use crate::app::{App, SharedApp};
use crate::sentiment::{Emotion, Gist, Label, Task};
use crate::store::{self, Asker, KeptRow, Said};

/// What a person says a text is, by the task that it is said for. The store has it as JSON, without
/// a word of the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Label(Label),
    Emotions(Vec<Emotion>),
    Aspects(Vec<SaidAspect>),
}

/// A term that a person says the text judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaidAspect {
    /// Known from the place, where that is.
    #[serde(skip)]
    pub term: String,
    pub sentiment: Label,
    /// Code points; where it is not given, the first place of the term in the text.
    pub span: Option<(usize, usize)>,
}

/// What becomes of a person's word.
#[derive(Clone, Debug, Serialize)]
pub struct FeedbackReceipt {
    pub id: String,
    pub task: Task,
    /// Whether `undertone learn` has both the word and the text.
    pub learnable: bool,
    /// Whether the verdict said the same; `null` where that cannot be told.
    pub agrees: Option<bool>,
    /// Why it cannot be learnt from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// Why a person's word is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FeedbackError {
    #[error(
        "No verdict of that id is known to be yours: those of the last {LATEST} texts since the start \
         are, and those whose texts are kept (learning.keep_texts). For the verdicts of other keys of \
         your team the key needs the scope texts:review."
    )]
    Unknown,
    #[error(
        "{0} different texts were sent under that id, so which one is meant cannot be told; give each \
         text an id of its own."
    )]
    Ambiguous(usize),
    /// What is wrong with an aspect, the first being 0.
    #[error("aspects[{0}]: {1}")]
    Aspect(usize, String),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl App {
    /// Takes what a person says of the verdict of that id. What is not theirs to speak of takes the
    /// same way as what never was.
    ///
    /// # Errors
    /// [`FeedbackError`]; nothing is counted or kept then.
    pub async fn feedback(
        self: &SharedApp,
        asker: Asker,
        id: String,
        task: Task,
        mut word: Word,
    ) -> Result<FeedbackReceipt, FeedbackError> {
        // A verdict of a moment ago has its text in the store then.
        self.flush().await;
        let rows = self.store.texts_of(&id, &asker).await?;
        let row = the_only(&rows)?;
        let remembered = self.learning.latest.find(&id, &asker);
        if row.is_none() && remembered.is_none() {
            return Err(FeedbackError::Unknown);
        }
        if let (Some(row), Word::Aspects(aspects)) = (row, &mut word) {
            place(aspects, &row.kept.text)?;
        }
        let verdict = row.and_then(|row| {
            let kept: KeptVerdict = serde_json::from_str(&row.kept.verdict).ok()?;
            Some((kept.verdict(&row.kept.text).gist(), row.kept.by_llm))
        });
        let verdict = verdict.or(remembered.map(|verdict| (verdict.gist, verdict.by_llm)));
        let agrees = verdict.and_then(|(gist, _)| agrees(gist, &word));
        let by_llm = verdict.is_some_and(|(_, by_llm)| by_llm);
        // Where consent was taken back, what is still there goes by its own time.
        let kept = row.filter(|_| self.learning.config.keep_texts).map(|row| row.seq);
        let now = SystemTime::now();
        let said = Said {
            id: id.clone(),
            key_id: asker.key_id,
            task: task.name().to_owned(),
            what: serde_json::to_string(&word).expect("names and numbers are JSON"),
            agrees,
            kept,
            said_at: now,
            expires_at: now + self.learning.config.days(),
        };
        self.store.say(said).await?;
        count(task, by_llm, agrees);
        let reason = match kept {
            Some(_) => None,
            None if self.learning.config.keep_texts => Some("the text is no longer kept"),
            None => Some(
                "this gateway keeps no texts (learning.keep_texts is off), so the \
                feedback was only counted",
            ),
        };
        Ok(FeedbackReceipt { id, task, learnable: kept.is_some(), agrees, reason })
    }
}

/// The row that an id means: the last one of the one text that was kept under it.
fn the_only(rows: &[KeptRow]) -> Result<Option<&KeptRow>, FeedbackError> {
    let mut texts: Vec<&str> = rows.iter().map(|row| &*row.kept.text).collect();
    texts.sort_unstable();
    texts.dedup();
    match texts.len() {
        0 | 1 => Ok(rows.last()),
        several => Err(FeedbackError::Ambiguous(several)),
    }
}

/// Finds the place of each term that was given without one, and checks those that were given.
fn place(aspects: &mut [SaidAspect], text: &str) -> Result<(), FeedbackError> {
    for (index, aspect) in aspects.iter_mut().enumerate() {
        let fault = |message: String| Err(FeedbackError::Aspect(index, message));
        let Some((start, end)) = aspect.span else {
            let Some(byte) = text.find(&aspect.term) else {
                return fault("the text does not contain the term".into());
            };
            let start = text[..byte].chars().count();
            aspect.span = Some((start, start + aspect.term.chars().count()));
            continue;
        };
        let length = text.chars().count();
        if end > length {
            return fault(format!("the span ends at {end}; the text has {length} code points"));
        }
        let there: String = text.chars().skip(start).take(end - start).collect();
        if there != aspect.term {
            return fault("the text at this span is not the term".into());
        }
    }
    Ok(())
}

/// Whether a person says what the verdict said. Of aspects that is not told: two hardly ever list the
/// same terms.
fn agrees(gist: Gist, word: &Word) -> Option<bool> {
    match word {
        Word::Label(label) => Some(*label == gist.label),
        Word::Emotions(emotions) => gist.dominant.map(|dominant| emotions.contains(&dominant)),
        Word::Aspects(_) => None,
    }
}

fn count(task: Task, by_llm: bool, agrees: Option<bool>) {
    let agrees = match agrees {
        Some(true) => "true",
        Some(false) => "false",
        None => "unknown",
    };
    let route = if by_llm { "llm" } else { "local" };
    metrics::counter!(
        "undertone_feedback_total",
        "task" => task.name(), "route" => route, "agrees" => agrees
    )
    .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aspect(term: &str, span: Option<(usize, usize)>) -> SaidAspect {
        SaidAspect { term: term.into(), sentiment: Label::Negative, span }
    }

    #[test]
    fn a_term_finds_its_place_in_code_points_and_a_wrong_one_is_refused() {
        let text = "Schöne Küche, müder Kellner.";
        let mut aspects = [aspect("Küche", None), aspect("Kellner", Some((20, 27)))];
        place(&mut aspects, text).expect("both stand there");
        assert_eq!(aspects.map(|aspect| aspect.span), [Some((7, 12)), Some((20, 27))]);
        for (wrong, told) in [
            (aspect("Koch", None), "does not contain the term"),
            (aspect("Küche", Some((8, 13))), "is not the term"),
            (aspect("Kellner", Some((20, 99))), "28 code points"),
        ] {
            let error = place(&mut [aspect("Küche", None), wrong], text).expect_err("wrong");
            let error = error.to_string();
            assert!(error.starts_with("aspects[1]: ") && error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_word_is_kept_without_any_word_of_the_text() {
        let word = Word::Aspects(vec![aspect("Küche", Some((7, 12)))]);
        let json = serde_json::to_string(&word).expect("plain values");
        assert_eq!(json, r#"{"aspects":[{"sentiment":"negative","span":[7,12]}]}"#);
    }
}
