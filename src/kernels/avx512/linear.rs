//! A product with INT8 weights: activations quantised row by row, sums in 32 bits; scales, bias and
//! activation are applied while the sums are still in registers. `vpdpbusd` multiplies four bytes of a row with
//! four weights of each of 16 outputs, and adds.

use std::arch::x86_64::*;

use super::super::linear::{Activation, LANES, Linear, Steps, Weights, blocks};
use super::vector::{bytes, gelu, load, load_sums, load_weights, prefetch, store};

/// Groups of 16 outputs that a panel of weights is wide.
pub const WIDE: usize = 3;
const PANEL: usize = WIDE * LANES;
/// How many registers of weights ahead memory is asked for: 24 KB, half of the nearest cache.
const AHEAD: usize = 384;
/// Rows that are multiplied together: times WIDE, 24 sums in the 32 registers.
const ROWS: usize = 8;

/// `out` = activation(`x` · weights + bias); `x` is [rows, inputs], `out` [rows, outputs].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub fn run(
    product: &Linear,
    x: &[f32],
    out: &mut [f32],
    activation: Activation,
    steps: &mut Steps,
) {
    match activation {
        Activation::None => multiply::<false>(product, x, out, steps),
        Activation::Gelu => multiply::<true>(product, x, out, steps),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn multiply<const GELU: bool>(product: &Linear, x: &[f32], out: &mut [f32], steps: &mut Steps) {
    quantise(steps, x, &product.divide);
    let rows = steps.scale.len();
    for (panel, weights) in product.packed.chunks_exact(product.inputs() / 4 * WIDE).enumerate() {
        let mut first = 0;
        for count in blocks(rows, ROWS) {
            let this = Block { first, start: panel * PANEL, weights, steps };
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
            first += count;
        }
    }
}

/// `R` rows times one panel.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn block<const R: usize, const GELU: bool>(product: &Linear, this: Block<'_>, out: &mut [f32]) {
    let Block { first, start, weights, steps } = this;
    let mut sums = [[_mm512_setzero_si512(); WIDE]; R];
    let fours = product.inputs() / 4;
    let values = steps.fours[first * fours..(first + R) * fours].as_chunks::<R>().0;
    for (values, weights) in values.iter().zip(weights.as_chunks::<WIDE>().0) {
        // The first rows to meet a panel wait for memory; the others find it in the cache.
        if first == 0 {
            weights.iter().for_each(|register| prefetch(register, AHEAD));
        }
        let weights = [0, 1, 2].map(|register: usize| load_weights(&weights[register]));
        for (sums, value) in sums.iter_mut().zip(values) {
            let value = _mm512_set1_epi32(i32::from_le_bytes(*value));
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_dpbusd_epi32(*sum, value, weights);
            }
        }
    }
    let outputs = product.outputs();
    for (row, sums) in (first..).zip(sums) {
        let zero = _mm512_set1_epi32(steps.zero[row]);
        let step = _mm512_set1_ps(steps.scale[row]);
        let out = out[row * outputs..][start..outputs].as_chunks_mut().0;
        let scales = product.scale[start..].as_chunks().0;
        let biases = product.bias[start..].as_chunks().0;
        let totals = product.sums[start..].as_chunks().0;
        let columns = out.iter_mut().zip(scales).zip(biases).zip(totals);
        for ((((out, scale), bias), total), sum) in columns.zip(sums) {
            let sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(zero, load_sums(total)));
            let scale = _mm512_mul_ps(step, load(scale));
            let value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, load(bias));
            store(out, if GELU { gelu(value) } else { value });
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

/// As ONNX's DynamicQuantizeLinear, but row by row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn quantise(steps: &mut Steps, x: &[f32], divide: &[f32]) {
    let width = divide.len();
    let divide = divide.as_chunks::<LANES>().0;
    let rows = x.len() / width;
    steps.fours.resize(rows * width / 4, [0; 4]);
    steps.scale.clear();
    steps.zero.clear();
    let mut first = 0;
    for count in blocks(rows, ROWS) {
        let values = &mut steps.fours[first * width / 4..][..count * width / 4];
        for at in 0..count {
            let row = x[(first + at) * width..][..width].as_chunks::<LANES>().0;
            let (scale, zero) = range(row, divide);
            steps.scale.push(scale);
            steps.zero.push(zero);
            let inverse = _mm512_set1_ps(1.0 / scale);
            let zero = _mm512_set1_epi32(zero);
            for (place, (x, divide)) in row.iter().zip(divide).enumerate() {
                let x = _mm512_mul_ps(load(x), load(divide));
                let step = _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
                let step = _mm512_add_epi32(step, zero);
                let step = _mm512_max_epi32(step, _mm512_setzero_si512());
                for (group, four) in bytes(step).into_iter().enumerate() {
                    values[(place * 4 + group) * count + at] = four;
                }
            }
        }
        first += count;
    }
}

/// What a step of a row is worth, and the step that is zero.
#[inline]
#[target_feature(enable = "avx512f")]
fn range(row: &[[f32; LANES]], divide: &[[f32; LANES]]) -> (f32, i32) {
    let (mut least, mut most) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for (x, divide) in row.iter().zip(divide) {
        let x = _mm512_mul_ps(load(x), load(divide));
        least = _mm512_min_ps(least, x);
        most = _mm512_max_ps(most, x);
    }
    let (least, most) = (_mm512_reduce_min_ps(least), _mm512_reduce_max_ps(most));
    // A row of zeros has steps of some size too.
    let scale = ((most - least) / 255.0).max(1e-30);
    (scale, (-least * (1.0 / scale)).round_ties_even() as i32)
}
