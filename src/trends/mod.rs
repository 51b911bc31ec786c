//! Windows of verdicts: how texts are counted by key over tumbling windows of event time, when one is
//! late, and what of them is bounded. Plain values, no I/O: the store keeps them, and reads them back.

mod alert;
mod config;
mod fold;
mod observation;
mod places;
mod quota;
mod watermark;
mod window;

pub use alert::{AlertKind, AlertRule, Breach};
pub use config::{Config, TopicWindows, Windowing};
pub use fold::{Bounds, Crowded, Fold};
pub use observation::{Observation, WindowKey, score_micros, term_of};
pub use places::{StoredKeys, StoredTerms, fit_keys, fit_terms};
pub use quota::{Place, Quota};
pub use watermark::Watermark;
pub use window::{AspectCounts, Sums, Window, WindowId};

/// Seconds of a day: every width divides it or is a multiple of it, so that days are whole windows.
pub const DAY_SECONDS: u32 = 24 * 60 * 60;
