//! What forms, tickets and logs put before or behind a text: fields, times, how it came.

use std::sync::LazyLock;

use super::names::says_something;
use super::phrases::{Kind, phrase};
use super::references;
use super::words::{Cursor, Folded, Words, line, words};

/// The most words of a label, of a field's value, and of a line that says how a text came.
const LABEL_WORDS: usize = 4;
const VALUE_WORDS: usize = 8;
const ORIGIN_WORDS: usize = 12;

/// Words of labels whose field says who, when and where, and nothing of what somebody thinks.
static OF_FIELDS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "name first last full surname e-mail email mail phone telephone tel mobile fax date time order \
         number no nr id invoice account category priority status assigned assignee channel source \
         reference ref ticket case agent company address city town postcode zip country region submitted \
         received created opened posted updated sent on by at type topic form device os browser language \
         user username member membership policy claim booking contact customer client reporter requester \
         author team queue severity sku serial model version from to via \
         kunde kundin kundennummer vorname nachname datum telefon bestellnummer nom prénom téléphone \
         nombre apellido fecha teléfono correo cognome data telefono nome telefone naam datum telefoon",
    )
});

/// Labels of what the writer says himself: they go, and what is behind them stays.
static OF_WORDS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "message comment comments feedback description review text body details note notes complaint \
         question enquiry inquiry remark remarks customer client caller guest user patient tenant \
         your my the additional other free further general nachricht kommentar kunde commentaire \
         mensaje comentario messaggio commento mensagem comentário bericht opmerking answer title",
    )
});

/// Past a field, a time, or a line on how the text came, which the text begins with here.
pub fn leading(at: Cursor<'_>) -> Option<usize> {
    let line = line(at.text, at.at, at.end);
    let own = Cursor { end: line.end, ..at };
    let is_own = || is_field(own) || is_origin(own) || is_date(own) || references::is_filing(own);
    if line.next > line.end && is_own() { Some(line.next) } else { time(at).or_else(|| label(at)) }
}

/// Whether a line or a sentence at the end says how a text came, or is a field.
pub fn is_trailing(piece: Cursor<'_>, is_line: bool) -> bool {
    let is_own = || is_field(piece) || is_origin(piece) || is_date(piece);
    is_line && (is_own() || references::is_filing(piece))
}

/// "Customer: Alex Moore", "Submitted on: 3 May", on a line of its own.
fn is_field(line: Cursor<'_>) -> bool {
    let rest = line.rest();
    let Some(colon) = rest.find(':') else { return false };
    let (label, value) = (&rest[..colon], &rest[colon + 1..]);
    let labels = || Cursor::new(label, 0, label.len()).words().map(Folded::new);
    let is_label = label.starts_with(char::is_uppercase)
        && label.len() <= 40
        && labels().count() <= LABEL_WORDS
        && labels().all(|word| word.is_in(&OF_FIELDS));
    let is_short = || Cursor::new(value, 0, value.len()).words().count() <= VALUE_WORDS;
    // "From: Berlin" alone may be a greeting's, and "Time: wasted" is an opinion.
    let is_alone =
        || Folded::new(label.trim()).is_among(&["from", "to", "by", "at", "on", "no", "via"]);
    is_label && is_short() && !says_something(value) && !is_alone()
}

/// Past "Customer comment:".
fn label(at: Cursor<'_>) -> Option<usize> {
    let mut cursor = at;
    if !cursor.peek()?.is_uppercase() {
        return None;
    }
    for _ in 0..LABEL_WORDS {
        cursor.skip(|c| c == ' ');
        let last = Folded::new(cursor.word()?);
        if !last.is_in(&OF_WORDS) {
            return None;
        }
        if cursor.eat(':') {
            return (!last.is_among(&[
                "your",
                "my",
                "the",
                "other",
                "free",
                "further",
                "additional",
                "general",
            ]))
            .then_some(cursor.at);
        }
    }
    None
}

/// "Posted on 3 May 2024 via the app", "Verified purchase".
fn is_origin(piece: Cursor<'_>) -> bool {
    let rest = piece.rest();
    let mut cursor = piece;
    cursor.skip(|c| !c.is_alphanumeric());
    let found = phrase(cursor, |kind| kind == Kind::Origin);
    let Some((_, end)) = found else { return rest.ends_with("found this helpful") };
    let behind = &piece.text[end..piece.end];
    let words = || Cursor::new(behind, 0, behind.len()).words();
    let names_something = |word: &str| !word.starts_with(char::is_lowercase);
    let is_over = words().next().is_none();
    let is_short = words().count() <= ORIGIN_WORDS;
    let is_known = words().any(|word| names_something(word) || Folded::new(word).is_among(FORMS));
    is_over || is_short && is_known && !says_something(behind.trim_end_matches('?'))
}

/// Through what a text may come.
const FORMS: &[&str] = &[
    "form", "website", "app", "web", "portal", "chat", "email", "phone", "site", "survey", "kiosk",
    "helpful",
];

/// "Leeds, 3 June 2024", as letters begin.
fn is_date(line: Cursor<'_>) -> bool {
    const MOST_WORDS: usize = 6;
    const MONTHS: &[&str] = &[
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sept",
        "sep",
        "oct",
        "nov",
        "dec",
        "januar",
        "februar",
        "märz",
        "mai",
        "juni",
        "juli",
        "oktober",
        "dezember",
        "janvier",
        "février",
        "mars",
        "avril",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ];
    let rest = line.rest();
    let words = || line.words();
    let is_dated = words().any(|word| Folded::new(word).is_among(MONTHS))
        || rest.split([' ', ',']).any(|part| is_date_or_time(part) && !part.contains(':'));
    let is_plain = |word: &str| {
        !word.starts_with(char::is_lowercase)
            || Folded::new(word).is_among(&["of", "the", "th", "den", "le", "de", "at"])
    };
    rest.contains(|c: char| c.is_ascii_digit())
        && words().count() <= MOST_WORDS
        && is_dated
        && words().all(is_plain)
        && !says_something(rest)
}

/// Past a time that a log or a chat puts before a text: "[2024-03-12 10:12]", "10:12 AM -".
fn time(at: Cursor<'_>) -> Option<usize> {
    let mut cursor = at;
    let closing = match cursor.peek()? {
        '[' => Some(']'),
        '(' => Some(')'),
        c if c.is_ascii_digit() => None,
        _ => return None,
    };
    if closing.is_some() {
        cursor.skip(|c| matches!(c, '[' | '('));
    }
    let mut is_time = false;
    loop {
        let mut ahead = cursor;
        ahead.skip(|c| matches!(c, ' ' | ','));
        let start = ahead.at;
        ahead.skip(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '-'));
        let token = at.text[start..ahead.at].trim_end_matches(['.', ':', '-']);
        ahead.at = start + token.len();
        match token.split(['T', 'Z']).filter(|part| !part.is_empty()).all(is_date_or_time)
            && !token.is_empty()
        {
            true => is_time = true,
            false
                if is_time
                    && Folded::new(token).is_among(&["am", "pm", "utc", "gmt", "uhr", "h"]) => {}
            false => break,
        }
        cursor = ahead;
    }
    if !is_time || closing.is_some_and(|closing| !cursor.eat(closing)) {
        return None;
    }
    let end = cursor.at;
    cursor.skip(|c| c == ' ');
    match cursor.peek() {
        Some(':' | '|' | '–' | '—') => {}
        Some('-') if cursor.rest()[1..].starts_with(' ') => {}
        Some('\n' | '\r') => return Some(cursor.at),
        _ => return closing.map(|_| end),
    }
    cursor.skip(|c| matches!(c, ':' | '|' | '–' | '—' | '-' | ' '));
    Some(cursor.at)
}

/// "10:12", "10:12:30", "2024-03-12", "12/03/2024".
fn is_date_or_time(token: &str) -> bool {
    let token = token.trim_end_matches(char::is_alphabetic);
    let are_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parted = |mark: char, most: usize| {
        let parts = || token.split(mark);
        parts().all(|part| are_digits(part) && part.len() <= most).then(|| parts().count())
    };
    let has_minutes = token.split(':').nth(1).is_some_and(|minutes| minutes.len() == 2);
    let is_time = parted(':', 2).is_some_and(|count| (2..=3).contains(&count)) && has_minutes;
    is_time || ['-', '/', '.'].iter().any(|mark| parted(*mark, 4) == Some(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> Option<&str> {
        leading(Cursor::new(text, 0, text.len())).map(|at| text[at..].trim_start())
    }

    #[test]
    fn fields_and_times_stand_before_a_text() {
        for (text, expected) in [
            ("Customer: Alex Moore\nIt broke", "It broke"),
            ("Order number: 4711\nIt broke", "It broke"),
            ("Submitted on: 3 May 2024\n\nIt broke", "It broke"),
            ("Priority: high\nIt broke", "It broke"),
            ("Message: it broke on day two", "it broke on day two"),
            ("Customer comment: it broke", "it broke"),
            ("[2024-03-12 10:12] It broke", "It broke"),
            ("2024-03-12T10:12:30Z: it broke", "it broke"),
            ("10:12 AM - it broke", "it broke"),
            ("12/03/2024, 10:12: it broke", "it broke"),
            ("Posted on 3 May 2024\nIt broke", "It broke"),
            ("New message from the contact form\nIt broke", "It broke"),
            ("Verified Purchase\nIt broke", "It broke"),
        ] {
            assert_eq!(left(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn opinions_in_the_form_of_fields_stay() {
        for text in [
            "Time: wasted\nbut well",
            "Service: slow\nFood: cold",
            "Status: disappointed\nagain",
            "Room: dirty\nBed: hard",
            "From: Berlin\nwith love",
            "10:12 was too early for breakfast",
            "3:2 - lost again",
            "5/10: too loud",
            "Received in two days and it works\nGreat",
            "Posted twice and nobody answered\nBad",
            "12 months later: broken",
        ] {
            assert_eq!(left(text), None, "{text}");
        }
    }
}
