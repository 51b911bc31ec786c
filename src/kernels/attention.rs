//! What attention works in.

/// Buffers that are used again.
#[derive(Default)]
pub struct Buffers {
    /// One head's keys, turned: [depth, keys], the number of keys rounded up to whole registers.
    pub(super) keys: Vec<f32>,
    /// Scores, then shares, of queries that are weighed together: [queries, keys].
    pub(super) shares: Vec<f32>,
}
