//! From a tag for each token to the terms that a text judges.

use tokenizers::Encoding;

use crate::sentiment::Label;

/// What a model's tag head says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    Outside,
    Begin(Label),
    Inside(Label),
}

/// The polarities of the tags, in the order of [`Word::begin`].
const POLARITIES: [Label; 3] = [Label::Negative, Label::Neutral, Label::Positive];

impl Tag {
    /// `O`, `B-positive`, `I-positive` and so on; `None` for any other name.
    pub fn named(name: &str) -> Option<Tag> {
        if name == "O" {
            return Some(Tag::Outside);
        }
        let (place, polarity) = name.split_once('-')?;
        let polarity = Label::named(polarity).filter(|label| POLARITIES.contains(label))?;
        match place {
            "B" => Some(Tag::Begin(polarity)),
            "I" => Some(Tag::Inside(polarity)),
            _ => None,
        }
    }
}

/// A word of the text, its probabilities the mean over its pieces.
#[derive(Clone, Debug)]
pub struct Word {
    /// Bytes of the text: the first in it, and the first that is not.
    bytes: (usize, usize),
    begin: [f32; 3],
    inside: [f32; 3],
}

/// A term as the tags have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub bytes: (usize, usize),
    pub sentiment: Label,
    /// The least chance of any of its words to be part of a term, times the polarity's share.
    pub confidence: f32,
    /// How far the polarity stands above the next, and its words above being no part of a term.
    pub margin: f32,
}

/// The strongest sign of a term that is liked, of one that is not, and of one that is neither, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    pub positive: f32,
    pub negative: f32,
    pub neutral: f32,
}

impl Evidence {
    pub fn times(self, factor: f32) -> Evidence {
        Evidence {
            positive: self.positive * factor,
            negative: self.negative * factor,
            neutral: self.neutral * factor,
        }
    }
}

impl Word {
    fn chance(&self) -> f32 {
        self.begin.iter().chain(&self.inside).sum()
    }

    fn of(&self, polarity: usize) -> f32 {
        self.begin[polarity] + self.inside[polarity]
    }
}

/// The words of one window, whose first byte is `start` in the text, from the logits of its
/// tokens; and the strongest evidence that any token gives.
pub fn words(
    window: &Encoding,
    start: usize,
    logits: &[f32],
    tags: &[Tag],
    evidence: &mut Evidence,
) -> Vec<Word> {
    let mut words: Vec<(u32, usize, Word)> = Vec::new();
    let tokens = window.get_word_ids().iter().zip(window.get_offsets());
    for ((word, offsets), logits) in tokens.zip(logits.chunks_exact(tags.len())) {
        // Special tokens belong to no word: nobody taught the model a tag for them.
        let Some(id) = *word else { continue };
        let (begin, inside) = chances(logits, tags);
        evidence.positive = evidence.positive.max(begin[2] + inside[2]);
        evidence.negative = evidence.negative.max(begin[0] + inside[0]);
        evidence.neutral = evidence.neutral.max(begin[1] + inside[1]);
        let end = start + offsets.1;
        match words.last_mut() {
            Some((last, pieces, whole)) if *last == id => {
                *pieces += 1;
                whole.bytes.1 = end;
                for at in 0..3 {
                    whole.begin[at] += begin[at];
                    whole.inside[at] += inside[at];
                }
            }
            _ => words.push((id, 1, Word { bytes: (start + offsets.0, end), begin, inside })),
        }
    }
    let mean = |(_, pieces, word): (u32, usize, Word)| Word {
        begin: word.begin.map(|sum| sum / pieces as f32),
        inside: word.inside.map(|sum| sum / pieces as f32),
        ..word
    };
    words.into_iter().map(mean).collect()
}

/// A word is part of a term where that is likelier than not; it opens a new one where the last
/// word was none or `B` outweighs `I`. A term's polarity has the largest sum over its words.
/// `training/metrics.py` reads tags by the same rule, and the model's figures are of it.
pub fn terms(words: &[Word]) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut open: Vec<&Word> = Vec::new();
    for word in words {
        let inside = word.chance() > 0.5;
        let opens = word.begin.iter().sum::<f32>() > word.inside.iter().sum::<f32>();
        if !open.is_empty() && (!inside || opens) {
            terms.push(term(&open));
            open.clear();
        }
        if inside {
            open.push(word);
        }
    }
    if !open.is_empty() {
        terms.push(term(&open));
    }
    terms
}

fn term(words: &[&Word]) -> Term {
    let sums: [f32; 3] = std::array::from_fn(|at| words.iter().map(|word| word.of(at)).sum());
    let all: f32 = sums.iter().sum();
    let best = (0..3).fold(0, |best, at| if sums[at] > sums[best] { at } else { best });
    let next = (0..3).filter(|at| *at != best).map(|at| sums[at]).fold(0.0, f32::max);
    let least = words.iter().map(|word| word.chance()).fold(1.0, f32::min);
    Term {
        bytes: (words[0].bytes.0, words[words.len() - 1].bytes.1),
        sentiment: POLARITIES[best],
        confidence: least * sums[best] / all,
        margin: ((sums[best] - next) / all).min(2.0 * least - 1.0),
    }
}

/// The chances of `B` and of `I` by polarity.
fn chances(logits: &[f32], tags: &[Tag]) -> ([f32; 3], [f32; 3]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut begin, mut inside, mut all) = ([0.0; 3], [0.0; 3], 0.0);
    for (logit, tag) in logits.iter().zip(tags) {
        let weight = (logit - largest).exp();
        all += weight;
        match tag {
            Tag::Outside => {}
            Tag::Begin(polarity) => begin[*polarity as usize] += weight,
            Tag::Inside(polarity) => inside[*polarity as usize] += weight,
        }
    }
    (begin.map(|weight| weight / all), inside.map(|weight| weight / all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: (usize, usize), begin: [f32; 3], inside: [f32; 3]) -> Word {
        Word { bytes, begin, inside }
    }

    #[test]
    fn tags_have_the_names_of_the_training() {
        assert_eq!(Tag::named("O"), Some(Tag::Outside));
        assert_eq!(Tag::named("B-negative"), Some(Tag::Begin(Label::Negative)));
        assert_eq!(Tag::named("I-positive"), Some(Tag::Inside(Label::Positive)));
        for other in ["", "X-positive", "B-mixed", "B", "positive"] {
            assert_eq!(Tag::named(other), None, "{other}");
        }
    }

    #[test]
    fn a_term_runs_until_its_words_end_or_another_begins() {
        let words = [
            word((0, 3), [0.0; 3], [0.0; 3]),
            word((4, 11), [0.0, 0.1, 0.8], [0.0; 3]),
            word((12, 16), [0.0; 3], [0.1, 0.0, 0.6]),
            word((17, 20), [0.7, 0.1, 0.0], [0.1, 0.0, 0.0]),
        ];
        let found: Vec<_> = terms(&words).into_iter().map(|t| (t.bytes, t.sentiment)).collect();
        assert_eq!(found, [((4, 16), Label::Positive), ((17, 20), Label::Negative)]);
        assert!(terms(&[]).is_empty());
    }

    #[test]
    fn a_term_is_as_sure_as_its_least_sure_word() {
        let words =
            [word((0, 3), [0.0, 0.0, 0.9], [0.0; 3]), word((4, 8), [0.0; 3], [0.3, 0.0, 0.3])];
        let term = &terms(&words)[0];
        assert!((term.confidence - 0.6 * 1.2 / 1.5).abs() < 1e-6);
        assert!((term.margin - 0.2).abs() < 1e-6);
    }
}
