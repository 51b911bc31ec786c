//! The answers of the three tasks as Rust types, from which their schemas are derived, and the
//! verdicts made of them.
//!
//! A model writes the fields in this order: what it said of sarcasm, and what it found, is before it
//! when it chooses the label.

use schemars::JsonSchema;
use serde::Deserialize;

use super::place::Place;
use crate::sentiment::{
    Aspect, Category, Emotion, Emotions, Findings, Label, SarcasmScore, Scores, Verdict, tidied,
};

/// The sentiment of one text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SentimentAnswer {
    sarcasm: Sarcasm,
    label: AnswerLabel,
    certainty: Certainty,
}

/// What one text likes and dislikes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AspectsAnswer {
    sarcasm: Sarcasm,
    aspects: Vec<AspectAnswer>,
    label: AnswerLabel,
    certainty: Certainty,
}

/// The emotions that one text shows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmotionsAnswer {
    sarcasm: Sarcasm,
    /// The strongest first.
    emotions: Vec<Emotion>,
    /// How many of them are strong.
    strong: usize,
    label: AnswerLabel,
    certainty: Certainty,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AspectAnswer {
    /// Copied from the text.
    term: String,
    category: String,
    sentiment: AnswerLabel,
    /// Copied from the text.
    opinion: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sarcasm {
    No,
    Unsure,
    Yes,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AnswerLabel {
    Positive,
    Negative,
    Neutral,
    Mixed,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Certainty {
    Certain,
    Likely,
    Unsure,
}

/// What an emotion scores that the model did not name.
const UNNAMED_EMOTION: f32 = 0.02;

impl SentimentAnswer {
    pub fn verdict(self) -> Verdict {
        verdict(self.label, self.certainty, self.sarcasm, Findings::None)
    }
}

impl AspectsAnswer {
    /// Where each category is named in the derived schema.
    pub const CATEGORY: &str = "/$defs/AspectAnswer/properties/category";

    /// The verdict, and how many terms were dropped since the text does not hold them. `None` where
    /// a category is not one of those that were allowed.
    pub fn verdict(self, text: &str, categories: &[Category]) -> Option<(Verdict, usize)> {
        let known = |name: &str| categories.iter().any(|category| category.name == name);
        if !self.aspects.iter().all(|aspect| known(&aspect.category)) {
            return None;
        }
        let listed = self.aspects.len();
        let confidence = self.certainty.score();
        let mut finder = Finder::new(text);
        let opinions = Place::of(text);
        let mut aspects: Vec<Aspect> = self
            .aspects
            .into_iter()
            .filter_map(|aspect| {
                let (start, end) = finder.next(&aspect.term)?;
                Some(Aspect {
                    term: text[start..end].to_owned(),
                    category: Some(aspect.category),
                    sentiment: Some(aspect.sentiment.into()),
                    opinion: aspect
                        .opinion
                        .filter(|words| opinions.find(words, |_| true).is_some()),
                    confidence,
                    span: Some((text[..start].chars().count(), text[..end].chars().count())),
                })
            })
            .collect();
        let dropped = listed - aspects.len();
        aspects.sort_by_key(|aspect| aspect.span);
        let findings = Findings::Aspects(aspects);
        Some((verdict(self.label, self.certainty, self.sarcasm, findings), dropped))
    }
}

impl EmotionsAnswer {
    /// A strong emotion scores 0.9, a weak one 0.6; none named is `neutral`.
    pub fn verdict(self) -> Verdict {
        let mut scores = [UNNAMED_EMOTION; 28];
        // Backwards, so that one that stands twice is as strong as it is first said to be.
        for (at, emotion) in self.emotions.iter().enumerate().rev() {
            scores[*emotion as usize] = if at < self.strong { 0.9 } else { 0.6 };
        }
        if self.emotions.is_empty() {
            scores[Emotion::Neutral as usize] = 0.9;
        }
        let findings = Findings::Emotions(Emotions::new(scores, &[0.5; 28]));
        verdict(self.label, self.certainty, self.sarcasm, findings)
    }
}

/// The label scores 0.95, 0.8 or 0.6 by its certainty, and the other three share the rest evenly;
/// sarcasm scores 0.05, 0.5 or 0.95. The figures are a convention: monotonous, never 0 or 1, and
/// each label's score above the others'.
fn verdict(
    label: AnswerLabel,
    certainty: Certainty,
    sarcasm: Sarcasm,
    findings: Findings,
) -> Verdict {
    let score = certainty.score();
    let mut weights = [(1.0 - score) / 3.0; 4];
    weights[Label::from(label) as usize] = score;
    let sarcasm = SarcasmScore(match sarcasm {
        Sarcasm::No => 0.05,
        Sarcasm::Unsure => 0.5,
        Sarcasm::Yes => 0.95,
    });
    Verdict { scores: Scores::from_weights(weights), sarcasm, findings }
}

impl Certainty {
    fn score(self) -> f32 {
        match self {
            Certainty::Certain => 0.95,
            Certainty::Likely => 0.8,
            Certainty::Unsure => 0.6,
        }
    }
}

impl From<AnswerLabel> for Label {
    fn from(label: AnswerLabel) -> Label {
        match label {
            AnswerLabel::Positive => Label::Positive,
            AnswerLabel::Negative => Label::Negative,
            AnswerLabel::Neutral => Label::Neutral,
            AnswerLabel::Mixed => Label::Mixed,
        }
    }
}

/// Finds terms in a text, each occurrence once: a term that is listed twice stands there twice.
struct Finder<'a> {
    text: &'a str,
    place: Place<'a>,
    found: Vec<(usize, usize)>,
}

impl<'a> Finder<'a> {
    fn new(text: &'a str) -> Finder<'a> {
        Finder { text, place: Place::of(text), found: Vec::new() }
    }

    /// The bytes of the term where nothing found before overlaps it, without what is no word of it.
    fn next(&mut self, term: &str) -> Option<(usize, usize)> {
        let is_free = |(start, end): (usize, usize)| {
            !self.found.iter().any(|(first, last)| start < *last && *first < end)
        };
        let found = self.place.find(term, is_free)?;
        self.found.push(found);
        tidied(self.text, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_occurrence_of_a_term_is_found_once_and_tidied() {
        let text = "🙂 Staff: the app is slow, the App crashes, apple pie 🥧. Battery 🔋\nbad";
        let mut finder = Finder::new(text);
        let found: Vec<_> = (0..3).map(|_| finder.next("app")).collect();
        assert_eq!(found.iter().flatten().count(), 2);
        assert_ne!(found[0], found[1]);
        let mut term = |words: &str| finder.next(words).map(|(start, end)| &text[start..end]);
        assert_eq!(term("🙂"), None);
        assert_eq!(term("apple pie 🥧"), Some("apple pie"));
        assert_eq!(term("battery 🔋 bad"), Some("Battery"));
    }
}
