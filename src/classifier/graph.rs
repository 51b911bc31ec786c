//! A model's graph: what its sessions share, and how each is opened.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep;
use ort::operator::OperatorDomain;
use ort::session::Session;
use ort::value::{DynValue, Tensor};
use prost::Message;
use prost::bytes::Bytes;

use super::{Error, ModelFolder};
use crate::kernels::Kernels;

/// What `training/export.py` writes into a graph.
pub const PRODUCER: &str = "undertone";

/// ONNX's number for a tensor of INT8.
const INT8: i32 = 3;

/// A graph to open sessions on. They share the weights that our kernels pack, and the INT8 tensors
/// of the file, of which ONNX Runtime would hold a copy for each.
#[derive(Clone)]
pub struct Graph {
    path: PathBuf,
    folder: PathBuf,
    kernels: Option<Kernels>,
    pub(super) weights: Vec<(String, Arc<DynValue>)>,
}

impl Graph {
    /// The graph of a folder, to be computed by our kernels as far as it has nodes for them and the
    /// processor their instructions. `environment` is the proof that ONNX Runtime is loaded.
    ///
    /// # Errors
    /// [`Error::Model`] where the file can't be read.
    pub fn read(environment: &Environment, folder: &ModelFolder) -> Result<Graph, Error> {
        Graph::with(environment, folder, Kernels::new())
    }

    /// The same, by these kernels.
    pub(super) fn with(
        _: &Environment,
        folder: &ModelFolder,
        kernels: Option<Kernels>,
    ) -> Result<Graph, Error> {
        let mut graph = Graph { kernels, ..Graph::plain(folder) };
        if graph.kernels.is_some() {
            graph.weights = graph.shared_weights().map_err(|reason| graph.fail(reason))?;
        }
        Ok(graph)
    }

    /// The same, all of it computed by ONNX Runtime.
    pub fn plain(folder: &ModelFolder) -> Graph {
        let (path, folder) = (folder.graph.clone(), folder.folder.clone());
        Graph { path, folder, kernels: None, weights: Vec::new() }
    }

    /// Opens a session for one thread: the fused SkipLayerNormalization kernel is slower than its
    /// parts, the arena keeps the largest shape's memory for good, and spinning threads take the
    /// cores from other sessions. INT8 products are asked for exactly: on AVX2 alone, sums of two that overflow
    /// 16 bits would else be cut off.
    pub fn open(&self, environment: &Environment) -> Result<Session, Error> {
        let build = |domain: Option<OperatorDomain>| -> ort::Result<Session> {
            let mut builder = Session::builder(environment)?
                .with_intra_threads(1)?
                .with_inter_threads(1)?
                .with_intra_op_spinning(false)?
                .with_memory_pattern(false)?
                .with_disabled_optimizers("SkipLayerNormFusion")?
                .with_precise_qmm()?
                .with_execution_providers([ep::CPU::default()
                    .with_arena_allocator(false)
                    .build()])?;
            if let Some(domain) = domain {
                builder = builder.with_operators(domain)?;
                for (name, weights) in &self.weights {
                    builder = builder.with_initializer(name, Arc::clone(weights))?;
                }
            }
            builder.commit_from_file(&self.path)
        };
        let fail = |error: ort::Error| self.fail(error.to_string());
        let domain = self.kernels.as_ref().map(Kernels::domain).transpose().map_err(fail)?;
        // ONNX Runtime looks whether it knows a domain of operators, and then adds it: two sessions
        // that open at once would both add it, and one fail.
        static OPENING: Mutex<()> = Mutex::new(());
        let with_kernels = domain.map(|domain| {
            let _turn = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
            build(Some(domain))
        });
        match with_kernels {
            Some(Ok(session)) => Ok(session),
            Some(Err(error)) => build(None).map_err(fail).inspect(|_| {
                let graph = self.path.display();
                tracing::warn!("{graph} is read without this processor's kernels: {error}");
            }),
            None => build(None).map_err(fail),
        }
    }

    /// An error about this graph.
    pub fn fail(&self, reason: String) -> Error {
        Error::Model { folder: self.folder.clone(), reason }
    }

    /// The INT8 tensors of a graph of ours; of others ONNX Runtime may make something else.
    fn shared_weights(&self) -> Result<Vec<(String, Arc<DynValue>)>, String> {
        let path = self.path.display();
        let file = std::fs::read(&self.path).map_err(|error| format!("{path}: {error}"))?;
        let model =
            ModelProto::decode(Bytes::from(file)).map_err(|error| format!("{path}: {error}"))?;
        if model.producer_name != PRODUCER {
            return Ok(Vec::new());
        }
        let tensors = model.graph.unwrap_or_default().initializer.into_iter();
        tensors
            .filter(|tensor| tensor.data_type == INT8 && !tensor.raw_data.is_empty())
            .map(|tensor| {
                let numbers: Vec<i8> =
                    tensor.raw_data.iter().map(|byte| byte.cast_signed()).collect();
                let value = Tensor::from_array((tensor.dims, numbers))
                    .map_err(|error| format!("{path}: {}: {error}", tensor.name))?;
                Ok((tensor.name, Arc::new(value.into_dyn())))
            })
            .collect()
    }
}

/// As much of ONNX's `onnx.proto` as is needed here.
#[derive(Message)]
struct ModelProto {
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
}

#[derive(Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
}

#[derive(Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "bytes", tag = "9")]
    raw_data: Bytes,
}
