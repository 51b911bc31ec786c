//! A product with INT8 weights: `vpdpbusd` multiplies four bytes of a row with four weights of each of 8
//! outputs, and adds to sums of 32 bits.

use std::arch::x86_64::*;

use super::super::avx2::rows::{finish, quantise};
use super::super::avx2::vector::{load_weights, prefetch, spread};
use super::super::linear::{Activation, LANES, Linear, Steps, Weights, blocks};

/// Rows that are multiplied together with the 16 outputs of a panel: 12 sums in the 16 registers.
const ROWS: usize = 6;

/// `out` = activation(`x` · weights + bias); `x` is [rows, inputs], `out` [rows, outputs].
#[target_feature(enable = "avx2,fma,avxvnni")]
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

#[target_feature(enable = "avx2,fma,avxvnni")]
fn multiply<const GELU: bool>(product: &Linear, out: &mut [f32], steps: &Steps) {
    for (panel, weights) in product.packed.chunks_exact(product.inputs() / 4).enumerate() {
        let mut first = 0;
        for count in blocks(steps.scale.len(), ROWS) {
            let this = Block { first, start: panel * LANES, weights, steps };
            match count {
                1 => block::<1, GELU>(product, this, out),
                2 => block::<2, GELU>(product, this, out),
                3 => block::<3, GELU>(product, this, out),
                4 => block::<4, GELU>(product, this, out),
                5 => block::<5, GELU>(product, this, out),
                _ => block::<ROWS, GELU>(product, this, out),
            }
            first += count;
        }
    }
}

#[derive(Clone, Copy)]
struct Block<'a> {
    /// Of its rows.
    first: usize,
    /// The panel's first output.
    start: usize,
    weights: &'a [Weights],
    steps: &'a Steps,
}

/// `R` rows times one panel.
#[inline]
#[target_feature(enable = "avx2,fma,avxvnni")]
fn block<const R: usize, const GELU: bool>(product: &Linear, this: Block<'_>, out: &mut [f32]) {
    let Block { first, start, weights, steps } = this;
    let (mut low, mut high) = ([_mm256_setzero_si256(); R], [_mm256_setzero_si256(); R]);
    let sixteens = product.inputs() / 16;
    let values = &steps.sixteens[first * sixteens..(first + R) * sixteens];
    let groups = values.as_chunks::<R>().0.iter().zip(weights.as_chunks::<4>().0);
    for (values, weights) in groups {
        // The first rows to meet a panel ask for the next one.
        if first == 0 {
            weights.iter().for_each(|four| prefetch(four, sixteens * 4));
        }
        for (four, weights) in weights.iter().enumerate() {
            let (lower, higher) = (load_weights(weights, 0), load_weights(weights, 1));
            for ((low, high), value) in low.iter_mut().zip(&mut high).zip(values) {
                let value = spread(value[four]);
                *low = _mm256_dpbusd_avx_epi32(*low, value, lower);
                *high = _mm256_dpbusd_avx_epi32(*high, value, higher);
            }
        }
    }
    finish::<R, GELU>(product, steps, (first, start), low, out);
    finish::<R, GELU>(product, steps, (first, start + LANES / 2), high, out);
}
