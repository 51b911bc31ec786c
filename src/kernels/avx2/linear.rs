//! A product with INT8 weights: activations quantised row by row, sums in 32 bits; scales, bias and
//! activation are applied while the sums are still in registers. `vpmaddwd` multiplies four values of a row
//! with four weights of each of 4 outputs, and adds two and two.

use std::arch::x86_64::*;

use super::super::linear::{Activation, Linear, PANEL, Steps, WIDE, Weights, blocks};
use super::vector::{
    LANES, gelu, load, load_sums, load_weights, prefetch, reduce, shorts, spread, store,
};

/// How many groups of weights ahead memory is asked for: 8 KB, a quarter of the nearest cache.
const AHEAD: usize = 128;
/// Rows that are multiplied together with eight outputs: 12 sums in the 16 registers.
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
    match activation {
        Activation::None => multiply::<false>(product, x, out, steps),
        Activation::Gelu => multiply::<true>(product, x, out, steps),
    }
}

#[target_feature(enable = "avx2,fma")]
fn multiply<const GELU: bool>(product: &Linear, x: &[f32], out: &mut [f32], steps: &mut Steps) {
    quantise(steps, x, &product.divide);
    let rows = steps.scale.len();
    let panels = product.packed.chunks_exact(product.inputs() / 4 * WIDE);
    for (panel, weights) in panels.enumerate() {
        let mut first = 0;
        for count in blocks(rows, ROWS) {
            let parts = (product.outputs() - panel * PANEL).min(PANEL) / LANES;
            for part in 0..parts {
                let start = panel * PANEL + part * LANES;
                let this = Block { first, start, part, weights, steps };
                match count {
                    1 => block::<1, GELU>(product, this, out),
                    2 => block::<2, GELU>(product, this, out),
                    3 => block::<3, GELU>(product, this, out),
                    4 => block::<4, GELU>(product, this, out),
                    5 => block::<5, GELU>(product, this, out),
                    _ => block::<ROWS, GELU>(product, this, out),
                }
            }
            first += count;
        }
    }
}

#[derive(Clone, Copy)]
struct Block<'a> {
    /// Of its rows.
    first: usize,
    /// Its first output, and which eight of the panel's these are.
    start: usize,
    part: usize,
    weights: &'a [Weights],
    steps: &'a Steps,
}

/// `R` rows times eight outputs of a panel.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn block<const R: usize, const GELU: bool>(product: &Linear, this: Block<'_>, out: &mut [f32]) {
    let Block { first, start, part, weights, steps } = this;
    let mut sums = [[_mm256_setzero_si256(); 2]; R];
    let inputs = product.inputs();
    let values = &steps.shorts[first * inputs..(first + R) * inputs];
    let values = values.as_chunks::<4>().0.as_chunks::<R>().0;
    // The first rows to meet a panel wait for memory; the others find it in the cache.
    let is_new = first == 0 && part == 0;
    let (group, quarter) = (part / 2, part % 2 * 2);
    for (values, weights) in values.iter().zip(weights.as_chunks::<WIDE>().0) {
        if is_new {
            for group in weights {
                prefetch(group, AHEAD);
            }
        }
        let low = load_weights(&weights[group], quarter);
        let high = load_weights(&weights[group], quarter + 1);
        for (sums, value) in sums.iter_mut().zip(values) {
            let value = spread(value);
            sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(value, low));
            sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(value, high));
        }
    }
    let outputs = product.outputs();
    let of = |from: &[f32]| load(&from[start..].as_chunks().0[0]);
    let (scale, bias) = (of(&product.scale), of(&product.bias));
    let total = load_sums(&product.sums[start..].as_chunks().0[0]);
    for (row, [low, high]) in (first..).zip(sums) {
        // Each output's two sums, in the order of outputs.
        let sum = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(low, high));
        let zero = _mm256_mullo_epi32(_mm256_set1_epi32(steps.zero[row]), total);
        let sum = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, zero));
        let scale = _mm256_mul_ps(_mm256_set1_ps(steps.scale[row]), scale);
        let value = _mm256_fmadd_ps(sum, scale, bias);
        let out = &mut out[row * outputs + start..].as_chunks_mut().0[0];
        store(out, if GELU { gelu(value) } else { value });
    }
}

/// As ONNX's DynamicQuantizeLinear, but row by row.
#[target_feature(enable = "avx2,fma")]
fn quantise(steps: &mut Steps, x: &[f32], divide: &[f32]) {
    let width = divide.len();
    let divide = divide.as_chunks::<LANES>().0;
    let rows = x.len() / width;
    steps.shorts.resize(rows * width, 0);
    steps.scale.clear();
    steps.zero.clear();
    let mut first = 0;
    for count in blocks(rows, ROWS) {
        let values = steps.shorts[first * width..][..count * width].as_chunks_mut::<4>().0;
        for at in 0..count {
            let row = x[(first + at) * width..][..width].as_chunks::<LANES>().0;
            let (scale, zero) = range(row, divide);
            steps.scale.push(scale);
            steps.zero.push(zero);
            let inverse = _mm256_set1_ps(1.0 / scale);
            let zero = _mm256_set1_epi32(zero);
            for (place, (x, divide)) in row.iter().zip(divide).enumerate() {
                let x = _mm256_mul_ps(load(x), load(divide));
                let step = _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse));
                let step = _mm256_add_epi32(step, zero);
                let step = _mm256_max_epi32(step, _mm256_setzero_si256());
                let step = _mm256_min_epi32(step, _mm256_set1_epi32(255));
                for (group, four) in shorts(step).into_iter().enumerate() {
                    values[(place * 2 + group) * count + at] = four;
                }
            }
        }
        first += count;
    }
}

/// What a step of a row is worth, and the step that is zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn range(row: &[[f32; LANES]], divide: &[[f32; LANES]]) -> (f32, i32) {
    let (mut least, mut most) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    for (x, divide) in row.iter().zip(divide) {
        let x = _mm256_mul_ps(load(x), load(divide));
        least = _mm256_min_ps(least, x);
        most = _mm256_max_ps(most, x);
    }
    let (least, most) = (reduce(least, f32::min), reduce(most, f32::max));
    // A row of zeros has steps of some size too.
    let scale = ((most - least) / 255.0).max(1e-30);
    (scale, (-least * (1.0 / scale)).round_ties_even() as i32)
}
