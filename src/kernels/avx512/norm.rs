//! A residual connection and the layer normalisation after it.

use std::arch::x86_64::*;

use super::super::norm::Norm;
use super::vector::{LANES, load, store};

/// `x` = norm(`x` + `residual`), row by row; both are [rows, width].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub fn add(norm: &Norm, x: &mut [f32], residual: &[f32]) {
    let width = norm.weight.len();
    let (weight, bias) = (norm.weight.as_chunks::<LANES>().0, norm.bias.as_chunks::<LANES>().0);
    for (x, residual) in x.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
        let (x, residual) = (x.as_chunks_mut().0, residual.as_chunks().0);
        let mut sum = _mm512_setzero_ps();
        for (x, residual) in x.iter_mut().zip(residual) {
            let value = _mm512_add_ps(load(x), load(residual));
            sum = _mm512_add_ps(sum, value);
            store(x, value);
        }
        let mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width as f32);
        let mut squares = _mm512_setzero_ps();
        for x in x.iter() {
            let off = _mm512_sub_ps(load(x), mean);
            squares = _mm512_fmadd_ps(off, off, squares);
        }
        let variance = _mm512_reduce_add_ps(squares) / width as f32;
        let inverse = _mm512_set1_ps(1.0 / (variance + norm.epsilon).sqrt());
        for ((x, weight), bias) in x.iter_mut().zip(weight).zip(bias) {
            let value = _mm512_mul_ps(_mm512_sub_ps(load(x), mean), inverse);
            store(x, _mm512_fmadd_ps(value, load(weight), load(bias)));
        }
    }
}
