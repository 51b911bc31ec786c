//! What can go wrong with the local model.

use std::path::PathBuf;
use std::time::Duration;

/// The longest that a caller is told to wait before it asks again.
const RETRY_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, thiserror::Error)]
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
    /// More texts wait than can be read in time.
    #[error("the local model is busy: {crowd}; try again in {retry_after_seconds} s")]
    Busy { crowd: Crowd, retry_after_seconds: u32 },
    /// The text is longer than the model is to read.
    #[error(
        "the text has {tokens} tokens; the limit is {limit} (classifier.max_tokens): send it in parts"
    )]
    TooManyTokens { tokens: usize, limit: usize },
    /// Its sentences are too many to be read one by one.
    #[error(
        "the text has {sentences} sentences; the limit for include: [\"sentences\"] is {limit}: send the \
         text in parts, or ask without them"
    )]
    TooManySentences { sentences: usize, limit: usize },
    /// The text alone takes longer than its sender waits.
    #[error(
        "the local model would take {takes_ms} ms for this text, and {left_ms} ms are left of its \
         deadline (llm.deadline_ms): send it in parts"
    )]
    TooSlow { takes_ms: u64, left_ms: u64 },
    /// ONNX Runtime or the tokenizer failed on this text.
    #[error("the local model failed: {0}")]
    Inference(String),
    /// The program is going down.
    #[error("the local model has been stopped")]
    Stopped,
}

/// Why a text that could be read at another time is not read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowd {
    #[error("{0} texts wait already, or 16 MB of them, and no more may (classifier.queue)")]
    Full(usize),
    #[error(
        "a text that comes now would wait {wait_ms} ms for its turn, and may wait {most_ms} ms \
         (classifier.max_wait_ms, llm.deadline_ms)"
    )]
    Long { wait_ms: u64, most_ms: u64 },
    #[error("the text was not read within its time (classifier.max_wait_ms, llm.deadline_ms)")]
    Late,
}

/// In whole milliseconds, as errors tell it.
pub fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds after which to ask again: one at least.
pub fn seconds_until(time: Duration) -> u32 {
    let seconds = time.min(RETRY_LIMIT).as_secs_f64().ceil() as u32;
    seconds.max(1)
}
