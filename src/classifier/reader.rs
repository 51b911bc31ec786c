//! Reads texts: passes of the model over their windows, then probabilities and signals.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::environment::Environment;

use super::boilerplate::{self, Part, Rest};
use super::domain::Familiarity;
use super::estimators::Estimators;
use super::language::{Evidence, Spelling};
use super::passes::{Passes, Progress};
use super::windows;
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
    /// Neutral where it is boilerplate, which is not read.
    pub scores: Scores,
    /// It frames the text, and says nothing of what its writer thinks.
    pub boilerplate: bool,
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
    /// Of the vocabulary that tells English from other languages: the bundled model's where it is there.
    spelling: Arc<Spelling>,
    batch_size: usize,
    boilerplate: bool,
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
        let model = load(model)?;
        let spelling = Spelling::new(&heads.as_ref().unwrap_or(&model).encoder);
        Ok(Library {
            model,
            heads,
            spelling: Arc::new(spelling),
            categories: Arc::new(Categories::new(categories)),
            opinions: Arc::new(Opinions::new()),
            batch_size: config.batch_size,
            boilerplate: config.boilerplate,
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

    /// How many tokens a text has, in the vocabulary that makes the most of it.
    pub fn count(&self, text: &str) -> Result<usize, Error> {
        let count = |shared: &Shared| shared.encoder.count(text);
        let own = count(&self.model)?;
        Ok(own.max(self.heads.as_ref().map_or(Ok(0), count)?))
    }

    /// What frames a text and is not read: bytes of it, in order.
    pub fn frame(&self, text: &str) -> Vec<Range<usize>> {
        if self.boilerplate { boilerplate::find(text) } else { Vec::new() }
    }

    /// What is left of a text that something frames.
    fn rest(&self, text: &str) -> Option<Rest> {
        let frame = self.frame(text);
        (!frame.is_empty()).then(|| Rest::new(text, &frame))
    }

    /// The language that a text is taken to be in.
    pub fn language(&self, text: &str) -> Result<Language, Error> {
        let rest = self.rest(text);
        let text = Part::new(text, rest.as_ref()).text;
        let Shared { folder, encoder, .. } = self.heads.as_ref().unwrap_or(&self.model);
        let windows = windows::encode(encoder, text, folder.max_tokens)?;
        let evidence = Evidence::of(text, &windows[0].tokens, &self.spelling);
        Ok(Language::of(text, None, &evidence, &self.model.folder.languages))
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

/// Texts of which some has been read.
pub struct Halfway {
    /// What is read of each text, where that is not all of it.
    rests: Vec<Option<Rest>>,
    own: Progress,
    heads: Option<Progress>,
    took: Duration,
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
        let mut halfway = self.begin(asked)?;
        while self.step(&mut halfway)?.is_some() {}
        self.conclude(halfway, asked)
    }

    /// How many tokens a text has.
    pub fn count(&self, text: &str) -> Result<usize, Error> {
        self.library.count(text)
    }

    /// Takes texts apart, and reads nothing yet.
    pub fn begin(&self, asked: &[Asked<'_>]) -> Result<Halfway, Error> {
        let started = Instant::now();
        let rests: Vec<_> = asked.iter().map(|asked| self.library.rest(asked.text)).collect();
        let cut = |shared: &Shared| -> Result<Progress, Error> {
            let most = shared.folder.max_tokens;
            let windows = asked
                .iter()
                .zip(&rests)
                .map(|(asked, rest)| Part::new(asked.text, rest.as_ref()))
                .map(|part| windows::encode(&shared.encoder, part.text, most))
                .collect::<Result<_, Error>>()?;
            Ok(Progress::new(&shared.folder, windows))
        };
        let own = cut(&self.library.model)?;
        let heads = self.library.heads.as_ref().map(cut).transpose()?;
        Ok(Halfway { rests, own, heads, took: started.elapsed() })
    }

    /// Reads one pass more, of so many tokens of the model's own. `None` once all has been read.
    pub fn step(&mut self, halfway: &mut Halfway) -> Result<Option<usize>, Error> {
        let started = Instant::now();
        let Reader { library, model, heads, passes } = self;
        let mut step = passes.step(model, &library.model.folder, &mut halfway.own)?;
        if let (None, Some(model), Some(bundled), Some(progress)) =
            (step, heads, &library.heads, &mut halfway.heads)
        {
            step = passes.step(model, &bundled.folder, progress)?.map(|_| 0);
        }
        halfway.took += started.elapsed();
        Ok(step)
    }

    /// What was read comes to. `asked` as it was begun with.
    pub fn conclude(
        &self,
        halfway: Halfway,
        asked: &[Asked<'_>],
    ) -> Result<Vec<Vec<Reading>>, Error> {
        let started = Instant::now();
        let library = &self.library;
        // The bundled model's vocabulary, which tells English from other languages.
        let (mut english, mut sums) = halfway.own.end();
        if let Some(progress) = halfway.heads {
            let (windows, of_heads) = progress.end();
            english = windows;
            for (sums, of_heads) in sums.iter_mut().zip(of_heads) {
                sums.take_missing(of_heads);
            }
        }
        let languages = &library.model.folder.languages;
        let each = asked.iter().zip(&halfway.rests).zip(sums).zip(english);
        let concluded = each.map(|(((asked, rest), sums), windows)| {
            let Asked { tasks, text, language } = *asked;
            let part = Part::new(text, rest.as_ref());
            let tokens = &windows[0].tokens;
            let evidence = Evidence::of(part.text, tokens, &library.spelling);
            let language = Language::of(part.text, language, &evidence, languages);
            let familiarity = Familiarity::of(tokens, library.english().unknown, &evidence);
            let conclude = |task| {
                let (verdict, signals) =
                    sums.clone().conclude(task, part, &language, familiarity, library);
                Reading { verdict, signals, language: language.clone(), took: Duration::ZERO }
            };
            tasks.iter().map(conclude).collect()
        });
        let mut readings: Vec<Vec<Reading>> = concluded.collect();
        let took = halfway.took + started.elapsed();
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
}
