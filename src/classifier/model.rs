//! One model: its tokenizer, shared, and a session of its own for each thread.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep;
use ort::operator::OperatorDomain;
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::TensorRef;
use tokenizers::{Encoding, Tokenizer};

use super::{Error, ModelFolder};
use crate::kernels::Kernels;

/// Turns text into token ids.
#[derive(Clone)]
pub struct Encoder {
    tokenizer: Arc<Tokenizer>,
}

impl Encoder {
    /// Loads `tokenizer.json`, with its own truncation and padding switched off: what a text is cut
    /// into is decided here, and nothing of it is dropped.
    pub fn load(path: &Path) -> Result<Encoder, String> {
        let mut tokenizer = Tokenizer::from_file(path).map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        Ok(Encoder { tokenizer: Arc::new(tokenizer) })
    }

    /// The tokens of a text, special ones included, with byte offsets.
    pub fn encode(&self, text: &str) -> Result<Encoding, Error> {
        self.tokenizer
            .encode(text, true)
            .map_err(|error| Error::Inference(format!("tokenizer: {error}")))
    }
}

/// A session on a model's graph, single-threaded, with buffers that are used again.
pub struct Model {
    session: Session,
    inputs: Vec<Input>,
    /// Whether a text's scores do not depend on what else is in a pass. In graphs of ours they
    /// don't; others may take one INT8 scale over all texts.
    pub shares_passes: bool,
}

/// What `training/export.py` writes into a graph.
const PRODUCER: &str = "undertone";

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
    /// Opens a session; the model's sessions share the weights that `kernels` packs. Without any,
    /// ONNX Runtime computes everything.
    pub fn load(
        environment: &Environment,
        folder: &ModelFolder,
        kernels: Option<&Kernels>,
    ) -> Result<Model, Error> {
        let fail = |reason: String| Error::Model { folder: folder.folder.clone(), reason };
        let session = open(environment, &folder.graph, kernels).map_err(fail)?;
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
        let wanted = [Some(&folder.sentiment.0), folder.sarcasm.as_ref()];
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

/// Opens a graph for one thread: the fused SkipLayerNormalization kernel is slower than its parts,
/// the arena keeps the largest shape's memory for good, and spinning threads take the cores from
/// other sessions.
fn open(
    environment: &Environment,
    graph: &Path,
    kernels: Option<&Kernels>,
) -> Result<Session, String> {
    let build = |domain: Option<OperatorDomain>| -> ort::Result<Session> {
        let mut builder = Session::builder(environment)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_memory_pattern(false)?
            .with_disabled_optimizers("SkipLayerNormFusion")?
            .with_execution_providers([ep::CPU::default().with_arena_allocator(false).build()])?;
        if let Some(domain) = domain {
            builder = builder.with_operators(domain)?;
        }
        builder.commit_from_file(graph)
    };
    let domain = kernels.map_or(Ok(None), Kernels::domain).map_err(|error| error.to_string())?;
    // ONNX Runtime looks whether it knows a domain of operators, and then adds it: two sessions that
    // open at once would both add it, and one fail.
    static OPENING: Mutex<()> = Mutex::new(());
    let with_kernels = domain.map(|domain| {
        let _turn = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        build(Some(domain))
    });
    match with_kernels {
        Some(Ok(session)) => Ok(session),
        Some(Err(error)) => build(None).map_err(|error| error.to_string()).inspect(|_| {
            let graph = graph.display();
            tracing::warn!("{graph} is read without this processor's kernels: {error}");
        }),
        None => build(None).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, start_runtime};
    use super::*;

    const TEXTS: [&str; 4] = [
        "I love it.",
        "The product is great but shipping was terrible 😂",
        "Oh sure, another update that breaks everything, just what everyone had been waiting for.",
        "no",
    ];

    fn bundled(kernels: Option<&Kernels>) -> (Model, Encoder) {
        let mut shipped: toml::Table =
            include_str!("../../config/undertone.toml").parse().expect("it is TOML");
        let section = shipped.remove("classifier").expect("it is there");
        let config: Config = section.try_into().expect("it is complete");
        let folder = ModelFolder::read(&config.model, &config).expect("it is bundled");
        let environment = start_runtime(&config.onnxruntime).expect("`make vendor` fetched it");
        let encoder = Encoder::load(&folder.tokenizer).expect("it is bundled");
        (Model::load(environment, &folder, kernels).expect("it loads"), encoder)
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
        let (mut model, encoder) = bundled(Some(&Kernels::default()));
        let (mut plain, _) = bundled(None);
        let texts = TEXTS.map(|text| encoder.encode(text).expect("it has tokens"));
        let ours = logits(&mut model, &texts, false);
        let theirs = logits(&mut plain, &texts, false);
        // Floats are added in another order, so that a value may fall on another step of 255.
        let apart = furthest(&ours, &theirs);
        assert!(apart < 0.1, "{apart}: {:?} and {:?}", ours[0], theirs[0]);
    }

    #[test]
    fn a_text_scores_alone_as_it_does_beside_others() {
        for kernels in [Some(Kernels::default()), None] {
            let (mut model, encoder) = bundled(kernels.as_ref());
            assert!(model.shares_passes);
            let texts = TEXTS.map(|text| encoder.encode(text).expect("it has tokens"));
            let alone = logits(&mut model, &texts, false);
            let together = logits(&mut model, &texts, true);
            let apart = furthest(&alone, &together);
            assert!(apart < 1e-5, "{apart}, kernels: {}", kernels.is_some());
        }
    }
}
