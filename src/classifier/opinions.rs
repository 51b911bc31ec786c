//! The words that say why a term is liked or not: "great" of a product, "not good" of a soup.
//!
//! The tags say which terms a text judges, and how; a lexicon of rated words (VADER, Hutto &
//! Gilbert 2014) says which words judge. The nearest word of the same clause that leans as the term
//! does is its opinion. Where there is none, nothing is made up.

use vader_parity::SentimentIntensityAnalyzer;

use crate::sentiment::Label;

/// From which rating on a word judges; VADER's own bound between neutral and not.
const JUDGES: f64 = 0.05;

/// How many words before a judging word may turn it round, as in VADER.
const NEGATION_REACH: usize = 3;

/// How many bytes around a term are looked at: more than a clause has.
const REACH_BYTES: usize = 200;

/// Words after which a text turns to something else.
const TURNS: [&str; 8] =
    ["but", "although", "though", "while", "whereas", "however", "yet", "except"];

const NEGATIONS: [&str; 9] =
    ["not", "no", "never", "none", "nor", "hardly", "barely", "without", "cannot"];

pub struct Opinions {
    lexicon: SentimentIntensityAnalyzer,
}

/// A word of a clause: its bytes in the text.
type Word = (usize, usize);

impl Opinions {
    pub fn new() -> Opinions {
        Opinions { lexicon: SentimentIntensityAnalyzer::new() }
    }

    /// The opinion on the term in `bytes` of the text. `None` where no word of its clause says it,
    /// and for a term that is neither liked nor disliked.
    pub fn of<'a>(
        &self,
        text: &'a str,
        bytes: (usize, usize),
        sentiment: Label,
    ) -> Option<&'a str> {
        let leaning = match sentiment {
            Label::Positive => 1.0,
            Label::Negative => -1.0,
            Label::Neutral | Label::Mixed => return None,
        };
        let (before, after) = clause(text, bytes);
        let words: Vec<Word> = before.iter().chain(&after).copied().collect();
        let mut nearest: Vec<usize> = (0..words.len()).collect();
        let term = before.len();
        // As far before the term as after it: the later word, which is the predicate more often.
        nearest.sort_by_key(|at| if *at < term { 2 * (term - at) } else { 2 * (at - term) + 1 });
        nearest.into_iter().find_map(|at| {
            let (start, end) = words[at];
            let own = self.lexicon.polarity_scores(&text[start..end]).compound;
            let negated = words[at.saturating_sub(NEGATION_REACH)..at]
                .iter()
                .find(|(start, end)| is_negation(&text[*start..*end]));
            let rating = if negated.is_some() { -own } else { own };
            let start = negated.map_or(start, |(first, _)| *first);
            // A phrase that runs over the term is not about it.
            let is_whole = end <= bytes.0 || start >= bytes.1;
            (rating * leaning >= JUDGES && is_whole).then(|| &text[start..end])
        })
    }
}

/// The words before and after the term, as far as its clause goes.
fn clause(text: &str, (start, end): (usize, usize)) -> (Vec<Word>, Vec<Word>) {
    let mut before = Vec::new();
    let first = text.floor_char_boundary(start.saturating_sub(REACH_BYTES));
    let last = text.floor_char_boundary(end + REACH_BYTES);
    for word in words(&text[first..start], first) {
        if ends_before(text, word) {
            before.clear();
        }
        match is_turn(&text[word.0..word.1]) {
            true => before.clear(),
            false => before.push(word),
        }
    }
    // What stands between the last word and the term.
    if let Some((_, last)) = before.last()
        && has_end(&text[*last..start])
    {
        before.clear();
    }
    let mut after = Vec::new();
    let mut reached = end;
    for word in words(&text[end..last], end) {
        if has_end(&text[reached..word.0]) || is_turn(&text[word.0..word.1]) {
            break;
        }
        reached = word.1;
        after.push(word);
    }
    (before, after)
}

/// Whether a sentence or clause ends right before a word.
fn ends_before(text: &str, (start, _): Word) -> bool {
    let head = &text[..start];
    let gap = head.trim_end_matches(|c: char| !is_word(c)).len();
    has_end(&head[gap..])
}

fn has_end(between: &str) -> bool {
    between.contains(['.', '!', '?', ';', '\n'])
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\'' | '’' | '-')
}

fn is_turn(word: &str) -> bool {
    TURNS.iter().any(|turn| word.eq_ignore_ascii_case(turn))
}

fn is_negation(word: &str) -> bool {
    let lower = word.to_lowercase().replace('’', "'");
    lower.ends_with("n't") || NEGATIONS.contains(&lower.as_str())
}

/// The words of a part of a text that starts at `offset`.
fn words(part: &str, offset: usize) -> impl Iterator<Item = Word> {
    let mut at = 0;
    part.split(|c: char| !is_word(c)).filter_map(move |word| {
        let start = offset + at;
        // The separator behind the word is one character, of one byte or more.
        let rest = &part[at + word.len()..];
        at += word.len() + rest.chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then(|| (start, start + word.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_that_leans_as_the_term_does_is_its_opinion() {
        let opinions = Opinions::new();
        for (text, term, sentiment, expected) in [
            ("The product is great but shipping was terrible", "product", "positive", "great"),
            ("The product is great but shipping was terrible", "shipping", "negative", "terrible"),
            ("Great food, terrible service.", "food", "positive", "Great"),
            ("Great food, terrible service.", "service", "negative", "terrible"),
            ("The soup was not good.", "soup", "negative", "not good"),
            ("The app isn’t really nice 😀 to use", "app", "negative", "isn’t really nice"),
            ("I loved it. The box arrived.", "box", "positive", ""),
            ("The box arrived. Awful.", "box", "negative", ""),
            ("The box arrived yesterday", "box", "negative", ""),
            ("Nice box", "box", "neutral", ""),
        ] {
            let start = text.find(term).expect("the term is in the text");
            let sentiment = Label::named(sentiment).expect("it is a label");
            let found = opinions.of(text, (start, start + term.len()), sentiment);
            assert_eq!(found.unwrap_or_default(), expected, "{text}: {term}");
        }
    }
}
