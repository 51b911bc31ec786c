//! Numbers by which a text is filed: "Ticket 48213:", "[CASE-771]", "Re: order #A-2291 –", "(Ref. 2024/118)".
//!
//! A number is a reference only by the noun before it, or by its form: a rating ("5/10:", "Rating 4:") has neither.

use std::sync::LazyLock;

use super::names::says_something;
use super::words::{Cursor, Folded, Words, words};

static PREFIXES: LazyLock<Words> = LazyLock::new(|| {
    words(
        "re aw fw fwd wg tr rif rv antw sv vs res enc subject betreff objet asunto oggetto assunto \
         onderwerp",
    )
});

static NOUNS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "ticket case ref reference order invoice incident request claim booking reservation tracking \
         complaint customer account contract policy rma po job enquiry inquiry query confirmation \
         shipment parcel repair purchase support service sales our your my bestellung auftrag vorgang \
         rechnung aktenzeichen az bestellnummer auftragsnummer kundennummer ticketnummer \
         vorgangsnummer rechnungsnummer commande dossier facture réf référence réservation pedido \
         factura referencia reclamación reserva caso encomenda fatura referência processo ordine \
         fattura riferimento pratica prenotazione bestelling factuur kenmerk klantnummer ordernummer \
         dossiernummer work member membership loan meter patient student serial feedback review \
         survey issue bug task item file docket application appointment transaction payment delivery \
         consignment package return warranty subscription client record entry submission report \
         message pnr pr inv quote matter tenancy course cust permit",
    )
});

/// These alone don't make a reference: "my 2019 car".
const HALF_NOUNS: &[&str] = &[
    "our", "your", "my", "support", "service", "sales", "customer", "repair", "work", "item",
    "room", "client", "patient", "student", "member",
];

const NUMBERS: &[&str] = &[
    "no", "nr", "num", "number", "id", "n°", "nº", "n", "numéro", "número", "numero", "nummer",
    "code",
];

/// Words that mark a file in company of a number only.
const FILING: &[&str] = &[
    "sr",
    "cr",
    "p.o",
    "helpdesk",
    "file",
    "folio",
    "id",
    "log",
    "form",
    "response",
    "respondent",
];

/// The beginnings of numbers that programs for tickets give.
const FORMS: &[&str] = &["INC", "REQ", "RITM", "CHG", "PRB", "TKT", "CAS", "CS", "SR"];

/// The most bytes of a reference in brackets.
const BRACKET_BYTES: usize = 80;

/// The first byte behind a reference that the text begins with here, and behind what parts it from the text.
pub fn leading(at: Cursor<'_>) -> Option<usize> {
    let mut cursor = at;
    skip_prefixes(&mut cursor);
    let bracket = bracketed(cursor);
    let behind = bracket.map(|end| Cursor { at: end, ..cursor });
    let (mut behind, noun) = match behind {
        Some(behind) => (behind, Noun::Whole),
        None => plain(cursor)?,
    };
    let is_parted = part(&mut behind);
    // "Ref. 2024/118 My washing machine": the next sentence begins.
    let begins = |c: char| c.is_uppercase();
    let is_apart =
        bracket.is_some() || is_parted || noun == Noun::Short && behind.peek().is_some_and(begins);
    skip_prefixes(&mut behind);
    is_apart.then_some(behind.at)
}

/// Whether a whole piece is a reference.
pub fn is_whole(piece: Cursor<'_>) -> bool {
    let mut cursor = piece;
    skip_prefixes(&mut cursor);
    // A number alone would be a hashtag.
    let named = || plain(cursor).filter(|_| !cursor.rest().starts_with('#'));
    let end = bracketed(cursor).or_else(|| named().map(|(behind, _)| behind.at));
    end.is_some_and(|end| {
        piece.text[end..piece.end].trim_matches(['.', ' ', ':', ',', '|']).is_empty()
    }) || is_thread_mark(piece.rest())
}

/// Whether a line of its own files the text: it begins with a noun or a number of a file, and says nothing.
pub fn is_filing(line: Cursor<'_>) -> bool {
    const MOST_WORDS: usize = 8;
    const FIRST: usize = 3;
    let mut cursor = line;
    skip_prefixes(&mut cursor);
    let rest = cursor.rest();
    let words = || cursor.words();
    let is_noun = |word: &str| {
        let word = Folded::new(word);
        word.is_in(&NOUNS) && !word.is_among(HALF_NOUNS) || word.is_among(FILING)
    };
    let is_number = |word: &str| digits(word) >= 2 && !word.starts_with(char::is_lowercase);
    let is_named = words().take(FIRST).any(is_noun) && words().any(is_number);
    let is_sentence = rest.ends_with('.') && words().count() > FIRST + 1;
    let is_short = words().count() <= MOST_WORDS;
    let mut telling = words().filter(|word| !Folded::new(word).is_among(&["your", "my", "no"]));
    is_named
        && is_short
        && !is_sentence
        && !rest.contains(['!', '?'])
        && !telling.any(says_something)
}

/// Where a reference in brackets starts that a part ends with, a full stop aside.
pub fn trailing(text: &str, start: usize, end: usize) -> Option<usize> {
    let body = text[start..end].trim_end_matches(['.', ' ']);
    if !body.ends_with([')', ']']) {
        return None;
    }
    let from =
        text.floor_char_boundary((start + body.len()).saturating_sub(BRACKET_BYTES)).max(start);
    let open = from + text[from..start + body.len()].rfind(['(', '['])?;
    let found = bracketed(Cursor::new(text, open, end))?;
    (found == start + body.len()).then_some(open)
}

/// Past "Re:", "Fwd:", "Subject:".
pub fn skip_prefixes(cursor: &mut Cursor<'_>) {
    loop {
        let mut ahead = *cursor;
        ahead.skip_blanks();
        let is_prefix = ahead.word().is_some_and(|word| Folded::new(word).is_in(&PREFIXES));
        if !is_prefix || !ahead.eat(':') {
            return;
        }
        ahead.skip_blanks();
        *cursor = ahead;
    }
}

/// Past a reference in brackets.
fn bracketed(at: Cursor<'_>) -> Option<usize> {
    let mut cursor = at;
    let closing = if cursor.eat('[') {
        ']'
    } else if cursor.eat('(') {
        ')'
    } else {
        return None;
    };
    let inside = cursor;
    let mut behind = plain(inside).map(|(behind, _)| behind).or_else(|| {
        let mut cursor = inside;
        let is_marked = cursor.eat('#');
        let code = code(&mut cursor)?;
        (is_filed(code) || is_marked && digits(code) >= 3).then_some(cursor)
    })?;
    behind.skip(|c| c == ' ' || c == '.');
    behind.eat(closing).then_some(behind.at)
}

/// How a reference was told.
#[derive(Clone, Copy, PartialEq)]
enum Noun {
    Whole,
    /// "Ref.", behind whose number a sentence may begin.
    Short,
}

/// Past a noun and its number, or a number of a form of its own.
fn plain(at: Cursor<'_>) -> Option<(Cursor<'_>, Noun)> {
    let mut cursor = at;
    let (mut nouns, mut halves, mut is_short, mut is_numbered) = (0, 0, false, false);
    for _ in 0..4 {
        let mut ahead = cursor;
        ahead.skip(|c| c == ' ' || c == '\u{a0}');
        let Some(word) = ahead.word() else { break };
        let folded = Folded::new(word);
        if folded.is_in(&NOUNS) {
            let is_half = folded.is_among(HALF_NOUNS);
            nouns += usize::from(!is_half);
            halves += usize::from(is_half);
            is_short |= folded.is_among(&["ref", "réf", "reference"]);
        } else if nouns + halves > 0 && folded.is_among(NUMBERS) || folded.is_among(&["id"]) {
            is_numbered = true;
        } else {
            break;
        }
        ahead.eat('.');
        cursor = ahead;
    }
    let noun = if is_short { Noun::Short } else { Noun::Whole };
    let before = cursor;
    cursor.skip(|c| matches!(c, ' ' | '\u{a0}' | ':' | '.' | '°' | 'º'));
    let is_marked = cursor.eat('#') || cursor.eat('№') || is_numbered;
    if nouns == 0 {
        // "#48213" and "INC0012345" by themselves.
        if before.at != at.at {
            // "Customer no. 118820"
            let code = code(&mut cursor).filter(|code| digits(code) >= 4);
            return code.filter(|_| is_numbered && halves > 0).map(|_| (cursor, noun));
        }
        let code = code(&mut cursor)?;
        let digits = digits(code);
        // On a line of their own "WEB-119" and "#482" are no product and no hashtag.
        let ends_line = cursor.rest().trim_start_matches([' ', ':', '\r']).starts_with('\n');
        let least = if ends_line { 3 } else { 5 };
        let is_number = is_marked && digits == code.len() && digits >= least;
        let is_own = is_number || has_form(code) || ends_line && is_plainly_filed(code);
        return is_own.then_some((cursor, noun));
    }
    let code = code(&mut cursor)?;
    let least = if is_marked || is_short { 1 } else { 2 };
    (code.len() >= least).then_some((cursor, noun))
}

/// A number as systems give it: letters, digits and what joins them, a digit at least.
fn code<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let rest = cursor.rest();
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '_' | '.');
    let code = &rest[..rest.find(|c| !is_inside(c)).unwrap_or(rest.len())];
    let code = code.trim_end_matches(['-', '/', '_', '.']);
    let is_code = digits(code) > 0 && code.starts_with(|c: char| c.is_ascii_alphanumeric());
    // A letter of another script may go on right behind it.
    let is_apart = !rest[code.len()..].starts_with(char::is_alphanumeric);
    cursor.at += code.len();
    (is_code && is_apart && code.len() <= 40).then_some(code)
}

fn digits(code: &str) -> usize {
    code.bytes().filter(u8::is_ascii_digit).count()
}

fn has_form(code: &str) -> bool {
    let letters = code.len() - code.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (noun, rest) = code.split_at(letters);
    let is_named =
        rest.starts_with(['-', '_']) && digits(code) >= 2 && Folded::new(noun).is_in(&NOUNS);
    is_named || FORMS.contains(&noun) && digits(code) >= 4
}

/// "CASE-771", "AB-2024-118": in brackets, letters and a number mark a file.
fn is_filed(code: &str) -> bool {
    let letters = code.len() - code.trim_start_matches(|c: char| c.is_ascii_uppercase()).len();
    letters >= 2 && digits(code) >= 2 && code[letters..].starts_with(['-', '_']) || has_form(code)
}

/// "WEB-119", but not "WH-1000XM4".
fn is_plainly_filed(code: &str) -> bool {
    let (letters, number) = code.split_once('-').unwrap_or_default();
    letters.len() >= 2
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && number.len() >= 3
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Past what parts a reference from the text: `:`, a dash between blanks, the end of a sentence or line.
fn part(cursor: &mut Cursor<'_>) -> bool {
    let mut ahead = *cursor;
    ahead.skip(|c| matches!(c, ' ' | '\t' | '\u{a0}' | '\r'));
    let is_after_blank = ahead.at > cursor.at;
    let is_parted = match ahead.peek() {
        None | Some('\n') => true,
        Some(':' | '|' | '–' | '—' | '•') => true,
        Some('.' | ';' | ',') if !is_after_blank => {
            let mut behind = ahead;
            let is_end = behind.eat('.') || behind.eat(';');
            is_end && behind.peek().is_none_or(char::is_whitespace)
        }
        Some('-' | '/') => {
            let mut behind = ahead;
            behind.skip(|c| matches!(c, '-' | '/'));
            is_after_blank && behind.peek().is_none_or(char::is_whitespace)
        }
        _ => false,
    };
    if is_parted {
        ahead.skip(|c| {
            c.is_whitespace() || matches!(c, ':' | '|' | '–' | '—' | '•' | '.' | ';' | '-' | '/')
        });
    } else {
        ahead.skip(char::is_whitespace);
    }
    *cursor = ahead;
    is_parted
}

/// "ref:_00D…._500…:ref", as Salesforce puts under its mails.
fn is_thread_mark(piece: &str) -> bool {
    let piece = piece.trim_matches(['[', ']', ' ']);
    piece.len() > 8 && piece.starts_with("ref:") && piece.ends_with(":ref") && !piece.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_a_text_is_found_before_it() {
        for (text, left) in [
            ("Ticket 48213: The hinge broke.", "The hinge broke."),
            ("[CASE-771] The hinge broke.", "The hinge broke."),
            ("Re: order #A-2291 – never came", "never came"),
            ("Ref. 2024/118\nNever came", "Never came"),
            ("Ref. 2024/118 My lamp never came", "My lamp never came"),
            ("RE: [Ticket#2024-118] Never came", "Never came"),
            ("Order number: 4711. The lamp is broken.", "The lamp is broken."),
            ("#48213 - The lamp is broken", "The lamp is broken"),
            ("INC0012345: mail is down", "mail is down"),
            ("Case no. 771 | mail is down", "mail is down"),
            ("TICKET-48213: mail is down", "mail is down"),
            ("[#771] mail is down", "mail is down"),
            ("Support ticket #12: mail is down", "mail is down"),
            ("Bestellung Nr. 4711: Lampe kaputt", "Lampe kaputt"),
            ("Kundennummer 99120 - Lampe kaputt", "Lampe kaputt"),
            ("Commande n° 4711 : jamais reçue", "jamais reçue"),
            ("(Booking 77812) The room was cold", "The room was cold"),
        ] {
            let found = leading(Cursor::new(text, 0, text.len()));
            assert_eq!(found.map(|at| &text[at..]), Some(left), "{text}");
        }
    }

    #[test]
    fn ratings_and_numbers_that_belong_to_a_sentence_are_none() {
        for text in [
            "5/10: too loud",
            "Rating 4: too loud",
            "[10/10] would buy again",
            "(4/5) nice",
            "[4 stars] nice",
            "Order 4711 never arrived",
            "Case 1: it breaks",
            "#1: the best",
            "#2024: what a year",
            "#1 in my book",
            "WH-1000XM4: great sound",
            "Day 2: it broke",
            "My 2019 car broke",
            "Version 2.0: much better",
            "Re: your awful service",
            "Tickets: 40 dollars each",
            "4711: nice scent",
            "In order: 1. soup, 2. fish",
            "[2024] still broken",
            "",
        ] {
            assert_eq!(leading(Cursor::new(text, 0, text.len())), None, "{text}");
        }
    }

    #[test]
    fn one_at_the_end_stands_apart_or_in_brackets() {
        for (text, at) in [
            ("It broke (Ref. 2024/118).", Some(9)),
            ("It broke [CASE-771]", Some(9)),
            ("It broke (twice)", None),
            ("So good (10/10)", None),
        ] {
            assert_eq!(trailing(text, 0, text.len()), at, "{text}");
        }
        for (text, is_one) in [
            ("Ticket 48213", true),
            ("Order no. 12345.", true),
            ("ref:_00D1x._5001y:ref", true),
            ("Order 66 was great", false),
            ("10/10", false),
        ] {
            assert_eq!(is_whole(Cursor::new(text, 0, text.len())), is_one, "{text}");
        }
    }
}
