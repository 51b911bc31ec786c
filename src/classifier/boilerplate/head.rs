//! What stands before the first sentence of a text: numbers, greetings, courtesy, warnings of mail programs.

use super::letters::is_of_ends;
use super::names::{
    addressee, any_addressee, is_capital, is_of_signature, is_short_name, says_something,
};
use super::phrases::{Kind, phrase};
use super::words::{Cursor, Folded, line, lines};
use super::{fields, references};

/// How many things may stand before a text, and how far down a line may be that greets.
const MOST_PARTS: usize = 16;
const MOST_LINES: usize = 6;
/// "Dear Ana, dear Sam,"
const MOST_GREETINGS: usize = 2;

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
    let (mut greetings, mut warns) = (0, false);
    for _ in 0..MOST_PARTS {
        let cursor = Cursor::new(text, at, end);
        let next = if let Some(next) = warning(cursor, warns) {
            warns = true;
            next
        } else if let Some(next) = filed(cursor) {
            next
        } else if let Some(next) =
            greeting(cursor).or_else(|| own_greeting(cursor)).filter(|_| greetings < MOST_GREETINGS)
        {
            greetings += 1;
            next
        } else if let Some(next) = courtesy(cursor).filter(|_| greetings > 0) {
            next
        } else {
            break;
        };
        at = past_blanks(Cursor::new(text, next, end));
    }
    let greets = greetings > 0;
    let below = if greets { None } else { greeting_below(text, at, end) };
    Head { end: at, below, greets: greets || below.is_some() }
}

/// Past what files a text: a number, a field, a time, the word "Subject".
fn filed(at: Cursor<'_>) -> Option<usize> {
    references::leading(at)
        .or_else(|| subject(at))
        .or_else(|| fields::leading(at))
        .or_else(|| heading(at))
        .or_else(|| letterhead(at))
}

fn past_blanks(mut cursor: Cursor<'_>) -> usize {
    cursor.skip_blanks();
    cursor.at
}

/// Past a greeting with those whom it greets: "Hi team,", "Dear Sir or Madam:", "Good morning" above a line break.
fn greeting(at: Cursor<'_>) -> Option<usize> {
    let is_greeting = |kind| matches!(kind, Kind::Greeting | Kind::Salutation | Kind::Address);
    let (kind, end) = phrase(at, is_greeting)?;
    let behind = Cursor { at: end, ..at };
    let known = addressee(behind).filter(|named| kind == Kind::Greeting || named.at > end);
    let line = line(at.text, at.at, at.end);
    let ends_line = |end: &usize| at.text[*end..line.end].trim().is_empty();
    if kind == Kind::Address {
        // "Attn: Accounts"
        let mut behind = behind;
        behind.skip(|c| matches!(c, ':' | ' '));
        let named = known.or_else(|| any_addressee(behind)).unwrap_or(behind);
        let is_apart =
            |last: &usize| is_marked(at.text, end, *last) || line.is_above_blank(at.text);
        return closed(named).filter(|end| ends_line(end) && is_apart(end));
    }
    known.and_then(closed).or_else(|| {
        let named = any_addressee(behind)?;
        let end = closed(named).filter(|end| is_marked(at.text, named.at, *end))?;
        // In a line, other languages' words for "dear" are words for what is friendly or cheap too.
        let is_dear = Folded::new(&at.text[at.at..behind.at]).as_str() == "dear";
        (ends_line(&end) || is_dear && at.text[named.at..end].contains(',')).then_some(end)
    })
}

/// "Mum,", "Respected Sir,", "Priya —": a first line of a few words that a comma or a dash ends.
fn own_greeting(at: Cursor<'_>) -> Option<usize> {
    const MOST_WORDS: usize = 4;
    let line = line(at.text, at.at, at.end);
    let body = at.text[at.at..line.end].trim_end();
    let words = || Cursor::new(body, 0, body.len()).words();
    let is_adverb = || words().count() == 1 && body.trim_end_matches(',').ends_with("ly");
    let is_ended =
        body.ends_with(',') || body.ends_with([' ', '-', '–', '—']) && body.contains(' ');
    let has_more =
        || body.trim_end_matches([',', ' ', '-', '–', '—']).contains([',', '.', ':', '-']);
    let signs_off = || phrase(at, is_of_ends).is_some();
    let greets = line.next > line.end
        && is_ended
        && !signs_off()
        && body.starts_with(char::is_uppercase)
        && (1..=MOST_WORDS).contains(&words().count())
        && !has_more()
        && !says_something(body)
        && !is_adverb();
    greets.then_some(line.next)
}

/// Whether more than a line break ends a greeting.
fn is_marked(text: &str, from: usize, end: usize) -> bool {
    text[from..end].contains([',', ':', '!', '–', '—', '-'])
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
    const MOST_WORDS: usize = 6;
    const DETAILS: &[&str] =
        &["in", "at", "on", "of", "from", "with", "to", "today", "yesterday", "last", "earlier"];
    let (_, end) = phrase(at, |kind| kind == Kind::Courtesy)?;
    let mut cursor = Cursor { at: end, ..at };
    let rest = cursor.rest();
    let sentence = &rest[..rest.find(['.', '!', '?', ':', '\n']).unwrap_or(rest.len())];
    let count = Cursor::new(sentence, 0, sentence.len()).words().count();
    // "… well paid for losing parcels" goes on with something else.
    let goes_on = |first: &str| Folded::new(first).is_among(DETAILS);
    let is_detail = Cursor::new(sentence, 0, sentence.len()).words().next().is_none_or(goes_on);
    if count > MOST_WORDS || !is_detail || says_something(sentence) {
        return None;
    }
    cursor.at += sentence.len();
    cursor.skip(|c| c == ' ' || is_symbol(c));
    let marks = cursor.at;
    cursor.skip(|c| matches!(c, '.' | '!' | '?' | ':' | ')'));
    let is_over = cursor.at > marks || matches!(cursor.peek(), None | Some('\n' | '\r'));
    cursor.skip(|c| c == ' ' || is_symbol(c));
    is_over.then_some(cursor.at)
}

/// Past "Subject:", "Re:" before the writer's own words; with them where a line only names what the text is about.
fn subject(at: Cursor<'_>) -> Option<usize> {
    const MOST_WORDS: usize = 8;
    let mut cursor = at;
    references::skip_prefixes(&mut cursor);
    if cursor.at == at.at {
        return None;
    }
    let line = line(at.text, cursor.at, at.end);
    let body = &at.text[cursor.at..line.end];
    let is_short = Cursor::new(body, 0, body.len()).words().count() <= MOST_WORDS;
    let names_only = line.next > line.end && is_short && is_topic(body);
    Some(if names_only { line.next } else { cursor.at })
}

/// Whether a subject only names what a text is about: "my order", "(no subject)".
fn is_topic(subject: &str) -> bool {
    const OF_TOPICS: &[&str] = &["my", "your", "no", "our"];
    let words = Cursor::new(subject, 0, subject.len()).words();
    let mut telling = words.filter(|word| !Folded::new(word).is_among(OF_TOPICS));
    !subject.contains(['!', '?']) && !telling.any(says_something)
}

/// "Respondent 118:", "Order WX55120, item 3:" on a line of its own; no rating.
fn heading(at: Cursor<'_>) -> Option<usize> {
    const MOST_WORDS: usize = 7;
    const OF_RATINGS: &[&str] = &[
        "rating", "rated", "score", "stars", "star", "mark", "marks", "grade", "points", "out",
        "of", "top",
    ];
    let line = line(at.text, at.at, at.end);
    let body = &at.text[at.at..line.end];
    let words = || Cursor::new(body, 0, body.len()).words();
    let is_heading = line.next > line.end
        && body.ends_with(':')
        && body.starts_with(|c: char| c.is_uppercase() || c == '#')
        && body.contains(|c: char| c.is_ascii_digit())
        && (2..=MOST_WORDS).contains(&words().count())
        && !says_something(body)
        && !words().any(|word| Folded::new(word).is_among(OF_RATINGS));
    is_heading.then_some(line.next)
}

/// The first paragraph of a letter: lines of names and places, a number among them.
fn letterhead(at: Cursor<'_>) -> Option<usize> {
    const MOST: usize = 8;
    let (mut count, mut has_number) = (0, false);
    for line in lines(at.text, at.at, at.end).take(MOST) {
        let body = at.text[line.start..line.end].trim();
        if body.is_empty() {
            return (count > 1 && has_number).then_some(line.next);
        }
        if !is_of_signature(body) || !is_capital(body) || body.ends_with('.') {
            return None;
        }
        count += 1;
        has_number |= body.contains(|c: char| c.is_ascii_digit());
    }
    None
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
        // What only a name follows is the end of a mail.
        let goes_on = next < end && !is_short_name(Cursor::new(text, next, end));
        goes_on.then_some((from, next))
    })
}
