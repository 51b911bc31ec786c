//! What a key opens.

use std::fmt;
use std::str::FromStr;

/// One thing that a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Analyze,
    /// The team's kept texts.
    TextsRead,
    /// What is said of the team's verdicts, not of one's own alone.
    TextsReview,
    /// The costs and budgets of all teams.
    CostsRead,
    TrendsRead,
    MetricsRead,
}

/// A word that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no scope: expected analyze, texts:read, texts:review, costs:read, trends:read or \
     metrics:read"
)]
pub struct ParseScopeError(String);

impl Scope {
    pub const ALL: [Scope; 6] = [
        Scope::Analyze,
        Scope::TextsRead,
        Scope::TextsReview,
        Scope::CostsRead,
        Scope::TrendsRead,
        Scope::MetricsRead,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Scope::Analyze => "analyze",
            Scope::TextsRead => "texts:read",
            Scope::TextsReview => "texts:review",
            Scope::CostsRead => "costs:read",
            Scope::TrendsRead => "trends:read",
            Scope::MetricsRead => "metrics:read",
        }
    }
}

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Scope, ParseScopeError> {
        let found = Scope::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| ParseScopeError(text.to_owned()))
    }
}

/// All that a key opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    pub fn contain(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// As the store holds them. One of a later version opens nothing here.
    pub fn stored(text: &str) -> Scopes {
        text.split(' ').filter_map(|word| word.parse::<Scope>().ok()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Scopes {
        Scopes(scopes.into_iter().fold(0, |all, scope| all | 1 << scope as u8))
    }
}

/// With spaces between, as the store holds them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            Scope::ALL.into_iter().filter(|scope| self.contain(*scope)).map(Scope::name).collect();
        f.write_str(&names.join(" "))
    }
}
