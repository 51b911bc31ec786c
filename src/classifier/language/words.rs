//! The most frequent words of languages, which settle texts that are too short for statistics.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A set of languages: a bit each, in the order of the file.
pub type Languages = u64;

/// `words.txt`, read.
pub struct Words {
    codes: Vec<&'static str>,
    of_word: HashMap<String, Languages>,
    /// Letters with marks, by the languages in whose words they stand.
    of_letter: HashMap<char, Languages>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words::read(include_str!("words.txt")));

/// The bit of the first line; it has to be the first, since what stands there is taken from the others.
pub const ENGLISH: Languages = 1;

impl Words {
    pub fn known() -> &'static Words {
        &WORDS
    }

    fn read(file: &'static str) -> Words {
        let mut words =
            Words { codes: Vec::new(), of_word: HashMap::new(), of_letter: HashMap::new() };
        for line in file.lines().filter(|line| !line.starts_with('#')) {
            let mut parts = line.split_whitespace();
            let Some(code) = parts.next() else { continue };
            let bit = 1 << words.number(code);
            for word in parts {
                for letter in word.chars().filter(|letter| !letter.is_ascii()) {
                    *words.of_letter.entry(letter).or_default() |= bit;
                }
                *words.of_word.entry(word.to_owned()).or_default() |= bit;
                // Without its accents the Vietnamese "thể" is English.
                let plain = words.of_word.entry(without_marks(word)).or_default();
                *plain |= if *plain & ENGLISH == 0 { bit } else { 0 };
            }
        }
        words
    }

    /// The number of a language, which is its bit's.
    fn number(&mut self, code: &'static str) -> usize {
        let known = self.codes.iter().position(|known| *known == code);
        known.unwrap_or_else(|| {
            self.codes.push(code);
            self.codes.len() - 1
        })
    }

    /// The languages in which a word in small letters is frequent.
    pub fn languages(&self, word: &str) -> Languages {
        self.of_word.get(word).copied().unwrap_or(0)
    }

    /// The languages that have a letter with a mark.
    pub fn with_letter(&self, letter: char) -> Languages {
        self.of_letter.get(&letter).copied().unwrap_or(0)
    }

    pub fn votes(&'static self) -> Votes {
        Votes { words: self, of: [0.0; 64] }
    }
}

/// A word without its accents, as many people write it.
fn without_marks(word: &str) -> String {
    word.nfd().filter(|letter| !is_combining_mark(*letter)).collect()
}

/// What speaks for each language.
#[derive(Clone)]
pub struct Votes {
    words: &'static Words,
    of: [f32; 64],
}

impl Votes {
    pub fn of(&self, code: &str) -> f32 {
        self.place(code).map_or(0.0, |at| self.of[at])
    }

    /// Nothing for a language that is not in the list.
    pub fn add(&mut self, code: &str, weight: f32) {
        if let Some(at) = self.place(code) {
            self.of[at] += weight;
        }
    }

    fn place(&self, code: &str) -> Option<usize> {
        self.words.codes.iter().position(|known| *known == code)
    }

    pub fn add_all(&mut self, languages: Languages, weight: f32) {
        let mut left = languages;
        while left != 0 {
            self.of[left.trailing_zeros() as usize] += weight;
            left &= left - 1;
        }
    }

    /// The language that most speaks for, English aside; the first of those that are level.
    pub fn best(&self) -> Option<&'static str> {
        let (mut best, mut most) = (None, 0.0);
        for (code, votes) in self.words.codes.iter().zip(self.of).skip(1) {
            if votes > most {
                (best, most) = (Some(*code), votes);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_with_its_accents_and_without() {
        let words = Words::known();
        let bit = |code: &str| {
            let at = words.codes.iter().position(|known| *known == code);
            1 << at.unwrap_or_else(|| panic!("{code} is not in the list"))
        };
        for word in ["très", "tres"] {
            assert_ne!(words.languages(word) & bit("fr"), 0, "{word}");
        }
        assert_eq!(words.languages("the"), ENGLISH);
        assert_eq!(words.languages("xyzzy"), 0);
        assert_ne!(words.with_letter('ß') & bit("de"), 0);
        assert_eq!(words.with_letter('ß') & bit("fr"), 0);
        assert!(words.codes.len() <= Languages::BITS as usize);
    }
}
