//! For AVX-512 VNNI: 64 pairs of bytes in one instruction.

pub mod attention;
pub mod linear;
pub mod norm;
mod vector;
