//! Words, sentences and lines of a text, found without copying it.

use std::collections::HashSet;

/// The longest word that a phrase may hold.
const WORD_BYTES: usize = 32;

/// A place in a part of a text.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    pub text: &'a str,
    pub at: usize,
    pub end: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str, at: usize, end: usize) -> Cursor<'a> {
        Cursor { text, at, end }
    }

    pub fn rest(&self) -> &'a str {
        &self.text[self.at..self.end]
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_skipped).len();
    }

    pub fn skip_blanks(&mut self) {
        self.skip(char::is_whitespace);
    }

    pub fn eat(&mut self, c: char) -> bool {
        let is_next = self.rest().starts_with(c);
        self.at += if is_next { c.len_utf8() } else { 0 };
        is_next
    }

    /// The word that begins right here, with hyphens and apostrophes inside it.
    pub fn word(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let mut chars = rest.char_indices().peekable();
        let mut end = 0;
        while let Some((at, c)) = chars.next() {
            let joins = is_joint(c)
                && at > 0
                && chars.peek().is_some_and(|(_, next)| next.is_alphanumeric());
            if !is_letter(c) && !joins {
                break;
            }
            end = at + c.len_utf8();
        }
        self.at += end;
        (end > 0).then(|| &rest[..end])
    }

    /// The next word, past what may stand between the words of a phrase. The cursor stays where there is none.
    pub fn next_word(&mut self) -> Option<&'a str> {
        let before = self.at;
        self.skip(is_gap);
        let word = self.word();
        self.at = if word.is_some() { self.at } else { before };
        word
    }

    /// The words that are left, whatever stands between them.
    pub fn words(mut self) -> impl Iterator<Item = &'a str> {
        std::iter::from_fn(move || {
            self.skip(|c| !is_letter(c));
            self.word()
        })
    }
}

/// A letter, a digit, or a mark upon a letter.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&c)
}

fn is_joint(c: char) -> bool {
    matches!(c, '\'' | '’' | '-' | '\u{2010}' | '\u{2011}')
}

/// What may stand between the words of one phrase.
fn is_gap(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ':' | '/' | '&' | '+' | '*' | '_')
}

/// Words to look others up in.
pub type Words = HashSet<&'static str>;

/// The words of a list, which blanks part.
pub fn words(list: &'static str) -> Words {
    list.split_whitespace().collect()
}

/// A word in small letters, on the stack; empty where it is longer than any that is looked for.
pub struct Folded {
    bytes: [u8; WORD_BYTES],
    length: usize,
}

impl Folded {
    pub fn new(word: &str) -> Folded {
        let mut folded = Folded { bytes: [0; WORD_BYTES], length: 0 };
        if word.is_ascii() && word.len() <= WORD_BYTES {
            folded.length = word.len();
            folded.bytes[..word.len()].copy_from_slice(word.as_bytes());
            folded.bytes.make_ascii_lowercase();
            return folded;
        }
        for c in word.chars().flat_map(char::to_lowercase) {
            let c = match c {
                '’' => '\'',
                '\u{2010}' | '\u{2011}' => '-',
                c => c,
            };
            let Some(room) = folded.bytes.get_mut(folded.length..folded.length + c.len_utf8())
            else {
                return Folded { length: 0, ..folded };
            };
            folded.length += c.encode_utf8(room).len();
        }
        folded
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }

    pub fn is_in(&self, words: &Words) -> bool {
        words.contains(self.as_str())
    }

    pub fn is_among(&self, words: &[&str]) -> bool {
        words.contains(&self.as_str())
    }
}

/// A line of a text: its bytes without the line break, and where the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub start: usize,
    pub end: usize,
    pub next: usize,
}

impl Line {
    /// Whether a blank line follows.
    pub fn is_above_blank(&self, text: &str) -> bool {
        text[self.next..].starts_with(['\n', '\r'])
    }
}

/// The line that starts at `start`, of a part that ends at `end`.
pub fn line(text: &str, start: usize, end: usize) -> Line {
    let length = text[start..end].find('\n');
    let next = length.map_or(end, |length| start + length + 1);
    let last = length.map_or(end, |length| start + length);
    Line { start, end: start + text[start..last].trim_end().len(), next }
}

/// The lines of a part of a text.
pub fn lines(text: &str, start: usize, end: usize) -> impl Iterator<Item = Line> {
    let mut at = start;
    std::iter::from_fn(move || {
        let line = (at < end).then(|| line(text, at, end))?;
        at = line.next;
        Some(line)
    })
}

/// Where the last sentence or line of `text[start..end]` starts; the part ends without blanks.
pub fn last_piece(text: &str, start: usize, end: usize) -> usize {
    let part = &text[start..end];
    // The first character of the piece as far as it is known, and whether blanks stand before it.
    let (mut piece, mut is_apart) = (part.len(), false);
    for (at, c) in part.char_indices().rev() {
        match c {
            '\n' => return start + piece,
            _ if c.is_whitespace() => is_apart = true,
            _ => {
                if is_apart && ends_sentence(part, at, c) {
                    return start + piece;
                }
                (piece, is_apart) = (at, false);
            }
        }
    }
    start + piece
}

/// Whether the character at `at`, which blanks follow, ends a sentence.
fn ends_sentence(part: &str, at: usize, c: char) -> bool {
    match c {
        '.' => {
            let head = &part[..at];
            let length = head.chars().rev().take(8).take_while(|c| is_letter(*c)).count();
            let first = head.char_indices().rev().nth(length.saturating_sub(1));
            let word = first.map_or("", |(first, _)| &head[first..]);
            let next = part[at + 1..].trim_start().chars().next();
            let counts = next.is_some_and(|c| c.is_ascii_digit() || c == '+');
            !(is_abbreviation(word, length)
                || counts && Folded::new(word).is_among(&["no", "nr", "tel", "ref"]))
        }
        '!' | '?' | '…' | ')' | ']' | '"' | '”' | '»' | '>' | ';' | '。' | '！' | '？' => {
            true
        }
        // An emoji ends a sentence as a full stop does.
        _ => c > '\u{2030}' && !c.is_alphanumeric() && !matches!(c, '\u{200d}'),
    }
}

/// Whether a full stop behind this word may stand inside a sentence: "Dr.", "A.".
pub fn is_abbreviation(word: &str, length: usize) -> bool {
    const TITLES: [&str; 9] = ["mr", "mrs", "ms", "dr", "prof", "st", "sr", "sra", "mme"];
    let is_initial = length == 1 && word.chars().all(char::is_uppercase);
    is_initial || Folded::new(word).is_among(&TITLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_what_is_inside_it() {
        for (text, word) in [
            ("don't go", "don't"),
            ("e-mail, again", "e-mail"),
            ("It’s", "It’s"),
            ("well- known", "well"),
            ("Größe", "Größe"),
            ("-x", ""),
            ("", ""),
        ] {
            let mut cursor = Cursor::new(text, 0, text.len());
            assert_eq!(cursor.word().unwrap_or_default(), word, "{text}");
        }
    }

    #[test]
    fn folding_makes_spellings_equal() {
        assert_eq!(Folded::new("IT’S").as_str(), "it's");
        assert_eq!(Folded::new("Grüße").as_str(), "grüße");
        assert_eq!(Folded::new(&"a".repeat(40)).as_str(), "");
    }

    #[test]
    fn the_last_piece_starts_behind_a_sentence_or_a_line_break() {
        for (text, piece) in [
            ("The hinge broke. Kind regards, Alex", "Kind regards, Alex"),
            ("The hinge broke\nKind regards", "Kind regards"),
            ("Ask Dr. Moore", "Ask Dr. Moore"),
            ("Regards, A. Moore", "Regards, A. Moore"),
            ("It broke 😡 Regards", "Regards"),
            ("It broke (twice) Regards.", "Regards."),
            ("One", "One"),
            ("", ""),
        ] {
            assert_eq!(&text[last_piece(text, 0, text.len())..], piece, "{text}");
        }
    }
}
