//! In which language a text is written.

use std::borrow::Cow;

use tokenizers::Encoding;
use whichlang::Lang;

/// A language tag (BCP 47) and whether the model reads that language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    pub code: Cow<'static, str>,
    pub supported: bool,
}

/// Enough of a text to tell its language by; more only costs time.
const SAMPLE_BYTES: usize = 500;

impl Language {
    /// The language as given by the caller, else as detected, seen by a model that reads
    /// `supported` (primary subtags such as `en`).
    pub fn of(
        text: &str,
        given: Option<&str>,
        english: &Encoding,
        supported: &[String],
    ) -> Language {
        let code = match given {
            Some(tag) => Cow::Owned(tag.to_owned()),
            None => Cow::Borrowed(detect(text, english)),
        };
        let primary = code.split('-').next().unwrap_or_default();
        let supported = supported.iter().any(|known| known.eq_ignore_ascii_case(primary));
        Language { code, supported }
    }
}

/// From this share of words on that an English vocabulary has to put together from pieces, another
/// language is believed; and from the higher one on, no text is English. `benches/language.rs` shows
/// how many English texts they take for another language.
const SOME_PIECES: f32 = 0.16;
const MOSTLY_PIECES: f32 = 0.65;

/// The likeliest language of a text as a primary subtag, `und` for one that is in none of those
/// known. A text without letters says nothing of its language and counts as English.
///
/// whichlang takes a few English words in a row for French or Dutch ("Perfect!!!"), and Polish for
/// English. So `english`, the text or its beginning in the tokens of an English vocabulary, is
/// asked for a second opinion: words of other languages fall to pieces in it.
pub fn detect(text: &str, english: &Encoding) -> &'static str {
    let sample = without_names(&text[..text.floor_char_boundary(SAMPLE_BYTES)]);
    let code = code(whichlang::detect_language(&sample));
    match share_in_pieces(english) {
        share if code == "en" && share < MOSTLY_PIECES => "en",
        _ if code == "en" => "und",
        share if share < SOME_PIECES && is_ascii_letters(&sample) => "en",
        _ => code,
    }
}

/// The share of words that took more than one token; 0 for fewer than two words.
pub fn share_in_pieces(encoding: &Encoding) -> f32 {
    let words = encoding.get_word_ids();
    let is_start = |at: usize| words[at].is_some() && (at == 0 || words[at - 1] != words[at]);
    let is_cut = |at: usize| is_start(at) && words.get(at + 1) == Some(&words[at]);
    let starts = (0..words.len()).filter(|at| is_start(*at)).count();
    let cut = (0..words.len()).filter(|at| is_cut(*at)).count();
    if starts < 2 { 0.0 } else { cut as f32 / starts as f32 }
}

/// Mentions, hashtags and links are in no language.
pub fn without_names(text: &str) -> Cow<'_, str> {
    let is_name = |word: &str| {
        word.starts_with(['@', '#']) || word.starts_with("http") || word.starts_with("www.")
    };
    if text.split_whitespace().any(is_name) {
        let words: Vec<&str> = text.split_whitespace().filter(|word| !is_name(word)).collect();
        Cow::Owned(words.join(" "))
    } else {
        Cow::Borrowed(text)
    }
}

fn is_ascii_letters(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).all(|c| c.is_ascii())
}

fn code(language: Lang) -> &'static str {
    match language {
        Lang::Ara => "ar",
        Lang::Cmn => "zh",
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Rus => "ru",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
    }
}
