//! The arithmetic of the encoder, written for processors with AVX-512 VNNI, AVX-VNNI or AVX2, and for ARM64 with
//! dot products.
//!
//! A graph of ours names its layers as operators of the domain `undertone`, and carries for each a
//! function of standard ONNX nodes that says what it computes (`training/export.py`). ONNX Runtime
//! follows that function anywhere. Where the processor has the instructions, the kernels here stand in for
//! it: the same numbers, but for the order in which floats are added, in a fraction of the time.
//!
//! Every row of activations, that is every token, is quantised with a scale of its own. So a text's
//! scores do not depend on what it shares a pass with.
//!
//! `avx512`, `avxvnni`, `avx2` and `neon` are forms of the same arithmetic, with instructions of their own; what
//! they read and write (`linear`, `norm`, `attention`), what calls them (`layer`) and what tells them apart
//! (`instructions`) is there once. A form is written out, since `target_feature` takes a literal and does not
//! stand on a trait's safe methods. Another one is a folder beside them and a variant in `instructions`.
//!
//! All forms add integers exactly and floats in one order, so they make the same of a text, bit for bit. The
//! tests take every form that the processor has and hold each to that. Those for x86-64 were run on a processor that
//! has all three; the one for ARM64 under `qemu-aarch64`, which is no measure of its speed. What is
//! delicate in the one for AVX2, sums of 16 bits that may wrap around, is also checked lane by lane on
//! any machine, by an emulation of the instruction (`short_sums`).

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avxvnni;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod gelu;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod instructions;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod layer;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod linear;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod norm;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod operators;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod short_sums;
#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use operators::Kernels;

/// Elsewhere ONNX Runtime computes everything: there is no value of this type.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[derive(Clone)]
pub enum Kernels {}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl Kernels {
    pub fn new() -> Option<Kernels> {
        Kernels::best()
    }

    pub fn best() -> Option<Kernels> {
        None
    }

    pub fn domain(&self) -> ort::Result<ort::operator::OperatorDomain> {
        match *self {}
    }
}
