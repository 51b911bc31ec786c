//! Which words are English ones misspelt.

use super::super::Encoder;

/// In shorter words one wrong letter makes any word of any language of them.
const SHORTEST: usize = 4;
/// Longer ones are hardly English, and take longer to look for.
const LONGEST: usize = 20;
/// Typos are looked for in words that are among so many of the vocabulary's first tokens: it has the
/// frequent ones first.
const FREQUENT: u32 = 10_000;

/// The words of an English vocabulary, and what is one edit away from the frequent ones.
///
/// As in SymSpell (Garbe 2012), words that are an edit apart (a letter more, less or other, two swapped)
/// share a form with one letter left out. Hashes of the forms are kept, in order, and nothing of the
/// words: one in some ten thousand is found by chance.
pub struct Spelling {
    words: Vec<u32>,
    forms: Vec<u32>,
}

impl Spelling {
    pub fn new(encoder: &Encoder) -> Spelling {
        let (mut words, mut forms) = (Vec::new(), Vec::new());
        for (token, id) in encoder.vocabulary() {
            let word = token.as_bytes();
            if !word.iter().all(u8::is_ascii_lowercase) {
                continue;
            }
            words.push(hash(word.iter()));
            if id < FREQUENT && (SHORTEST..=LONGEST).contains(&word.len()) {
                forms.extend(forms_of(word));
            }
        }
        for hashes in [&mut words, &mut forms] {
            hashes.sort_unstable();
            hashes.dedup();
        }
        Spelling { words, forms }
    }

    pub fn is_word(&self, word: &str) -> bool {
        self.words.binary_search(&hash(word.as_bytes().iter())).is_ok()
    }

    /// Whether two neighbouring letters make a word in small letters an English one once they are swapped.
    pub fn is_swapped(&self, word: &str) -> bool {
        let word = word.as_bytes();
        let is_word = |at: usize| {
            let swapped =
                word[..at].iter().chain([&word[at + 1], &word[at]]).chain(&word[at + 2..]);
            self.words.binary_search(&hash(swapped)).is_ok()
        };
        (3..=LONGEST).contains(&word.len()) && (0..word.len() - 1).any(is_word)
    }

    /// Whether a word in small letters is one edit away from a frequent English one.
    pub fn is_near(&self, word: &str) -> bool {
        (SHORTEST..=LONGEST).contains(&word.len())
            && forms_of(word.as_bytes()).any(|form| self.forms.binary_search(&form).is_ok())
    }
}

/// Hashes of a word and of what is left of it without each of its letters.
fn forms_of(word: &[u8]) -> impl Iterator<Item = u32> {
    let without = |at: usize| hash(word[..at].iter().chain(&word[at + 1..]));
    std::iter::once(hash(word.iter())).chain((0..word.len()).map(without))
}

/// FNV-1a.
fn hash<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::super::tests::english;
    use super::*;

    #[test]
    fn typos_of_english_words_are_told_from_words_of_other_languages() {
        let spelling = Spelling::new(english());
        for typo in ["teh", "delivrey", "slwo", "wrok", "recieved"] {
            assert!(spelling.is_swapped(typo), "{typo}");
        }
        for typo in ["realy", "definately", "terrible", "qualty", "produkt", "servicce"] {
            assert!(spelling.is_near(typo), "{typo}");
        }
        for other in ["schlecht", "ottimo", "bardzo", "zxcv", "dobrze", "muy"] {
            assert!(!spelling.is_swapped(other) && !spelling.is_near(other), "{other}");
        }
    }
}
