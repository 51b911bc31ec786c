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

/// What no name holds, in whatever letters: it stands in sentences.
static STOP_WORDS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "i i'm i've i'd i'll my me we our us you your you're it it's its this that these those he she \
         they his her their a an the is was are were am be been has have had do does did will would \
         can could should may might for to in on with about as by if when while because so but not no \
         never nobody nothing none very too ever again more most just only still what which who why \
         how where there here than then now out up down off over all every anyway please also even",
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
         decepcionado contento deluso delusa teleurgestelde tevreden",
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

pub fn is_telling(word: &str) -> bool {
    Folded::new(word).is_in(&TELLING)
}

/// Past those who are greeted, if any are: names, and words for people. `None` where a word is neither.
pub fn addressee(at: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut cursor = at;
    for _ in 0..ADDRESSEE_WORDS {
        let mut ahead = cursor;
        ahead.skip(|c| matches!(c, ' ' | '\t' | '\u{a0}' | '/' | '&' | '(' | ')'));
        let Some(word) = ahead.word() else { return Some(cursor) };
        let folded = Folded::new(word);
        let is_name = !is_small(word) && !folded.is_in(&STOP_WORDS);
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
        if !is_particle && !is_initial && folded.is_in(&STOP_WORDS) {
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
    if piece.len() > MOST_BYTES || piece.ends_with(['?', '!']) {
        return false;
    }
    let cursor = Cursor::new(piece, 0, piece.len());
    let (mut words, mut capital) = (0, 0);
    for word in cursor.words() {
        if is_telling(word)
            || Folded::new(word).is_among(&["i", "i'm", "my", "me", "was", "is", "not"])
        {
            return false;
        }
        words += 1;
        capital += usize::from(!is_small(word));
    }
    is_contact(piece)
        || (1..=10).contains(&words)
            && 2 * capital > words
            && !piece.starts_with(char::is_lowercase)
}

/// An address, a link, a number to call.
pub fn is_contact(piece: &str) -> bool {
    const LABELS: [&str; 12] = [
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
    ];
    let first = Cursor::new(piece, 0, piece.len()).words().next().map(Folded::new);
    let digits = piece.bytes().filter(u8::is_ascii_digit).count();
    let is_labelled = first.is_some_and(|first| first.is_among(&LABELS));
    let words = || Cursor::new(piece, 0, piece.len()).words().filter(|word| word.len() > 2).count();
    let has_link = piece.contains("http") || piece.contains("www.") || piece.contains('@');
    is_labelled && digits >= 5 || has_link && words() <= 10 || digits >= 7 && words() <= 4
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
