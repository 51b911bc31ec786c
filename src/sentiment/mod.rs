//! What a verdict is made of: labels, scores, signals, reasons. Plain values, no I/O; how they look
//! on the wire is the business of the edges.

mod label;
mod signals;

pub use label::{Label, SarcasmScore, Scores, Verdict};
pub use signals::{Outcome, Reason, Route, Signals, Task, Thresholds};
