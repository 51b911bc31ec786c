//! Where a text holds the words that a model says it copied from there.
//!
//! A model copies well, not exactly: it mends case, quotes, blanks and widths, and of a word with endings it gives the
//! plain form. So both sides are folded, and each character of the folded text remembers where it stands. What
//! is found has to be a word of its own as far as its script tells words apart by blanks: Chinese, Japanese, Thai and the
//! like do not, so there any whole characters will do.

use unicode_normalization::char::{
    canonical_combining_class, decompose_compatible, is_combining_mark,
};

/// The most letters of an ending that may follow a term, and the fewest of a term that may have one: "ekran" in
/// "ekranı", "akku" in "akkua", but not "app" in "apple".
const ENDING_LETTERS: usize = 4;
const STEM_LETTERS: usize = 4;
/// The most letters before and behind an Arabic or Hebrew word that are words of their own ("and the", "its").
const CLITIC_LETTERS: usize = 3;

/// The most marks upon a character that are put in order: Unicode's own bound for texts (UAX #15, stream-safe).
const MARKS: usize = 30;

/// A text that is searched, folded once.
pub struct Place<'a> {
    text: &'a str,
    folded: Vec<Folded>,
}

/// A character as it is compared, and the bytes of the one that it came from.
#[derive(Clone, Copy)]
struct Folded {
    c: char,
    start: usize,
    end: usize,
}

/// How well something stands by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// A word, or several.
    Whole,
    /// A word with an ending or a small word attached, as many languages write them.
    Attached,
}

impl<'a> Place<'a> {
    pub fn of(text: &'a str) -> Place<'a> {
        Place { text, folded: fold(text) }
    }

    /// The bytes of the first place that `is_free`: of those where the words stand by themselves, else of those
    /// where something is attached.
    pub fn find(
        &self,
        words: &str,
        is_free: impl Fn((usize, usize)) -> bool,
    ) -> Option<(usize, usize)> {
        let wanted: Vec<char> = fold(words.trim()).into_iter().map(|folded| folded.c).collect();
        let wanted = trimmed(&wanted);
        if wanted.is_empty() || wanted.len() > self.folded.len() {
            return None;
        }
        let mut attached = None;
        for at in 0..=self.folded.len() - wanted.len() {
            let found = &self.folded[at..at + wanted.len()];
            if found.iter().zip(wanted).any(|(one, c)| one.c != *c) {
                continue;
            }
            let start = found.iter().map(|one| one.start).min().unwrap_or_default();
            let end = found.iter().map(|one| one.end).max().unwrap_or_default();
            if !self.is_of_whole_characters(at, at + wanted.len()) || !is_free((start, end)) {
                continue;
            }
            match self.fit(start, end) {
                Some(Fit::Whole) => return Some((start, end)),
                Some(Fit::Attached) => attached = attached.or(Some((start, end))),
                None => {}
            }
        }
        attached
    }

    /// Neither begins nor ends within what was one character, or one with the marks upon it.
    fn is_of_whole_characters(&self, from: usize, to: usize) -> bool {
        let splits = |at: usize| {
            let (Some(last), Some(next)) =
                (at.checked_sub(1).and_then(|before| self.folded.get(before)), self.folded.get(at))
            else {
                return false;
            };
            let is_same = last.start == next.start;
            is_same || is_combining_mark(next.c) || is_hangul_tail(next.c)
        };
        !splits(from) && !splits(to)
    }

    fn fit(&self, start: usize, end: usize) -> Option<Fit> {
        let found = &self.text[start..end];
        let (before, after) = (&self.text[..start], &self.text[end..]);
        let first = found.chars().find(|c| !is_ignored(*c))?;
        let last = found.chars().rfind(|c| !is_ignored(*c) && !is_combining_mark(*c))?;
        let joined = |one: char, other: Option<char>| {
            other.is_some_and(|other| is_letter(one) && is_letter(other))
        };
        let previous = before.chars().rfind(|c| !is_ignored(*c) && !is_combining_mark(*c));
        let next = after.chars().find(|c| !is_ignored(*c));
        let starts = match previous {
            Some(previous) if joined(first, Some(previous)) => {
                attached_before(previous, first, before)?
            }
            _ => Fit::Whole,
        };
        let ends = match next {
            Some(next) if joined(last, Some(next)) => attached_after(last, next, found, after)?,
            _ => Fit::Whole,
        };
        Some(starts.max(ends))
    }
}

/// What may stand right before a term without being part of its word.
fn attached_before(previous: char, first: char, before: &str) -> Option<Fit> {
    match (Script::of(previous), Script::of(first)) {
        (Script::Katakana, Script::Katakana) | (Script::Hangul, Script::Hangul) => {
            Some(Fit::Attached)
        }
        (Script::WithoutBlanks | Script::Katakana, _)
        | (_, Script::WithoutBlanks | Script::Katakana) => Some(Fit::Whole),
        (Script::Semitic, Script::Semitic) => {
            is_short(before.chars().rev(), CLITIC_LETTERS).then_some(Fit::Attached)
        }
        _ => None,
    }
}

/// What may stand right behind one.
fn attached_after(last: char, next: char, found: &str, after: &str) -> Option<Fit> {
    match (Script::of(last), Script::of(next)) {
        (Script::Katakana, Script::Katakana) => Some(Fit::Attached),
        (Script::WithoutBlanks | Script::Katakana, _)
        | (_, Script::WithoutBlanks | Script::Katakana) => Some(Fit::Whole),
        // Particles stick to the noun, one of another script too.
        (_, Script::Hangul) => Some(Fit::Attached),
        (Script::Semitic, Script::Semitic) => {
            is_short(after.chars(), CLITIC_LETTERS).then_some(Fit::Attached)
        }
        (Script::Other, Script::Other) => {
            let is_stem = !is_short(found.chars().rev(), STEM_LETTERS - 1);
            let is_one = last.is_alphabetic() && next.is_alphabetic();
            let sticks = is_one && is_stem && is_short(after.chars(), ENDING_LETTERS);
            sticks.then_some(Fit::Attached)
        }
        _ => None,
    }
}

/// Whether no more letters than that come before something else does.
fn is_short(letters: impl Iterator<Item = char>, most: usize) -> bool {
    letters.take_while(|c| is_letter(*c) || is_combining_mark(*c)).take(most + 1).count() <= most
}

/// As far as it decides where words end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Sentences are written without blanks: no character shows where a word ends.
    WithoutBlanks,
    /// As well, but foreign words, which this writes, stand out.
    Katakana,
    /// Words have blanks between them and particles attached.
    Hangul,
    /// Articles, conjunctions and pronouns are attached.
    Semitic,
    Other,
}

impl Script {
    fn of(c: char) -> Script {
        match c {
            '\u{30A0}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9F}' => {
                Script::Katakana
            }
            '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{A960}'..='\u{A97F}'
            | '\u{AC00}'..='\u{D7FF}' => Script::Hangul,
            '\u{0590}'..='\u{07BF}' | '\u{0860}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFE}' => Script::Semitic,
            // Thai, Lao, Tibetan.
            '\u{0E00}'..='\u{0FFF}'
            // Burmese, Khmer.
            | '\u{1000}'..='\u{109F}' | '\u{A9E0}'..='\u{A9FF}' | '\u{AA60}'..='\u{AA7F}'
            | '\u{1780}'..='\u{17FF}' | '\u{19E0}'..='\u{19FF}'
            // Tai, Balinese, Javanese.
            | '\u{1950}'..='\u{19DF}' | '\u{1A20}'..='\u{1AAF}' | '\u{AA80}'..='\u{AADF}'
            | '\u{1B00}'..='\u{1B7F}' | '\u{A980}'..='\u{A9DF}'
            // Han, Hiragana, Bopomofo, Yi.
            | '\u{2E80}'..='\u{309F}' | '\u{3100}'..='\u{312F}' | '\u{31A0}'..='\u{31EF}'
            | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{A4CF}' | '\u{F900}'..='\u{FAFF}'
            | '\u{20000}'..='\u{3FFFF}' => Script::WithoutBlanks,
            _ => Script::Other,
        }
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric()
}

/// A vowel or a last consonant that a Hangul syllable goes on with.
fn is_hangul_tail(c: char) -> bool {
    matches!(c, '\u{1160}'..='\u{11FF}' | '\u{D7B0}'..='\u{D7FF}')
}

/// What nobody sees: soft hyphens, blanks of no width, marks of direction, and the Arabic stretcher.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{640}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

/// Decomposed and in canonical order (so that NFC, NFD, full and half width read alike), in lower case, with one kind
/// of blank, quote and hyphen.
fn fold(text: &str) -> Vec<Folded> {
    let mut folded: Vec<Folded> = Vec::with_capacity(text.len());
    for (start, c) in text.char_indices() {
        if is_ignored(c) {
            continue;
        }
        let end = start + c.len_utf8();
        decompose_compatible(c, |part| {
            for c in part.to_lowercase() {
                let c = plain(c);
                // A run of blanks is one.
                if c == ' ' && folded.last().is_some_and(|last| last.c == ' ') {
                    continue;
                }
                let at = place_in_order(&folded, c);
                folded.insert(at, Folded { c, start, end });
            }
        });
    }
    folded
}

/// Where a mark stands in canonical order: behind those of a lower or the same class.
fn place_in_order(folded: &[Folded], c: char) -> usize {
    let class = canonical_combining_class(c);
    let higher = folded
        .iter()
        .rev()
        .take(MARKS)
        .take_while(|before| class > 0 && canonical_combining_class(before.c) > class);
    folded.len() - higher.count()
}

fn plain(c: char) -> char {
    match c {
        _ if c.is_whitespace() => ' ',
        '‘' | '’' | '‚' | '‛' | '′' | '`' | '´' | 'ʼ' => '\'',
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => '"',
        '‐' | '‑' | '‒' | '–' | '—' | '−' => '-',
        'ς' => 'σ',
        _ => c,
    }
}

fn trimmed(mut words: &[char]) -> &[char] {
    while let [' ', rest @ ..] | [rest @ .., ' '] = words {
        words = rest;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(text: &'a str, words: &str) -> &'a str {
        Place::of(text).find(words, |_| true).map_or("", |(start, end)| &text[start..end])
    }

    #[test]
    fn terms_of_any_script_are_found_where_they_stand() {
        for (text, words) in [
            // Without blanks.
            ("这款手机的屏幕很好，但是电池不耐用。", "屏幕"),
            ("这款手机的屏幕很好，但是电池不耐用。", "电池"),
            ("這家餐廳的服務態度很差", "服務態度"),
            ("我的iPhone屏幕碎了", "iPhone"),
            ("このスマホは画面がきれいだが、バッテリーがすぐ切れる。", "画面"),
            ("このスマホは画面がきれいだが、バッテリーがすぐ切れる。", "バッテリー"),
            ("接客がとても丁寧でした", "接客"),
            ("アプリが重い", "アプリ"),
            ("จอภาพสวยมากแต่แบตเตอรี่หมดเร็ว", "แบตเตอรี่"),
            ("จอภาพสวยมากแต่แบตเตอรี่หมดเร็ว", "จอภาพ"),
            ("ໂທລະສັບນີ້ມີໜ້າຈໍດີ", "ໜ້າຈໍ"),
            ("អេក្រង់ស្អាតណាស់ប៉ុន្តែថ្មឆាប់អស់", "អេក្រង់"),
            ("ဖုန်းရဲ့မျက်နှာပြင်ကောင်းတယ်", "မျက်နှာပြင်"),
            ("བརྙན་ཤེལ་ཡག་པོ་འདུག", "བརྙན་ཤེལ"),
            // Particles and endings.
            ("배터리가 너무 빨리 닳아요. 화면은 좋습니다.", "배터리"),
            ("배터리가 너무 빨리 닳아요. 화면은 좋습니다.", "화면"),
            ("이 앱은 느리고 고객센터도 불친절해요", "고객센터"),
            ("LG폰의 app이 자꾸 꺼져요", "app"),
            ("Ekranı çok iyi ama bataryası çabuk bitiyor", "batarya"),
            ("Akkua ei voi kehua, näytöstä pidän", "Akku"),
            ("A képernyője gyönyörű", "képernyő"),
            ("الشاشة رائعة والبطارية ضعيفة", "البطارية"),
            ("الشاشة رائعة والبطارية ضعيفة", "الشاشة"),
            ("المسך נהדר אבל הסוללה חלשה", "סוללה"),
            ("Батарея садится быстро, экраном доволен", "экран"),
            ("Die Akkulaufzeit ist schlecht", "Akkulaufzeit"),
            ("स्क्रीन अच्छी है, बैटरी खराब है", "बैटरी"),
            ("Pin yếu, màn hình đẹp", "màn hình"),
            ("Η οθόνη είναι τέλεια", "οθόνη"),
        ] {
            assert_eq!(found(text, words).to_lowercase(), words.to_lowercase(), "{text}");
        }
    }

    #[test]
    fn what_looks_the_same_is_the_same() {
        for (text, words, expected) in [
            ("Le café est bon", "cafe\u{301}", "café"),
            ("Le cafe\u{301} est bon", "café", "cafe\u{301}"),
            ("Dịch vụ rất tê\u{323}", "tệ", "tê\u{323}"),
            ("Giá te\u{302}\u{323}", "te\u{323}\u{302}", "te\u{302}\u{323}"),
            ("Ｂａｔｔｅｒｙ が悪い", "battery", "Ｂａｔｔｅｒｙ"),
            ("ﾊﾞｯﾃﾘｰが悪い", "バッテリー", "ﾊﾞｯﾃﾘｰ"),
            ("The driver’s van", "driver's van", "driver’s van"),
            ("The battery\u{a0}life", "battery life", "battery\u{a0}life"),
            ("The battery\n  life", "battery life", "battery\n  life"),
            ("The bat\u{ad}tery died", "battery", "bat\u{ad}tery"),
            ("a wi\u{2011}fi box", "Wi-Fi", "wi\u{2011}fi"),
            ("Der ΚΑΦΕΣ", "καφες", "ΚΑΦΕΣ"),
            ("\u{1112}\u{1161}\u{11ab}글이 좋다", "한글", "\u{1112}\u{1161}\u{11ab}글"),
            ("الشاشـــة رائعة", "الشاشة", "الشاشـــة"),
        ] {
            assert_eq!(found(text, words), expected, "{text}: {words}");
        }
    }

    #[test]
    fn no_part_of_a_word_or_of_a_character_is_a_term() {
        for (text, words) in [
            ("apple pie", "app"),
            ("apple pie", "pie crust"),
            ("The disapproval", "approval"),
            ("a priceless evening together", "ice"),
            ("apple pie", " "),
            ("crème brûlée", "cre"),
            ("각이 지다", "가"),
            ("\u{1100}\u{1161}\u{11a8}이 지다", "가"),
            ("ที่นี่", "ท"),
            ("iPhone15 screen", "iPhone"),
            ("", "app"),
            ("Wertschätzungsgesellschaft", "Wert"),
        ] {
            assert_eq!(found(text, words), "", "{text}: {words}");
        }
    }

    #[test]
    fn a_word_by_itself_comes_before_one_with_something_attached() {
        let text = "screens and a screen";
        assert_eq!(Place::of(text).find("screen", |_| true), Some((14, 20)));
        assert_eq!(Place::of(text).find("screen", |place| place != (14, 20)), Some((0, 6)));
        let text = "アプリケーションのアプリ";
        assert_eq!(Place::of(text).find("アプリ", |_| true), Some((27, 36)));
    }
}
