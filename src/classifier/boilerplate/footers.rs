//! What programs and lawyers put under a text: notices of confidentiality, ways to unsubscribe, results of virus scans,
//! the name of the telephone.

use std::sync::LazyLock;

use super::phrases::{Kind, phrase};
use super::words::{Cursor, Folded, Words, last_piece, words};

/// The most pieces and bytes of one footer.
const MOST_PIECES: usize = 60;
const MOST_BYTES: usize = 8_000;
/// How often an opening is looked for inside a sentence.
const MOST_TRIES: usize = 4;
/// A line of so few words may be the end of the one before it; not many such lines.
const FEW_WORDS: usize = 4;
const MOST_UNKNOWN: usize = 3;

/// Words of notices alone: two of them make one.
static OF_NOTICES: LazyLock<Words> = LazyLock::new(|| {
    words(
        "confidential confidentiality privileged recipient recipients addressee addressees intended \
         unauthorised unauthorized disclosure dissemination disclose prohibited attachments liability \
         proprietary notify vertraulich vertrauliche empfänger adressat unbefugte irrtümlich \
         confidentiel confidentielle confidentielles confidentiels destinataire destinataires \
         confidencial confidenciales destinatario destinatarios destinatário confidenciais riservato \
         riservata riservate destinatari confidenziale confidenziali vertrouwelijk vertrouwelijke \
         geadresseerde bestemd constitute constitutes advice solicitation purposes binding disclosed \
         addressees",
    )
});

/// Words of footers to lists.
static OF_LISTS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "click visit link subscribed subscription subscriptions unsubscribe list group preferences \
         settings here mailing newsletter browser account notifications abonniert newsletters cliquez \
         ici haga clic aquí clicca qui clique aqui klik hier abmelden github email emails e-mail \
         e-mails reply stop messages",
    )
});

/// Words that any sentence of a footer may hold.
static OF_FOOTERS: LazyLock<Words> = LazyLock::new(|| {
    words(
        "e-mail email emails e-mails mail message messages communication transmission sender delete \
         deleted copy copying copies distribution distribute error mistake virus viruses liable views \
         opinions entity addressed attachment computer contents information reply rights reserved \
         registered office company privacy policy copyright print printing environment antivirus \
         software scanned automated automatically review retransmission action reliance individual \
         individuals destroy strictly solely legally unlawful breach material security intercepted \
         accept responsibility warranty damage directors england limited ltd inc gmbh vat nachricht \
         absender vernichten löschen mitteilung anhänge inhalt informationen weitergabe courriel \
         expéditeur détruire supprimer pièces mensaje correo remitente eliminar messaggio mittente \
         cancellare mensagem remetente bericht afzender verwijderen bijlagen guarantee threats \
         gateway charged rate lines hours investment investments value terms conditions apply law \
         data protection trademarks trademark offer contract contracts monitored inbox declarations",
    )
});

static OF_DEVICES: LazyLock<Words> = LazyLock::new(|| {
    words(
        "iphone ipad ipod phone smartphone mobile cell android galaxy samsung huawei xiaomi pixel \
         blackberry tablet device windows mac outlook yahoo gmail mail proton protonmail thunderbird \
         ios handy mobiltelefon smarttelefoon telefoon telefon téléphone teléfono móvil telefono \
         cellulare telemóvel celular mobil mobiel portable nokia oneplus sony lg htc web.de gmx apple \
         watch aol icloud spark superhuman hey form website web portal site survey kiosk chat widget \
         browser ipados",
    )
});

/// What may stand beside a device.
static BESIDE_DEVICES: LazyLock<Words> = LazyLock::new(|| {
    words(
        "for on my a the using with via from gesendet verschickt geschickt für von mit meinem pour \
         mon sur para mi en per il mio meu voor mijn verzonden app free secure email new personal \
         work wireless 5g 4g lte our your this contact feedback online customer support page",
    )
});

/// Whoever says so speaks for himself, not for his firm's lawyers.
static OF_PERSONS: LazyLock<Words> =
    LazyLock::new(|| words("i i'm i've i'd i'll me my mine myself ich mir mich je j'ai yo"));

/// Any word that a sentence of a footer may be known by.
static KNOWN: LazyLock<Words> = LazyLock::new(|| {
    [&OF_FOOTERS, &OF_NOTICES, &OF_LISTS]
        .into_iter()
        .flat_map(|list| list.iter().copied())
        .collect()
});

fn any(text: &str, list: &Words) -> bool {
    Cursor::new(text, 0, text.len()).words().any(|word| Folded::new(word).is_in(list))
}

/// Where the footer starts that `text[start..end]` ends with.
pub fn start(text: &str, start: usize, end: usize) -> Option<usize> {
    let (mut at, mut unknown) = (end, 0);
    for _ in 0..MOST_PIECES {
        let piece = last_piece(text, start, at);
        let body = &text[piece..at];
        if end - piece > MOST_BYTES {
            return None;
        }
        if let Some(opening) = opening(text, piece, at, end) {
            return (!any(&text[opening..end], &OF_PERSONS)).then_some(opening);
        }
        let words = || Cursor::new(body, 0, body.len()).words();
        let goes_on = || words().any(|word| Folded::new(word).is_in(&KNOWN));
        let is_short = words().nth(FEW_WORDS).is_none();
        unknown = if goes_on() { 0 } else { unknown + 1 };
        if unknown > if is_short { MOST_UNKNOWN } else { 0 } {
            return None;
        }
        at = start + text[start..piece].trim_end().len();
        // A paragraph is its own.
        if at == start || text[at..piece].matches('\n').count() > 1 {
            return None;
        }
    }
    None
}

/// Where a footer opens in the piece from `piece` to `at`: with it, or within it at a capital letter where no mark ends the sentence
/// before.
fn opening(text: &str, piece: usize, at: usize, end: usize) -> Option<usize> {
    if is_opening(text, piece, at, end) {
        return Some(piece);
    }
    let mut cursor = Cursor::new(text, piece, at);
    let mut tries = MOST_TRIES;
    while tries > 0 {
        cursor.word();
        cursor.skip(|c| !c.is_alphanumeric());
        let at_word = cursor;
        let first = cursor.peek()?;
        if first.is_uppercase() && phrase(at_word, is_of_footers).is_some() {
            if is_opening(text, at_word.at, at, end) {
                return Some(at_word.at);
            }
            tries -= 1;
        }
    }
    None
}

fn is_of_footers(kind: Kind) -> bool {
    matches!(kind, Kind::Notice | Kind::List | Kind::Footer | Kind::Banner)
}

/// Whether a footer opens with the piece from `piece` to `at`, of which the rest to `end` is part.
fn is_opening(text: &str, piece: usize, at: usize, end: usize) -> bool {
    let mut cursor = Cursor::new(text, piece, at);
    cursor.skip(|c| !c.is_alphanumeric());
    let found = phrase(cursor, is_of_footers);
    if text[piece..at].starts_with('©') || text[piece..at].ends_with("rights reserved.") {
        return true;
    }
    let whole = &text[piece..end];
    match found {
        Some((Kind::Footer | Kind::Banner, _)) => true,
        Some((Kind::Notice, _)) => says_notice(whole),
        Some((Kind::List, _)) => {
            any(whole, &OF_LISTS)
                || whole.contains("http")
                || whole.contains("www.")
                || whole.contains('@')
        }
        _ => is_bare_unsubscribe(&text[piece..at]),
    }
}

/// Two different words that notices alone have; one in a few words: "This message is confidential."
fn says_notice(whole: &str) -> bool {
    const FEW: usize = 6;
    let words = || Cursor::new(whole, 0, whole.len()).words();
    if words().nth(FEW).is_none() {
        return words().any(|word| Folded::new(word).is_in(&OF_NOTICES));
    }
    let all = words().map(Folded::new);
    let mut telling = all.filter(|word| word.is_in(&OF_NOTICES));
    let Some(first) = telling.next() else { return false };
    telling.any(|word| word.as_str() != first.as_str())
}

/// "Unsubscribe", "Unsubscribe | Privacy policy", "Unsubscribe: https://…"
fn is_bare_unsubscribe(piece: &str) -> bool {
    const OF_LINKS: &[&str] =
        &["unsubscribe", "privacy", "preferences", "imprint", "abmelden", "désabonner"];
    let words = || Cursor::new(piece, 0, piece.len()).words();
    let is_link = |word: &str| Folded::new(word).is_among(OF_LINKS);
    let is_parted = piece.contains(['|', '·', '•']) || piece.contains("http");
    let is_alone = words().nth(1).is_none() && !piece.ends_with('!');
    is_parted && words().any(is_link)
        || is_alone && words().any(|word| Folded::new(word).as_str() == "unsubscribe")
}

/// "Get Mailbox for Android", "Download Mailbox for free".
pub fn is_advert(piece: &str) -> bool {
    const MOST_WORDS: usize = 5;
    let words = || Cursor::new(piece, 0, piece.len()).words();
    let begins =
        words().next().is_some_and(|first| Folded::new(first).is_among(&["get", "download"]));
    let for_what = words().skip_while(|word| *word != "for").nth(1).map(Folded::new);
    let is_device = for_what.is_some_and(|what| what.is_in(&OF_DEVICES) || what.as_str() == "free");
    begins && is_device && words().count() <= MOST_WORDS && !piece.contains(['?', '!'])
}

/// Whether the words behind "Sent" or "Typed", on a line of their own, may say with what or where.
pub fn is_of_device(rest: &str) -> bool {
    const MOST_WORDS: usize = 8;
    let words = || Cursor::new(rest, 0, rest.len()).words();
    let says = |word: &str| {
        super::names::is_telling(word)
            || Folded::new(word).is_among(&["i", "never", "that", "which", "was", "is"])
    };
    (1..=MOST_WORDS).contains(&words().count()) && !rest.contains(['?', '!']) && !words().any(says)
}

/// Whether the words behind "Sent from my" name a device or a program, and nothing else.
pub fn names_device(rest: &str) -> bool {
    let mut is_named = false;
    for word in Cursor::new(rest, 0, rest.len()).words() {
        let folded = Folded::new(word);
        let is_device = folded.is_in(&OF_DEVICES);
        is_named |= is_device;
        let is_beside = folded.is_in(&BESIDE_DEVICES) || !word.starts_with(char::is_lowercase);
        if !is_device && !is_beside {
            return false;
        }
    }
    is_named && rest.len() < 80 && !rest.contains(['?', '!'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_is_found_from_its_end() {
        for (text, footer) in [
            (
                "It broke. This e-mail and any attachments are confidential and intended solely for the addressee. If you are not \
                 the intended recipient, please notify the sender and delete it.",
                "This e-mail",
            ),
            (
                "It broke.\n\nCONFIDENTIALITY NOTICE: The information contained in this message is privileged and\nconfidential.",
                "CONFIDENTIALITY",
            ),
            ("It broke.\nTo unsubscribe from this list, click here.", "To unsub"),
            ("It broke.\nUnsubscribe | Privacy policy", "Unsub"),
            ("It broke. This message is confidential.", "This message"),
            (
                "It broke.\nThis email has been checked for viruses by Avast antivirus software.",
                "This email",
            ),
            ("It broke.\nPlease consider the environment before printing this e-mail.", "Please"),
            (
                "Kaputt.\nDiese E-Mail enthält vertrauliche Informationen. Wenn Sie nicht der richtige Empfänger sind, löschen Sie die Nachricht.",
                "Diese",
            ),
            ("Cassé.\nCe message est confidentiel et destiné au seul destinataire.", "Ce message"),
        ] {
            let mut end = text.len();
            while let Some(at) = start(text, 0, end) {
                end = text[..at].trim_end().len();
            }
            assert!(text[end..].trim_start().starts_with(footer), "{text}: {end}");
        }
    }

    #[test]
    fn a_complaint_about_mails_is_none() {
        for text in [
            "This email is the third one and nobody answers.",
            "This email was sent in error and the attachment had a virus.",
            "I tried to unsubscribe from this list three times.",
            "To unsubscribe I had to call them.",
            "Unsubscribe me now!",
            "You leaked my confidential data to the wrong recipient.",
            "The information contained in the manual is wrong.",
            "",
        ] {
            assert_eq!(start(text, 0, text.len()), None, "{text}");
        }
    }

    #[test]
    fn a_device_is_told_from_a_story_about_one() {
        for (rest, is_device) in [
            ("iPhone", true),
            ("Samsung Galaxy smartphone.", true),
            ("Outlook for iOS", true),
            ("meinem iPhone gesendet", true),
            ("phone that keeps crashing", false),
            ("Heaven", false),
            ("", false),
        ] {
            assert_eq!(names_device(rest), is_device, "{rest}");
        }
    }
}
