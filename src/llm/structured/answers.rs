//! The answers of the three tasks as Rust types, from which their schemas are derived, and the
//! verdicts made of them.
//!
//! A model writes the fields in this order: what it said of sarcasm, and what it found, is before it
//! when it chooses the label.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sentiment::{
    Aspect, Category, Emotion, Emotions, Findings, Label, SarcasmScore, Scores, Verdict,
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
        let mut finder = Finder { text, found: Vec::new() };
        let mut aspects: Vec<Aspect> = self
            .aspects
            .into_iter()
            .filter_map(|aspect| {
                let (start, end) = finder.next(&aspect.term)?;
                Some(Aspect {
                    term: text[start..end].to_owned(),
                    category: Some(aspect.category),
                    sentiment: Some(aspect.sentiment.into()),
                    opinion: aspect.opinion.filter(|words| find(text, words, 0).is_some()),
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
    found: Vec<(usize, usize)>,
}

impl Finder<'_> {
    /// The bytes of the first occurrence that nothing found before overlaps.
    fn next(&mut self, term: &str) -> Option<(usize, usize)> {
        let mut from = 0;
        while let Some((start, end)) = find(self.text, term, from) {
            if !self.found.iter().any(|(first, last)| start < *last && *first < end) {
                self.found.push((start, end));
                return Some((start, end));
            }
            from = end;
        }
        None
    }
}

/// The bytes of the first occurrence of some words from a place on, whatever their case, that
/// neither starts nor ends within a word.
fn find(text: &str, words: &str, from: usize) -> Option<(usize, usize)> {
    let words = words.trim();
    if words.is_empty() {
        return None;
    }
    let starts = text[from..].char_indices().map(|(at, _)| from + at);
    starts.filter_map(|start| Some((start, start + prefix(&text[start..], words)?))).find(
        |(start, end)| {
            let joined = |a: Option<char>, b: Option<char>| {
                a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric)
            };
            !joined(text[..*start].chars().next_back(), text[*start..].chars().next())
                && !joined(text[..*end].chars().next_back(), text[*end..].chars().next())
        },
    )
}

/// The length in bytes of what stands at the start of `text` and reads `words`, whatever the case.
fn prefix(text: &str, words: &str) -> Option<usize> {
    let mut rest = text.chars();
    for expected in words.chars() {
        let read = rest.next()?;
        if read != expected && !read.to_lowercase().eq(expected.to_lowercase()) {
            return None;
        }
    }
    Some(text.len() - rest.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_found_whole_whatever_the_case_and_each_occurrence_once() {
        let text = "🙂 Café staff: the app is slow, the App crashes, apple pie. Ένας ΚΑΦΈΣ";
        let at = |words: &str| find(text, words, 0).map(|(start, end)| &text[start..end]);
        assert_eq!(at("café STAFF"), Some("Café staff"));
        assert_eq!(at("app"), Some("app"));
        assert_eq!(at("pp"), None);
        assert_eq!(at("apple  pie"), None);
        assert_eq!(at(" "), None);
        let mut finder = Finder { text, found: Vec::new() };
        let found: Vec<_> = (0..3).map(|_| finder.next("app")).collect();
        assert_eq!(found.iter().flatten().count(), 2);
        assert_ne!(found[0], found[1]);
    }
}
