//! A text's windows put together: from logits to a verdict and its signals.

use super::boilerplate::Part;
use super::calibration::{EMOTION_THRESHOLD, MixedRule, Temperatures};
use super::domain::{Familiarity, out_of_domain};
use super::estimators::{Estimators, Facts, Features};
use super::model::Outputs;
use super::reader::Library;
use super::tags::{self, Evidence, Term, Word};
use super::windows::Window;
use super::{Error, Language, ModelFolder, thanks};
use crate::sentiment::{
    Aspect, Emotion, Emotions, Findings, Label, SarcasmScore, Scores, Signals, Task, Verdict,
    tidied,
};

/// The most that a text in a language the model does not read may be believed.
const UNREAD_LANGUAGE_CEILING: f32 = 0.5;

/// A text's windows, put together: probabilities and the evidence of aspects are averaged over
/// them. `training/README.md` has the measure of this rule ("Long text").
#[derive(Clone, Default)]
pub struct Sums {
    windows: f32,
    tokens: usize,
    sentiment: [f32; 4],
    /// Of each window, the smaller of its negative and its positive probability.
    sides: f32,
    sarcasm: Option<f32>,
    odds: Option<f32>,
    emotions: Option<EmotionSums>,
    aspects: Option<Tagged>,
}

#[derive(Clone)]
struct EmotionSums {
    scores: [f32; 28],
    thresholds: [f32; 28],
}

/// What the tags say of a whole text.
#[derive(Clone, Default)]
struct Tagged {
    words: Vec<Word>,
    evidence: Evidence,
    mixed: Option<MixedRule>,
}

impl Sums {
    /// Nothing read yet.
    pub fn new(folder: &ModelFolder) -> Sums {
        let calibration = folder.calibration.as_ref();
        Sums {
            emotions: folder.emotions.is_some().then(|| EmotionSums {
                scores: [0.0; 28],
                thresholds: calibration
                    .map(|fit| fit.emotion_thresholds())
                    .unwrap_or([EMOTION_THRESHOLD; 28]),
            }),
            aspects: folder.aspects.is_some().then(|| Tagged {
                mixed: calibration.and_then(|fit| fit.mixed),
                ..Tagged::default()
            }),
            ..Sums::default()
        }
    }

    /// Adds a window that was read as a pass's `row`.
    pub fn add(
        &mut self,
        window: &Window,
        outputs: &Outputs<'_>,
        row: usize,
        folder: &ModelFolder,
    ) -> Result<(), Error> {
        self.windows += 1.0;
        self.tokens += window.tokens.len();
        let calibration = folder.calibration.as_ref();
        let temperatures = calibration.map_or_else(Temperatures::default, |fit| fit.temperatures);
        let (output, labels) = &folder.sentiment;
        let mut probabilities = outputs.row(output, row, labels.len())?.to_vec();
        softmax(&mut probabilities, temperatures.sentiment);
        let mut of_window = [0.0; 4];
        for (label, probability) in labels.iter().zip(probabilities) {
            of_window[*label as usize] += probability;
        }
        let [negative, positive] =
            [Label::Negative, Label::Positive].map(|label| of_window[label as usize]);
        self.sides += negative.min(positive);
        self.sentiment.iter_mut().zip(of_window).for_each(|(sum, own)| *sum += own);
        if let Some(output) = &folder.sarcasm {
            let logit = outputs.row(output, row, 1)?[0];
            *self.sarcasm.get_or_insert(0.0) += sigmoid(logit / temperatures.sarcasm);
        }
        if let Some(output) = &folder.odds {
            *self.odds.get_or_insert(0.0) += sigmoid(outputs.row(output, row, 1)?[0]);
        }
        if let (Some((output, labels)), Some(sums)) = (&folder.emotions, &mut self.emotions) {
            for (label, logit) in labels.iter().zip(outputs.row(output, row, labels.len())?) {
                sums.scores[*label as usize] += sigmoid(*logit);
            }
        }
        if let (Some((output, tags)), Some(tagged)) = (&folder.aspects, &mut self.aspects) {
            let per_token = outputs.row(output, row, tags.len() * window.tokens.len())?;
            let mut evidence = Evidence::default();
            let words = tags::words(&window.tokens, window.start, per_token, tags, &mut evidence);
            tagged.words.extend(words);
            tagged.evidence.positive += evidence.positive;
            tagged.evidence.negative += evidence.negative;
            tagged.evidence.neutral += evidence.neutral;
        }
        Ok(())
    }

    /// Takes the heads that this model lacks from another one's reading of the same text, which
    /// cut it into windows of its own. The rule for `mixed` is not taken along: it was fitted
    /// beside the other's own scores.
    pub fn take_missing(&mut self, other: Sums) {
        let share = self.windows / other.windows;
        self.sarcasm = self.sarcasm.or(other.sarcasm.map(|sum| sum * share));
        self.odds = self.odds.or(other.odds.map(|sum| sum * share));
        self.emotions = self.emotions.take().or(other
            .emotions
            .map(|sums| EmotionSums { scores: sums.scores.map(|sum| sum * share), ..sums }));
        let tagged = other.aspects.map(|tagged| Tagged {
            mixed: None,
            evidence: tagged.evidence.times(share),
            ..tagged
        });
        self.aspects = self.aspects.take().or(tagged);
    }

    /// How far windows are at odds with each other, 0 to 1: twice the smaller of the text's negative and
    /// positive probability, but for what its windows have of both by themselves. 0 where there is one
    /// window. The head for odds, which reads a window at a time, knows nothing of it.
    fn between(&self) -> f32 {
        let side = |label: Label| self.sentiment[label as usize];
        2.0 * (side(Label::Negative).min(side(Label::Positive)) - self.sides) / self.windows
    }

    /// What the whole text comes to, of which `part` was read.
    pub fn conclude(
        self,
        task: Task,
        part: Part<'_>,
        language: &Language,
        familiarity: Familiarity,
        library: &Library,
    ) -> (Verdict, Signals) {
        let ceiling = if language.supported { 1.0 } else { UNREAD_LANGUAGE_CEILING };
        let sarcasm = self.sarcasm.map_or(0.0, |sum| sum / self.windows);
        let odds = self.odds.map_or(0.5, |sum| (sum / self.windows).max(self.between().powi(2)));
        let tagged = self.aspects.unwrap_or_default();
        let evidence = tagged.evidence.times(1.0 / self.windows);
        let terms = tags::terms(&tagged.words);
        let emotions = self.emotions.map(|EmotionSums { scores, thresholds }| {
            (Emotions::new(scores.map(|sum| sum / self.windows), &thresholds), thresholds)
        });
        let own = with_mixed(self.sentiment, evidence, odds, tagged.mixed);
        let doubts = Doubts {
            terms: doubt(&terms, own.label()),
            emotions: emotions.as_ref().map_or(1.0, |(found, above)| found.doubt(above)),
            contradicted: emotions.as_ref().is_some_and(|(found, _)| found.contradict(own.label())),
        };
        let scores = own.at_most(ceiling);
        let signals = match library.estimators() {
            Some(estimators) => {
                let features = Features::of(&Facts {
                    scores: own,
                    head: self.sentiment.map(|sum| sum / self.windows),
                    sarcasm,
                    odds,
                    evidence,
                    terms: &terms,
                    emotions: emotions.as_ref().map_or([0.5; 28], |(found, _)| *found.scores()),
                    emotions_doubt: doubts.emotions,
                    emotions_contradict: doubts.contradicted,
                    tokens: self.tokens,
                });
                let mut estimated = estimated(task, estimators, &features);
                if task == Task::Sentiment {
                    estimated.ambiguous = unsure(estimated.ambiguous, own.confidence());
                }
                // What the verdict itself calls sarcastic is no less likely to be so.
                let told = if SarcasmScore(sarcasm).detected() { sarcasm } else { 0.0 };
                Signals { sarcasm: estimated.sarcasm.max(told), ..estimated }
            }
            None => Signals {
                ambiguous: doubts.of(task, scores),
                sarcasm,
                multi_aspect: evidence.positive.min(evidence.negative),
                out_of_domain: 0.0,
            },
        };
        let signals = Signals {
            // That there are several is no difficulty where they are what is asked for.
            multi_aspect: if task == Task::Aspects { 0.0 } else { signals.multi_aspect },
            out_of_domain: out_of_domain(part.text, language, familiarity),
            ..signals
        };
        let findings = match (task, emotions) {
            (Task::Aspects, _) => Findings::Aspects(aspects(part, terms, library)),
            (Task::Emotions, Some((emotions, thresholds))) => {
                Findings::Emotions(meant(emotions, &thresholds, part.text, scores.label()))
            }
            _ => Findings::None,
        };
        (Verdict { scores, sarcasm: SarcasmScore(sarcasm), findings }, signals)
    }
}

/// How unsure the heads are by themselves, each 0 to 1.
struct Doubts {
    terms: f32,
    emotions: f32,
    contradicted: bool,
}

impl Doubts {
    /// That of the answer to a task, where nothing was fitted that says it better.
    fn of(&self, task: Task, scores: Scores) -> f32 {
        match task {
            Task::Sentiment => 1.0 - scores.margin(),
            Task::Aspects => self.terms,
            Task::Emotions if self.contradicted => 1.0,
            Task::Emotions => self.emotions,
        }
    }
}

fn estimated(task: Task, estimators: &Estimators, features: &Features) -> Signals {
    let ambiguous = match task {
        Task::Sentiment => &estimators.ambiguous,
        Task::Aspects => &estimators.ambiguous_aspects,
        Task::Emotions => &estimators.ambiguous_emotions,
    };
    Signals {
        ambiguous: ambiguous.probability(features),
        sarcasm: estimators.sarcasm.probability(features),
        multi_aspect: estimators.multi_aspect.probability(features),
        out_of_domain: 0.0,
    }
}

/// A label that has less is not likely.
const LIKELY: f32 = 0.5;

/// P(the label is wrong), but no less than what the verdict itself leaves to the other labels where it
/// leaves them more than a half: the two never contradict each other.
fn unsure(chance: f32, confidence: f32) -> f32 {
    if confidence < LIKELY { chance.max(1.0 - confidence) } else { chance }
}

/// The scores of the model's labels, with a share for `mixed` where a rule gives it one.
fn with_mixed(sums: [f32; 4], evidence: Evidence, odds: f32, rule: Option<MixedRule>) -> Scores {
    let own = Scores::from_weights(sums);
    let Some(rule) = rule.filter(|_| own.of(Label::Mixed) == 0.0) else { return own };
    let tags = evidence.positive.min(evidence.negative);
    let sides = own.of(Label::Negative).min(own.of(Label::Positive));
    let mixed = rule.probability(tags, sides, odds);
    let mut weights = own.as_array().map(|score| score * (1.0 - mixed));
    weights[Label::Mixed as usize] = mixed;
    Scores::from_weights(weights)
}

/// The emotions without those of mock thanks: gratitude, and with it, where the text is not liked otherwise, all
/// that is pleasant.
fn meant(emotions: Emotions, thresholds: &[f32; 28], text: &str, label: Label) -> Emotions {
    if !thanks::are_mock(text) {
        return emotions;
    }
    let likes_nothing = matches!(label, Label::Negative | Label::Neutral);
    let is_pretended = |emotion: Emotion| {
        emotion == Emotion::Gratitude || likes_nothing && emotion.leaning() == Some(Label::Positive)
    };
    emotions.without(is_pretended, thresholds)
}

/// How unsure the tags are: 1 − the least margin of any term, and 1 where all terms lean the other
/// way than the whole text.
fn doubt(terms: &[Term], whole: Label) -> f32 {
    let least = terms.iter().map(|term| term.margin).fold(1.0, f32::min);
    match whole.is_contradicted_by(terms.iter().map(|term| term.sentiment)) {
        true => 1.0,
        false => 1.0 - least,
    }
}

/// The terms with their words, places in the text as it was sent in code points, categories and opinions, in the order of
/// the text.
fn aspects(part: Part<'_>, terms: Vec<Term>, library: &Library) -> Vec<Aspect> {
    let text = part.text;
    // Terms come in the order of the text, so each place is counted on from the last.
    let (mut byte, mut point) = (0, 0);
    let mut place = |to: usize| {
        point += part.whole[byte..to].chars().count();
        byte = to;
        point
    };
    terms
        .into_iter()
        .filter_map(|Term { bytes, sentiment, confidence, .. }| {
            let (start, end) = tidied(text, part.unbroken(bytes))?;
            let term = &text[start..end];
            let (first, last) = part.place((start, end));
            Some(Aspect {
                term: term.to_owned(),
                category: library.categories.of(term).map(str::to_owned),
                sentiment: Some(sentiment),
                opinion: library.opinions.of(text, (start, end), sentiment).map(str::to_owned),
                confidence,
                span: Some((place(first), place(last))),
            })
        })
        .collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Logits to probabilities, in place, after division by the temperature.
fn softmax(logits: &mut [f32], temperature: f32) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = ((*logit - largest) / temperature).exp();
        sum += *logit;
    }
    for logit in logits {
        *logit /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_below_a_half_is_at_least_as_likely_wrong() {
        for (chance, confidence, expected) in
            [(0.2, 0.4, 0.6), (0.7, 0.4, 0.7), (0.2, 0.5, 0.2), (0.2, 0.9, 0.2)]
        {
            assert_eq!(unsure(chance, confidence), expected, "{chance} at {confidence}");
        }
    }
}
