//! A product with INT8 weights: activations quantised row by row, sums in 32 bits. `sdot` multiplies
//! four signed bytes of a row with four weights of each of 4 outputs, and adds: values are multiplied
//! as their distance to 128, and sums begin with what that leaves out.

use std::arch::aarch64::*;
use std::array;

use super::super::linear::{Activation, LANES as OUTPUTS, Linear, Steps, Weights, blocks};
use super::vector::{
    LANES, bytes, dot, gelu, load, load_sums, load_values, load_weights, reduce, store,
};

/// Rows that are multiplied together with the 16 outputs of a panel: 16 sums in the 32 registers.
const ROWS: usize = 4;

/// `out` = activation(`x` · weights + bias); `x` is [rows, inputs], `out` [rows, outputs].
#[target_feature(enable = "neon,dotprod")]
pub fn run(
    product: &Linear,
    x: &[f32],
    out: &mut [f32],
    activation: Activation,
    steps: &mut Steps,
) {
    for (x, out) in product.near(x, out) {
        quantise(steps, x, &product.divide);
        match activation {
            Activation::None => multiply::<false>(product, out, steps),
            Activation::Gelu => multiply::<true>(product, out, steps),
        }
    }
}

#[target_feature(enable = "neon,dotprod")]
fn multiply<const GELU: bool>(product: &Linear, out: &mut [f32], steps: &Steps) {
    for (panel, weights) in product.packed.chunks_exact(product.inputs() / 4).enumerate() {
        let mut first = 0;
        for count in blocks(steps.scale.len(), ROWS) {
            let this = Block { first, start: panel * OUTPUTS, weights, steps };
            match count {
                1 => block::<1, GELU>(product, this, out),
                2 => block::<2, GELU>(product, this, out),
                3 => block::<3, GELU>(product, this, out),
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

/// The sums of one row and a panel's 16 outputs.
type Sums = [int32x4_t; 4];

/// `R` rows times one panel.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn block<const R: usize, const GELU: bool>(product: &Linear, this: Block<'_>, out: &mut [f32]) {
    let Block { first, start, weights, steps } = this;
    let mut begins = product.begins[start..].as_chunks().0.iter();
    let begins = array::from_fn(|_| load_sums(begins.next().expect("a panel has 16 outputs")));
    let mut sums: [Sums; R] = [begins; R];
    let sixteens = product.inputs() / 16;
    let values = &steps.sixteens[first * sixteens..(first + R) * sixteens];
    for (values, weights) in values.as_chunks::<R>().0.iter().zip(weights.as_chunks::<4>().0) {
        let values: [int8x16_t; R] = array::from_fn(|row| load_values(&values[row]));
        add::<0, R>(&mut sums, &weights[0], values);
        add::<1, R>(&mut sums, &weights[1], values);
        add::<2, R>(&mut sums, &weights[2], values);
        add::<3, R>(&mut sums, &weights[3], values);
    }
    for (row, sums) in (first..).zip(sums) {
        finish::<GELU>(product, steps, (row, start), sums, out);
    }
}

/// The products of the weights with the `FOUR`th four values of each row.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add<const FOUR: usize, const R: usize>(
    sums: &mut [Sums; R],
    weights: &Weights,
    values: [int8x16_t; R],
) {
    let weights: [int8x16_t; 4] = array::from_fn(|quarter| load_weights(weights, quarter));
    for (sums, values) in sums.iter_mut().zip(values) {
        for (sum, weights) in sums.iter_mut().zip(weights) {
            *sum = dot::<FOUR>(*sum, weights, values);
        }
    }
}

/// Writes what the sums of a row and 16 outputs come to.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn finish<const GELU: bool>(
    product: &Linear,
    steps: &Steps,
    (row, start): (usize, usize),
    sums: Sums,
    out: &mut [f32],
) {
    let zero = vdupq_n_s32(steps.zero[row]);
    let step = vdupq_n_f32(steps.scale[row]);
    let out = out[row * product.outputs() + start..].as_chunks_mut().0;
    let scales = product.scale[start..].as_chunks().0;
    let biases = product.bias[start..].as_chunks().0;
    let totals = product.sums[start..].as_chunks().0;
    let columns = out.iter_mut().zip(scales).zip(biases).zip(totals);
    for ((((out, scale), bias), total), sum) in columns.zip(sums) {
        let sum = vcvtq_f32_s32(vmlsq_s32(sum, zero, load_sums(total)));
        let value = vfmaq_f32(load(bias), sum, vmulq_f32(step, load(scale)));
        store(out, if GELU { gelu(value) } else { value });
    }
}

/// As ONNX's DynamicQuantizeLinear, but row by row.
#[target_feature(enable = "neon,dotprod")]
fn quantise(steps: &mut Steps, x: &[f32], divide: &[f32]) {
    let width = divide.len();
    let rows = x.len() / width;
    steps.sixteens.resize(rows * width / 16, [[0; 4]; 4]);
    steps.scale.clear();
    steps.zero.clear();
    let mut first = 0;
    for count in blocks(rows, ROWS) {
        let values = &mut steps.sixteens[first * width / 16..][..count * width / 16];
        for at in 0..count {
            let row = &x[(first + at) * width..][..width];
            let (scale, zero) = range(row, divide);
            steps.scale.push(scale);
            steps.zero.push(zero);
            let (inverse, zero) = (vdupq_n_f32(1.0 / scale), vdupq_n_s32(zero));
            let step = |x: &[f32; LANES], divide: &[f32; LANES]| {
                let x = vmulq_f32(vmulq_f32(load(x), load(divide)), inverse);
                vaddq_s32(vcvtnq_s32_f32(x), zero)
            };
            let row = row.as_chunks().0.as_chunks::<4>().0.iter();
            let row = row.zip(divide.as_chunks().0.as_chunks::<4>().0);
            for (value, (x, divide)) in values[at..].iter_mut().step_by(count).zip(row) {
                *value = bytes(array::from_fn(|at| step(&x[at], &divide[at])));
            }
        }
        first += count;
    }
}

/// What a step of a row is worth, and the step that is zero.
#[inline]
#[target_feature(enable = "neon")]
fn range(row: &[f32], divide: &[f32]) -> (f32, i32) {
    let (mut least, mut most) = (vdupq_n_f32(0.0), vdupq_n_f32(0.0));
    for (x, divide) in row.as_chunks().0.iter().zip(divide.as_chunks().0) {
        let x = vmulq_f32(load(x), load(divide));
        least = vminq_f32(least, x);
        most = vmaxq_f32(most, x);
    }
    let (least, most) = (reduce(least, f32::min), reduce(most, f32::max));
    // A row of zeros has steps of some size too.
    let scale = ((most - least) / 255.0).max(1e-30);
    (scale, (-least * (1.0 / scale)).round_ties_even() as i32)
}
