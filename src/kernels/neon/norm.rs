//! A residual connection and the layer normalisation after it.

use std::arch::aarch64::*;

use super::super::norm::Norm;
use super::vector::{add_up, load, store};

/// `x` = norm(`x` + `residual`), row by row; both are [rows, width], and the width a multiple of 16.
#[target_feature(enable = "neon")]
pub fn add(norm: &Norm, x: &mut [f32], residual: &[f32]) {
    let width = norm.weight.len();
    let (weight, bias) = (norm.weight.as_chunks().0, norm.bias.as_chunks().0);
    for (x, residual) in x.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
        let (x, residual) = (x.as_chunks_mut().0, residual.as_chunks().0);
        let mut sums = [vdupq_n_f32(0.0); 4];
        for (at, (x, residual)) in x.iter_mut().zip(residual).enumerate() {
            let value = vaddq_f32(load(x), load(residual));
            sums[at % 4] = vaddq_f32(sums[at % 4], value);
            store(x, value);
        }
        let mean = vdupq_n_f32(add_up(sums) / width as f32);
        let mut squares = [vdupq_n_f32(0.0); 4];
        for (at, x) in x.iter().enumerate() {
            let off = vsubq_f32(load(x), mean);
            squares[at % 4] = vfmaq_f32(squares[at % 4], off, off);
        }
        let variance = add_up(squares) / width as f32;
        let inverse = vdupq_n_f32(1.0 / (variance + norm.epsilon).sqrt());
        for ((x, weight), bias) in x.iter_mut().zip(weight).zip(bias) {
            let value = vmulq_f32(vsubq_f32(load(x), mean), inverse);
            store(x, vfmaq_f32(load(bias), value, load(weight)));
        }
    }
}
