//! The arithmetic of the encoder, written for processors with AVX-512 VNNI and for those with AVX2.
//!
//! A graph of ours names its layers as operators of the domain `undertone`, and carries for each a
//! function of standard ONNX nodes that says what it computes (`training/export.py`). ONNX Runtime
//! follows that function anywhere. Where the processor has the instructions, the kernels here stand in for
//! it: the same numbers, but for the order in which floats are added, in a fraction of the time.
//!
//! Every row of activations, that is every token, is quantised with a scale of its own. So a text's
//! scores do not depend on what it shares a pass with.
//!
//! `avx512` and `avx2` are two forms of the same arithmetic, with registers of their own width; what they read
//! and write (`linear`, `norm`, `attention`), what calls them (`layer`) and what tells them apart
//! (`instructions`) is there once. A form is written out, since `target_feature` takes a literal and does not
//! stand on a trait's safe methods. Another one is a folder beside them and a variant in `instructions`; the tests
//! take every form that the processor has.

#[cfg(target_arch = "x86_64")]
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avxvnni;
#[cfg(target_arch = "x86_64")]
mod gelu;
#[cfg(target_arch = "x86_64")]
mod instructions;
#[cfg(target_arch = "x86_64")]
mod layer;
#[cfg(target_arch = "x86_64")]
mod linear;
#[cfg(target_arch = "x86_64")]
mod norm;
#[cfg(target_arch = "x86_64")]
mod operators;
#[cfg(target_arch = "x86_64")]
mod short_sums;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

#[cfg(target_arch = "x86_64")]
pub use operators::Kernels;

/// Elsewhere ONNX Runtime computes everything: there is no value of this type.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone)]
pub enum Kernels {}

#[cfg(not(target_arch = "x86_64"))]
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
