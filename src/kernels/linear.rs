//! A product with INT8 weights: activations quantised row by row, sums in 32 bits; scales, bias and
//! activation are applied while the sums are still in registers.

use std::arch::x86_64::*;

use super::vector::{LANES, Weights, bytes, gelu, load, load_sums, load_weights, prefetch, store};

/// Registers of outputs that a panel of weights is wide.
const WIDE: usize = 3;
const PANEL: usize = WIDE * LANES;
/// How many registers of weights ahead memory is asked for: 24 KB, half of the nearest cache.
const AHEAD: usize = 384;
/// Rows that are multiplied together: times WIDE, 24 sums in the 32 registers.
const ROWS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    None,
    Gelu,
}

/// One product's weights, packed for `vpdpbusd`, which multiplies four bytes of a row with four
/// weights of each of 16 outputs, and adds.
pub struct Linear {
    inputs: usize,
    /// For each panel of outputs, for each four inputs: the weights.
    packed: Vec<Weights>,
    /// What a step of each output's weights is worth.
    scale: Vec<f32>,
    bias: Vec<f32>,
    /// What each input is multiplied with before it is quantised; its weights make up for it.
    divide: Vec<f32>,
    /// The sum of each output's weights, by which a row's zero point is taken off.
    sums: Vec<i32>,
}

impl Linear {
    /// Packs `weights`, [inputs, outputs].
    ///
    /// # Errors
    /// Where inputs or outputs are no multiple of 16, or the four do not belong together.
    pub fn new(
        weights: &[i8],
        scale: &[f32],
        bias: &[f32],
        divide: &[f32],
    ) -> Result<Linear, String> {
        let outputs = scale.len();
        let inputs = weights.len() / outputs.max(1);
        let whole = |size: usize| size > 0 && size.is_multiple_of(LANES);
        if !whole(inputs) || !whole(outputs) {
            return Err(format!("{inputs} inputs and {outputs} outputs: no multiples of {LANES}"));
        }
        let fits = (weights.len(), bias.len(), divide.len()) == (inputs * outputs, outputs, inputs);
        if !fits {
            let (weights, biases, divisors) = (weights.len(), bias.len(), divide.len());
            return Err(format!(
                "{weights} weights, {biases} biases and {divisors} divisors for {outputs} outputs"
            ));
        }
        let fours = inputs / 4;
        let empty = Weights([[0; 4]; LANES]);
        let mut packed = vec![empty; outputs.div_ceil(PANEL) * fours * WIDE];
        let mut sums = vec![0; outputs];
        for (input, row) in weights.chunks_exact(outputs).enumerate() {
            for (output, weight) in row.iter().enumerate() {
                let (panel, column) = (output / PANEL, output % PANEL);
                let register = (panel * fours + input / 4) * WIDE + column / LANES;
                packed[register].0[column % LANES][input % 4] = *weight;
                sums[output] += i32::from(*weight);
            }
        }
        let (scale, bias, divide) = (scale.to_vec(), bias.to_vec(), divide.to_vec());
        Ok(Linear { inputs, packed, scale, bias, divide, sums })
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.scale.len()
    }

    /// `out` = activation(`x` · weights + bias); `x` is [rows, inputs], `out` [rows, outputs].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub fn run(&self, x: &[f32], out: &mut [f32], activation: Activation, steps: &mut Steps) {
        match activation {
            Activation::None => self.multiply::<false>(x, out, steps),
            Activation::Gelu => self.multiply::<true>(x, out, steps),
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn multiply<const GELU: bool>(&self, x: &[f32], out: &mut [f32], steps: &mut Steps) {
        steps.quantise(x, &self.divide);
        let rows = steps.scale.len();
        for (panel, weights) in self.packed.chunks_exact(self.inputs / 4 * WIDE).enumerate() {
            let mut first = 0;
            for count in blocks(rows, ROWS) {
                let block = Block { first, start: panel * PANEL, weights, steps };
                match count {
                    1 => self.block::<1, GELU>(block, out),
                    2 => self.block::<2, GELU>(block, out),
                    3 => self.block::<3, GELU>(block, out),
                    4 => self.block::<4, GELU>(block, out),
                    5 => self.block::<5, GELU>(block, out),
                    6 => self.block::<6, GELU>(block, out),
                    7 => self.block::<7, GELU>(block, out),
                    _ => self.block::<ROWS, GELU>(block, out),
                }
                first += count;
            }
        }
    }

    /// `R` rows times one panel.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn block<const R: usize, const GELU: bool>(&self, block: Block<'_>, out: &mut [f32]) {
        let Block { first, start, weights, steps } = block;
        let mut sums = [[_mm512_setzero_si512(); WIDE]; R];
        let values = &steps.values[first * self.inputs..(first + R) * self.inputs];
        let values = values.as_chunks::<4>().0.as_chunks::<R>().0;
        for (values, weights) in values.iter().zip(weights.as_chunks::<WIDE>().0) {
            // The first rows to meet a panel wait for memory; the others find it in the cache.
            if first == 0 {
                weights.iter().for_each(|register| prefetch(register, AHEAD));
            }
            let weights = [0, 1, 2].map(|register: usize| load_weights(&weights[register]));
            for (sums, value) in sums.iter_mut().zip(values) {
                let value = _mm512_set1_epi32(i32::from_le_bytes(*value));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm512_dpbusd_epi32(*sum, value, weights);
                }
            }
        }
        let outputs = self.outputs();
        for (row, sums) in (first..).zip(sums) {
            let zero = _mm512_set1_epi32(steps.zero[row]);
            let step = _mm512_set1_ps(steps.scale[row]);
            let out = out[row * outputs..][start..outputs].as_chunks_mut().0;
            let scales = self.scale[start..].as_chunks().0;
            let biases = self.bias[start..].as_chunks().0;
            let totals = self.sums[start..].as_chunks().0;
            let columns = out.iter_mut().zip(scales).zip(biases).zip(totals);
            for ((((out, scale), bias), total), sum) in columns.zip(sums) {
                let sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(zero, load_sums(total)));
                let scale = _mm512_mul_ps(step, load(scale));
                let value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, load(bias));
                store(out, if GELU { gelu(value) } else { value });
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Block<'a> {
    /// Of its rows.
    first: usize,
    /// The panel's first output.
    start: usize,
    weights: &'a [Weights],
    steps: &'a Steps,
}

/// Rows of activations as bytes, and what a step of each row is worth.
#[derive(Default)]
pub struct Steps {
    /// Block by block: four values of each of its rows, then the next four.
    values: Vec<u8>,
    scale: Vec<f32>,
    zero: Vec<i32>,
}

impl Steps {
    /// As ONNX's DynamicQuantizeLinear, but row by row.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn quantise(&mut self, x: &[f32], divide: &[f32]) {
        let width = divide.len();
        let divide = divide.as_chunks::<LANES>().0;
        let rows = x.len() / width;
        self.values.resize(rows * width, 0);
        self.scale.clear();
        self.zero.clear();
        let mut first = 0;
        for count in blocks(rows, ROWS) {
            let values = self.values[first * width..][..count * width].as_chunks_mut::<4>().0;
            for at in 0..count {
                let row = x[(first + at) * width..][..width].as_chunks::<LANES>().0;
                let (scale, zero) = range(row, divide);
                self.scale.push(scale);
                self.zero.push(zero);
                let inverse = _mm512_set1_ps(1.0 / scale);
                let zero = _mm512_set1_epi32(zero);
                for (place, (x, divide)) in row.iter().zip(divide).enumerate() {
                    let x = _mm512_mul_ps(load(x), load(divide));
                    let step = _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
                    let step = _mm512_add_epi32(step, zero);
                    let step = _mm512_max_epi32(step, _mm512_setzero_si512());
                    for (group, four) in bytes(step).into_iter().enumerate() {
                        values[(place * 4 + group) * count + at] = four;
                    }
                }
            }
            first += count;
        }
    }
}

/// What a step of a row is worth, and the step that is zero.
#[inline]
#[target_feature(enable = "avx512f")]
fn range(row: &[[f32; LANES]], divide: &[[f32; LANES]]) -> (f32, i32) {
    let (mut least, mut most) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for (x, divide) in row.iter().zip(divide) {
        let x = _mm512_mul_ps(load(x), load(divide));
        least = _mm512_min_ps(least, x);
        most = _mm512_max_ps(most, x);
    }
    let (least, most) = (_mm512_reduce_min_ps(least), _mm512_reduce_max_ps(most));
    // A row of zeros has steps of some size too.
    let scale = ((most - least) / 255.0).max(1e-30);
    (scale, (-least * (1.0 / scale)).round_ties_even() as i32)
}

/// The sizes of as few blocks of rows as it takes, none above `most`, as even as can be: a block of
/// one row alone would wait for its sums most of the time.
pub fn blocks(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = rows.div_ceil(most);
    (0..count).map(move |at| (rows + at) / count)
}
