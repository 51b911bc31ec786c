//! Sentences of users, cut to the size of a quotation.

use std::cmp::Ordering;

use crate::sentiment::words;

/// The most characters of a quotation; a longer sentence is cut around the term.
const LENGTH: usize = 180;

/// The most quotations that are kept of one kind.
pub const KEPT: usize = 3;

/// Stands for what is left out.
const CUT: &str = "…";

/// A sentence, with the term in its middle.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    pub before: String,
    pub term: String,
    pub after: String,
    /// The row that it stands in, counted from 1.
    pub row: u64,
    pub confidence: f32,
}

impl Quote {
    /// The sentence around a span of code points; `None` where the text has no such span, or one
    /// too long to quote.
    pub fn of(text: &str, span: (usize, usize), row: u64, confidence: f32) -> Option<Quote> {
        let byte = |at: usize| {
            let mut bounds = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
            bounds.nth(at)
        };
        let (start, end) = (byte(span.0)?, byte(span.1)?);
        let is_quotable = start < end && span.1 - span.0 <= LENGTH / 2;
        if !is_quotable {
            return None;
        }
        let (first, last) = sentence(text, start, end);
        let term = tidy(&text[start..end]);
        let (before, after) = (tidy(&text[first..start]), tidy(&text[end..last]));
        let room = LENGTH - term.chars().count();
        // Each side may have what the other one leaves over.
        let half = room / 2;
        let (length_before, length_after) = (before.chars().count(), after.chars().count());
        let before = keep_end(&before, half.max(room.saturating_sub(length_after)));
        let after = keep_start(&after, half.max(room.saturating_sub(length_before)));
        let before = before.trim_start().to_owned();
        Some(Quote { before, term, after: after.trim_end().to_owned(), row, confidence })
    }

    /// The surest first, then the first in the file.
    fn order(&self, other: &Quote) -> Ordering {
        other.confidence.total_cmp(&self.confidence).then(self.row.cmp(&other.row))
    }

    /// Whether two say the same, whatever their case and punctuation.
    fn says_as(&self, other: &Quote) -> bool {
        let said = |quote: &Quote| {
            let whole = format!("{}{}{}", quote.before, quote.term, quote.after);
            (words(&whole), whole)
        };
        let ((own_words, own), (other_words, other)) = (said(self), said(other));
        // Emoji and the like have no words.
        if own_words.is_empty() { own == other } else { own_words == other_words }
    }
}

/// The surest few quotations, none twice; the order in which they come changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Quotes(Vec<Quote>);

impl Quotes {
    /// `quote` is only asked for where a quotation so sure would be kept.
    pub fn offer(&mut self, confidence: f32, row: u64, quote: impl FnOnce() -> Option<Quote>) {
        let is_kept = self.0.len() < KEPT
            || self.0.last().is_some_and(|last| (confidence, last.row) > (last.confidence, row));
        if !is_kept {
            return;
        }
        let Some(quote) = quote() else { return };
        match self.0.iter_mut().find(|other| other.says_as(&quote)) {
            Some(other) if quote.order(other).is_lt() => *other = quote,
            Some(_) => return,
            None => self.0.push(quote),
        }
        self.0.sort_by(Quote::order);
        self.0.truncate(KEPT);
    }

    pub fn list(&self) -> &[Quote] {
        &self.0
    }
}

/// The first and the last byte of the sentences that a span lies in.
fn sentence(text: &str, start: usize, end: usize) -> (usize, usize) {
    let sentences = sentencex::get_sentence_boundaries("en", text);
    let touched = sentences
        .into_iter()
        .filter(|sentence| sentence.start_byte < end && start < sentence.end_byte);
    touched.fold((start, end), |(first, last), sentence| {
        (first.min(sentence.start_byte), last.max(sentence.end_byte))
    })
}

/// On one line, with no character that draws nothing or turns the direction of what follows.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_whitespace() || c.is_control() => {
                if !tidied.ends_with(' ') {
                    tidied.push(' ');
                }
            }
            c => tidied.push(c),
        }
    }
    tidied
}

/// The first `length` characters, to the end of a word where there is one.
fn keep_start(text: &str, length: usize) -> String {
    let Some((cut, next)) = text.char_indices().nth(length) else { return text.to_owned() };
    let kept = &text[..cut];
    let kept = match kept.rfind(' ') {
        Some(space) if next != ' ' => &kept[..space],
        _ => kept,
    };
    format!("{}{CUT}", kept.trim_end())
}

/// The last `length` characters, from the start of a word where there is one.
fn keep_end(text: &str, length: usize) -> String {
    let characters = text.chars().count();
    if characters <= length {
        return text.to_owned();
    }
    let left_out = characters - length;
    let cut = text.char_indices().nth(left_out).map_or(text.len(), |(byte, _)| byte);
    let kept = &text[cut..];
    let kept = match kept.find(' ') {
        Some(space) if !text[..cut].ends_with(' ') => &kept[space..],
        _ => kept,
    };
    // The space at its end stays: the term follows.
    format!("{CUT}{}", kept.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, term: &str) -> (usize, usize) {
        let byte = text.find(term).expect("the term is in the text");
        let start = text[..byte].chars().count();
        (start, start + term.chars().count())
    }

    fn shown(text: &str, term: &str) -> String {
        let quote = Quote::of(text, span(text, term), 1, 0.9).expect("it can be quoted");
        format!("{}[{}]{}", quote.before, quote.term, quote.after)
    }

    #[test]
    fn a_sentence_is_quoted_whole_where_it_is_short() {
        for (text, term, expected) in [
            ("Nice. The café's 🍰 cake is good! Bye.", "cake", "The café's 🍰 [cake] is good!"),
            ("battery", "battery", "[battery]"),
            ("I like\n the  battery", "battery", "I like the [battery]"),
            ("The \u{202e}battery", "battery", "The [battery]"),
        ] {
            assert_eq!(shown(text, term), expected);
        }
        assert_eq!(Quote::of("short", (3, 9), 1, 0.9), None);
        assert_eq!(Quote::of("short", (3, 3), 1, 0.9), None);
        assert_eq!(Quote::of(&"long ".repeat(90), (0, 200), 1, 0.9), None);
    }

    #[test]
    fn a_long_sentence_is_cut_between_words() {
        let many = "word ".repeat(80);
        for text in
            [format!("{many}screen {many}"), format!("screen {many}"), format!("{many}screen")]
        {
            let quote = shown(&text, "screen");
            assert!(quote.chars().count() <= LENGTH + 4, "{quote}");
            assert!(quote.contains('…'), "{quote}");
            for word in quote.split([' ', '…']) {
                assert!(["", "word", "[screen]"].contains(&word), "{word}: {quote}");
            }
        }
        let unbroken = format!("{}screen{}", "語".repeat(300), "語".repeat(300));
        assert!(shown(&unbroken, "screen").starts_with("…語"));
    }

    #[test]
    fn the_surest_are_kept_and_none_twice_in_whatever_order_they_come() {
        let texts = [
            ("The screen is good.", 0.7, 1),
            ("the SCREEN is good!", 0.9, 2),
            ("A screen.", 0.8, 3),
            ("My screen.", 0.8, 4),
            ("Your screen.", 0.8, 5),
            ("Screen, again the screen.", 0.1, 6),
        ];
        let rows = |order: &mut dyn Iterator<Item = &(&str, f32, u64)>| -> Vec<u64> {
            let mut quotes = Quotes::default();
            for (text, confidence, row) in order {
                let at = span(&text.to_lowercase(), "screen");
                quotes.offer(*confidence, *row, || Quote::of(text, at, *row, *confidence));
            }
            quotes.list().iter().map(|quote| quote.row).collect()
        };
        assert_eq!(rows(&mut texts.iter()), [2, 3, 4]);
        assert_eq!(rows(&mut texts.iter().rev()), [2, 3, 4]);
    }
}
