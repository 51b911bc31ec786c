//! How a letter ends, line by line: a sign-off or a name, a signature below it, and what a firm prints below that.

use super::names::{self, is_of_signature};
use super::phrases::{Kind, phrase};
use super::words::{Cursor, Folded, last_piece};

/// The most lines and bytes below the last sentence of a letter.
const MOST_LINES: usize = 40;
const MOST_BYTES: usize = 4_000;
/// The most lines of a signature.
const SIGNATURE_LINES: usize = 10;
/// The most words of a line that closes a letter in words of the writer's own: "In haste,".
const CLOSING_WORDS: usize = 5;

/// The end of a part of a text that is looked through upwards.
pub struct Letter<'a> {
    pub text: &'a str,
    pub start: usize,
    pub end: usize,
    /// The text greets, or holds what only mails hold.
    pub is_mail: bool,
}

/// What the lines below a place are.
#[derive(Clone, Copy)]
struct Below {
    lines: usize,
    /// All could stand in a signature.
    is_signature: bool,
    /// All have capital words or a number to call.
    is_capital: bool,
    is_contact: bool,
    is_address: bool,
}

impl Letter<'_> {
    /// Where the sign-off or the signature starts that the text ends with.
    pub fn signature(&self) -> Option<usize> {
        let mut at = self.end;
        let mut below = Below {
            lines: 0,
            is_signature: true,
            is_capital: true,
            is_contact: false,
            is_address: false,
        };
        for _ in 0..MOST_LINES {
            let line = self.line_start(at);
            let body = self.text[line..at].trim();
            let above = self.start + self.text[self.start..line].trim_end().len();
            if body.is_empty() || self.end - line > MOST_BYTES {
                return None;
            }
            if below.lines > 0 && self.opens(line, at, below) {
                return Some(line);
            }
            if below.lines > 0 && below.is_signature && below.lines <= SIGNATURE_LINES {
                let piece = last_piece(self.text, line, at);
                let sign_off = self.sign_off(piece, at).filter(|kind| *kind == Kind::SignOff);
                if piece > line && sign_off.is_some() {
                    return Some(piece);
                }
            }
            if !below.takes(body) {
                return None;
            }
            let is_paragraph =
                above > self.start && self.text[above..line].matches('\n').count() > 1;
            if is_paragraph && below.is_block(body, self.is_mail) {
                return Some(line);
            }
            at = above;
        }
        None
    }

    fn line_start(&self, end: usize) -> usize {
        self.text[self.start..end].rfind('\n').map_or(self.start, |at| self.start + at + 1)
    }

    /// Whether a signature starts with the line from `line` to `at`: a sign-off, or a line of dashes.
    fn opens(&self, line: usize, at: usize, below: Below) -> bool {
        let body = self.text[line..at].trim();
        if is_separator(body) {
            return below.is_signature && (body == "--" || below.is_contact);
        }
        let Some(kind) = self.sign_off(line, at) else { return false };
        let is_named = self.is_above_name(at);
        let fits = below.is_signature && below.lines <= SIGNATURE_LINES;
        match kind {
            // A firm's lines, below the name.
            Kind::SignOff => fits || is_named || self.has_name(line, at),
            _ => is_named && (fits || kind != Kind::Farewell),
        }
    }

    /// The kind of sign-off that the words from `from` to `at` are, if they are one.
    fn sign_off(&self, from: usize, at: usize) -> Option<Kind> {
        let mut cursor = Cursor::new(self.text, from, at);
        cursor.skip(|c| !c.is_alphanumeric());
        let above = self.text[self.start..from].trim_end();
        // "Best" above "Phone Ever" is a headline.
        let is_meant = self.is_mail || above.ends_with(['.', '!', '?', '…']);
        let Some((kind, end)) = phrase(cursor, is_of_ends) else {
            return self.own_closing(from, at);
        };
        let behind = Cursor { at: end, ..cursor };
        let is_bare = !behind.rest().contains(|c: char| c.is_alphanumeric() || c == '?');
        match kind {
            Kind::SignOff => (closes(behind, true) || self.goes_on(behind, at)).then_some(kind),
            Kind::Closing | Kind::Parting => is_bare.then_some(kind),
            _ => (is_bare && (is_meant || behind.rest().contains(','))).then_some(kind),
        }
        .or_else(|| self.own_closing(from, at))
    }

    /// "On behalf of the parents' council" above a name.
    fn goes_on(&self, behind: Cursor<'_>, at: usize) -> bool {
        let is_short = behind.words().count() <= CLOSING_WORDS;
        is_short && !names::says_something(behind.rest()) && self.is_above_name(at)
    }

    /// "In haste,", "Stay well," above a name.
    fn own_closing(&self, from: usize, at: usize) -> Option<Kind> {
        let body = self.text[from..at].trim();
        let count = Cursor::new(body, 0, body.len()).words().count();
        let is_closing = body.ends_with(',')
            && (1..=CLOSING_WORDS).contains(&count)
            && !names::says_something(body)
            && from > self.start
            && body.starts_with(char::is_uppercase);
        is_closing.then_some(Kind::Farewell)
    }

    /// Whether the line below `at` is a name.
    fn is_above_name(&self, at: usize) -> bool {
        let below = self.text[at..self.end].trim_start_matches([' ', '\r']);
        let first = below.trim_start();
        let first = first[..first.find('\n').unwrap_or(first.len())].trim_end();
        let name = Cursor::new(first, 0, first.len());
        below.starts_with('\n')
            && (names::name(name, true)
                .is_some_and(|name| !name.rest().contains(char::is_alphanumeric))
                || names::signs(name))
    }

    /// Whether a line holds a sign-off and a name.
    fn has_name(&self, line: usize, at: usize) -> bool {
        let words = Cursor::new(self.text, line, at);
        let end = phrase(words, is_of_ends).map_or(at, |(_, end)| end);
        self.text[end..at].contains(char::is_alphanumeric)
    }
}

impl Below {
    /// Takes a line along; not one that may say something.
    fn takes(&mut self, body: &str) -> bool {
        let is_of = is_of_signature(body) || is_small_name(body) || is_separator(body);
        let is_detail = || {
            let words = Cursor::new(body, 0, body.len()).words().count();
            (1..=6).contains(&words) && !names::says_something(body)
        };
        if !is_of && !is_detail() {
            self.is_signature = false;
            if !prints(body) {
                return false;
            }
        }
        self.lines += 1;
        self.is_capital &= names::is_capital(body) || names::is_contact(body) || is_separator(body);
        self.is_contact |= names::is_contact(body);
        self.is_address |= names::is_address(body);
        true
    }

    /// Whether the lines are a signature without a sign-off, of which `first` is the first.
    fn is_block(&self, first: &str, is_mail: bool) -> bool {
        let cursor = Cursor::new(first, 0, first.len());
        let is_named = || names::is_short_name(cursor) || names::signs(cursor);
        let is_line = || first.contains('|') && names::signs(cursor);
        let is_reached = self.is_contact
            && self.is_capital
            && (is_mail || self.is_address || names::is_labelled(first));
        self.is_signature
            && (is_reached
                || self.lines <= SIGNATURE_LINES && (self.lines > 1 && is_named() || is_line()))
    }
}

/// Whether a firm may print a line below its letters: nobody's opinion, and nobody who speaks for himself.
fn prints(body: &str) -> bool {
    const OF_PERSONS: &[&str] =
        &["i", "i'm", "i've", "i'd", "i'll", "my", "me", "edit", "update", "btw"];
    let mut words = Cursor::new(body, 0, body.len()).words();
    !body.contains('?')
        && !is_postscript(body)
        && !words.any(|word| names::is_telling(word) || Folded::new(word).is_among(OF_PERSONS))
}

pub fn is_of_ends(kind: Kind) -> bool {
    use Kind::{Closing, Farewell, Parting, SignOff, Thanks};
    matches!(kind, Closing | Parting | SignOff | Thanks | Farewell)
}

/// Whether nothing follows but further sign-offs and a name.
pub fn closes(behind: Cursor<'_>, may_be_small: bool) -> bool {
    const MARKS: &[char] = &[',', '.', ':', ';', '!', '/', '-', '–', '—', '*', '_', ')'];
    let mut cursor = behind;
    loop {
        cursor.skip(|c| c.is_whitespace() || MARKS.contains(&c));
        if cursor.rest().is_empty() {
            return true;
        }
        match phrase(cursor, is_of_ends) {
            Some((_, end)) => cursor.at = end,
            None => break,
        }
    }
    // Small letters make a name only behind a comma or a line break.
    let is_apart = behind.text[behind.at..cursor.at].contains([',', '\n']);
    let named = names::name(cursor, may_be_small && is_apart).is_some_and(|mut named| {
        named.skip(|c| !c.is_alphanumeric() && c != '?');
        named.rest().is_empty()
    });
    named || names::signs(cursor)
}

/// Whether a paragraph goes on after the letter's end: "P.S. …"
pub fn is_postscript(paragraph: &str) -> bool {
    const MARKS: [&str; 7] = ["PS", "P.S", "P.P.S", "PPS", "ps:", "p.s", "NB:"];
    let behind = MARKS.iter().find_map(|mark| paragraph.strip_prefix(mark));
    behind.is_some_and(|behind| behind.starts_with(|c: char| !c.is_alphanumeric()))
}

/// A line of dashes.
pub fn is_separator(piece: &str) -> bool {
    piece.chars().count() >= 2
        && piece.chars().all(|c| matches!(c, '-' | '_' | '=' | '~' | '–' | '—' | ' '))
}

/// "alex", "alex moore".
fn is_small_name(piece: &str) -> bool {
    let name = Cursor::new(piece, 0, piece.len());
    piece.starts_with(char::is_lowercase)
        && piece.chars().all(|c| c.is_alphabetic() || c == ' ')
        && names::name(name, true).is_some()
}
