//! Rows of activations before a product and after it: quantised, and made of its sums.

use std::arch::x86_64::*;

use super::super::linear::{Linear, Steps, blocks};
use super::vector::{LANES, bytes, gelu, load, load_sums, reduce, store};

/// As ONNX's DynamicQuantizeLinear, but row by row; in blocks of at most so many rows.
#[target_feature(enable = "avx2,fma")]
pub fn quantise(steps: &mut Steps, x: &[f32], divide: &[f32], most: usize) {
    let width = divide.len();
    let divide = divide.as_chunks::<LANES>().0;
    let rows = x.len() / width;
    steps.sixteens.resize(rows * width / 16, [[0; 4]; 4]);
    steps.scale.clear();
    steps.zero.clear();
    let mut first = 0;
    for count in blocks(rows, most) {
        let values = &mut steps.sixteens[first * width / 16..][..count * width / 16];
        for at in 0..count {
            let row = x[(first + at) * width..][..width].as_chunks::<LANES>().0;
            let (scale, zero) = range(row, divide);
            steps.scale.push(scale);
            steps.zero.push(zero);
            let inverse = _mm256_set1_ps(1.0 / scale);
            let zero = _mm256_set1_epi32(zero);
            let step = |x: &[f32; LANES], divide: &[f32; LANES]| {
                let x = _mm256_mul_ps(load(x), load(divide));
                _mm256_add_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)), zero)
            };
            let row = row.as_chunks::<2>().0.iter().zip(divide.as_chunks::<2>().0);
            let values = values[at..].iter_mut().step_by(count);
            for (value, ([a, b], [divide_a, divide_b])) in values.zip(row) {
                *value = bytes(step(a, divide_a), step(b, divide_b));
            }
        }
        first += count;
    }
}

/// What a step of a row is worth, and the step that is zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn range(row: &[[f32; LANES]], divide: &[[f32; LANES]]) -> (f32, i32) {
    // Two of each, since a register waits for the one before it.
    let (mut least, mut most) = ([_mm256_setzero_ps(); 2], [_mm256_setzero_ps(); 2]);
    for (x, divide) in row.as_chunks::<2>().0.iter().zip(divide.as_chunks::<2>().0) {
        for at in 0..2 {
            let x = _mm256_mul_ps(load(&x[at]), load(&divide[at]));
            least[at] = _mm256_min_ps(least[at], x);
            most[at] = _mm256_max_ps(most[at], x);
        }
    }
    let least = reduce(_mm256_min_ps(least[0], least[1]), f32::min);
    let most = reduce(_mm256_max_ps(most[0], most[1]), f32::max);
    // A row of zeros has steps of some size too.
    let scale = ((most - least) / 255.0).max(1e-30);
    (scale, (-least * (1.0 / scale)).round_ties_even() as i32)
}

/// Writes what the sums of `R` rows and eight outputs come to; `at` are the first row and output.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn finish<const R: usize, const GELU: bool>(
    product: &Linear,
    steps: &Steps,
    (first, start): (usize, usize),
    sums: [__m256i; R],
    out: &mut [f32],
) {
    let outputs = product.outputs();
    let of = |from: &[f32]| load(&from[start..].as_chunks().0[0]);
    let (scale, bias) = (of(&product.scale), of(&product.bias));
    let total = load_sums(&product.sums[start..].as_chunks().0[0]);
    for (row, sum) in (first..).zip(sums) {
        let zero = _mm256_mullo_epi32(_mm256_set1_epi32(steps.zero[row]), total);
        let sum = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, zero));
        let scale = _mm256_mul_ps(_mm256_set1_ps(steps.scale[row]), scale);
        let value = _mm256_fmadd_ps(sum, scale, bias);
        let out = &mut out[row * outputs + start..].as_chunks_mut().0[0];
        store(out, if GELU { gelu(value) } else { value });
    }
}
