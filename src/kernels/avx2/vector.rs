//! The vector operations that the kernels are made of, eight numbers at a time.
//!
//! Reads and writes go through references to as many numbers as a register holds, so that none
//! can leave its slice: whoever calls these needs no `unsafe`.

#![expect(unsafe_code, reason = "loads and stores of registers take pointers")]

use std::arch::x86_64::*;

use super::super::linear::Weights;

/// Numbers of 32 bits that a register holds.
pub const LANES: usize = 8;

#[inline]
#[target_feature(enable = "avx2")]
pub fn load(from: &[f32; LANES]) -> __m256 {
    // SAFETY: the reference is to 32 readable bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub fn store(to: &mut [f32; LANES], value: __m256) {
    // SAFETY: the reference is to 32 writable bytes; the store asks for no alignment.
    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub fn load_sums(from: &[i32; LANES]) -> __m256i {
    // SAFETY: the reference is to 32 readable bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// One quarter of the weights, that of four outputs, as 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub fn load_weights(from: &Weights, quarter: usize) -> __m256i {
    let four: &[[i8; 4]; 4] = &from.0.as_chunks().0[quarter];
    // SAFETY: the reference is to 16 readable bytes; the load asks for no alignment.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(four.as_ptr().cast()) })
}

/// Four values of a row, once for each of four outputs.
#[inline]
#[target_feature(enable = "avx2")]
pub fn spread(values: &[i16; 4]) -> __m256i {
    // SAFETY: the reference is to 8 readable bytes; the read asks for no alignment.
    _mm256_set1_epi64x(unsafe { values.as_ptr().cast::<i64>().read_unaligned() })
}

/// Asks for the weights that lie so many groups further on, wherever that is.
#[inline]
pub fn prefetch(from: &Weights, ahead: usize) {
    let there = std::ptr::from_ref(from).wrapping_add(ahead);
    // SAFETY: a hint to the cache, which reads nothing that the program would see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(there.cast()) };
}

/// The eight numbers as 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub fn shorts(values: __m256i) -> [[i16; 4]; 2] {
    let mut shorts = [[0; 4]; 2];
    let (low, high) = (_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values));
    // SAFETY: the array is 16 writable bytes; the store asks for no alignment.
    unsafe { _mm_storeu_si128(shorts.as_mut_ptr().cast(), _mm_packs_epi32(low, high)) };
    shorts
}

/// The eight numbers, folded into one.
#[inline]
#[target_feature(enable = "avx2")]
pub fn reduce(values: __m256, fold: impl Fn(f32, f32) -> f32) -> f32 {
    let mut all = [0.0; LANES];
    store(&mut all, values);
    let [a, b, c, d, e, f, g, h] = all;
    fold(fold(fold(a, e), fold(b, f)), fold(fold(c, g), fold(d, h)))
}

/// e^x to about 1e-7 of its value, for x below 88; 0 below about −87.
///
/// The argument is reduced as Cody and Waite (1980) do, with ln 2 in two parts; the polynomial is
/// that of the Cephes library.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn exp(x: __m256) -> __m256 {
    // Below it 2^n would be no normal number.
    let least = _mm256_set1_ps(-87.0);
    let is_some = _mm256_cmp_ps::<_CMP_GE_OQ>(x, least);
    let x = _mm256_max_ps(x, least);
    let n = _mm256_mul_ps(x, _mm256_set1_ps(std::f32::consts::LOG2_E));
    let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(n);
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693_359_4), x);
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.121_944_4e-4), r);
    let mut p = _mm256_set1_ps(1.987_569_1e-4);
    for term in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5] {
        p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(term));
    }
    let one_and_r = _mm256_add_ps(r, _mm256_set1_ps(1.0));
    let power = _mm256_fmadd_ps(_mm256_mul_ps(p, r), r, one_and_r);
    // 2^n, by its exponent's bits.
    let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    let scale = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent));
    _mm256_and_ps(_mm256_mul_ps(power, scale), is_some)
}

/// x Φ(x), with the error function to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn gelu(x: __m256) -> __m256 {
    let one = _mm256_set1_ps(1.0);
    let size = _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
    let z = _mm256_mul_ps(size, _mm256_set1_ps(std::f32::consts::FRAC_1_SQRT_2));
    let t = _mm256_div_ps(one, _mm256_fmadd_ps(z, _mm256_set1_ps(0.327_591_1), one));
    let mut p = _mm256_set1_ps(1.061_405_4);
    for term in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(term));
    }
    let tail = exp(_mm256_sub_ps(_mm256_setzero_ps(), _mm256_mul_ps(z, z)));
    // x erf(x / √2) is even in x.
    let erf = _mm256_fnmadd_ps(_mm256_mul_ps(p, t), tail, one);
    _mm256_mul_ps(_mm256_set1_ps(0.5), _mm256_fmadd_ps(size, erf, x))
}
