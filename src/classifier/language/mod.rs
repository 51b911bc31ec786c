//! In which language a text is written.
//!
//! The script comes first: letters that are not Latin tell it, or nearly. In Latin letters English is
//! told from the others by its words (`evidence`), with whichlang as one witness among them, and the others by
//! their most frequent words (`words.txt`).

mod evidence;
mod script;
mod spelling;
mod words;

use std::borrow::Cow;

pub use evidence::Evidence;
pub use spelling::Spelling;
use whichlang::Lang;
use words::Words;

/// A language tag (BCP 47) and whether the model reads that language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    pub code: Cow<'static, str>,
    pub supported: bool,
}

/// Enough of a text for statistics of letters; more only costs time.
const SAMPLE_BYTES: usize = 500;

impl Language {
    /// The language as given by the caller, else as detected, seen by a model that reads
    /// `supported` (primary subtags such as `en`).
    pub fn of(
        text: &str,
        given: Option<&str>,
        evidence: &Evidence,
        supported: &[String],
    ) -> Language {
        let code = match given {
            Some(tag) => Cow::Owned(tag.to_owned()),
            None => Cow::Borrowed(detect(text, evidence)),
        };
        let mut language = Language { code, supported: false };
        language.supported = supported.iter().any(|known| language.is(known));
        language
    }

    /// Whether its primary subtag is this one.
    pub fn is(&self, primary: &str) -> bool {
        self.code.split('-').next().is_some_and(|own| own.eq_ignore_ascii_case(primary))
    }
}

/// What speaks for English before anything has been read: a text that says nothing counts as English.
const ENGLISH_AT_FIRST: f32 = 2.0;
/// What whichlang's word for another language adds, alone too little.
const HEARD: f32 = 1.9;
/// What its word is worth in the choice among the others: less than a frequent word, more than a letter.
const HEARD_VOTES: f32 = 1.5;

/// The likeliest language of a text as a primary subtag, `und` for one in none of those known. A text
/// that says nothing of its language counts as English: one without letters, or a single unknown word,
/// which may be a name.
pub fn detect(text: &str, evidence: &Evidence) -> &'static str {
    let sample = without_names(&text[..text.floor_char_boundary(SAMPLE_BYTES)]);
    if let Some(code) = script::language(&sample, Words::known()) {
        return code;
    }
    let heard = code(whichlang::detect_language(&sample));
    let other = if heard == Some("en") { 0.0 } else { HEARD };
    if evidence.foreign + other <= ENGLISH_AT_FIRST {
        return "en";
    }
    let mut votes = evidence.votes.clone();
    // By itself it would name a language for any row of letters.
    if let Some(heard) = heard.filter(|heard| votes.of(heard) > 0.0) {
        votes.add(heard, HEARD_VOTES);
    }
    votes.best().unwrap_or("und")
}

/// Mentions, hashtags and links are in no language.
pub fn without_names(text: &str) -> Cow<'_, str> {
    if text.split_whitespace().any(is_name) {
        let words: Vec<&str> = text.split_whitespace().filter(|word| !is_name(word)).collect();
        Cow::Owned(words.join(" "))
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether what stands between blanks is a mention, a hashtag or a link.
fn is_name(word: &str) -> bool {
    word.starts_with(['@', '#']) || word.starts_with("http") || word.starts_with("www.")
}

/// The language that whichlang names, of those in Latin letters.
fn code(language: Lang) -> Option<&'static str> {
    match language {
        Lang::Deu => Some("de"),
        Lang::Eng => Some("en"),
        Lang::Fra => Some("fr"),
        Lang::Ita => Some("it"),
        Lang::Nld => Some("nl"),
        Lang::Por => Some("pt"),
        Lang::Spa => Some("es"),
        Lang::Swe => Some("sv"),
        Lang::Tur => Some("tr"),
        Lang::Vie => Some("vi"),
        Lang::Ara | Lang::Cmn | Lang::Hin | Lang::Jpn | Lang::Kor | Lang::Rus => None,
    }
}

#[cfg(test)]
mod tests;
