//! The JSON of the public surface.

mod request;
mod response;

pub use request::{AnalysisRequest, Include, text_faults};
pub use response::AnalysisResponse;
