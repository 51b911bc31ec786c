//! Reads a text: one pass of the model over each window, then probabilities and signals.

use std::time::{Duration, Instant};

use ort::environment::Environment;
use ort::session::SessionOutputs;
use tokenizers::Encoding;

use super::calibration::Temperatures;
use super::{Config, Encoder, Error, Language, Model, ModelFolder, windows};
use crate::sentiment::{Label, SarcasmScore, Scores, Signals, Thresholds, Verdict};

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
}

impl Library {
    pub fn load(config: &Config) -> Result<Library, Error> {
        let load = |folder: ModelFolder| -> Result<(ModelFolder, Encoder), Error> {
            let encoder = Encoder::load(&folder.tokenizer)
                .map_err(|reason| Error::Model { folder: folder.folder.clone(), reason })?;
            Ok((folder, encoder))
        };
        let model = ModelFolder::read(&config.model, config)?;
        let complete = model.sarcasm.is_some() && model.aspects.is_some();
        let heads = (!complete)
            .then(|| ModelFolder::read(&config.bundled, config).and_then(load))
            .transpose()?;
        Ok(Library { model: load(model)?, heads })
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
    pub fn open(config: &Config) -> Result<Reader, Error> {
        Reader::new(super::start_runtime(&config.onnxruntime)?, Library::load(config)?)
    }

    pub fn read(&mut self, text: &str, language: Option<&str>) -> Result<Reading, Error> {
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
        let language = Language::of(text, language, &english[0], &folder.languages);
        let (verdict, signals) = sums.conclude(&language);
        Ok(Reading { verdict, signals, language, took: started.elapsed() })
    }

    /// Reads each sentence alone, in the language that the whole text is in.
    pub fn read_sentences(
        &mut self,
        text: &str,
        language: Option<&str>,
    ) -> Result<Vec<Sentence>, Error> {
        let language = match language {
            Some(given) => given.to_owned(),
            None => self.read(text, None)?.language.code.into_owned(),
        };
        windows::sentences(text)
            .map(|(start, sentence)| {
                let scores = self.read(sentence, Some(&language))?.verdict.scores;
                let first = text[..start].chars().count();
                Ok(Sentence { span: (first, first + sentence.chars().count()), scores })
            })
            .collect()
    }
}

/// A text's windows, put together: probabilities are averaged by the windows' tokens, evidence of
/// an aspect is the strongest found anywhere.
#[derive(Default)]
struct Sums {
    tokens: f32,
    sentiment: [f32; 4],
    sarcasm: Option<f32>,
    aspects: Option<Evidence>,
}

/// The strongest sign of an aspect that is liked, and of one that is not, 0 to 1.
#[derive(Clone, Copy, Default)]
struct Evidence {
    positive: f32,
    negative: f32,
}

impl Sums {
    fn of(model: &mut Model, folder: &ModelFolder, windows: &[Encoding]) -> Result<Sums, Error> {
        let calibration = folder.calibration.as_ref();
        let temperatures = calibration.map_or_else(Temperatures::default, |fit| fit.temperatures);
        let mut sums = Sums::default();
        for window in windows {
            sums.add(window, &model.run(window)?, folder, temperatures)?;
        }
        Ok(sums)
    }

    fn add(
        &mut self,
        window: &Encoding,
        outputs: &SessionOutputs<'_>,
        folder: &ModelFolder,
        temperatures: Temperatures,
    ) -> Result<(), Error> {
        let weight = window.len() as f32;
        self.tokens += weight;
        let (output, labels) = &folder.sentiment;
        let mut probabilities = logits(outputs, output, labels.len())?.to_vec();
        softmax(&mut probabilities, temperatures.sentiment);
        for (label, probability) in labels.iter().zip(probabilities) {
            self.sentiment[*label as usize] += weight * probability;
        }
        if let Some(output) = &folder.sarcasm {
            let logit = logits(outputs, output, 1)?[0];
            let probability = 1.0 / (1.0 + (-logit / temperatures.sarcasm).exp());
            *self.sarcasm.get_or_insert(0.0) += weight * probability;
        }
        if let Some((output, tags)) = &folder.aspects {
            let found = self.aspects.get_or_insert_default();
            let per_token = logits(outputs, output, tags.len() * window.len())?;
            // The special tokens carry no tag: nobody taught the model one for them.
            let is_special = window.get_special_tokens_mask();
            for (token, special) in per_token.chunks_exact(tags.len()).zip(is_special) {
                if *special == 0 {
                    found.see(token, tags);
                }
            }
        }
        Ok(())
    }

    /// Takes the heads that this model lacks from another one's reading of the same text.
    fn take_missing(&mut self, other: Sums) {
        if self.sarcasm.is_none() {
            // The other model cut the text into windows of its own.
            self.sarcasm = other.sarcasm.map(|sum| sum / other.tokens * self.tokens);
        }
        self.aspects = self.aspects.or(other.aspects);
    }

    fn conclude(self, language: &Language) -> (Verdict, Signals) {
        let ceiling = if language.supported { 1.0 } else { UNREAD_LANGUAGE_CEILING };
        let scores = Scores::from_weights(self.sentiment).at_most(ceiling);
        let sarcasm = self.sarcasm.map_or(0.0, |sum| sum / self.tokens);
        let Evidence { positive, negative } = self.aspects.unwrap_or_default();
        let signals = Signals {
            ambiguous: 1.0 - scores.margin(),
            sarcasm,
            multi_aspect: positive.min(negative),
            out_of_domain: if language.supported { 0.0 } else { 1.0 },
        };
        (Verdict { scores, sarcasm: SarcasmScore(sarcasm) }, signals)
    }
}

impl Evidence {
    /// Looks at one token's logits over the tags `O`, `B-positive`, `I-positive` and so on.
    fn see(&mut self, token: &[f32], tags: &[String]) {
        let largest = token.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut all, mut positive, mut negative) = (0.0, 0.0, 0.0);
        for (logit, tag) in token.iter().zip(tags) {
            let weight = (logit - largest).exp();
            all += weight;
            match tag.split_once('-').and_then(|(_, polarity)| Label::named(polarity)) {
                Some(Label::Positive) => positive += weight,
                Some(Label::Negative) => negative += weight,
                _ => {}
            }
        }
        self.positive = self.positive.max(positive / all);
        self.negative = self.negative.max(negative / all);
    }
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
