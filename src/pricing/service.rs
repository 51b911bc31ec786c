//! What a call is served at, as its price depends on it.

/// A service tier and a region, as a response or, before there is one, the configuration names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    pub tier: &'a str,
    /// Empty: anywhere. A region has prices of its own, or none.
    pub region: &'a str,
}

impl Service<'_> {
    /// Wherever the provider likes.
    pub fn anywhere(tier: &str) -> Service<'_> {
        Service { tier, region: "" }
    }
}
