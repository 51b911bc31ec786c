//! The vector operations that the kernels are made of, eight numbers at a time.
//!
//! Reads and writes go through references to as many numbers as a register holds, so that none
//! can leave its slice: whoever calls these needs no `unsafe`.

#![expect(unsafe_code, reason = "loads and stores of registers take pointers")]

use std::arch::x86_64::*;

use super::super::gelu::{ABOVE, BELOW, FAR};
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

/// One half of the weights, that of eight outputs.
#[inline]
#[target_feature(enable = "avx2")]
pub fn load_weights(from: &Weights, half: usize) -> __m256i {
    let eight: &[[i8; 4]; LANES] = &from.0.as_chunks().0[half];
    // SAFETY: the reference is to 32 readable bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub fn load_shorts(from: &[i16; 16]) -> __m256i {
    // SAFETY: the reference is to 32 readable bytes; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub fn store_shorts(to: &mut [i16; 16], value: __m256i) {
    // SAFETY: the reference is to 32 writable bytes; the store asks for no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
}

/// Four values of a row, once for each of eight outputs.
#[inline]
#[target_feature(enable = "avx2")]
pub fn spread(values: [u8; 4]) -> __m256i {
    _mm256_set1_epi32(i32::from_le_bytes(values))
}

/// Asks for the weights that lie so many groups further on, wherever that is.
#[inline]
pub fn prefetch(from: &Weights, ahead: usize) {
    let there = std::ptr::from_ref(from).wrapping_add(ahead);
    // SAFETY: a hint to the cache, which reads nothing that the program would see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(there.cast()) };
}

/// The sixteen numbers as bytes: those below 0 as 0, those above 255 as 255.
#[inline]
#[target_feature(enable = "avx2")]
pub fn bytes(low: __m256i, high: __m256i) -> [[u8; 4]; 4] {
    let mut bytes = [[0; 4]; 4];
    // Each half of the register packs by itself: four of the one, then four of the other.
    let shorts = _mm256_packs_epi32(low, high);
    let packed = _mm256_packus_epi16(shorts, shorts);
    let (even, odd) = (_mm256_castsi256_si128(packed), _mm256_extracti128_si256::<1>(packed));
    // SAFETY: the array is 16 writable bytes; the store asks for no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm_unpacklo_epi32(even, odd)) };
    bytes
}

/// The eight numbers, folded into one.
#[inline]
#[target_feature(enable = "avx2")]
pub fn reduce(values: __m256, fold: impl Fn(f32, f32) -> f32) -> f32 {
    let mut all = [0.0; LANES];
    store(&mut all, values);
    let [a, b, c, d, e, f, g, h] = all;
    fold(fold(fold(a, e), fold(c, g)), fold(fold(b, f), fold(d, h)))
}

/// The sum of sixteen numbers, added in the order of every form.
#[inline]
#[target_feature(enable = "avx2")]
pub fn add_up([low, high]: [__m256; 2]) -> f32 {
    reduce(_mm256_add_ps(low, high), |a, b| a + b)
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

/// x Φ(x), as `gelu` says.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn gelu(x: __m256) -> __m256 {
    let far = _mm256_set1_ps(FAR);
    let z = _mm256_min_ps(_mm256_max_ps(x, _mm256_sub_ps(_mm256_setzero_ps(), far)), far);
    let square = _mm256_mul_ps(z, z);
    let above = _mm256_mul_ps(z, polynomial(ABOVE, square));
    let erf = _mm256_div_ps(above, polynomial(BELOW, square));
    let half = _mm256_mul_ps(x, _mm256_set1_ps(0.5));
    _mm256_fmadd_ps(half, erf, half)
}

/// A polynomial with these factors, that of the highest power first.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn polynomial<const N: usize>(factors: [f32; N], x: __m256) -> __m256 {
    let mut sum = _mm256_set1_ps(factors[0]);
    for factor in &factors[1..] {
        sum = _mm256_fmadd_ps(sum, x, _mm256_set1_ps(*factor));
    }
    sum
}
