//! What stands behind the last sentence of a text, found from its end: footers, signatures, sign-offs, courtesy.

use std::sync::LazyLock;

use super::letters::{Letter, closes, is_postscript, is_separator};
use super::phrases::{Kind, phrase};
use super::words::{Cursor, Folded, Words, last_piece, words};
use super::{fields, footers, names, references};

/// The bytes in which a sign-off is looked for that no sentence's end parts from the text.
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
    is_postscript(cursor.rest()).then_some(from)
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
        if references::is_whole(cursor) || fields::is_trailing(cursor, self.is_line(piece)) {
            return Some(piece);
        }
        let is_advert = || self.is_line(piece) && footers::is_advert(cursor.rest());
        if self.is_dashed_name(cursor) || self.is_bare_name(cursor) || is_advert() {
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
            Kind::Device => {
                footers::names_device(behind.rest())
                    || self.is_line(piece.at) && footers::is_of_device(behind.rest())
            }
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
        is_named && (is_mail || kind == Kind::Farewell || self.is_paragraph(piece.at))
    }

    /// Whether a paragraph of its own starts here, under another one.
    fn is_paragraph(&self, at: usize) -> bool {
        let above = trimmed(self.text, self.start, at);
        above > self.start && self.text[above..at].matches('\n').count() > 1
    }

    /// "— Alex Moore" under a text; not the last line of a list.
    fn is_dashed_name(&self, piece: Cursor<'_>) -> bool {
        let mut cursor = piece;
        let Some(dash @ ('-' | '–' | '—' | '~' | '/')) = cursor.peek() else { return false };
        cursor.skip(|c| c == dash || c == ' ');
        let is_item = || self.text[self.start..piece.at].contains(dash);
        let is_sure = dash == '—' || dash == '–' || self.is_line(piece.at);
        piece.at > self.start && is_sure && names::is_short_name(cursor) && !is_item()
    }

    /// "Alex Moore" on the last line of a mail.
    fn is_bare_name(&self, piece: Cursor<'_>) -> bool {
        let is_apart = self.is_line(piece.at) && piece.at > self.start;
        let is_name =
            || names::is_short_name(piece) || names::is_team(piece.rest()) || names::signs(piece);
        let is_mail = self.is_mail && !self.is_signed;
        is_apart
            && (is_mail && is_name()
                || self.is_paragraph(piece.at)
                    && (names::has_initial(piece) || names::is_team(piece.rest())))
    }

    fn signature(&mut self) -> Option<usize> {
        let Tail { text, start, end, is_mail, is_signed, .. } = *self;
        let found = Letter { text, start, end, is_mail: is_mail || is_signed }.signature();
        self.is_signed |= found.is_some();
        found
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
