//! Which language the letters of a text tell, where they are not Latin.

use super::words::Words;

/// Scripts by the first and the last of their letters, with the language that most text in them is in.
/// Latin has no language of its own. What is not here is no letter, or of a script that nobody asked for.
const SCRIPTS: [(u32, u32, &str); 46] = [
    (0x0041, 0x024f, LATIN),
    (0x0250, 0x02af, LATIN),
    (0x0370, 0x03ff, "el"),
    (0x0400, 0x052f, "ru"),
    (0x0530, 0x058f, "hy"),
    (0x0590, 0x05ff, "he"),
    (0x0600, 0x077f, "ar"),
    (0x0780, 0x07bf, "dv"),
    (0x08a0, 0x08ff, "ar"),
    (0x0900, 0x097f, "hi"),
    (0x0980, 0x09ff, "bn"),
    (0x0a00, 0x0a7f, "pa"),
    (0x0a80, 0x0aff, "gu"),
    (0x0b00, 0x0b7f, "or"),
    (0x0b80, 0x0bff, "ta"),
    (0x0c00, 0x0c7f, "te"),
    (0x0c80, 0x0cff, "kn"),
    (0x0d00, 0x0d7f, "ml"),
    (0x0d80, 0x0dff, "si"),
    (0x0e00, 0x0e7f, "th"),
    (0x0e80, 0x0eff, "lo"),
    (0x0f00, 0x0fff, "bo"),
    (0x1000, 0x109f, "my"),
    (0x10a0, 0x10ff, "ka"),
    (0x1100, 0x11ff, "ko"),
    (0x1200, 0x139f, "am"),
    (0x1780, 0x17ff, "km"),
    (0x1800, 0x18af, "mn"),
    (0x1c80, 0x1c8f, "ru"),
    (0x1c90, 0x1cbf, "ka"),
    (0x1e00, 0x1eff, LATIN),
    (0x1f00, 0x1fff, "el"),
    (0x2d00, 0x2d2f, "ka"),
    (0x2d80, 0x2ddf, "am"),
    (0x3040, 0x30ff, "ja"),
    (0x3130, 0x318f, "ko"),
    (0x31f0, 0x31ff, "ja"),
    (0x3400, 0x9fff, "zh"),
    (0xa640, 0xa69f, "ru"),
    (0xac00, 0xd7ff, "ko"),
    (0xf900, 0xfaff, "zh"),
    (0xfb1d, 0xfb4f, "he"),
    (0xfb50, 0xfdff, "ar"),
    (0xfe70, 0xfeff, "ar"),
    (0xff66, 0xff9f, "ja"),
    (0x20000, 0x3ffff, "zh"),
];

const LATIN: &str = "";

/// Letters that tell a language from the others in its script, and what each of them weighs.
const TELLING: [(&str, &str, &str, f32); 16] = [
    ("ar", "ar", "كيةىإأؤ", 1.0),
    ("ar", "fa", "پچژگکی", 1.0),
    ("ar", "ur", "ٹڈڑںےہھ", 5.0),
    ("ar", "ps", "ښځڅټډړګ", 4.0),
    ("ar", "ckb", "ێۆڕڵ", 4.0),
    ("ru", "ru", "ыэё", 1.0),
    ("ru", "uk", "іїєґ", 1.0),
    ("ru", "be", "ў", 6.0),
    ("ru", "bg", "ъ", 1.0),
    ("ru", "sr", "јљњћђџ", 1.0),
    ("ru", "mk", "ѓќѕ", 3.0),
    ("ru", "kk", "әғқұ", 2.0),
    ("ru", "mn", "өү", 1.0),
    ("hi", "mr", "ळ", 1.0),
    ("bn", "as", "ৰৱ", 2.0),
    ("am", "ti", "ኣዕ", 1.0),
];

/// What a word of a language weighs beside a letter that tells it.
const WORD: f32 = 2.0;

/// The language of a text most of whose letters are not Latin. `None` for one in Latin letters, and
/// for one without letters.
pub fn language(text: &str, words: &'static Words) -> Option<&'static str> {
    if text.is_ascii() {
        return None;
    }
    let counts = count(text);
    let of = |code: &str| {
        counts.iter().find(|(known, _)| *known == code).map_or(0.0, |(_, count)| *count)
    };
    let (most, count) =
        *counts.iter().filter(|(code, _)| *code != LATIN).max_by(|a, b| a.1.total_cmp(&b.1))?;
    if count <= of(LATIN) {
        return None;
    }
    match most {
        // Japanese is written in both; a Chinese text may hold a の.
        "zh" if of("ja") * 8.0 >= of("zh") => Some("ja"),
        "ar" | "ru" | "hi" | "bn" | "am" => Some(tell_apart(most, text, words)),
        _ => Some(most),
    }
}

/// How much of a text each script has. A sign for a syllable or a word counts as many letters.
fn count(text: &str) -> Vec<(&'static str, f32)> {
    let mut counts: Vec<(&'static str, f32)> = Vec::with_capacity(4);
    for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
        let Some(code) = script(letter) else { continue };
        let weight = match code {
            "zh" => 3.0,
            "ko" | "ja" | "am" => 2.0,
            _ => 1.0,
        };
        match counts.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += weight,
            None => counts.push((code, weight)),
        }
    }
    counts
}

fn script(letter: char) -> Option<&'static str> {
    let code = u32::from(letter);
    let at = SCRIPTS.partition_point(|(first, ..)| *first <= code).checked_sub(1)?;
    let (_, last, language) = SCRIPTS[at];
    (code <= last).then_some(language)
}

/// Which of the languages that share a script: by its letters and its most frequent words.
fn tell_apart(script: &'static str, text: &str, words: &'static Words) -> &'static str {
    let rows = || TELLING.iter().filter(|(of, ..)| *of == script);
    let mut votes = words.votes();
    votes.add(script, 0.5);
    for letter in text.chars().filter(|letter| !letter.is_ascii()) {
        for (_, language, letters, weight) in rows() {
            if letters.contains(letter) {
                votes.add(language, *weight);
            }
        }
    }
    let is_inside = |letter: char| letter.is_alphabetic() || joins(letter);
    let word = |word: &&str| !word.is_empty() && !word.is_ascii();
    for word in text.split(|letter: char| !is_inside(letter)).filter(word) {
        votes.add_all(words.languages(&word.to_lowercase()), WORD);
    }
    votes.best().unwrap_or(script)
}

/// Signs inside a word that are no letters: vowels of Indian scripts, Persian's invisible break.
fn joins(sign: char) -> bool {
    matches!(sign, '\u{0900}'..='\u{0dff}' | '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_stand_in_order_and_apart() {
        assert!(SCRIPTS.iter().all(|(first, last, _)| first <= last));
        assert!(SCRIPTS.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn each_language_that_letters_tell_can_be_voted_for() {
        for (_, language, ..) in TELLING {
            let mut votes = Words::known().votes();
            votes.add(language, 1.0);
            assert_eq!(votes.best(), Some(language));
        }
    }
}
