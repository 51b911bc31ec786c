//! What a comparison with a provider's figures finds.

use serde::{Serialize, Serializer};
use time::Date;

use crate::pricing::{AttemptId, Usd};

/// What a comparison found.
#[derive(Clone, Debug, Serialize)]
pub struct Reconciliation {
    pub provider: String,
    /// The first day that the statement covers, and the last.
    #[serde(serialize_with = "as_text")]
    pub first_day: Date,
    #[serde(serialize_with = "as_text")]
    pub last_day: Date,
    /// Days and models that agree, and have nothing open.
    pub agreeing: usize,
    /// The others.
    pub rows: Vec<Difference>,
}

/// One day and model of which the ledger and the provider do not both say the same, or of which
/// attempts are open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    #[serde(serialize_with = "as_text")]
    pub day: Date,
    /// `None` where the statement names none: all models together.
    pub model: Option<String>,
    pub ours_usd: Usd,
    /// `None` in a report of usage alone.
    pub theirs_usd: Option<Usd>,
    pub difference_usd: Option<Usd>,
    pub ours_tokens: u64,
    /// `None` in a report of costs alone.
    pub theirs_tokens: Option<u64>,
    pub difference_tokens: Option<i64>,
    /// Attempts that are open.
    pub open: usize,
    pub verdict: Verdict,
    /// What the open attempts cost by it, where it explains them.
    #[serde(skip)]
    pub closing: Vec<(AttemptId, Usd)>,
}

fn as_text<S: Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The open attempts account for the difference, or for none.
    Explained,
    /// Nothing is open that it could be.
    NothingOpen,
    /// The provider bills less than the ledger has settled.
    BilledLess,
    /// The provider bills more than the open attempts can have cost.
    BilledMore,
    /// An attempt is in flight, or the day is not over.
    TooEarly,
    /// The usage that is left has no price in the book.
    NoPrice,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Explained => "explained",
            Verdict::NothingOpen => "nothing open",
            Verdict::BilledLess => "billed less",
            Verdict::BilledMore => "billed more",
            Verdict::TooEarly => "too early",
            Verdict::NoPrice => "no price",
        }
    }
}
