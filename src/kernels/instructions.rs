//! Which instructions the kernels are made of, found once.

#![expect(unsafe_code, reason = "what needs instructions is called where they were found")]

use super::attention::Buffers;
use super::linear::{Activation, Linear, Packing, Steps};
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::norm::Norm;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512, avxvnni};

/// Proof that this processor has the instructions of one form of the kernels.
#[derive(Clone, Copy, Debug)]
pub struct Instructions(Form);

#[derive(Clone, Copy, Debug)]
enum Form {
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Instructions {
    /// Whether the kernels are faster by them than ONNX Runtime: not optimised, as in a debug build, all but those
    /// for AVX-512 take several times as long.
    pub fn pay_off(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Form::Avx512Vnni => true,
            _ => !cfg!(debug_assertions),
        }
    }

    /// All that this processor has, the best first.
    #[cfg(target_arch = "x86_64")]
    pub fn all() -> impl Iterator<Item = Instructions> {
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let has_avxvnni = has_avx2 && is_x86_feature_detected!("avxvnni");
        let forms =
            [(has_avx512, Form::Avx512Vnni), (has_avxvnni, Form::AvxVnni), (has_avx2, Form::Avx2)];
        forms.into_iter().filter(|(is_there, _)| *is_there).map(|(_, form)| Instructions(form))
    }

    /// All that this processor has.
    #[cfg(target_arch = "aarch64")]
    pub fn all() -> impl Iterator<Item = Instructions> {
        let has_dot = std::arch::is_aarch64_feature_detected!("dotprod");
        has_dot.then_some(Instructions(Form::NeonDot)).into_iter()
    }

    /// How the form reads weights.
    pub fn packing(self) -> Packing {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Form::Avx512Vnni => Packing { wide: avx512::linear::WIDE, has_short_sums: false },
            #[cfg(target_arch = "x86_64")]
            Form::AvxVnni => Packing { wide: 1, has_short_sums: false },
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => Packing { wide: 1, has_short_sums: true },
            #[cfg(target_arch = "aarch64")]
            Form::NeonDot => Packing { wide: 1, has_short_sums: false },
        }
    }

    /// `out` = activation(`x` · weights + bias); `x` is [rows, inputs], `out` [rows, outputs].
    pub fn multiply(
        self,
        product: &Linear,
        x: &[f32],
        out: &mut [f32],
        activation: Activation,
        steps: &mut Steps,
    ) {
        // SAFETY: a value of this type exists only where `all` found its form's instructions.
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Form::Avx512Vnni => unsafe { avx512::linear::run(product, x, out, activation, steps) },
            #[cfg(target_arch = "x86_64")]
            Form::AvxVnni => unsafe { avxvnni::linear::run(product, x, out, activation, steps) },
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => unsafe { avx2::linear::run(product, x, out, activation, steps) },
            #[cfg(target_arch = "aarch64")]
            Form::NeonDot => unsafe { neon::linear::run(product, x, out, activation, steps) },
        }
    }

    /// Attention of the tokens of one text: `qkv` is [tokens, 3 × width], queries, which carry the scale,
    /// keys and values, the heads of each side by side; `out` is [tokens, width]. The depth of a head is a
    /// multiple of 16.
    pub fn attend(
        self,
        qkv: &[f32],
        width: usize,
        heads: usize,
        out: &mut [f32],
        buffers: &mut Buffers,
    ) {
        // SAFETY: as above.
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Form::Avx512Vnni => unsafe {
                avx512::attention::attend(qkv, width, heads, out, buffers);
            },
            #[cfg(target_arch = "x86_64")]
            Form::AvxVnni | Form::Avx2 => unsafe {
                avx2::attention::attend(qkv, width, heads, out, buffers);
            },
            #[cfg(target_arch = "aarch64")]
            Form::NeonDot => unsafe { neon::attention::attend(qkv, width, heads, out, buffers) },
        }
    }

    /// `x` = norm(`x` + `residual`), row by row; both are [rows, width].
    pub fn add(self, norm: &Norm, x: &mut [f32], residual: &[f32]) {
        // SAFETY: as above.
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Form::Avx512Vnni => unsafe { avx512::norm::add(norm, x, residual) },
            #[cfg(target_arch = "x86_64")]
            Form::AvxVnni | Form::Avx2 => unsafe { avx2::norm::add(norm, x, residual) },
            #[cfg(target_arch = "aarch64")]
            Form::NeonDot => unsafe { neon::norm::add(norm, x, residual) },
        }
    }
}
