//! One model: its tokenizer, shared, and a session of its own for each thread.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use ort::environment::Environment;
use ort::ep;
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::TensorRef;
use tokenizers::{Encoding, Tokenizer};

use super::{Error, ModelFolder};

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
    pub fn load(environment: &Environment, folder: &ModelFolder) -> Result<Model, Error> {
        let fail = |reason: String| Error::Model { folder: folder.folder.clone(), reason };
        let session = open(environment, &folder.graph).map_err(fail)?;
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
        Ok(Model { session, inputs })
    }

    /// Runs the graph on one text's tokens: a batch of one. INT8 scales are taken over all that
    /// shares a pass, so company would change a text's scores.
    pub fn run(&mut self, encoding: &Encoding) -> Result<SessionOutputs<'_>, Error> {
        for Input { feed, buffer, .. } in &mut self.inputs {
            let source = match feed {
                Feed::Ids => encoding.get_ids(),
                Feed::Mask => encoding.get_attention_mask(),
                Feed::Types => encoding.get_type_ids(),
            };
            buffer.clear();
            buffer.extend(source.iter().map(|value| i64::from(*value)));
        }
        let tensors = self
            .inputs
            .iter()
            .map(|input| {
                let shape = [1, input.buffer.len()];
                let tensor = TensorRef::from_array_view((shape, input.buffer.as_slice()))?;
                Ok((Cow::Borrowed(input.name.as_str()), SessionInputValue::from(tensor)))
            })
            .collect::<ort::Result<Vec<_>>>();
        tensors
            .and_then(|tensors| self.session.run(tensors))
            .map_err(|error| Error::Inference(error.to_string()))
    }
}

/// Opens a graph for one thread: the fused SkipLayerNormalization kernel is slower than its parts, the arena keeps the largest shape's memory for good, and
/// spinning threads take the cores from other sessions.
fn open(environment: &Environment, graph: &Path) -> Result<Session, String> {
    let build = || -> ort::Result<Session> {
        let mut builder = Session::builder(environment)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_memory_pattern(false)?
            .with_disabled_optimizers("SkipLayerNormFusion")?
            .with_execution_providers([ep::CPU::default().with_arena_allocator(false).build()])?;
        builder.commit_from_file(graph)
    };
    build().map_err(|error| error.to_string())
}
