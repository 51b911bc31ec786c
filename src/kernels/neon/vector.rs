//! The vector operations that the kernels are made of, four numbers at a time.
//!
//! Reads and writes go through references to as many numbers as a register holds, so that none
//! can leave its slice: whoever calls these needs no `unsafe`.

#![expect(
    unsafe_code,
    reason = "loads and stores of registers take pointers; one instruction is inline"
)]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::gelu::{ABOVE, BELOW, FAR};
use super::super::linear::Weights;

/// Numbers of 32 bits that a register holds.
pub const LANES: usize = 4;

#[inline]
#[target_feature(enable = "neon")]
pub fn load(from: &[f32; LANES]) -> float32x4_t {
    // SAFETY: the reference is to 16 readable bytes.
    unsafe { vld1q_f32(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub fn store(to: &mut [f32; LANES], value: float32x4_t) {
    // SAFETY: the reference is to 16 writable bytes.
    unsafe { vst1q_f32(to.as_mut_ptr(), value) }
}

#[inline]
#[target_feature(enable = "neon")]
pub fn load_sums(from: &[i32; LANES]) -> int32x4_t {
    // SAFETY: the reference is to 16 readable bytes.
    unsafe { vld1q_s32(from.as_ptr()) }
}

/// One quarter of the weights, that of four outputs.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_weights(from: &Weights, quarter: usize) -> int8x16_t {
    let four: &[[i8; 4]; LANES] = &from.0.as_chunks().0[quarter];
    // SAFETY: the reference is to 16 readable bytes.
    unsafe { vld1q_s8(four.as_ptr().cast()) }
}

/// Sixteen values of a row.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_values(from: &[[u8; 4]; 4]) -> int8x16_t {
    // SAFETY: the reference is to 16 readable bytes.
    unsafe { vld1q_s8(from.as_ptr().cast()) }
}

/// Adds to each sum the products of an output's four weights with the `FOUR`th four values.
///
/// The intrinsic, `vdotq_laneq_s32`, is not stable in Rust 1.95.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub fn dot<const FOUR: usize>(sums: int32x4_t, weights: int8x16_t, values: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: the instruction reads and writes these registers, and this function's callers have it.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {weights:v}.16b, {values:v}.4b[{four}]",
            sums = inlateout(vreg) sums,
            weights = in(vreg) weights,
            values = in(vreg) values,
            four = const FOUR,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// The sixteen numbers, held between 0 and 255, as their distance to 128.
#[inline]
#[target_feature(enable = "neon")]
pub fn bytes([a, b, c, d]: [int32x4_t; 4]) -> [[u8; 4]; 4] {
    let low = vcombine_s16(vqmovn_s32(a), vqmovn_s32(b));
    let high = vcombine_s16(vqmovn_s32(c), vqmovn_s32(d));
    let all = vcombine_u8(vqmovun_s16(low), vqmovun_s16(high));
    let mut bytes = [[0; 4]; 4];
    // SAFETY: the array is 16 writable bytes.
    unsafe { vst1q_u8(bytes.as_mut_ptr().cast(), veorq_u8(all, vdupq_n_u8(128))) };
    bytes
}

/// The four numbers, folded into one.
#[inline]
#[target_feature(enable = "neon")]
pub fn reduce(values: float32x4_t, fold: impl Fn(f32, f32) -> f32) -> f32 {
    let mut all = [0.0; LANES];
    store(&mut all, values);
    let [a, b, c, d] = all;
    fold(fold(a, c), fold(b, d))
}

/// The sum of sixteen numbers, added in the order of every form.
#[inline]
#[target_feature(enable = "neon")]
pub fn add_up([a, b, c, d]: [float32x4_t; 4]) -> f32 {
    let sums = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
    reduce(sums, |a, b| a + b)
}

/// e^x to about 1e-7 of its value, for x below 88; 0 below about −87.
///
/// The argument is reduced as Cody and Waite (1980) do, with ln 2 in two parts; the polynomial is
/// that of the Cephes library.
#[inline]
#[target_feature(enable = "neon")]
pub fn exp(x: float32x4_t) -> float32x4_t {
    // Below it 2^n would be no normal number.
    let least = vdupq_n_f32(-87.0);
    let is_some = vcgeq_f32(x, least);
    let x = vmaxq_f32(x, least);
    let n = vrndnq_f32(vmulq_f32(x, vdupq_n_f32(std::f32::consts::LOG2_E)));
    let r = vfmsq_f32(x, n, vdupq_n_f32(0.693_359_4));
    let r = vfmsq_f32(r, n, vdupq_n_f32(-2.121_944_4e-4));
    let mut p = vdupq_n_f32(1.987_569_1e-4);
    for term in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5] {
        p = vfmaq_f32(vdupq_n_f32(term), p, r);
    }
    let one_and_r = vaddq_f32(r, vdupq_n_f32(1.0));
    let power = vfmaq_f32(one_and_r, vmulq_f32(p, r), r);
    // 2^n, by its exponent's bits.
    let exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
    let scale = vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent));
    let value = vreinterpretq_u32_f32(vmulq_f32(power, scale));
    vreinterpretq_f32_u32(vandq_u32(value, is_some))
}

/// x Φ(x), as `gelu` says.
#[inline]
#[target_feature(enable = "neon")]
pub fn gelu(x: float32x4_t) -> float32x4_t {
    let far = vdupq_n_f32(FAR);
    let z = vminq_f32(vmaxq_f32(x, vnegq_f32(far)), far);
    let square = vmulq_f32(z, z);
    let above = vmulq_f32(z, polynomial(ABOVE, square));
    let erf = vdivq_f32(above, polynomial(BELOW, square));
    let half = vmulq_f32(x, vdupq_n_f32(0.5));
    vfmaq_f32(half, half, erf)
}

/// A polynomial with these factors, that of the highest power first.
#[inline]
#[target_feature(enable = "neon")]
fn polynomial<const N: usize>(factors: [f32; N], x: float32x4_t) -> float32x4_t {
    let mut sum = vdupq_n_f32(factors[0]);
    for factor in &factors[1..] {
        sum = vfmaq_f32(vdupq_n_f32(*factor), sum, x);
    }
    sum
}
