//! For AVX2: 32 pairs of bytes in one instruction, whose sums of two have 16 bits.

pub mod attention;
pub mod linear;
pub mod norm;
pub mod rows;
pub mod vector;
