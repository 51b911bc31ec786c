//! Attention of the tokens of one text to each other, head by head, in 32-bit floats.

use std::arch::x86_64::*;
use std::array;

use super::super::attention::Buffers;
use super::super::linear::blocks;
use super::vector::{LANES, add_up, exp, load, reduce, store};

/// Queries that are weighed together, and registers of keys or values that each is held against: 8
/// sums, so that what was loaded serves several.
const TOGETHER: usize = 4;
const WIDE: usize = 2;

/// `qkv` is [tokens, 3 × width]: queries, which carry the scale, keys and values, the heads of each
/// side by side; `out` is [tokens, width]. The depth of a head is a multiple of 16.
#[target_feature(enable = "avx2,fma")]
pub fn attend(qkv: &[f32], width: usize, heads: usize, out: &mut [f32], buffers: &mut Buffers) {
    let tokens = out.len() / width;
    let depth = width / heads;
    let padded = tokens.next_multiple_of(LANES);
    buffers.keys.clear();
    buffers.keys.resize(depth * padded, 0.0);
    buffers.shares.resize(TOGETHER * padded, 0.0);
    for first in (0..width).step_by(depth) {
        let head = Head { qkv, width, depth, first, tokens, padded };
        for token in 0..tokens {
            for (at, value) in head.part(token, 1).iter().enumerate() {
                buffers.keys[at * padded + token] = *value;
            }
        }
        let mut query = 0;
        for count in blocks(tokens, TOGETHER) {
            match count {
                1 => head.answer::<1>(query, out, buffers),
                2 => head.answer::<2>(query, out, buffers),
                3 => head.answer::<3>(query, out, buffers),
                _ => head.answer::<TOGETHER>(query, out, buffers),
            }
            query += count;
        }
    }
}

struct Head<'a> {
    qkv: &'a [f32],
    width: usize,
    depth: usize,
    /// Its first column.
    first: usize,
    tokens: usize,
    /// Tokens, rounded up to whole registers.
    padded: usize,
}

impl Head<'_> {
    /// A token's query (0), key (1) or value (2).
    #[inline]
    fn part(&self, token: usize, part: usize) -> &[f32] {
        &self.qkv[(token * 3 + part) * self.width + self.first..][..self.depth]
    }

    /// The sums of values that `Q` queries, from `query` on, ask for.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn answer<const Q: usize>(&self, query: usize, out: &mut [f32], buffers: &mut Buffers) {
        let Buffers { keys, shares } = buffers;
        let mut start = 0;
        while start + WIDE * LANES <= self.padded {
            self.score::<Q, WIDE>(query, start, keys, shares);
            start += WIDE * LANES;
        }
        if start < self.padded {
            self.score::<Q, 1>(query, start, keys, shares);
        }
        let mut weights = [0.0; Q];
        for (shares, weight) in shares.chunks_exact_mut(self.padded).zip(&mut weights) {
            let (whole, _) = shares.as_chunks_mut();
            // Places after the last token must not count.
            whole.as_flattened_mut()[self.tokens..].fill(f32::NEG_INFINITY);
            *weight = 1.0 / exponents(whole);
        }
        let mut start = 0;
        while start + WIDE * LANES <= self.depth {
            self.sum::<Q, WIDE>(query, start, shares, weights, out);
            start += WIDE * LANES;
        }
        if start < self.depth {
            self.sum::<Q, 1>(query, start, shares, weights, out);
        }
    }

    /// What `W` registers of keys, from `start` on, say to the queries.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn score<const Q: usize, const W: usize>(
        &self,
        query: usize,
        start: usize,
        keys: &[f32],
        shares: &mut [f32],
    ) {
        let queries: [&[f32]; Q] = array::from_fn(|at| self.part(query + at, 0));
        let mut sums = [[_mm256_setzero_ps(); W]; Q];
        for (at, keys) in keys.chunks_exact(self.padded).enumerate() {
            let keys: [__m256; W] = registers(&keys[start..]);
            for (sums, query) in sums.iter_mut().zip(queries) {
                let value = _mm256_set1_ps(query[at]);
                for (sum, keys) in sums.iter_mut().zip(keys) {
                    *sum = _mm256_fmadd_ps(value, keys, *sum);
                }
            }
        }
        for (shares, sums) in shares.chunks_exact_mut(self.padded).zip(sums) {
            for (share, sum) in shares[start..].as_chunks_mut().0.iter_mut().zip(sums) {
                store(share, sum);
            }
        }
    }

    /// The sums of `W` registers of values, from the column `start` on, by the queries' shares.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sum<const Q: usize, const W: usize>(
        &self,
        query: usize,
        start: usize,
        shares: &[f32],
        weights: [f32; Q],
        out: &mut [f32],
    ) {
        let shares: [&[f32]; Q] = array::from_fn(|at| &shares[at * self.padded..][..self.tokens]);
        let mut sums = [[_mm256_setzero_ps(); W]; Q];
        for token in 0..self.tokens {
            let values: [__m256; W] = registers(&self.part(token, 2)[start..]);
            for (sums, shares) in sums.iter_mut().zip(shares) {
                let share = _mm256_set1_ps(shares[token]);
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = _mm256_fmadd_ps(share, value, *sum);
                }
            }
        }
        for ((at, sums), weight) in sums.into_iter().enumerate().zip(weights) {
            let to = &mut out[(query + at) * self.width + self.first + start..];
            for (to, sum) in to.as_chunks_mut().0.iter_mut().zip(sums) {
                store(to, _mm256_mul_ps(sum, _mm256_set1_ps(weight)));
            }
        }
    }
}

/// Turns scores into the exponentials of their distance to the largest; returns the sum.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn exponents(scores: &mut [[f32; LANES]]) -> f32 {
    let mut most = _mm256_set1_ps(f32::NEG_INFINITY);
    for score in scores.iter() {
        most = _mm256_max_ps(most, load(score));
    }
    let most = _mm256_set1_ps(reduce(most, f32::max));
    let (mut sum, mut other) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    for score in scores {
        let value = exp(_mm256_sub_ps(load(score), most));
        (sum, other) = (other, _mm256_add_ps(sum, value));
        store(score, value);
    }
    // One of the two has the even registers: which is the same to their sum.
    add_up([sum, other])
}

/// The first `W` registers of some numbers.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn registers<const W: usize>(from: &[f32]) -> [__m256; W] {
    let mut chunks = from.as_chunks().0.iter();
    array::from_fn(|_| load(chunks.next().expect("depths and keys are whole registers")))
}
