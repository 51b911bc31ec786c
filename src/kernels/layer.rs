//! One layer of the encoder: attention, two products, each with its residual and norm.

use super::attention::Buffers;
use super::instructions::Instructions;
use super::linear::{Activation, Linear, Steps};
use super::norm::Norm;

pub struct Layer {
    pub instructions: Instructions,
    pub heads: usize,
    /// Queries, keys and values in one product; the queries carry the attention's scale.
    pub qkv: Linear,
    pub attended: Linear,
    pub norm1: Norm,
    pub inner: Linear,
    pub outer: Linear,
    pub norm2: Norm,
}

/// What lies between the steps of a layer; one for each thread, whichever layer it computes.
#[derive(Default)]
pub struct Scratch {
    pub steps: Steps,
    buffers: Buffers,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    middle: Vec<f32>,
    inner: Vec<f32>,
}

impl Layer {
    /// Whether the parts fit together, and the kernels the parts.
    pub fn check(self) -> Result<Layer, String> {
        let width = self.attended.outputs();
        let fits = self.heads > 0
            && width.is_multiple_of(self.heads * 16)
            && (self.qkv.inputs(), self.qkv.outputs()) == (width, 3 * width)
            && self.attended.inputs() == width
            && self.inner.inputs() == width
            && (self.outer.inputs(), self.outer.outputs()) == (self.inner.outputs(), width)
            && [&self.norm1, &self.norm2]
                .iter()
                .all(|norm| norm.weight.len() == width && norm.bias.len() == width);
        match fits {
            true => Ok(self),
            false => Err(format!("its parts do not fit {} heads in {width} columns", self.heads)),
        }
    }

    /// `out` is what the layer makes of `x`, both [tokens, width], where texts of so many `tokens`
    /// follow each other; each is read by itself.
    pub fn run(&self, x: &[f32], texts: &[usize], out: &mut [f32], scratch: &mut Scratch) {
        let width = self.attended.outputs();
        let rows = x.len() / width;
        let by = self.instructions;
        let Scratch { steps, buffers, qkv, mixed, middle, inner } = scratch;
        qkv.resize(rows * 3 * width, 0.0);
        mixed.resize(rows * width, 0.0);
        middle.resize(rows * width, 0.0);
        inner.resize(rows * self.inner.outputs(), 0.0);

        by.multiply(&self.qkv, x, qkv, Activation::None, steps);
        let mut first = 0;
        for tokens in texts {
            let text = first * width..(first + tokens) * width;
            let qkv = &qkv[3 * text.start..3 * text.end];
            by.attend(qkv, width, self.heads, &mut mixed[text], buffers);
            first += tokens;
        }
        by.multiply(&self.attended, mixed, middle, Activation::None, steps);
        by.add(&self.norm1, middle, x);
        by.multiply(&self.inner, middle, inner, Activation::Gelu, steps);
        by.multiply(&self.outer, inner, out, Activation::None, steps);
        by.add(&self.norm2, out, middle);
    }
}
