//! Reads a text: one pass of the model over each window, then probabilities and signals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::environment::Environment;
use ort::session::SessionOutputs;

use super::calibration::{EMOTION_THRESHOLD, MixedRule, Temperatures};
use super::tags::{self, Evidence, Term, Word};
use super::windows::{self, Window};
use super::{Categories, Config, Encoder, Error, Language, Model, ModelFolder, Opinions};
use crate::sentiment::{
    Aspect, Category, Emotions, Findings, Label, SarcasmScore, Scores, Signals, Task, Thresholds,
    Verdict,
};

/// What the local model makes of a text.
#[derive(Clone, Debug)]
pub struct Reading {
    pub verdict: Verdict,
    pub signals: Signals,
    pub language: Language,
    /// From the first token to the last score; waiting for a session is not in it.
    pub took: Duration,
}

/// A sentence of a text, as it reads by itself.
#[derive(Clone, Copy, Debug)]
pub struct Sentence {
    /// The first code point of the text that is in it, and the first that is not.
    pub span: (usize, usize),
    pub scores: Scores,
}

/// The most that a text in a language the model does not read may be believed.
const UNREAD_LANGUAGE_CEILING: f32 = 0.5;

/// What all sessions of a program share: files read, tokenizers loaded.
#[derive(Clone)]
pub struct Library {
    model: (ModelFolder, Encoder),
    /// The bundled model, where the configured one lacks heads.
    heads: Option<(ModelFolder, Encoder)>,
    categories: Arc<Categories>,
    opinions: Arc<Opinions>,
}

impl Library {
    pub fn load(config: &Config, categories: &[Category]) -> Result<Library, Error> {
        let load = |folder: ModelFolder| -> Result<(ModelFolder, Encoder), Error> {
            let encoder = Encoder::load(&folder.tokenizer)
                .map_err(|reason| Error::Model { folder: folder.folder.clone(), reason })?;
            Ok((folder, encoder))
        };
        let model = ModelFolder::read(&config.model, config)?;
        let complete =
            model.sarcasm.is_some() && model.emotions.is_some() && model.aspects.is_some();
        let heads = (!complete)
            .then(|| ModelFolder::read(&config.bundled, config).and_then(load))
            .transpose()?;
        Ok(Library {
            model: load(model)?,
            heads,
            categories: Arc::new(Categories::new(categories)),
            opinions: Arc::new(Opinions::new()),
        })
    }

    pub fn name(&self) -> &str {
        &self.model.0.name
    }

    /// The routing thresholds beside the model, else beside the bundled one.
    pub fn thresholds(&self) -> Result<Thresholds, Error> {
        let own = self.model.0.calibration.as_ref();
        own.or(self.heads.as_ref().and_then(|(folder, _)| folder.calibration.as_ref()))
            .map(|calibration| calibration.thresholds)
            .ok_or_else(|| Error::Model {
                folder: self.model.0.folder.clone(),
                reason: "neither it nor the bundled model has a calibration.json".into(),
            })
    }
}

/// One thread's sessions.
pub struct Reader {
    library: Library,
    model: Model,
    heads: Option<Model>,
}

impl Reader {
    pub fn new(environment: &Environment, library: Library) -> Result<Reader, Error> {
        let model = Model::load(environment, &library.model.0)?;
        let heads = library.heads.as_ref();
        let heads = heads.map(|(folder, _)| Model::load(environment, folder)).transpose()?;
        Ok(Reader { library, model, heads })
    }

    /// Loads a configuration's model by itself, for measuring and checking.
    pub fn open(config: &Config, categories: &[Category]) -> Result<Reader, Error> {
        Reader::new(super::start_runtime(&config.onnxruntime)?, Library::load(config, categories)?)
    }

    /// Reads a text for a task: one pass over each of its windows.
    ///
    /// # Errors
    /// [`Error::Inference`].
    pub fn read(
        &mut self,
        task: Task,
        text: &str,
        language: Option<&str>,
    ) -> Result<Reading, Error> {
        let started = Instant::now();
        let (folder, encoder) = &self.library.model;
        let windows = windows::encode(encoder, text, folder.max_tokens)?;
        let mut sums = Sums::of(&mut self.model, folder, &windows)?;
        // The bundled model's vocabulary, which tells English from other languages.
        let mut english = windows;
        if let (Some(model), Some((bundled, encoder))) = (&mut self.heads, &self.library.heads) {
            english = windows::encode(encoder, text, bundled.max_tokens)?;
            sums.take_missing(Sums::of(model, bundled, &english)?);
        }
        let language = Language::of(text, language, &english[0].tokens, &folder.languages);
        let (verdict, signals) = sums.conclude(task, text, &language, &self.library);
        Ok(Reading { verdict, signals, language, took: started.elapsed() })
    }

    /// Reads some of a text's sentences, each alone, in the language that the whole text is in.
    /// `first` is the code point at which the first of them starts.
    pub fn read_sentences(
        &mut self,
        text: &str,
        bounds: &[(usize, usize)],
        first: usize,
        language: &str,
    ) -> Result<Vec<Sentence>, Error> {
        // They come in the order of the text, so each place is counted on from the last.
        let (mut byte, mut point) = (bounds.first().map_or(0, |(start, _)| *start), first);
        bounds
            .iter()
            .map(|(start, end)| {
                let sentence = &text[*start..*end];
                point += text[byte..*start].chars().count();
                byte = *start;
                let scores = self.read(Task::Sentiment, sentence, Some(language))?.verdict.scores;
                Ok(Sentence { span: (point, point + sentence.chars().count()), scores })
            })
            .collect()
    }
}

/// A text's windows, put together: probabilities and the evidence of aspects are averaged over
/// them. `training/README.md` has the measure of this rule ("Long text").
#[derive(Default)]
struct Sums {
    windows: f32,
    sentiment: [f32; 4],
    sarcasm: Option<f32>,
    emotions: Option<EmotionSums>,
    aspects: Option<Tagged>,
}

struct EmotionSums {
    scores: [f32; 28],
    thresholds: [f32; 28],
}

/// What the tags say of a whole text.
#[derive(Default)]
struct Tagged {
    words: Vec<Word>,
    evidence: Evidence,
    mixed: Option<MixedRule>,
}

impl Sums {
    fn of(model: &mut Model, folder: &ModelFolder, windows: &[Window]) -> Result<Sums, Error> {
        let calibration = folder.calibration.as_ref();
        let temperatures = calibration.map_or_else(Temperatures::default, |fit| fit.temperatures);
        let mut sums = Sums {
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
        };
        for window in windows {
            sums.add(window, &model.run(&window.tokens)?, folder, temperatures)?;
        }
        Ok(sums)
    }

    fn add(
        &mut self,
        window: &Window,
        outputs: &SessionOutputs<'_>,
        folder: &ModelFolder,
        temperatures: Temperatures,
    ) -> Result<(), Error> {
        self.windows += 1.0;
        let (output, labels) = &folder.sentiment;
        let mut probabilities = logits(outputs, output, labels.len())?.to_vec();
        softmax(&mut probabilities, temperatures.sentiment);
        for (label, probability) in labels.iter().zip(probabilities) {
            self.sentiment[*label as usize] += probability;
        }
        if let Some(output) = &folder.sarcasm {
            let logit = logits(outputs, output, 1)?[0];
            *self.sarcasm.get_or_insert(0.0) += sigmoid(logit / temperatures.sarcasm);
        }
        if let (Some((output, labels)), Some(sums)) = (&folder.emotions, &mut self.emotions) {
            for (label, logit) in labels.iter().zip(logits(outputs, output, labels.len())?) {
                sums.scores[*label as usize] += sigmoid(*logit);
            }
        }
        if let (Some((output, tags)), Some(tagged)) = (&folder.aspects, &mut self.aspects) {
            let per_token = logits(outputs, output, tags.len() * window.tokens.len())?;
            let mut evidence = Evidence::default();
            let words = tags::words(&window.tokens, window.start, per_token, tags, &mut evidence);
            tagged.words.extend(words);
            tagged.evidence.positive += evidence.positive;
            tagged.evidence.negative += evidence.negative;
        }
        Ok(())
    }

    /// Takes the heads that this model lacks from another one's reading of the same text, which
    /// cut it into windows of its own. The rule for `mixed` is not taken along: it was fitted
    /// beside the other's own scores.
    fn take_missing(&mut self, other: Sums) {
        let share = self.windows / other.windows;
        self.sarcasm = self.sarcasm.or(other.sarcasm.map(|sum| sum * share));
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

    fn conclude(
        self,
        task: Task,
        text: &str,
        language: &Language,
        library: &Library,
    ) -> (Verdict, Signals) {
        let ceiling = if language.supported { 1.0 } else { UNREAD_LANGUAGE_CEILING };
        let sarcasm = self.sarcasm.map_or(0.0, |sum| sum / self.windows);
        let tagged = self.aspects.unwrap_or_default();
        let odds = tagged.evidence.positive.min(tagged.evidence.negative) / self.windows;
        let scores = with_mixed(self.sentiment, odds, tagged.mixed);
        let scores = scores.at_most(ceiling);
        let plain = Signals {
            ambiguous: 1.0 - scores.margin(),
            sarcasm,
            multi_aspect: odds,
            out_of_domain: if language.supported { 0.0 } else { 1.0 },
        };
        let (findings, signals) = match (task, self.emotions) {
            (Task::Aspects, _) => {
                let terms = tags::terms(&tagged.words);
                let ambiguous = doubt(&terms, scores.label());
                let found = aspects(text, terms, library);
                (Findings::Aspects(found), Signals { ambiguous, multi_aspect: 0.0, ..plain })
            }
            (Task::Emotions, Some(EmotionSums { scores: sums, thresholds })) => {
                let emotions = Emotions::new(sums.map(|sum| sum / self.windows), &thresholds);
                let ambiguous = match emotions.contradict(scores.label()) {
                    true => 1.0,
                    false => emotions.doubt(&thresholds),
                };
                (Findings::Emotions(emotions), Signals { ambiguous, ..plain })
            }
            _ => (Findings::None, plain),
        };
        (Verdict { scores, sarcasm: SarcasmScore(sarcasm), findings }, signals)
    }
}

/// The scores of the model's labels, with a share for `mixed` where a rule gives it one.
fn with_mixed(sums: [f32; 4], odds: f32, rule: Option<MixedRule>) -> Scores {
    let own = Scores::from_weights(sums);
    let Some(rule) = rule.filter(|_| own.of(Label::Mixed) == 0.0) else { return own };
    let mixed = rule.probability(odds, own.of(Label::Negative).min(own.of(Label::Positive)));
    let mut weights = own.as_array().map(|score| score * (1.0 - mixed));
    weights[Label::Mixed as usize] = mixed;
    Scores::from_weights(weights)
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

/// The terms with their words, places in code points, categories and opinions, in the order of the
/// text.
fn aspects(text: &str, terms: Vec<Term>, library: &Library) -> Vec<Aspect> {
    // Terms come in the order of the text, so each place is counted on from the last.
    let (mut byte, mut point) = (0, 0);
    let mut place = |to: usize| {
        point += text[byte..to].chars().count();
        byte = to;
        point
    };
    terms
        .into_iter()
        .map(|Term { bytes: (start, end), sentiment, confidence, .. }| {
            let term = &text[start..end];
            Aspect {
                term: term.to_owned(),
                category: library.categories.of(term).map(str::to_owned),
                sentiment: Some(sentiment),
                opinion: library.opinions.of(text, (start, end), sentiment).map(str::to_owned),
                confidence,
                span: Some((place(start), place(end))),
            }
        })
        .collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

fn logits<'a>(
    outputs: &'a SessionOutputs<'_>,
    name: &str,
    expected: usize,
) -> Result<&'a [f32], Error> {
    let (shape, values) = outputs[name]
        .try_extract_tensor::<f32>()
        .map_err(|error| Error::Inference(format!("output {name:?}: {error}")))?;
    if values.len() != expected {
        let reason = format!("output {name:?} has the shape {shape:?}, not {expected} values");
        return Err(Error::Inference(reason));
    }
    Ok(values)
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
