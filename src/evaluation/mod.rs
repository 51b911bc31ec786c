//! Measuring readers against labelled texts: what a file says is true, what a reader made of it, how
//! far they agree, how fast and how dear that was; and what follows for routing. Plain values, no I/O; who reads is the business of
//! the command line. The formulas are those of `training/metrics.py` and `training/figures.py`.

mod bounds;
mod classes;
mod comparison;
mod confidence;
mod dataset;
mod doubt;
pub mod edits;
mod frontier;
mod interval;
mod parts;
mod prediction;
mod quality;
mod right;
mod speed;
pub mod suite;
mod tags;
mod thresholds;

pub use classes::{Classes, Confusion, LabelFigures};
pub use comparison::{Basis, Cost, Measured, Recorded, per_thousand, ratio};
pub use confidence::{ECE_BINS, ReliabilityBin, area_under_curve, calibration_error, reliability};
pub use dataset::{AspectSpan, Dataset, Example, Subject, Truth};
pub use doubt::{Doubt, margin_doubts};
pub use interval::wilson;
pub use parts::{Part, Parts, highest};
pub use prediction::Prediction;
pub use quality::{Quality, quality};
pub use right::right;
pub use speed::{Latency, Timing};
pub use tags::{Spans, Tags};
pub use thresholds::{
    Calibration, Case, Chosen, CurvePoint, Goal, Refused, calibrate, halves, is_never,
};
