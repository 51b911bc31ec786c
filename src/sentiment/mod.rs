//! What a verdict is made of: labels, scores, signals, reasons. Plain values, no I/O; how they look
//! on the wire is the business of the edges.

mod aspect;
mod emotion;
mod gist;
mod label;
mod signals;
mod tasks;
mod term;

pub use aspect::{Aspect, Category, wanted, words};
pub use emotion::{Emotion, Emotions};
pub use gist::Gist;
pub use label::{Findings, Label, SarcasmScore, Scores, Verdict};
pub use signals::{Outcome, Reason, Route, Signals, Task, Thresholds};
pub use tasks::Tasks;
pub use term::tidied;
