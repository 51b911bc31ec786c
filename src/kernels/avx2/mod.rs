//! For AVX2: 16 pairs of 16-bit numbers in one instruction. There is one for pairs of bytes too, but its
//! sums of two products overflow 16 bits, and scores would depend on the processor.

pub mod attention;
pub mod linear;
pub mod norm;
mod vector;
