//! The JSON of the public surface.

mod request;
mod response;

pub use request::{AnalysisRequest, Include};
pub use response::AnalysisResponse;
