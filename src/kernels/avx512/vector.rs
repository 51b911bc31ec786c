//! The vector operations that the kernels are made of, sixteen numbers at a time.
//!
//! Reads and writes go through references to as many numbers as a register holds, so that none
//! can leave its slice: whoever calls these needs no `unsafe`.

#![expect(unsafe_code, reason = "loads and stores of registers take pointers")]

use std::arch::x86_64::*;

use super::super::gelu::{ABOVE, BELOW, FAR};
use super::super::linear::Weights;

/// Numbers of 32 bits that a register holds.
pub const LANES: usize = 16;

#[inline]
#[target_feature(enable = "avx512f")]
pub fn load(from: &[f32; LANES]) -> __m512 {
    // SAFETY: the reference is to 64 readable bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub fn store(to: &mut [f32; LANES], value: __m512) {
    // SAFETY: the reference is to 64 writable bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub fn load_sums(from: &[i32; LANES]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub fn load_weights(from: &Weights) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes, and its type is aligned to 64.
    unsafe { _mm512_load_si512(from.0.as_ptr().cast()) }
}

/// Asks for the weights that lie so many registers further on, wherever that is.
#[inline]
pub fn prefetch(from: &Weights, ahead: usize) {
    let there = std::ptr::from_ref(from).wrapping_add(ahead);
    // SAFETY: a hint to the cache, which reads nothing that the program would see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(there.cast()) };
}

/// The sixteen numbers as bytes, those above 255 as 255.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn bytes(values: __m512i) -> [[u8; 4]; 4] {
    let mut bytes = [[0; 4]; 4];
    // SAFETY: the array is 16 writable bytes; the store asks for no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm512_cvtusepi32_epi8(values)) };
    bytes
}

/// e^x to about 1e-7 of its value, for x below 88; 0 below about −87.
///
/// The argument is reduced as Cody and Waite (1980) do, with ln 2 in two parts; the polynomial is
/// that of the Cephes library.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn exp(x: __m512) -> __m512 {
    let x = _mm512_max_ps(x, _mm512_set1_ps(-104.0));
    let n = _mm512_roundscale_ps::<0>(_mm512_mul_ps(x, _mm512_set1_ps(std::f32::consts::LOG2_E)));
    let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693_359_4), x);
    let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.121_944_4e-4), r);
    let mut p = _mm512_set1_ps(1.987_569_1e-4);
    for term in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5] {
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(term));
    }
    let one_and_r = _mm512_add_ps(r, _mm512_set1_ps(1.0));
    let power = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, one_and_r);
    _mm512_scalef_ps(power, n)
}

/// x Φ(x), as `gelu` says.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn gelu(x: __m512) -> __m512 {
    let far = _mm512_set1_ps(FAR);
    let z = _mm512_min_ps(_mm512_max_ps(x, _mm512_sub_ps(_mm512_setzero_ps(), far)), far);
    let square = _mm512_mul_ps(z, z);
    let above = _mm512_mul_ps(z, polynomial(ABOVE, square));
    let erf = _mm512_div_ps(above, polynomial(BELOW, square));
    let half = _mm512_mul_ps(x, _mm512_set1_ps(0.5));
    _mm512_fmadd_ps(half, erf, half)
}

/// A polynomial with these factors, that of the highest power first.
#[inline]
#[target_feature(enable = "avx512f")]
fn polynomial<const N: usize>(factors: [f32; N], x: __m512) -> __m512 {
    let mut sum = _mm512_set1_ps(factors[0]);
    for factor in &factors[1..] {
        sum = _mm512_fmadd_ps(sum, x, _mm512_set1_ps(*factor));
    }
    sum
}
