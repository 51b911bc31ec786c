//! Who is greeted, and who signs.

use std::sync::LazyLock;

use super::words::{Cursor, Folded, Words, is_abbreviation, words};

/// The most words of a name, and of those who are greeted.
const NAME_WORDS: usize = 5;
const ADDRESSEE_WORDS: usize = 7;
/// The most words of a name in small letters.
const SMALL_WORDS: usize = 2;

/// Whom a greeting names without a name.
static ADDRESSEES: LazyLock<Words> = LazyLock::new(|| {
    words(
        "team all everyone everybody there folks guys sir sirs madam ma'am friends support customer \
         customers service services care department desk office staff colleague colleagues ladies \
         gentlemen mr mrs ms miss dr prof professor manager seller helpdesk sales billing again and \
         or the damen herren frau herr kolleginnen kollegen zusammen leute und oder an alle r madame \
         monsieur mesdames messieurs mademoiselle équipe à a tous toutes collègues et ou l'équipe \
         service client señor señora señores señoras sr sra sres equipo todos todas amigos y o \
         signore signora signori sig dott dottore dottoressa cliente tutti e senhor senhora senhores \
         senhoras equipe equipa pessoal ou heer mevrouw meneer dames heren collega collega's allen \
         allemaal klantenservice en of",
    )
});

/// Words of sentences: neither a name nor a line of a signature holds them.
static OF_SENTENCES: LazyLock<Words> = LazyLock::new(|| {
    words(
        "i i'm i've i'd i'll my me we you your you're it it's its this that these those he she they \
         is was were are be been has have had do does did would can could should might not no never \
         nobody nothing none very too ever again more most just only still what which why how where \
         than then now so but because if when while anyway please also even can't don't didn't won't \
         doesn't isn't wasn't",
    )
});

/// What no name holds besides.
static STOP_WORDS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "a an the for to in on with about as by who our us her his their there here out up down off over all every",
    )
});

/// What may stand in small letters between the parts of a name.
static PARTICLES: LazyLock<Words> = LazyLock::new(|| {
    words(
        "and of from at de del della di da do dos das du la le van von der den zu bin ibn al el y e \
         und et en",
    )
});

/// Who signs so tells an opinion, and a name that is none: God, an exclamation.
static TELLING: LazyLock<Words> = LazyLock::new(|| {
    words(
        "disappointed unhappy angry furious frustrated annoyed upset disgusted dissatisfied \
         unsatisfied satisfied happy happiest delighted pleased grateful thankful loyal former \
         ex-customer ex-client ex-user ex sad sorry tired fed worst best great terrible awful \
         horrible bad good nice love loved hate hated victim fan scammed cheated robbed livid cold \
         hungry broke broken stranded lost ignored forgotten impressed unimpressed amazing perfect \
         useless poor ever enttäuschter enttäuschte zufriedener zufriedene déçu déçue satisfait \
         decepcionado contento deluso delusa teleurgestelde tevreden highly recommended recommend \
         recommends absolutely brilliant awesome excellent fantastic fabulous superb wonderful \
         outstanding lovely rubbish garbage crap trash junk avoid beware unacceptable disgrace \
         disgraceful shame shameful scam fraud pathetic ridiculous outrageous appalling dreadful \
         atrocious abysmal mediocre meh ok okay worked worth waste wasted dirty clean rude friendly \
         slow fast cheap expensive easy hard late noisy quiet comfortable uncomfortable boring fun \
         funny beautiful ugly pretty strong weak fresh stale tasty delicious bland faulty defective \
         damaged missing wrong right better worse fine cool hot freezing stuck dead failed fails fail \
         problem problems issue issues complaint refund disaster nightmare joke mess fiasco letdown \
         bargain gem winner loser steal ripoff rip-off treat delight triumph failure catastrophe \
         miracle masterpiece insult lies liar liars thieves hell heaven blessing curse regret regrets \
         sucks suck sucked",
    )
});

static NO_ADDRESSEES: LazyLock<Words> = LazyLock::new(|| {
    words(
        "god lord me oh heaven heavens diary kitty santa jesus idiot idiots hypocrite hypocrites liar \
         liars thief thieves scammer scammers crook crooks moron morons fool fools loser losers clown \
         clowns incompetent zeit dieu dios dio deus",
    )
});

fn is_small(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_lowercase)
}

fn is_stop(word: &Folded) -> bool {
    word.is_in(&OF_SENTENCES) || word.is_in(&STOP_WORDS)
}

pub fn is_telling(word: &str) -> bool {
    Folded::new(word).is_in(&TELLING)
}

/// Whether words may be part of a sentence, or tell an opinion.
pub fn says_something(piece: &str) -> bool {
    // "IT" is no word of a sentence where not all is in capitals.
    let is_short = |word: &str| word.len() == 2 && word.chars().all(char::is_uppercase);
    let is_mixed = piece.contains(char::is_lowercase);
    let words = Cursor::new(piece, 0, piece.len()).words();
    let mut words = words.filter(|word| !(is_mixed && is_short(word))).map(Folded::new);
    // "Customer no. 4711"
    let is_number =
        |word: &Folded| word.as_str() == "no" && piece.contains(|c: char| c.is_ascii_digit());
    let says =
        |word: &Folded| word.is_in(&TELLING) || word.is_in(&OF_SENTENCES) && !is_number(word);
    piece.contains(['?', '!']) || words.any(|word| says(&word))
}

/// Past those who are greeted, if any are: names, and words for people. `None` where a word is neither.
pub fn addressee(at: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut cursor = at;
    for _ in 0..ADDRESSEE_WORDS {
        let mut ahead = cursor;
        ahead.skip(|c| matches!(c, ' ' | '\t' | '\u{a0}' | '/' | '&' | '(' | ')'));
        let Some(word) = ahead.word() else { return Some(cursor) };
        let folded = Folded::new(word);
        let is_name = !is_small(word) && !is_stop(&folded);
        let is_known = folded.is_in(&ADDRESSEES);
        if !(is_name || is_known) || folded.is_in(&NO_ADDRESSEES) || folded.is_in(&TELLING) {
            return None;
        }
        if is_abbreviation(word, word.chars().count()) || folded.is_among(&["sig", "dott", "spett"])
        {
            ahead.eat('.');
        }
        cursor = ahead;
    }
    Some(cursor)
}

/// Past a name, one word or several. `None` where the words are none.
pub fn name(at: Cursor<'_>, may_be_small: bool) -> Option<Cursor<'_>> {
    let mut cursor = at;
    let (mut count, mut small, mut is_open) = (0, 0, true);
    loop {
        let mut ahead = cursor;
        ahead.skip(|c| {
            c.is_whitespace()
                || matches!(c, '.' | ',' | '&' | '/' | '|' | '(' | ')' | '"' | '-' | '–' | '—')
        });
        let Some(word) = ahead.word() else { break };
        let folded = Folded::new(word);
        count += 1;
        if count > NAME_WORDS || folded.is_in(&TELLING) {
            return None;
        }
        let is_particle = count > 1 && folded.is_in(&PARTICLES);
        let is_initial = word.chars().count() == 1 && !is_small(word) && ahead.peek() == Some('.');
        if !is_particle && !is_initial && is_stop(&folded) {
            return None;
        }
        if is_small(word) && !is_particle {
            small += 1;
            if !may_be_small || small > SMALL_WORDS || word.len() < 2 {
                return None;
            }
        }
        is_open = is_particle;
        cursor = ahead;
    }
    // Small letters alone or none: "alex moore", but not "Alex bought it".
    let is_even = small == 0 || small == count;
    (count > 0 && is_even && !is_open).then_some(cursor)
}

/// Whether a line or a sentence may stand in a signature: a name, a title, a place, a number to call.
pub fn is_of_signature(piece: &str) -> bool {
    const MOST_BYTES: usize = 120;
    const MOST_WORDS: usize = 8;
    if piece.len() > MOST_BYTES || says_something(piece) {
        return false;
    }
    let words = Cursor::new(piece, 0, piece.len()).words().count();
    let is_title = (1..=MOST_WORDS).contains(&words) && !piece.starts_with(char::is_lowercase);
    is_title || is_contact(piece)
}

/// Whether most words of a piece are capital, as those of names and addresses are.
pub fn is_capital(piece: &str) -> bool {
    let words = || Cursor::new(piece, 0, piece.len()).words();
    2 * words().filter(|word| !is_small(word)).count() > words().count()
}

/// Past those who are greeted where a line greets: any few words that neither tell an opinion nor make a sentence.
pub fn any_addressee(at: Cursor<'_>) -> Option<Cursor<'_>> {
    const MOST_WORDS: usize = 5;
    const ALLOWED: &[&str] = &["my", "your", "again", "may"];
    let mut cursor = at;
    for count in 0.. {
        let mut ahead = cursor;
        ahead.skip(|c| matches!(c, ' ' | '\t' | '\u{a0}' | '/' | '&'));
        let Some(word) = ahead.word() else { return (count > 0).then_some(cursor) };
        let word = Folded::new(word);
        let is_allowed = word.is_among(ALLOWED) || !word.is_in(&OF_SENTENCES);
        if count == MOST_WORDS || !is_allowed || word.is_in(&TELLING) || word.is_in(&NO_ADDRESSEES)
        {
            return None;
        }
        cursor = ahead;
    }
    None
}

/// "The Reception Team".
pub fn is_team(piece: &str) -> bool {
    const TEAMS: &[&str] =
        &["team", "staff", "department", "office", "service", "support", "crew", "committee"];
    let words = || Cursor::new(piece, 0, piece.len()).words();
    let is_team = words().last().is_some_and(|last| Folded::new(last).is_among(TEAMS));
    is_team && words().count() <= NAME_WORDS && is_capital(piece) && !piece.contains(['!', '?'])
}

/// "R. Moore", "Alex M."
pub fn has_initial(at: Cursor<'_>) -> bool {
    let mut words = at.words();
    let is_initial = |word: &str| word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    is_short_name(at) && at.rest().contains('.') && words.any(is_initial)
}

/// Whether the rest of a line is a name of a few capital words.
pub fn is_short_name(at: Cursor<'_>) -> bool {
    const MOST_WORDS: usize = 3;
    at.words().count() <= MOST_WORDS
        && !at.rest().contains(['!', '?', ':', '"'])
        && name(at, false).is_some_and(text_is_over)
}

/// Whether the rest of a line is a name, with a title, a place or a number behind it, if any: "Sam Moore, flat 4".
pub fn signs(at: Cursor<'_>) -> bool {
    let rest = at.rest();
    let part = rest.find([',', '|', '(', '–', '—', '/', ';', '\n']).or_else(|| rest.find(" - "));
    let Some(part) = part.filter(|part| *part > 0) else { return false };
    let detail = rest[part..].trim_matches(|c: char| !c.is_alphanumeric());
    let words = Cursor::new(detail, 0, detail.len()).words().count();
    name(Cursor { end: at.at + part, ..at }, false).is_some_and(text_is_over)
        && words <= NAME_WORDS + 1
        && !says_something(detail)
}

fn text_is_over(cursor: Cursor<'_>) -> bool {
    !cursor.rest().contains(char::is_alphanumeric)
}

/// "Tel. 0113 496 0000", "Customer services: 0800 100 200", "ACME Ltd, 12 High Street".
pub fn is_labelled(piece: &str) -> bool {
    const LABELS: &[&str] = &[
        "tel",
        "phone",
        "mobile",
        "mob",
        "cell",
        "fax",
        "telefon",
        "téléphone",
        "teléfono",
        "telefono",
        "telefone",
        "telefoon",
        "hotline",
        "helpline",
        "ext",
        "reception",
        "enquiries",
        "bookings",
        "services",
        "office",
        "desk",
        "call",
    ];
    const FIRMS: &[&str] =
        &["ltd", "limited", "gmbh", "inc", "llc", "plc", "ag", "llp", "co", "bv", "sarl", "srl"];
    const FIRST: usize = 3;
    let words = || Cursor::new(piece, 0, piece.len()).words().map(Folded::new);
    let digits = piece.bytes().filter(u8::is_ascii_digit).count();
    let is_short = || words().next().is_some_and(|word| word.is_among(&["t", "m", "ph"]));
    let is_named =
        digits >= 5 && (words().take(FIRST).any(|word| word.is_among(LABELS)) || is_short());
    let is_firm = words().any(|word| word.is_among(FIRMS)) && piece.contains(',') && digits > 0;
    (is_named || is_firm) && !says_something(piece)
}

/// An address, a link, a number to call.
pub fn is_contact(piece: &str) -> bool {
    let digits = piece.bytes().filter(u8::is_ascii_digit).count();
    let words = || Cursor::new(piece, 0, piece.len()).words().filter(|word| word.len() > 2).count();
    let has_link = piece.contains("http") || piece.contains("www.") || piece.contains('@');
    is_labelled(piece) || has_link && words() <= 10 || digits >= 7 && words() <= 4
}

/// An address for mails, which a signature has and a sentence hardly: `sam@example.com`.
pub fn is_address(piece: &str) -> bool {
    let is_mail = |word: &str| {
        word.split_once('@').is_some_and(|(name, host)| {
            name.ends_with(|c: char| c.is_ascii_alphanumeric()) && host.contains('.')
        })
    };
    piece.split_whitespace().any(is_mail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_from_a_sentence() {
        for (text, is_name) in [
            ("Alex Moore", true),
            ("A. Moore, Leeds", true),
            ("Dr. Ana de la Cruz", true),
            ("Alex & Sam Moore", true),
            ("ACME Support Team", true),
            ("李雷", true),
            ("Disappointed Customer", false),
            ("Never Coming Back", false),
            ("this product as a joke", false),
            ("Alex bought it", false),
            ("Alex and", false),
            ("", false),
        ] {
            let found = name(Cursor::new(text, 0, text.len()), false);
            assert_eq!(found.is_some(), is_name, "{text}");
        }
        assert!(name(Cursor::new("alex moore", 0, 10), true).is_some());
        assert!(name(Cursor::new("one star only", 0, 13), true).is_none());
    }

    #[test]
    fn a_line_of_a_signature_is_told_from_a_sentence() {
        for (text, is_of) in [
            ("Head of Sales | ACME Ltd", true),
            ("12 High Street, Leeds", true),
            ("Tel. +44 113 496 0000", true),
            ("alex@example.com", true),
            ("The worst part is that nobody called.", false),
            ("Disappointed Customer", false),
            ("we waited for an hour", false),
            ("What A Joke!", false),
        ] {
            assert_eq!(is_of_signature(text), is_of, "{text}");
        }
    }
}
