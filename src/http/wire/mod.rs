//! The JSON of the public surface.

mod feedback;
mod request;
mod response;
mod trends;

pub use feedback::FeedbackRequest;
pub use request::{AnalysisRequest, Include, text_faults};
pub use response::{AnalysisResponse, OverBudget};
pub use trends::{TrendsResponse, WindowResponse};
