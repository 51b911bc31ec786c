//! Whether a graph computes in INT8 or in fp32, read off its bytes.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde::{Serialize, Serializer};

/// How a graph computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precision {
    Int8,
    Fp32,
    /// As a manifest calls it.
    Other(String),
}

impl Precision {
    /// A manifest's word.
    pub fn named(name: &str) -> Precision {
        match name.to_ascii_lowercase().as_str() {
            "int8" => Precision::Int8,
            "fp32" | "float32" => Precision::Fp32,
            _ => Precision::Other(name.to_owned()),
        }
    }

    /// A graph in which some operator quantises or multiplies integers is INT8, any other fp32.
    pub fn of_graph(path: &Path) -> anyhow::Result<Precision> {
        let quantised = File::open(path)
            .and_then(|file| names_integer_operators(file, 1 << 20))
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(if quantised { Precision::Int8 } else { Precision::Fp32 })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Int8 => "int8",
            Precision::Fp32 => "fp32",
            Precision::Other(name) => name,
        })
    }
}

impl Serialize for Precision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Parts of the names of ONNX's and ONNX Runtime's integer operators: `DynamicQuantizeLinear`,
/// `DynamicQuantizeMatMul`, `QLinearMatMul`, and so on. A graph holds its operators' names as plain
/// bytes; seven given bytes stand by chance among a gigabyte of weights once in 60 million graphs.
const INTEGER_OPERATORS: [&[u8]; 5] =
    [b"DynamicQuantize", b"MatMulInteger", b"QLinear", b"QuantizeLinear", b"QAttention"];
const LONGEST: usize = 15;

fn names_integer_operators(mut graph: impl Read, chunk: usize) -> std::io::Result<bool> {
    let mut buffer = vec![0; LONGEST + chunk];
    let mut kept = 0;
    loop {
        let count = graph.read(&mut buffer[kept..])?;
        let filled = &buffer[..kept + count];
        if count == 0 {
            return Ok(false);
        }
        if filled.iter().enumerate().any(|(at, first)| {
            // Three comparisons a byte; the whole names only where one may begin.
            matches!(first, b'D' | b'M' | b'Q')
                && INTEGER_OPERATORS.iter().any(|name| filled[at..].starts_with(name))
        }) {
            return Ok(true);
        }
        // A name may lie across the border of two readings.
        let filled = filled.len();
        let rest = filled.min(LONGEST - 1);
        buffer.copy_within(filled - rest..filled, 0);
        kept = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_operators_are_found_wherever_they_stand() {
        for name in INTEGER_OPERATORS {
            assert!(name.len() <= LONGEST);
            for at in 0..70 {
                let mut graph = vec![b'M'; at];
                graph.extend(name);
                graph.extend([0; 5]);
                assert!(names_integer_operators(&graph[..], 16).unwrap(), "{name:?} at {at}");
            }
        }
        let float = b"MatMul DequantizeLinear? no: MatMulInteg er, Gemm, DynamicQuanti".repeat(3);
        assert!(!names_integer_operators(&float[..], 16).unwrap());
    }
}
