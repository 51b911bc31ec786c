//! One model: its tokenizer, shared, and a session of its own for each thread.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use ort::environment::Environment;
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::TensorRef;
use tokenizers::{Encoding, Tokenizer};

use super::graph::PRODUCER;
use super::{Error, Graph, ModelFolder};

/// Turns text into token ids.
#[derive(Clone)]
pub struct Encoder {
    tokenizer: Arc<Tokenizer>,
    /// What stands for words that are not in the vocabulary.
    pub unknown: Option<u32>,
}

impl Encoder {
    /// Loads `tokenizer.json`, with its own truncation and padding switched off: what a text is cut
    /// into is decided here, and nothing of it is dropped.
    pub fn load(path: &Path) -> Result<Encoder, String> {
        let mut tokenizer = Tokenizer::from_file(path).map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        let unknown = ["[UNK]", "<unk>"].iter().find_map(|token| tokenizer.token_to_id(token));
        Ok(Encoder { tokenizer: Arc::new(tokenizer), unknown })
    }

    /// The vocabulary's tokens, each with its number.
    pub fn vocabulary(&self) -> impl Iterator<Item = (String, u32)> {
        self.tokenizer.get_vocab(false).into_iter()
    }

    /// How many tokens a text has, special ones included.
    pub fn count(&self, text: &str) -> Result<usize, Error> {
        let tokens = self.tokenizer.encode_fast(text, true);
        tokens.map(|tokens| tokens.len()).map_err(failed)
    }

    /// The tokens of a text, special ones included, with byte offsets.
    pub fn encode(&self, text: &str) -> Result<Encoding, Error> {
        self.tokenizer.encode(text, true).map_err(failed)
    }
}

fn failed(error: tokenizers::Error) -> Error {
    Error::Inference(format!("tokenizer: {error}"))
}

/// A session on a model's graph, single-threaded, with buffers that are used again.
pub struct Model {
    session: Session,
    inputs: Vec<Input>,
    /// Whether a text's scores do not depend on what else is in a pass. In graphs of ours they
    /// don't; others may take one INT8 scale over all texts.
    pub shares_passes: bool,
}

/// What a graph may ask for.
#[derive(Clone, Copy, PartialEq)]
enum Feed {
    Ids,
    Mask,
    Types,
}

struct Input {
    name: String,
    feed: Feed,
    buffer: Vec<i64>,
}

impl Model {
    /// Opens a session on the graph of a folder.
    ///
    /// # Errors
    /// [`Error::Model`] where the graph asks for what is not known here, or lacks an output that
    /// the folder promises.
    pub fn load(
        environment: &Environment,
        folder: &ModelFolder,
        graph: &Graph,
    ) -> Result<Model, Error> {
        let fail = |reason: String| graph.fail(reason);
        let session = graph.open(environment)?;
        let inputs = session
            .inputs()
            .iter()
            .map(|input| {
                let feed = match input.name() {
                    "input_ids" => Feed::Ids,
                    "attention_mask" => Feed::Mask,
                    "token_type_ids" => Feed::Types,
                    other => return Err(fail(format!("its graph asks for the input {other:?}"))),
                };
                Ok(Input { name: input.name().to_owned(), feed, buffer: Vec::new() })
            })
            .collect::<Result<Vec<Input>, Error>>()?;
        let wanted = [Some(&folder.sentiment.0), folder.sarcasm.as_ref(), folder.odds.as_ref()];
        let aspects = folder.aspects.as_ref().map(|(output, _)| output);
        let emotions = folder.emotions.as_ref().map(|(output, _)| output);
        for output in wanted.into_iter().chain([aspects, emotions]).flatten() {
            if !session.outputs().iter().any(|known| known.name() == output) {
                return Err(fail(format!("its graph has no output {output:?}")));
            }
        }
        let shares_passes = session
            .metadata()
            .is_ok_and(|metadata| metadata.producer().as_deref() == Some(PRODUCER));
        Ok(Model { session, inputs, shares_passes })
    }

    /// Runs the graph on the tokens of some texts, those that are shorter padded behind.
    pub fn run(&mut self, texts: &[&Encoding]) -> Result<Outputs<'_>, Error> {
        let longest = texts.iter().map(|tokens| tokens.len()).max().unwrap_or(0);
        let shape = [texts.len(), longest];
        for Input { feed, buffer, .. } in &mut self.inputs {
            buffer.clear();
            for tokens in texts {
                let source = match feed {
                    Feed::Ids => tokens.get_ids(),
                    Feed::Mask => tokens.get_attention_mask(),
                    Feed::Types => tokens.get_type_ids(),
                };
                buffer.extend(source.iter().map(|value| i64::from(*value)));
                buffer.resize(buffer.len() + longest - source.len(), 0);
            }
        }
        let tensors = self
            .inputs
            .iter()
            .map(|input| {
                let tensor = TensorRef::from_array_view((shape, input.buffer.as_slice()))?;
                Ok((Cow::Borrowed(input.name.as_str()), SessionInputValue::from(tensor)))
            })
            .collect::<ort::Result<Vec<_>>>();
        tensors
            .and_then(|tensors| self.session.run(tensors))
            .map(|outputs| Outputs { outputs, texts: texts.len() })
            .map_err(|error| Error::Inference(error.to_string()))
    }
}

/// What a pass computed.
pub struct Outputs<'a> {
    outputs: SessionOutputs<'a>,
    texts: usize,
}

impl Outputs<'_> {
    /// The first `wanted` numbers that an output holds of the text in a pass's `row`.
    ///
    /// # Errors
    /// [`Error::Inference`] where it holds fewer, or none.
    pub fn row(&self, name: &str, row: usize, wanted: usize) -> Result<&[f32], Error> {
        let (shape, values) = self.outputs[name]
            .try_extract_tensor::<f32>()
            .map_err(|error| Error::Inference(format!("output {name:?}: {error}")))?;
        let each = values.len() / self.texts;
        values.get(row * each..row * each + wanted).filter(|_| wanted <= each).ok_or_else(|| {
            let reason = format!("output {name:?} has the shape {shape:?}, not {wanted} a text");
            Error::Inference(reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use ort::value::Tensor;

    use super::super::{Config, start_runtime};
    use super::*;
    use crate::kernels::Kernels;

    const TEXTS: [&str; 4] = [
        "I love it.",
        "The product is great but shipping was terrible 😂",
        "Oh sure, another update that breaks everything, just what everyone had been waiting for.",
        "no",
    ];

    fn bundled() -> (&'static Environment, ModelFolder) {
        let mut shipped: toml::Table =
            include_str!("../../config/undertone.toml").parse().expect("it is TOML");
        let section = shipped.remove("classifier").expect("it is there");
        let config: Config = section.try_into().expect("it is complete");
        let folder = ModelFolder::read(&config.model, &config).expect("it is bundled");
        (start_runtime(&config.onnxruntime).expect("`make vendor` fetched it"), folder)
    }

    /// Both ways to compute it: by our kernels, and by ONNX Runtime alone.
    fn graphs() -> [Graph; 2] {
        let (environment, folder) = bundled();
        // In a debug build too, where they may not pay off.
        let ours = Graph::with(environment, &folder, Kernels::best());
        [ours.expect("it is bundled"), Graph::plain(&folder)]
    }

    fn load(graph: &Graph) -> Model {
        let (environment, folder) = bundled();
        Model::load(environment, &folder, graph).expect("it loads")
    }

    fn tokens() -> [Encoding; 4] {
        let encoder = Encoder::load(&bundled().1.tokenizer).expect("it is bundled");
        TEXTS.map(|text| encoder.encode(text).expect("it has tokens"))
    }

    /// All that a model says of each text: read together, or each alone.
    fn logits(model: &mut Model, texts: &[Encoding], together: bool) -> Vec<Vec<f32>> {
        let all: Vec<&Encoding> = texts.iter().collect();
        all.chunks(if together { all.len() } else { 1 })
            .flat_map(|pass| {
                let outputs = model.run(pass).expect("they can be read");
                let of_text = |(row, tokens): (usize, &&Encoding)| {
                    let heads =
                        [("sentiment", 3), ("sarcasm", 1), ("emotions", 28), ("aspects", 7)];
                    let values = heads.map(|(head, wide)| {
                        let wanted = if head == "aspects" { wide * tokens.len() } else { wide };
                        outputs.row(head, row, wanted).expect("it has the head").to_vec()
                    });
                    values.concat()
                };
                pass.iter().enumerate().map(of_text).collect::<Vec<_>>()
            })
            .collect()
    }

    fn furthest(some: &[Vec<f32>], others: &[Vec<f32>]) -> f32 {
        let pairs = some.iter().flatten().zip(others.iter().flatten());
        pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn the_kernels_compute_what_the_graph_says() {
        let [ours, theirs] = graphs().map(|graph| logits(&mut load(&graph), &tokens(), false));
        // Floats are added in another order, so that a value may fall on another step of 255.
        let apart = furthest(&ours, &theirs);
        assert!(apart < 0.1, "{apart}: {:?} and {:?}", ours[0], theirs[0]);
    }

    #[test]
    fn a_text_scores_alone_as_it_does_beside_others() {
        for (graph, by) in graphs().iter().zip(["our kernels", "ONNX Runtime"]) {
            let mut model = load(graph);
            assert!(model.shares_passes);
            let alone = logits(&mut model, &tokens(), false);
            let together = logits(&mut model, &tokens(), true);
            let apart = furthest(&alone, &together);
            assert!(apart < 1e-5, "{apart}, by {by}");
        }
    }

    #[test]
    fn sessions_read_with_the_tensors_that_they_are_handed() {
        let [mut graph, _] = graphs();
        let words = |(name, _): &&mut (String, _)| name == "words.weight";
        let whole = logits(&mut load(&graph), &tokens(), false);
        // Without kernels each session holds tensors of its own.
        let Some((_, handed)) = graph.weights.iter_mut().find(words) else { return };
        let (shape, numbers) = handed.try_extract_tensor::<i8>().expect("they are INT8");
        let blank = Tensor::from_array((shape.to_vec(), vec![0i8; numbers.len()]));
        *handed = Arc::new(blank.expect("it has that shape").into_dyn());
        assert!(furthest(&whole, &logits(&mut load(&graph), &tokens(), false)) > 0.1);
    }

    #[test]
    fn sessions_that_open_at_once_all_have_the_kernels() {
        let [graph, _] = graphs();
        let texts = tokens();
        for _ in 0..4 {
            let all: Vec<_> = std::thread::scope(|scope| {
                let read = || logits(&mut load(&graph), &texts, false);
                let sessions: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
                sessions.into_iter().map(|one| one.join().expect("it reads")).collect()
            });
            // Without the kernels floats are added in another order, which shows.
            assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
