//! A residual connection and the layer normalisation after it.

use std::arch::x86_64::*;

use super::super::norm::Norm;
use super::vector::{LANES, add_up, load, store};

/// `x` = norm(`x` + `residual`), row by row; both are [rows, width], and the width a multiple of 16.
#[target_feature(enable = "avx2,fma")]
pub fn add(norm: &Norm, x: &mut [f32], residual: &[f32]) {
    let width = norm.weight.len();
    let (weight, bias) = (norm.weight.as_chunks::<LANES>().0, norm.bias.as_chunks::<LANES>().0);
    for (x, residual) in x.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
        let (x, residual) = (x.as_chunks_mut::<LANES>().0, residual.as_chunks::<LANES>().0);
        let mut sums = [_mm256_setzero_ps(); 2];
        for (x, residual) in x.as_chunks_mut::<2>().0.iter_mut().zip(residual.as_chunks::<2>().0) {
            for at in 0..2 {
                let value = _mm256_add_ps(load(&x[at]), load(&residual[at]));
                sums[at] = _mm256_add_ps(sums[at], value);
                store(&mut x[at], value);
            }
        }
        let mean = _mm256_set1_ps(add_up(sums) / width as f32);
        let mut squares = [_mm256_setzero_ps(); 2];
        for x in x.as_chunks::<2>().0 {
            for at in 0..2 {
                let off = _mm256_sub_ps(load(&x[at]), mean);
                squares[at] = _mm256_fmadd_ps(off, off, squares[at]);
            }
        }
        let variance = add_up(squares) / width as f32;
        let inverse = _mm256_set1_ps(1.0 / (variance + norm.epsilon).sqrt());
        for ((x, weight), bias) in x.iter_mut().zip(weight).zip(bias) {
            let value = _mm256_mul_ps(_mm256_sub_ps(load(x), mean), inverse);
            store(x, _mm256_fmadd_ps(value, load(weight), load(bias)));
        }
    }
}
