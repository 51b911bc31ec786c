//! What others wrote, under or between the writer's own lines: quoted replies, forwarded mails, the headers of mails.

use std::sync::LazyLock;

use super::words::{Cursor, Folded, Line, Words, line, words};

/// The most bytes between "On" and "wrote:", and lines that they are spread over.
const ATTRIBUTION_BYTES: usize = 300;
const ATTRIBUTION_LINES: usize = 3;
/// The most lines of the head of a mail.
const HEADER_LINES: usize = 8;
/// How often each mark is looked for within lines.
const TRIES: usize = 4;

/// How a line begins that says who wrote what follows, and the words that say so.
const ON: &[&str] = &["on", "at", "am", "le", "el", "il", "em", "op", "in"];
const WROTE: &[&str] = &[
    "wrote",
    "writes",
    "schrieb",
    "écrit",
    "escribió",
    "scritto",
    "escreveu",
    "schreef",
    "geschreven",
];

const FROM: &[&str] = &["from", "von", "de", "da", "van"];
const SUBJECT: &[&str] =
    &["subject", "betreff", "objet", "asunto", "oggetto", "assunto", "onderwerp"];
static HEADERS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "sent to date cc bcc reply-to gesendet an datum envoyé à para enviado fecha inviato a data \
         verzonden aan",
    )
});

/// What stands between dashes above another's mail.
const DIVIDERS: &[&str] = &[
    "original message",
    "original mail",
    "previous message",
    "earlier message",
    "previous reply",
    "previous correspondence",
    "ticket history",
    "conversation history",
    "message history",
    "forwarded message",
    "original email",
    "forwarded by",
    "original appointment",
    "ursprüngliche nachricht",
    "urspr. nachricht",
    "weitergeleitete nachricht",
    "message d'origine",
    "message original",
    "message transféré",
    "mensaje original",
    "mensaje reenviado",
    "messaggio originale",
    "messaggio inoltrato",
    "mensagem original",
    "mensagem encaminhada",
    "oorspronkelijk bericht",
    "doorgestuurd bericht",
];

/// What a line opens.
enum Opens {
    /// Another's text, to the end.
    Rest,
    /// Nothing of the writer's own, up to here.
    Until(usize),
}

/// Cuts quoted lines out, and says where the writer's own text ends.
pub fn cut(text: &str, cuts: &mut Vec<(usize, usize)>) -> usize {
    let (mut at, mut has_own) = (0, false);
    let mut end = text.len();
    while at < text.len() {
        let line = line(text, at, text.len());
        at = line.next;
        let body = text[line.start..line.end].trim_start();
        let is_in_quote =
            || cuts.last().is_some_and(|cut| cut.1 == line.start) || text[at..].starts_with('>');
        let is_in_bars =
            || cuts.last().is_some_and(|cut| cut.1 == line.start) || text[at..].starts_with("| ");
        if is_quoted(body)
            || is_bare_quote(body) && is_in_quote()
            || is_barred(body) && is_in_bars()
        {
            cuts.push((line.start, line.next));
            continue;
        }
        match opens(text, line, body, has_own, cuts) {
            Some(Opens::Rest) => {
                end = line.start;
                break;
            }
            Some(Opens::Until(next)) => at = next,
            None => has_own |= body.contains(char::is_alphanumeric),
        }
    }
    let end = within_lines(text, end);
    cuts.retain(|cut| cut.0 < end);
    if let Some(last) = cuts.last_mut() {
        last.1 = last.1.min(end);
    }
    end
}

/// `>` before a line, with a blank behind it.
fn is_quoted(body: &str) -> bool {
    let behind = body.strip_prefix('>');
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with([' ', '>', '\t', '\u{a0}']))
}

/// `|` before a line, as some programs quote; not a row of a table.
fn is_barred(body: &str) -> bool {
    body.starts_with("| ") && !body[1..].contains('|')
}

/// `>` right before a word, which alone quotes nobody; nor does that of a comparison or of a face: ">10 hours", ">:(".
fn is_bare_quote(body: &str) -> bool {
    body.strip_prefix('>').is_some_and(|behind| behind.starts_with(char::is_alphabetic))
}

fn opens(
    text: &str,
    line: Line,
    body: &str,
    has_own: bool,
    cuts: &mut Vec<(usize, usize)>,
) -> Option<Opens> {
    let is_marked = body.starts_with(['-', '_', '=', '*']) || body.ends_with(':');
    if is_marked && is_divider(body) {
        Some(found(line.start, line.next, has_own, cuts))
    } else if let Some((next, is_sure)) = attribution(text, line, body) {
        // Without a `>` below it, where the other's text ends is not known: all the rest is it.
        match has_own && is_sure {
            true => Some(Opens::Rest),
            false => Some(found(line.start, next, false, cuts)),
        }
    } else {
        headers(text, line, has_own, cuts)
    }
}

/// Without words of the writer's own before it, another's text is what is to be read: its head alone goes.
fn found(start: usize, next: usize, has_own: bool, cuts: &mut Vec<(usize, usize)>) -> Opens {
    if has_own {
        return Opens::Rest;
    }
    cuts.push((start, next));
    Opens::Until(next)
}

/// "-----Original Message-----", "Begin forwarded message:".
fn is_divider(body: &str) -> bool {
    let mark = |c: char| matches!(c, '-' | '_' | '=' | '*' | ' ' | ':' | '>');
    let inner = body.trim_matches(mark);
    if inner.len() == body.len() || inner.len() > ATTRIBUTION_BYTES {
        return false;
    }
    // "---- On Mon, 3 June 2024, Alex wrote ----"
    let attributes = body.starts_with('-') && inner.starts_with("On ") && inner.ends_with(" wrote");
    attributes || inner == "Begin forwarded message" || is_dividing(inner)
}

fn is_dividing(inner: &str) -> bool {
    DIVIDERS.iter().any(|known| {
        let mut letters = inner.chars().flat_map(char::to_lowercase);
        known.chars().all(|c| letters.next().is_some_and(|own| own == c || own == '’' && c == '\''))
            && letters.next().is_none_or(|c| !c.is_alphanumeric())
    })
}

/// "On Mon, 3 June 2024 at 10:12, Alex Moore <alex@example.com> wrote:", over up to three lines. Where the next line starts, and
/// whether all that follows is another's though no `>` says so.
fn attribution(text: &str, line: Line, body: &str) -> Option<(usize, bool)> {
    let start = line.end - body.len();
    let is_known = opens_attribution(text, line);
    let mut last = line;
    for _ in 1..ATTRIBUTION_LINES {
        let is_over = text[start..last.end].ends_with(':') || !is_known || last.next >= text.len();
        if is_over || last.end - start > ATTRIBUTION_BYTES {
            break;
        }
        let next = self::line(text, last.next, text.len());
        // A paragraph ends, or the attribution begins only here.
        if next.start == next.end || opens_attribution(text, next) {
            break;
        }
        last = next;
    }
    let told = &text[start..last.end];
    if told.len() > ATTRIBUTION_BYTES || !told.ends_with(':') {
        return None;
    }
    if is_followed_by_quote(text, last.next) {
        return Some((last.next, false));
    }
    if !says_who_wrote(told) {
        return None;
    }
    let has_digit = told.contains(|c: char| c.is_ascii_digit());
    (is_known && has_digit && (told.contains('@') || has_time_or_year(told)))
        .then_some((last.next, true))
}

/// "On", "Am", "Le": how mail programs begin to say who wrote.
fn opens_attribution(text: &str, line: Line) -> bool {
    let mut cursor = Cursor::new(text, line.start, line.end);
    cursor.skip_blanks();
    let word = cursor.word().filter(|word| word.starts_with(char::is_uppercase));
    word.is_some_and(|word| Folded::new(word).is_among(ON))
}

fn says_who_wrote(told: &str) -> bool {
    Cursor::new(told, 0, told.len()).words().any(|word| Folded::new(word).is_among(WROTE))
}

fn is_followed_by_quote(text: &str, at: usize) -> bool {
    is_quoted(text[at..].trim_start())
}

/// "10:12", "2024".
fn has_time_or_year(told: &str) -> bool {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let is_time = |four: &[u8]| digit(&four[0]) && four[1] == b':' && four[2..].iter().all(digit);
    let is_year = |four: &[u8]| four.iter().all(digit);
    told.as_bytes().windows(4).any(|four| is_time(four) || is_year(four))
}

/// The head of a mail: a line "From:" and another one; before any word of the writer's own, any two. There the subject's words stay,
/// since they are the writer's.
fn headers(
    text: &str,
    first: Line,
    has_own: bool,
    cuts: &mut Vec<(usize, usize)>,
) -> Option<Opens> {
    let (kind, _) = header(text, first)?;
    if has_own && kind != Header::From {
        return None;
    }
    let (mut next, mut count) = (first, 0);
    let mut block = [(first, Header::From, 0); HEADER_LINES];
    for place in &mut block {
        let Some((kind, value)) = header(text, next) else { break };
        *place = (next, kind, value);
        count += 1;
        if next.next >= text.len() {
            break;
        }
        next = line(text, next.next, text.len());
    }
    if count < 2 {
        return None;
    }
    if has_own {
        return Some(Opens::Rest);
    }
    for (line, kind, value) in &block[..count] {
        cuts.push((line.start, if *kind == Header::Subject { *value } else { line.next }));
    }
    Some(Opens::Until(block[count - 1].0.next))
}

#[derive(Clone, Copy, PartialEq)]
enum Header {
    From,
    Subject,
    Other,
}

/// Which header a line is, and where its value starts.
fn header(text: &str, line: Line) -> Option<(Header, usize)> {
    let mut cursor = Cursor::new(text, line.start, line.end);
    cursor.skip(|c| c == '*' || c.is_whitespace());
    let word = Folded::new(cursor.word()?);
    cursor.skip(|c| c == '*' || c == ' ' || c == '\u{a0}');
    let is_header = cursor.eat(':');
    cursor.skip(|c| c == '*' || c.is_whitespace());
    let kind = if word.is_among(FROM) {
        Header::From
    } else if word.is_among(SUBJECT) {
        Header::Subject
    } else if word.is_in(&HEADERS) {
        Header::Other
    } else {
        return None;
    };
    is_header.then_some((kind, cursor.at))
}

/// The same marks where the line breaks were lost. `end` where there are none.
fn within_lines(text: &str, end: usize) -> usize {
    let own = &text[..end];
    let divider = positions(own, "-----").find(|at| {
        let behind = own[*at..].trim_start_matches(['-', ' ']);
        is_dividing(&behind[..behind.floor_char_boundary(40)])
    });
    let wrote = positions(own, " wrote:").find_map(|at| {
        let from = own.floor_char_boundary(at.saturating_sub(ATTRIBUTION_BYTES));
        let told = &own[from..at];
        let start =
            told.rfind("On ").filter(|start| told[..*start].ends_with(char::is_whitespace))?;
        let is_dated = told[start..].contains(|c: char| c.is_ascii_digit());
        let behind = own[at + " wrote:".len()..].trim_start();
        (is_dated && (behind.starts_with('>') || told[start..].contains('@')))
            .then_some(from + start)
    });
    let headers = positions(own, " From: ").find(|at| {
        let head = &own[*at..own.floor_char_boundary(at + ATTRIBUTION_BYTES)];
        head.contains(" To: ") && (head.contains(" Sent: ") || head.contains(" Subject: "))
    });
    let first = [divider, wrote, headers].into_iter().flatten().min();
    first.filter(|at| own[..*at].contains(char::is_alphanumeric)).unwrap_or(end)
}

fn positions<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = usize> {
    text.match_indices(mark).map(|(at, _)| at).take(TRIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a text.
    fn own(text: &str) -> String {
        let mut cuts = Vec::new();
        let end = cut(text, &mut cuts);
        let mut left = String::new();
        let mut at = 0;
        for (start, next) in cuts.into_iter().filter(|(start, _)| *start < end) {
            left += &text[at..start];
            at = next;
        }
        left + &text[at.min(end)..end]
    }

    #[test]
    fn what_others_wrote_goes() {
        for (text, left) in [
            ("It broke.\n> We sent it on Monday.\n> Regards", "It broke.\n"),
            ("> Did it come?\nNo.\n> Are you sure?\nYes.", "No.\nYes."),
            ("No.\n\nOn 3 June 2024, Alex wrote:\n> Did it come?", "No.\n\n"),
            (
                "No.\n\nOn Mon, 3 Jun 2024 at 10:12, Alex\n<alex@example.com> wrote:\nDid it come?",
                "No.\n\n",
            ),
            (
                "On that day it broke.\nOn 3 June 2024, Alex wrote:\n> Did it come?",
                "On that day it broke.\n",
            ),
            ("No.\n>Did it come?\n>Really?", "No.\n"),
            ("No.\nAlex Moore wrote:\n> Did it come?", "No.\n"),
            ("Nein.\nAm 3.6.2024 um 10:12 schrieb Alex <a@example.com>:\n> Kam es an?", "Nein.\n"),
            ("No.\n\n-----Original Message-----\nFrom: Alex\nDid it come?", "No.\n\n"),
            ("No.\n\nFrom: Alex\nSent: Monday\nTo: Sam\nSubject: Lamp\n\nDid it come?", "No.\n\n"),
            ("No.\n\n*From:* Alex\n*Sent:* Monday\n\nDid it come?", "No.\n\n"),
            ("No. -----Original Message----- From: Alex Did it come?", "No. "),
            ("No. On 3 June 2024 Alex <a@example.com> wrote: Did it come?", "No. "),
            ("No. From: Alex Sent: Monday To: Sam Subject: Lamp Did it come?", "No."),
            ("From: Sam\nSubject: Lamp broken\n\nIt broke.", "Lamp broken\n\nIt broke."),
            (
                "---------- Forwarded message ---------\nFrom: Sam\nTo: Alex\n\nIt broke.",
                "\nIt broke.",
            ),
        ] {
            assert_eq!(own(text), left, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            ">10 hours of battery, really",
            ">be me\nnever got a refund",
            "I waited\n>:( for hours",
            "On day 3 it broke.\nOn 4 June they wrote: we don't care.",
            "On 3 June your agent wrote:\nWe will refund it. They never did.",
            "From: Berlin\nwith love",
            "To: whoever packs these boxes",
            "Pros\n-----\nbattery",
            "A wrote: B",
            "",
        ] {
            assert_eq!(own(text), text, "{text}");
        }
    }
}
