//! Reads texts: passes of the model over their windows, then probabilities and signals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::environment::Environment;

use super::domain::Familiarity;
use super::estimators::Estimators;
use super::passes::Passes;
use super::windows::{self, Window};
use super::{
    Calibration, Categories, Config, Encoder, Error, Graph, Language, Model, ModelFolder, Opinions,
};
use crate::sentiment::{Category, Scores, Signals, Task, Tasks, Thresholds, Verdict};

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

/// A text to read.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub tasks: Tasks,
    pub text: &'a str,
    /// As the caller says; else it is detected.
    pub language: Option<&'a str>,
}

/// What all sessions of a program share: files read, tokenizers loaded.
#[derive(Clone)]
pub struct Library {
    model: Shared,
    /// The bundled model, where the configured one lacks heads.
    heads: Option<Shared>,
    pub categories: Arc<Categories>,
    pub opinions: Arc<Opinions>,
    batch_size: usize,
}

/// What the sessions of one model share.
#[derive(Clone)]
struct Shared {
    folder: ModelFolder,
    encoder: Encoder,
    graph: Graph,
}

impl Library {
    pub fn load(
        environment: &Environment,
        config: &Config,
        categories: &[Category],
    ) -> Result<Library, Error> {
        let load = |folder: ModelFolder| -> Result<Shared, Error> {
            let encoder = Encoder::load(&folder.tokenizer)
                .map_err(|reason| Error::Model { folder: folder.folder.clone(), reason })?;
            let graph = Graph::read(environment, &folder)?;
            Ok(Shared { folder, encoder, graph })
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
            batch_size: config.batch_size,
        })
    }

    pub fn name(&self) -> &str {
        &self.model.folder.name
    }

    pub fn languages(&self) -> &[String] {
        &self.model.folder.languages
    }

    /// Whose vocabulary tells English from other languages: the bundled model's where it is there.
    fn english(&self) -> &Encoder {
        &self.heads.as_ref().unwrap_or(&self.model).encoder
    }

    /// What was fitted to the model, else to the bundled one whose heads it borrows.
    fn calibration(&self) -> Option<&Calibration> {
        let own = self.model.folder.calibration.as_ref();
        own.or(self.heads.as_ref().and_then(|heads| heads.folder.calibration.as_ref()))
    }

    /// The model's name with a digest of its calibration, which names the graph.
    pub fn identity(&self) -> String {
        let calibration = serde_json::to_vec(&self.calibration()).expect("it is plain values");
        format!("{}@{}", self.name(), &blake3::hash(&calibration).to_hex()[..8])
    }

    pub fn estimators(&self) -> Option<&Estimators> {
        self.calibration().and_then(|calibration| calibration.estimators.as_ref())
    }

    /// The routing thresholds that go with [`Library::estimators`].
    pub fn thresholds(&self) -> Result<Thresholds, Error> {
        self.calibration().map(|calibration| calibration.thresholds).ok_or_else(|| Error::Model {
            folder: self.model.folder.folder.clone(),
            reason: "neither it nor the bundled model has a calibration.json".into(),
        })
    }
}

/// One thread's sessions.
pub struct Reader {
    library: Library,
    model: Model,
    heads: Option<Model>,
    passes: Passes,
}

impl Reader {
    pub fn new(environment: &Environment, library: Library) -> Result<Reader, Error> {
        let load = |shared: &Shared| Model::load(environment, &shared.folder, &shared.graph);
        let model = load(&library.model)?;
        let heads = library.heads.as_ref().map(load).transpose()?;
        let passes = Passes { batch_size: library.batch_size };
        Ok(Reader { library, model, heads, passes })
    }

    /// Loads a configuration's model by itself, for measuring and checking.
    pub fn open(config: &Config, categories: &[Category]) -> Result<Reader, Error> {
        let environment = super::start_runtime(&config.onnxruntime)?;
        Reader::new(environment, Library::load(environment, config, categories)?)
    }

    /// Reads texts: as many of their windows a pass as is allowed. One reading of a text serves all its
    /// tasks; what each makes of it comes in the order of the tasks.
    ///
    /// # Errors
    /// [`Error::Inference`]; where it is one text's fault, the others have no answer either.
    pub fn read_all(&mut self, asked: &[Asked<'_>]) -> Result<Vec<Vec<Reading>>, Error> {
        let started = Instant::now();
        let Reader { library, model, heads, passes } = self;
        let cut = |shared: &Shared| -> Result<Vec<Vec<Window>>, Error> {
            let most = shared.folder.max_tokens;
            asked.iter().map(|asked| windows::encode(&shared.encoder, asked.text, most)).collect()
        };
        let windows = cut(&library.model)?;
        let mut sums = passes.sums(model, &library.model.folder, &windows)?;
        // The bundled model's vocabulary, which tells English from other languages.
        let mut english = windows;
        if let (Some(model), Some(bundled)) = (heads, &library.heads) {
            english = cut(bundled)?;
            let of_heads = passes.sums(model, &bundled.folder, &english)?;
            for (sums, of_heads) in sums.iter_mut().zip(of_heads) {
                sums.take_missing(of_heads);
            }
        }
        let languages = &library.model.folder.languages;
        let concluded = asked.iter().zip(sums).zip(english).map(|((asked, sums), windows)| {
            let Asked { tasks, text, language } = *asked;
            let language = Language::of(text, language, &windows[0].tokens, languages);
            let familiarity = Familiarity::of(&windows[0].tokens, library.english().unknown);
            let conclude = |task| {
                let (verdict, signals) =
                    sums.clone().conclude(task, text, &language, familiarity, library);
                Reading { verdict, signals, language: language.clone(), took: Duration::ZERO }
            };
            tasks.iter().map(conclude).collect()
        });
        let mut readings: Vec<Vec<Reading>> = concluded.collect();
        let took = started.elapsed();
        readings.iter_mut().flatten().for_each(|reading| reading.took = took);
        Ok(readings)
    }

    /// Reads one text.
    ///
    /// # Errors
    /// [`Error::Inference`].
    pub fn read(
        &mut self,
        task: Task,
        text: &str,
        language: Option<&str>,
    ) -> Result<Reading, Error> {
        let readings = self.read_all(&[Asked { tasks: task.into(), text, language }])?;
        Ok(readings
            .into_iter()
            .flatten()
            .next()
            .expect("a text that was asked about has a reading"))
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
        let (tasks, language) = (Task::Sentiment.into(), Some(language));
        let asked: Vec<Asked<'_>> = bounds
            .iter()
            .map(|(start, end)| Asked { tasks, text: &text[*start..*end], language })
            .collect();
        // They come in the order of the text, so each place is counted on from the last.
        let (mut byte, mut point) = (bounds.first().map_or(0, |(start, _)| *start), first);
        let place = |(reading, (start, end)): (Reading, &(usize, usize))| {
            point += text[byte..*start].chars().count();
            byte = *start;
            let span = (point, point + text[*start..*end].chars().count());
            Sentence { span, scores: reading.verdict.scores }
        };
        Ok(self.read_all(&asked)?.into_iter().flatten().zip(bounds).map(place).collect())
    }
}
