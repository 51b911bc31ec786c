//! What stands behind the last sentence of a text, found from its end: footers, signatures, sign-offs, courtesy.

use std::sync::LazyLock;

use super::phrases::{Kind, phrase};
use super::words::{Cursor, Folded, Words, last_piece, words};
use super::{footers, names, references};

/// The most lines of a signature, and the bytes in which a sign-off is looked for that no sentence's end parts from the
/// text.
const SIGNATURE_PIECES: usize = 10;
const UNPARTED_BYTES: usize = 120;

/// How often something is cut off inside a sentence.
const MOST_INSIDE: usize = 4;

/// Whose regards are told of, rather than sent: "his kind regards".
static TOLD_OF: LazyLock<Words> = LazyLock::new(|| {
    words("my his her their our your the a with of in and sends send sent gives give no without")
});

/// The tail of a part of a text.
struct Tail<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    /// The text greets, or holds what only mails hold.
    is_mail: bool,
    /// A sign-off was found below.
    is_signed: bool,
    /// How often more may be cut off inside a sentence: each time its start is looked for anew.
    inside: usize,
}

/// What is left of `text[start..end]`, and the part of it that goes from above a postscript.
pub fn find(
    text: &str,
    start: usize,
    end: usize,
    is_mail: bool,
) -> (usize, Option<(usize, usize)>) {
    let mut tail = Tail { text, start, end, is_mail, is_signed: false, inside: MOST_INSIDE };
    let whole = tail.shorten();
    let end = tail.end;
    let Some(postscript) = (!whole).then(|| postscript(text, start, end)).flatten() else {
        return (end, None);
    };
    tail.end = trimmed(text, start, postscript);
    let from = tail.end;
    tail.shorten();
    let blanks = text[tail.end..].len() - text[tail.end..].trim_start().len();
    let above = (tail.end < from).then_some((tail.end + blanks, postscript));
    (end, above)
}

fn trimmed(text: &str, start: usize, end: usize) -> usize {
    start + text[start..end].trim_end().len()
}

/// Where the last paragraph starts, if it is a postscript.
fn postscript(text: &str, start: usize, end: usize) -> Option<usize> {
    let part = &text[start..end];
    let at = part.rfind("\n\n").max(part.rfind("\n\r\n"))?;
    let mut cursor = Cursor::new(text, start + at, end);
    cursor.skip_blanks();
    let from = cursor.at;
    let rest = cursor.rest();
    let marks = ["PS", "P.S", "P.P.S", "PPS", "ps:", "p.s", "NB:"];
    let behind = marks.iter().find_map(|mark| rest.strip_prefix(mark))?;
    behind.starts_with(|c: char| !c.is_alphanumeric()).then_some(from)
}

impl Tail<'_> {
    /// Takes away one part after the other; whether nothing is left.
    fn shorten(&mut self) -> bool {
        loop {
            self.end = trimmed(self.text, self.start, self.end);
            match self.shorter() {
                Some(end) => self.end = end,
                None => return self.end == self.start,
            }
        }
    }

    fn shorter(&mut self) -> Option<usize> {
        let piece = last_piece(self.text, self.start, self.end);
        if piece == self.end {
            return None;
        }
        let cursor = Cursor::new(self.text, piece, self.end);
        if self.is_line(piece) && is_separator(cursor.rest()) || self.is_courtesy(cursor) {
            return Some(piece);
        }
        if references::is_whole(cursor) {
            return Some(piece);
        }
        let found = footers::start(self.text, self.start, self.end).or_else(|| self.signature());
        found.or_else(|| {
            self.inside = self.inside.checked_sub(1)?;
            references::trailing(self.text, piece, self.end).or_else(|| self.unparted(piece))
        })
    }

    /// Whether a line starts here.
    fn is_line(&self, at: usize) -> bool {
        let before = self.text[self.start..at].trim_end_matches([' ', '\t', '\r']);
        before.is_empty() || before.ends_with('\n')
    }

    /// Whether a piece is a sign-off, with a name or without, or says where a mail was written.
    fn is_courtesy(&mut self, piece: Cursor<'_>) -> bool {
        let mut cursor = piece;
        cursor.skip(|c| matches!(c, '-' | '–' | '—' | '*' | '_' | '~' | '(' | ' '));
        let Some((kind, end)) = phrase(cursor, is_of_tails) else { return false };
        let behind = Cursor { at: end, ..cursor };
        let is_courtesy = match kind {
            Kind::SignOff | Kind::Closing => closes(behind, true),
            Kind::Parting => (self.is_mail || self.is_signed) && closes(behind, false),
            Kind::Device => footers::names_device(behind.rest()),
            _ => self.is_weakly_signed(kind, piece, behind),
        };
        self.is_signed |= is_courtesy && kind == Kind::SignOff;
        self.is_mail |= is_courtesy && kind == Kind::Device;
        is_courtesy
    }

    /// "Thanks", "Cheers", "Best": said in reviews as well, so only where a mail ends; "Best, Alex" anywhere.
    fn is_weakly_signed(&self, kind: Kind, piece: Cursor<'_>, behind: Cursor<'_>) -> bool {
        let rest = behind.rest();
        let is_mail = self.is_mail || self.is_signed;
        if rest.contains(['!', '?']) {
            return false;
        }
        if rest.trim_matches([',', '.', ' ', '-', '–']).is_empty() {
            let is_apart = kind == Kind::Farewell || self.is_signed || self.is_line(piece.at);
            return is_mail && is_apart;
        }
        let is_named = rest.trim_start().starts_with([',', '-', '–']) && closes(behind, false);
        is_named && (is_mail || kind == Kind::Farewell)
    }

    /// Where a sign-off starts that stands above what may be a signature.
    fn signature(&mut self) -> Option<usize> {
        let (mut at, mut is_contact, mut is_small) = (self.end, false, false);
        for count in 0..SIGNATURE_PIECES {
            let piece = last_piece(self.text, self.start, at);
            let body = &self.text[piece..at];
            if piece == at {
                return None;
            }
            if count > 0 && self.opens_signature(piece, at, is_small) {
                self.is_signed = true;
                return Some(piece);
            }
            is_small |= is_small_name(body);
            if !names::is_of_signature(body) && !is_small_name(body) && !is_separator(body) {
                return None;
            }
            is_contact |= names::is_contact(body);
            let above = trimmed(self.text, self.start, piece);
            let is_paragraph = self.text[above..piece].matches('\n').count() > 1;
            if is_paragraph && is_contact && !is_small && (self.is_mail || self.is_signed) {
                return Some(piece);
            }
            at = above;
        }
        None
    }

    /// Whether a signature starts with this piece: a sign-off, or the two dashes of RFC 3676.
    fn opens_signature(&self, piece: usize, at: usize, is_small: bool) -> bool {
        let body = &self.text[piece..at];
        if body == "--" && self.is_line(piece) {
            return !is_small;
        }
        let mut cursor = Cursor::new(self.text, piece, at);
        cursor.skip(|c| matches!(c, '-' | '–' | '—' | '*' | '_' | ' '));
        let Some((kind, end)) = phrase(cursor, is_of_tails) else { return false };
        let behind = Cursor { at: end, ..cursor };
        let is_bare = behind.rest().trim_matches([',', '.', ' ', '*', '-', '–', '—']).is_empty();
        let below = &self.text[at..self.end];
        let is_above_name = || {
            let first = below.trim_start();
            let first = &first[..first.find('\n').unwrap_or(first.len())];
            let name = Cursor::new(first, 0, first.len());
            below.trim_start_matches([' ', '\r']).starts_with('\n')
                && names::name(name, true).is_some()
        };
        match kind {
            Kind::SignOff => closes(behind, true),
            Kind::Closing => is_bare && is_above_name(),
            // "Best" above "Phone Ever" is a headline.
            Kind::Thanks | Kind::Farewell => {
                let is_meant = behind.rest().contains(',') || self.is_mail;
                is_bare && is_meant && self.is_line(piece) && is_above_name()
            }
            _ => false,
        }
    }

    /// Where a sign-off starts inside the last sentence: "my money back Kind regards Alex".
    fn unparted(&mut self, piece: usize) -> Option<usize> {
        let from = self.end.saturating_sub(UNPARTED_BYTES).max(piece);
        let mut cursor = Cursor::new(self.text, self.text.ceil_char_boundary(from), self.end);
        let mut before: Option<&str> = None;
        if from > piece {
            cursor.skip(|c| !c.is_whitespace());
        }
        loop {
            cursor.skip(|c| !c.is_alphanumeric());
            let at = cursor;
            let word = cursor.word()?;
            let is_told_of = before.is_some_and(|before| Folded::new(before).is_in(&TOLD_OF));
            before = Some(word);
            if at.at == piece || is_told_of || !word.starts_with(char::is_uppercase) {
                continue;
            }
            let is_wanted = |kind| matches!(kind, Kind::SignOff | Kind::Closing | Kind::Device);
            let Some((kind, end)) = phrase(at, is_wanted) else { continue };
            let behind = Cursor { at: end, ..at };
            let is_end = match kind {
                Kind::Device => footers::names_device(behind.rest()),
                _ => closes(behind, false),
            };
            if is_end {
                self.is_signed |= kind == Kind::SignOff;
                return Some(at.at);
            }
        }
    }
}

fn is_of_tails(kind: Kind) -> bool {
    use Kind::{Closing, Device, Farewell, Parting, SignOff, Thanks};
    matches!(kind, Closing | Parting | SignOff | Thanks | Farewell | Device)
}

/// Whether nothing follows but further sign-offs and a name.
fn closes(behind: Cursor<'_>, may_be_small: bool) -> bool {
    let mut cursor = behind;
    loop {
        cursor.skip(|c| {
            c.is_whitespace()
                || matches!(c, ',' | '.' | ':' | ';' | '!' | '-' | '–' | '—' | '*' | '_' | ')')
        });
        if cursor.rest().is_empty() {
            return true;
        }
        match phrase(cursor, |kind| is_of_tails(kind) && kind != Kind::Device) {
            Some((_, end)) => cursor.at = end,
            None => break,
        }
    }
    // Small letters make a name only behind a comma or a line break.
    let is_apart = behind.text[behind.at..cursor.at].contains([',', '\n']);
    let Some(mut named) = names::name(cursor, may_be_small && is_apart) else { return false };
    named.skip(|c| !c.is_alphanumeric() && c != '?');
    named.rest().is_empty()
}

/// A line of dashes.
fn is_separator(piece: &str) -> bool {
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
