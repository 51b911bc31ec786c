//! What the words of a text say of its language, and how many of them are no words at all.

use tokenizers::Encoding;

use super::is_name;
use super::spelling::Spelling;
use super::words::{ENGLISH, Languages, Votes, Words};

/// Words among the first so many tokens of the vocabulary are in every English text, and those below
/// the second bound in many: it has the frequent ones first.
const FREQUENT: u32 = 8_000;
const FAMILIAR: u32 = 16_000;
/// Names of places bring foreign articles into English ("Los Angeles"); they are among so many tokens.
const IN_NAMES: u32 = 5_000;

/// What a word is, seen from English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Among the most frequent words of English, and of no other language.
    English,
    /// Among those of English and of others.
    Shared,
    /// Among those of others alone.
    Foreign,
    /// The same, but names in English texts have it.
    ForeignInNames,
    /// The same, but the English vocabulary has it.
    ForeignKnown,
    Frequent,
    Familiar,
    Rare,
    /// An English word with two letters swapped.
    Swapped,
    /// One edit away from an English word. Many words of other languages are, too.
    Near,
    /// Ends as only English words do.
    Derived,
    Name,
    /// Has letters that English lacks.
    Marked,
    Strange,
    /// Nobody can pronounce it.
    Noise,
}

impl Kind {
    /// How much it speaks for another language. A regression on sentences and beginnings of sentences in
    /// English, as they are and misspelt, and in twenty languages gave the figures, which are rounded;
    /// `benches/language.rs` shows what they are good for.
    fn weight(self) -> f32 {
        match self {
            Kind::Foreign | Kind::Marked => 3.5,
            Kind::ForeignKnown => 2.5,
            Kind::ForeignInNames | Kind::Strange | Kind::Noise => 1.5,
            Kind::Name => 0.5,
            Kind::Rare | Kind::Near => 0.0,
            Kind::Familiar => -0.5,
            Kind::Shared | Kind::Frequent | Kind::Derived => -1.0,
            Kind::English => -1.5,
            Kind::Swapped => -2.0,
        }
    }

    /// Whether a word by itself says nothing: it may be a name.
    fn needs_company(self) -> bool {
        matches!(self, Kind::Strange | Kind::Noise | Kind::Name)
    }
}

/// A word among the most frequent ones of other languages is written with their letters.
const MARKED: f32 = 1.0;
/// The first word of a text has a capital, name or not.
const STRANGE_FIRST: f32 = 1.0;

/// What the words of a text say.
pub struct Evidence {
    /// How many there are, links, mentions and numbers aside.
    words: usize,
    strange: usize,
    noise: usize,
    /// How much they speak for another language than English.
    pub foreign: f32,
    /// What speaks for each language, if it is another.
    pub votes: Votes,
}

impl Evidence {
    /// Of a text, or of its beginning, in the tokens of an English vocabulary.
    pub fn of(text: &str, english: &Encoding, spelling: &Spelling) -> Evidence {
        let votes = Words::known().votes();
        let mut evidence = Evidence { words: 0, strange: 0, noise: 0, foreign: 0.0, votes };
        let is_loud = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        let (mut scan, mut alone) = (Scan { text, english, at: 0, chunk: (0, false) }, None);
        while let Some(word) = scan.next() {
            let shape = Shape::of(word.text, evidence.words == 0, is_loud);
            let (kind, languages) = judge(&word, &shape, spelling);
            alone = (evidence.words == 0).then_some(kind);
            evidence.add(kind, languages, &shape);
        }
        if alone.is_some_and(Kind::needs_company) {
            evidence.foreign = 0.0;
        }
        evidence
    }

    fn add(&mut self, kind: Kind, languages: Languages, shape: &Shape) {
        self.foreign += match kind {
            Kind::Strange if shape.is_first && shape.is_capitalised => STRANGE_FIRST,
            Kind::Foreign | Kind::ForeignKnown | Kind::ForeignInNames if shape.is_marked => {
                kind.weight() + MARKED
            }
            _ => kind.weight(),
        };
        self.words += 1;
        self.strange += usize::from(matches!(kind, Kind::Strange | Kind::Marked | Kind::Noise));
        self.noise += usize::from(kind == Kind::Noise);
        self.votes.add_all(languages, 2.0);
        if shape.is_marked {
            let letters = shape.small.chars().filter(|letter| !letter.is_ascii());
            letters.for_each(|letter| self.votes.add_all(Words::known().with_letter(letter), 1.0));
        }
    }

    /// The share of words that are none of English, not even misspelt. A single one may be a name, unless
    /// nobody can pronounce it.
    pub fn strange(&self) -> f32 {
        let strange = if self.words == 1 { self.noise } else { self.strange };
        strange as f32 / self.words.max(1) as f32
    }
}

/// The words of a text, one after the other.
struct Scan<'a> {
    text: &'a str,
    english: &'a Encoding,
    /// The next token.
    at: usize,
    /// Where the last piece between blanks ended, and whether it was a link or a mention.
    chunk: (usize, bool),
}

struct Word<'a> {
    text: &'a str,
    /// Its first token, and how many bytes of it that one stands for.
    first: u32,
    head: usize,
    pieces: usize,
    last: &'a str,
}

impl<'a> Scan<'a> {
    fn next(&mut self) -> Option<Word<'a>> {
        let (words, offsets) = (self.english.get_word_ids(), self.english.get_offsets());
        while self.at < words.len() {
            let start = self.at;
            let end =
                start + words[start..].iter().take_while(|word| **word == words[start]).count();
            self.at = end;
            let (from, to) = (offsets[start].0, offsets[end - 1].1);
            // A special token has no word. A tokenizer's offsets may be of any sort.
            let Some(text) = words[start].and_then(|_| self.text.get(from..to)) else { continue };
            if is_word(text) && !self.is_in_name(from) {
                return Some(Word {
                    text,
                    first: self.english.get_ids()[start],
                    head: offsets[start].1 - from,
                    pieces: end - start,
                    last: &self.english.get_tokens()[end - 1],
                });
            }
        }
        None
    }

    /// Whether the byte is in a mention, a hashtag or a link.
    fn is_in_name(&mut self, byte: usize) -> bool {
        if byte >= self.chunk.0 {
            let before = &self.text[..byte];
            let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
            let start = before.ceil_char_boundary(start);
            let rest = &self.text[byte..];
            let end = byte + rest.find(char::is_whitespace).unwrap_or(rest.len());
            self.chunk = (end, is_name(&self.text[start..end]));
        }
        self.chunk.1
    }
}

/// Single letters, numbers and marks say nothing.
fn is_word(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(char::is_alphabetic)
        && !text.bytes().any(|byte| byte.is_ascii_digit())
}

/// How a word is written.
struct Shape {
    /// The word in small letters.
    small: String,
    is_first: bool,
    is_capitalised: bool,
    is_marked: bool,
    /// Short and in capitals among others.
    is_acronym: bool,
    /// An acronym, not first and with a capital, or in camel case.
    is_name: bool,
}

impl Shape {
    fn of(word: &str, is_first: bool, is_loud: bool) -> Shape {
        let is_marked = !word.is_ascii();
        let small = if is_marked { word.to_lowercase() } else { word.to_ascii_lowercase() };
        let capitals = word.chars().filter(|letter| letter.is_uppercase()).count();
        let is_capitalised = word.starts_with(char::is_uppercase);
        let length = word.chars().count();
        let is_in_capitals = capitals == length;
        let is_acronym = is_in_capitals && !is_loud && length <= 4;
        let is_camel = !is_in_capitals && capitals > usize::from(is_capitalised);
        let is_capitalised = is_capitalised && !is_in_capitals;
        let is_name = is_acronym || is_camel || is_capitalised && !is_first;
        Shape { small, is_first, is_capitalised, is_marked, is_acronym, is_name }
    }
}

/// A word's kind, and the languages among whose most frequent words it is.
fn judge(word: &Word<'_>, shape: &Shape, spelling: &Spelling) -> (Kind, Languages) {
    let small = shape.small.as_str();
    let mut languages = Words::known().languages(small);
    if languages == 0 && word.pieces > 1 {
        languages = unstretched(small, spelling);
    }
    let is_whole = word.pieces == 1;
    let kind = match languages {
        0 if is_whole => match word.first {
            ..FREQUENT => Kind::Frequent,
            FREQUENT..FAMILIAR => Kind::Familiar,
            _ => Kind::Rare,
        },
        0 => in_pieces(word, shape, spelling),
        ENGLISH => Kind::English,
        _ if languages & ENGLISH == 0 && shape.is_acronym => return (Kind::Rare, 0),
        _ if languages & ENGLISH != 0 => Kind::Shared,
        _ if is_whole && (shape.is_name || word.first < IN_NAMES) => Kind::ForeignInNames,
        _ if is_whole => Kind::ForeignKnown,
        _ => Kind::Foreign,
    };
    (kind, languages)
}

/// The kind of a word that no list and no vocabulary has.
fn in_pieces(word: &Word<'_>, shape: &Shape, spelling: &Spelling) -> Kind {
    let small = shape.small.as_str();
    if is_noise(small) {
        return Kind::Noise;
    }
    if !shape.is_marked {
        if spelling.is_swapped(small) {
            return Kind::Swapped;
        }
        if is_derived(word, small) {
            return Kind::Derived;
        }
        if spelling.is_near(small) {
            return Kind::Near;
        }
    }
    match shape {
        Shape { is_name: true, .. } => Kind::Name,
        Shape { is_marked: true, .. } => Kind::Marked,
        _ => Kind::Strange,
    }
}

/// Whether a word ends as English ones do: after an English word, or long ones whatever comes before.
fn is_derived(word: &Word<'_>, small: &str) -> bool {
    const LONG: [&str; 7] = ["ing", "ings", "ly", "ness", "ful", "less", "ed"];
    const AFTER_A_WORD: [&str; 21] = [
        "##s", "##y", "##ly", "##ing", "##ed", "##er", "##ers", "##est", "##ness", "##able",
        "##ish", "##less", "##ful", "##ies", "##ier", "##iest", "##ily", "##ity", "##ism", "##d",
        "##r",
    ];
    let follows = word.pieces == 2 && word.head >= 3 && word.first < FAMILIAR;
    follows && AFTER_A_WORD.contains(&word.last)
        || small.len() >= 7 && LONG.iter().any(|ending| small.ends_with(ending))
}

/// The languages of a word with its letters drawn out: "soooo", "muuuy".
fn unstretched(word: &str, spelling: &Spelling) -> Languages {
    let letters: Vec<char> = word.chars().collect();
    if !letters.windows(3).any(|three| three[0] == three[1] && three[1] == three[2]) {
        return 0;
    }
    for most in [2, 1] {
        let mut short = String::with_capacity(word.len());
        for (at, letter) in letters.iter().enumerate() {
            if at < most || letters[at - most..at].iter().any(|before| before != letter) {
                short.push(*letter);
            }
        }
        let languages = Words::known().languages(&short);
        if languages != 0 {
            return languages;
        }
        if spelling.is_word(&short) {
            return ENGLISH;
        }
    }
    0
}

/// Whether six consonants follow one another, as in no word of English, or five are all there is.
fn is_noise(word: &str) -> bool {
    let is_vowel =
        |letter: char| !letter.is_ascii() || matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    let longest = word.split(is_vowel).map(str::len).max().unwrap_or(0);
    longest >= 6 || longest >= 5 && longest == word.len()
}
