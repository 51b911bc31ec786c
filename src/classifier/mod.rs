//! The local model: every text is read here first, on threads of its own.
//!
//! Owns the model folders, the tokenizer, ONNX Runtime's sessions, calibration and the language
//! check. What follows from a reading is the cascade's business.

mod boilerplate;
mod calibration;
mod categories;
mod config;
mod domain;
mod error;
mod estimators;
mod graph;
mod language;
mod line;
mod manifest;
mod model;
mod opinions;
mod passes;
mod places;
mod reader;
mod runtime;
mod scheduler;
mod session;
mod sums;
mod tags;
mod thanks;
mod windows;

use calibration::Calibration;
use categories::Categories;
pub use config::Config;
pub use domain::{Familiarity, out_of_domain};
use error::seconds_until;
pub use error::{Crowd, Error};
pub use graph::Graph;
pub use language::{Evidence, Language, Spelling};
pub use line::Lane;
pub use manifest::ModelFolder;
pub use model::{Encoder, Model};
use opinions::Opinions;
pub use places::resolve;
use reader::Library;
pub use reader::{Asked, Reader, Reading, Sentence};
pub use runtime::{
    TELEMETRY_OFF, TELEMETRY_VARIABLE, runtime_build, start_runtime, telemetry_is_off,
};
pub use scheduler::{Classifier, Query};
use tags::Tag;
