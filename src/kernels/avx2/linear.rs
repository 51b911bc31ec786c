//! A product with INT8 weights: activations quantised row by row, sums in 32 bits; scales, bias and
//! activation are applied while the sums are still in registers. `vpmaddubsw` multiplies four bytes of a
//! row with four weights of each of 8 outputs, and adds two and two; four such pairs are added up
//! in 16 bits, where `short_sums` has made room for them, before `vpmaddwd` widens them.

use std::arch::x86_64::*;
use std::array;

use super::super::linear::{Activation, LANES, Linear, Steps, Weights, blocks};
use super::super::short_sums::Rest;
use super::rows::{finish, quantise};
use super::vector::{load_shorts, load_sums, load_weights, prefetch, spread, store_shorts};

/// Rows that are multiplied together: 8 sums, beside four registers of weights.
const ROWS: usize = 6;

/// `out` = activation(`x` · weights + bias); `x` is [rows, inputs], `out` [rows, outputs].
#[target_feature(enable = "avx2,fma")]
pub fn run(
    product: &Linear,
    x: &[f32],
    out: &mut [f32],
    activation: Activation,
    steps: &mut Steps,
) {
    for (x, out) in product.near(x, out) {
        quantise(steps, x, &product.divide, ROWS);
        match activation {
            Activation::None => multiply::<false>(product, out, steps),
            Activation::Gelu => multiply::<true>(product, out, steps),
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn multiply<const GELU: bool>(product: &Linear, out: &mut [f32], steps: &mut Steps) {
    let rows = steps.scale.len();
    let panels = product.packed.chunks_exact(product.inputs() / 4).zip(&product.rest);
    for (panel, (weights, rest)) in panels.enumerate() {
        excess(weights, &mut steps.excess);
        let mut first = 0;
        for count in blocks(rows, ROWS) {
            for half in 0..2 {
                let this = Block { first, start: panel * LANES, half, weights, rest, steps };
                match count {
                    1 => block::<1, GELU>(product, this, out),
                    2 => block::<2, GELU>(product, this, out),
                    3 => block::<3, GELU>(product, this, out),
                    4 => block::<4, GELU>(product, this, out),
                    5 => block::<5, GELU>(product, this, out),
                    6 => block::<6, GELU>(product, this, out),
                    7 => block::<7, GELU>(product, this, out),
                    _ => block::<ROWS, GELU>(product, this, out),
                }
            }
            first += count;
        }
    }
}

/// What the short sums of a panel's weights are too large by: 128 times the weights, as 16 bits.
#[target_feature(enable = "avx2,fma")]
fn excess(weights: &[Weights], excess: &mut Vec<[[i16; 16]; 2]>) {
    let values = [_mm256_set1_epi8(-128); 4];
    excess.resize(weights.len() / 4, [[0; 16]; 2]);
    for (weights, excess) in weights.as_chunks().0.iter().zip(excess) {
        for (half, excess) in excess.iter_mut().enumerate() {
            store_shorts(excess, add_up(values, eight(weights, half)));
        }
    }
}

#[derive(Clone, Copy)]
struct Block<'a> {
    /// Of its rows.
    first: usize,
    /// The panel's first output, and which half of its outputs these are.
    start: usize,
    half: usize,
    weights: &'a [Weights],
    rest: &'a [Rest],
    steps: &'a Steps,
}

/// `R` rows times eight outputs of a panel.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn block<const R: usize, const GELU: bool>(product: &Linear, this: Block<'_>, out: &mut [f32]) {
    let Block { first, start, half, weights, rest, steps } = this;
    let start = start + half * 8;
    let ones = _mm256_set1_epi16(1);
    let mut sums = [load_sums(&product.begins[start..].as_chunks().0[0]); R];
    let sixteens = product.inputs() / 16;
    let values = &steps.sixteens[first * sixteens..(first + R) * sixteens];
    let values = values.as_chunks::<R>().0;
    let is_new = first == 0 && half == 0;
    let groups = weights.as_chunks::<4>().0.iter().zip(&steps.excess);
    for (values, (weights, excess)) in values.iter().zip(groups) {
        if is_new {
            weights.iter().for_each(|four| prefetch(four, sixteens * 4));
        }
        let weights = eight(weights, half);
        let excess = load_shorts(&excess[half]);
        for (sum, value) in sums.iter_mut().zip(values) {
            let added = add_up(value.map(|four| spread(four)), weights);
            let added = _mm256_sub_epi16(added, excess);
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(added, ones));
        }
    }
    for Rest { four, weights } in rest {
        let weights = load_weights(weights, half);
        for (sum, value) in sums.iter_mut().zip(&values[four / 4]) {
            let pairs = _mm256_maddubs_epi16(spread(value[four % 4]), weights);
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
        }
    }
    finish::<R, GELU>(product, steps, (first, start), sums, out);
}

/// The weights of eight outputs for sixteen inputs.
#[inline]
#[target_feature(enable = "avx2")]
fn eight(weights: &[Weights; 4], half: usize) -> [__m256i; 4] {
    array::from_fn(|four| load_weights(&weights[four], half))
}

/// Sums of eight products in 16 bits; they may wrap around.
#[inline]
#[target_feature(enable = "avx2")]
fn add_up(values: [__m256i; 4], weights: [__m256i; 4]) -> __m256i {
    let pair = |at: usize| _mm256_maddubs_epi16(values[at], weights[at]);
    let sum = _mm256_add_epi16(pair(0), pair(1));
    _mm256_add_epi16(_mm256_add_epi16(sum, pair(2)), pair(3))
}
