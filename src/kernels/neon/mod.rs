//! For ARM64 with the dot products of ARMv8.2: 16 pairs of bytes in one instruction.
//!
//! Our machines have none of these processors. The tests run under `qemu-aarch64`, which does each
//! instruction as Arm describes it; how fast the form is, nobody has measured.

pub mod attention;
pub mod linear;
pub mod norm;
mod vector;
