//! Phrases that frame a text, looked up by their first word.
//!
//! A phrase is written as its words; `a|b` is either, `a?` may be left out. A word that may be left out is taken where
//! it stands, so a phrase is matched in one walk and nothing is tried again.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::manners::{LANGUAGES, Manners};
use super::words::{Cursor, Folded};

/// What a phrase is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// "Hi": by itself or with a name.
    Greeting,
    /// "Dear": with a name only.
    Salutation,
    /// "To the", "Team": on a line of its own.
    Address,
    /// "I hope this finds you well."
    Courtesy,
    /// "Thanks in advance": at the end of any text.
    Closing,
    /// "Thank you for your time": at the end of a mail.
    Parting,
    /// "Kind regards".
    SignOff,
    /// "Thanks", "Cheers": above a name, or in a mail.
    Thanks,
    /// "Best", "Take care": before a name, or in a mail.
    Farewell,
    /// "Sent from my".
    Device,
    /// "This e-mail and any attachments": a notice if what follows says so.
    Notice,
    /// "To unsubscribe": a footer if what follows says so.
    List,
    /// "This is an automated message": a footer whatever follows.
    Footer,
    /// "Caution: this email originated from outside".
    Banner,
    /// "Posted on", "Verified purchase": how a text came, on a line of its own.
    Origin,
}

struct Token {
    words: Vec<&'static str>,
    may_be_left_out: bool,
}

struct Phrase {
    kind: Kind,
    tokens: Vec<Token>,
}

/// All phrases, under each word that they can begin with.
static PHRASES: LazyLock<HashMap<&'static str, Vec<Phrase>>> = LazyLock::new(|| {
    let mut by_first: HashMap<&'static str, Vec<Phrase>> = HashMap::new();
    for (kind, written) in LANGUAGES.iter().flat_map(Manners::phrases) {
        for first in first_words(written) {
            by_first.entry(first).or_default().push(Phrase { kind, tokens: tokens(written) });
        }
    }
    by_first
});

fn tokens(written: &'static str) -> Vec<Token> {
    let token = |token: &'static str| {
        let words = token.trim_end_matches('?');
        Token { words: words.split('|').collect(), may_be_left_out: words.len() < token.len() }
    };
    written.split(' ').map(token).collect()
}

fn first_words(written: &'static str) -> Vec<&'static str> {
    let mut words = Vec::new();
    for token in tokens(written) {
        words.extend(token.words);
        if !token.may_be_left_out {
            break;
        }
    }
    words
}

/// The longest phrase of a wanted kind that the words from here on begin with, and where it ends.
pub fn phrase(at: Cursor<'_>, is_wanted: impl Fn(Kind) -> bool) -> Option<(Kind, usize)> {
    let first = Folded::new(at.clone().word()?);
    let phrases = PHRASES.get(first.as_str())?.iter().filter(|phrase| is_wanted(phrase.kind));
    let found = phrases.filter_map(|phrase| Some((phrase.kind, phrase.end(at)?)));
    found.max_by_key(|(_, end)| *end)
}

impl Phrase {
    fn end(&self, at: Cursor<'_>) -> Option<usize> {
        let mut cursor = at;
        let mut ahead = cursor;
        let mut word = ahead.next_word().map(Folded::new);
        for token in &self.tokens {
            if word.as_ref().is_some_and(|word| word.is_among(&token.words)) {
                cursor = ahead;
                word = ahead.next_word().map(Folded::new);
            } else if !token.may_be_left_out {
                return None;
            }
        }
        Some(cursor.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(Kind, &str)> {
        let at = Cursor::new(text, 0, text.len());
        phrase(at, |_| true).map(|(kind, end)| (kind, &text[..end]))
    }

    #[test]
    fn the_longest_phrase_is_found_in_any_spelling() {
        for (text, expected) in [
            ("KIND REGARDS, Alex", Some((Kind::SignOff, "KIND REGARDS"))),
            ("Thanks & kind regards", Some((Kind::SignOff, "Thanks & kind regards"))),
            ("Thanks, Alex", Some((Kind::Thanks, "Thanks"))),
            ("thanks a lot in advance", Some((Kind::Closing, "thanks a lot in advance"))),
            ("Mit freundlichen Grüßen", Some((Kind::SignOff, "Mit freundlichen Grüßen"))),
            ("The best", None),
            ("", None),
            ("…", None),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn no_phrase_is_longer_than_words_are_folded() {
        for (kind, written) in LANGUAGES.iter().flat_map(Manners::phrases) {
            for word in tokens(written).iter().flat_map(|token| &token.words) {
                assert!(!word.is_empty(), "{kind:?}: {written}");
                assert_eq!(Folded::new(word).as_str(), *word, "{kind:?}: {written}");
            }
            assert!(tokens(written).iter().any(|token| !token.may_be_left_out), "{written}");
        }
    }
}
