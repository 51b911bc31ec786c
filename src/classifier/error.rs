//! What can go wrong with the local model.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// ONNX Runtime's shared library is not there or does not load.
    #[error(
        "ONNX Runtime's library was not found or does not load ({reason}). `make vendor` fetches it \
         into vendor/onnxruntime; elsewhere, set classifier.onnxruntime or ORT_DYLIB_PATH to it. \
         Looked at: {looked_at}"
    )]
    Library { looked_at: String, reason: String },
    /// The library would send telemetry. The program starts itself again before it comes to that.
    #[error(
        "ONNX Runtime's library is not loaded, because it would send telemetry: set \
         ORT_DISABLE_TELEMETRY=1 before this program starts"
    )]
    Telemetry,
    /// A model folder that cannot be served.
    #[error("the model in {} cannot be served: {reason}", folder.display())]
    Model { folder: PathBuf, reason: String },
    /// All sessions are busy, and the queue is full or too long for the time that is left.
    #[error(
        "the local model is busy: more texts wait than it can read in time (classifier.queue: {0})"
    )]
    Busy(usize),
    /// ONNX Runtime or the tokenizer failed on this text.
    #[error("the local model failed: {0}")]
    Inference(String),
    /// The program is going down.
    #[error("the local model has been stopped")]
    Stopped,
}
