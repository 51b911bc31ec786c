//! In which language a text is written.

use std::borrow::Cow;

use whichlang::Lang;

/// A language tag (BCP 47) and whether the model reads that language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    pub code: Cow<'static, str>,
    pub supported: bool,
}

/// Enough of a text to tell its language by; more only costs time.
const SAMPLE_BYTES: usize = 1_000;

impl Language {
    /// The language as given by the caller, else as detected, seen by a model that reads
    /// `supported` (primary subtags such as `en`).
    pub fn of(text: &str, given: Option<&str>, supported: &[String]) -> Language {
        let code = match given {
            Some(tag) => Cow::Owned(tag.to_owned()),
            None => Cow::Borrowed(detect(text)),
        };
        let primary = code.split('-').next().unwrap_or_default();
        let supported = supported.iter().any(|known| known.eq_ignore_ascii_case(primary));
        Language { code, supported }
    }
}

/// The likeliest language of a text as a primary subtag. A text without letters says nothing of
/// its language and counts as English.
pub fn detect(text: &str) -> &'static str {
    let sample = &text[..text.floor_char_boundary(SAMPLE_BYTES)];
    match whichlang::detect_language(sample) {
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
