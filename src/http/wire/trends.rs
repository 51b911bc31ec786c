//! How a window is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::sentiment::Label;
use crate::trends::Window;

/// What `/v1/trends` answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TrendsResponse {
    /// By start, then by key.
    pub windows: Vec<WindowResponse>,
}

/// The texts of one key in a stretch of time.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WindowResponse {
    /// Included; RFC 3339 in UTC.
    pub start: String,
    /// Not included.
    pub end: String,
    /// `null`: the texts have none.
    pub key: Option<String>,
    /// All texts, the late ones included.
    pub count: u64,
    /// Those of them that came after the window's end and `stream.lateness_seconds`.
    pub late: u64,
    pub labels: LabelCounts,
    /// The mean of P(positive) − P(negative), −1 to 1.
    pub mean_score: f64,
    /// Texts in which an emotion was detected, of those that were asked for emotions.
    pub emotions: BTreeMap<&'static str, u64>,
    /// How terms were judged, those judged most often first.
    pub aspects: Vec<TermResponse>,
}

/// Texts by label.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LabelCounts {
    pub positive: u64,
    pub neutral: u64,
    pub negative: u64,
    pub mixed: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct TermResponse {
    /// In lower case.
    pub term: String,
    #[serde(flatten)]
    pub counts: LabelCounts,
}

impl LabelCounts {
    /// From counts in the order of [`Label::ALL`].
    fn of(counts: [u64; 4]) -> LabelCounts {
        let of = |label: Label| counts[label as usize];
        LabelCounts {
            positive: of(Label::Positive),
            neutral: of(Label::Neutral),
            negative: of(Label::Negative),
            mixed: of(Label::Mixed),
        }
    }
}

impl WindowResponse {
    /// With at most so many terms.
    pub fn new(window: &Window, max_terms: usize) -> WindowResponse {
        let Window { id, sums } = window;
        let terms = sums.top_terms(max_terms).into_iter();
        WindowResponse {
            start: time(id.start_ms),
            end: time(id.end_ms()),
            key: id.key.name().map(str::to_owned),
            count: sums.count,
            late: sums.late,
            labels: LabelCounts::of(sums.labels),
            mean_score: (sums.mean_score() * 1e6).round() / 1e6,
            emotions: sums.emotions.clone(),
            aspects: terms
                .map(|(term, counts)| TermResponse {
                    term: term.to_owned(),
                    counts: LabelCounts::of(*counts),
                })
                .collect(),
        }
    }
}

fn time(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    at.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trends::{Sums, WindowId, WindowKey};

    #[test]
    fn a_window_is_written_as_promised() {
        let sums = Sums {
            count: 16,
            late: 1,
            labels: [2, 1, 12, 1],
            score_micros: 9_333_333,
            emotions: BTreeMap::from([("joy", 4)]),
            aspects: BTreeMap::from([("shipping".into(), [3, 0, 1, 0]), (String::new(), [9; 4])]),
        };
        let id = WindowId::of(1_795_262_400_000, WindowKey::of(Some("acme")), 60);
        let written = serde_json::to_value(WindowResponse::new(&Window { id, sums }, 10));
        assert_eq!(
            written.expect("numbers and strings"),
            json!({
                "start": "2026-11-21T12:00:00Z", "end": "2026-11-21T12:01:00Z", "key": "acme",
                "count": 16, "late": 1,
                "labels": {"positive": 12, "neutral": 1, "negative": 2, "mixed": 1},
                "mean_score": 0.583333, "emotions": {"joy": 4},
                "aspects": [
                    {"term": "shipping", "positive": 1, "neutral": 0, "negative": 3, "mixed": 0}
                ],
            })
        );
    }
}
