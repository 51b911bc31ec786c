//! For AVX-VNNI, which multiplies 32 pairs of bytes in one instruction and adds to 32 bits. All but the
//! products is done as for AVX2.

pub mod linear;
