//! What stands before the first sentence of a text: numbers, greetings, courtesy, warnings of mail programs.

use super::names::addressee;
use super::phrases::{Kind, phrase};
use super::references;
use super::words::{Cursor, Folded, lines};

/// How many things may stand before a text, and how far down a line may be that greets.
const MOST_PARTS: usize = 8;
const MOST_LINES: usize = 6;

pub struct Head {
    /// Where the text itself begins.
    pub end: usize,
    /// A greeting further down, under a line for the subject.
    pub below: Option<(usize, usize)>,
    pub greets: bool,
}

/// The head of the part of a text from `start` to `end`.
pub fn find(text: &str, start: usize, end: usize) -> Head {
    let mut at = past_blanks(Cursor::new(text, start, end));
    let (mut greets, mut warns) = (false, false);
    for _ in 0..MOST_PARTS {
        let cursor = Cursor::new(text, at, end);
        let next = if let Some(next) = warning(cursor, warns) {
            warns = true;
            next
        } else if let Some(next) = references::leading(cursor).or_else(|| subject(cursor)) {
            next
        } else if let Some(next) = greeting(cursor).filter(|_| !greets) {
            greets = true;
            next
        } else if let Some(next) = courtesy(cursor).filter(|_| greets) {
            next
        } else {
            break;
        };
        at = past_blanks(Cursor::new(text, next, end));
    }
    let below = if greets { None } else { greeting_below(text, at, end) };
    Head { end: at, below, greets: greets || below.is_some() }
}

fn past_blanks(mut cursor: Cursor<'_>) -> usize {
    cursor.skip_blanks();
    cursor.at
}

/// Past a greeting with those whom it greets: "Hi team,", "Dear Sir or Madam:", "Good morning" above a line break.
fn greeting(at: Cursor<'_>) -> Option<usize> {
    let (kind, end) = phrase(at, |kind| matches!(kind, Kind::Greeting | Kind::Salutation))?;
    let behind = Cursor { at: end, ..at };
    let greeted = addressee(behind).or_else(|| small_name(behind))?;
    if kind == Kind::Salutation && greeted.at == end {
        return None;
    }
    closed(greeted)
}

/// "hi alex," above a line break.
fn small_name(at: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut cursor = at;
    cursor.skip(|c| c == ' ');
    cursor.word().filter(|word| word.chars().all(char::is_alphabetic))?;
    let mut behind = cursor;
    behind.eat(',');
    behind.skip(|c| matches!(c, ' ' | '\t' | '\r'));
    (behind.at > cursor.at && behind.peek() == Some('\n')).then_some(cursor)
}

/// Past what ends a greeting: a mark with a blank behind it, a line break, the end.
fn closed(at: Cursor<'_>) -> Option<usize> {
    let mut cursor = at;
    cursor.skip(|c| matches!(c, ' ' | '\t' | '\r' | '\u{a0}') || is_symbol(c));
    let is_apart = |cursor: &Cursor<'_>| cursor.peek().is_none_or(char::is_whitespace);
    match cursor.peek() {
        None | Some('\n') => Some(cursor.at),
        Some(mark @ (',' | '!' | ':' | '.' | ';' | '-' | '–' | '—')) => {
            let is_dash = matches!(mark, '-' | '–' | '—');
            let is_after_blank = cursor.at > at.at;
            cursor.eat(mark);
            if mark == ',' || mark == '!' {
                cursor.skip(|c| matches!(c, '-' | '–' | '—'));
            }
            let mut ahead = cursor;
            ahead.skip(|c| c == ' ' || is_symbol(c));
            (is_apart(&cursor) || is_symbol(cursor.peek()?))
                .then_some(cursor.at)
                .filter(|_| !is_dash || is_after_blank || ahead.peek() == Some('\n'))
        }
        _ => None,
    }
}

fn is_symbol(c: char) -> bool {
    c > '\u{2030}' && !c.is_alphanumeric() && !c.is_whitespace()
}

/// Past a sentence of courtesy, a whole one.
fn courtesy(at: Cursor<'_>) -> Option<usize> {
    let (_, end) = phrase(at, |kind| kind == Kind::Courtesy)?;
    let mut cursor = Cursor { at: end, ..at };
    cursor.skip(|c| c == ' ' || is_symbol(c));
    let marks = cursor.at;
    cursor.skip(|c| matches!(c, '.' | '!' | '?' | ')'));
    let is_over = cursor.at > marks || matches!(cursor.peek(), None | Some('\n' | '\r'));
    cursor.skip(|c| c == ' ' || is_symbol(c));
    is_over.then_some(cursor.at)
}

/// Past "Subject:" before the writer's own words.
fn subject(at: Cursor<'_>) -> Option<usize> {
    const LABELS: &[&str] =
        &["subject", "betreff", "objet", "asunto", "oggetto", "assunto", "onderwerp"];
    let mut cursor = at;
    let is_label = Folded::new(cursor.word()?).is_among(LABELS);
    cursor.skip(|c| c == ' ');
    (is_label && cursor.eat(':')).then_some(cursor.at)
}

/// Past a sentence in which a mail program warns of a mail from outside, and those behind it.
fn warning(at: Cursor<'_>, warned: bool) -> Option<usize> {
    let mut cursor = at;
    if cursor.eat('[') {
        let is_mark =
            Folded::new(cursor.word()?).is_among(&["external", "ext", "extern", "externe"]);
        cursor.skip(|c| c == ' ' || c.is_alphabetic());
        return (is_mark && cursor.eat(']')).then_some(cursor.at);
    }
    cursor.skip(|c| matches!(c, '*' | ' ' | '⚠' | '\u{fe0f}'));
    let mut first = cursor;
    let word = Folded::new(first.word()?);
    let goes_on =
        warned && word.is_among(&["do", "don't", "please", "be", "exercise", "never", "only"]);
    if !goes_on {
        phrase(cursor, |kind| kind == Kind::Banner)?;
    }
    let rest = cursor.rest();
    let line = rest.find('\n').unwrap_or(rest.len());
    let sentence = rest[..line].find(". ").map_or(line, |end| end + 1);
    Some(cursor.at + sentence)
}

/// A line that only greets, a few lines down, with the courtesy behind it.
fn greeting_below(text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let below = lines(text, start, end).take(MOST_LINES).skip(1);
    below.filter(|line| line.start < line.end).find_map(|line| {
        let from = past_blanks(Cursor::new(text, line.start, line.end));
        let cursor = Cursor::new(text, from, line.end);
        let greeted =
            greeting(cursor).filter(|greeted| text[*greeted..line.end].trim().is_empty())?;
        let mut next = past_blanks(Cursor::new(text, greeted, end));
        while let Some(further) = courtesy(Cursor::new(text, next, end)) {
            next = past_blanks(Cursor::new(text, further, end));
        }
        (next < end).then_some((from, next))
    })
}
