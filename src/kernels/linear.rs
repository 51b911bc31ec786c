//! A product's INT8 weights, packed as a form of the kernels reads them, and a pass's activations.

use super::short_sums::{self, Rest};

/// Outputs whose weights lie side by side.
pub const LANES: usize = 16;

/// How many bytes of quantised rows are multiplied with all weights before the next: what stays in
/// the second cache.
const NEAR: usize = 128 << 10;

/// How a form of the kernels reads weights.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    /// Groups of 16 outputs that a panel of weights is wide.
    pub wide: usize,
    /// Whether the form adds products up in 16 bits (`short_sums`).
    pub has_short_sums: bool,
}

/// The weights of 16 outputs for four inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Weights(pub [[i8; 4]; LANES]);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    None,
    Gelu,
}

/// One product's weights, for instructions that multiply four values of a row with four weights of each
/// of several outputs.
pub struct Linear {
    inputs: usize,
    /// For each panel of outputs, for each four inputs: the weights.
    pub(super) packed: Vec<Weights>,
    /// For each panel: weights that short sums have no room for. Other forms have none.
    #[cfg(target_arch = "x86_64")]
    pub(super) rest: Vec<Vec<Rest>>,
    /// What a step of each output's weights is worth.
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// What each input is multiplied with before it is quantised; its weights make up for it.
    pub(super) divide: Vec<f32>,
    /// The sum of each output's weights, by which a row's zero point is taken off.
    pub(super) sums: Vec<i32>,
    /// 128 times the sum of each output's packed weights: where sums begin in a form that multiplies
    /// the distance of a row's values to 128.
    pub(super) begins: Vec<i32>,
}

impl Linear {
    /// Packs `weights`, [inputs, outputs].
    ///
    /// # Errors
    /// Where inputs or outputs are no multiple of 16, or the four do not belong together.
    pub fn new(
        packing: Packing,
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
        let (panel, fours) = (packing.wide * LANES, inputs / 4);
        let empty = Weights([[0; 4]; LANES]);
        let mut packed = vec![empty; outputs.div_ceil(panel) * fours * packing.wide];
        let mut sums = vec![0; outputs];
        for (input, row) in weights.chunks_exact(outputs).enumerate() {
            for (output, weight) in row.iter().enumerate() {
                let column = output % panel;
                let register = (output / panel * fours + input / 4) * packing.wide + column / LANES;
                packed[register].0[column % LANES][input % 4] = *weight;
                sums[output] += i32::from(*weight);
            }
        }
        let panels = packed.chunks_exact_mut(fours * packing.wide);
        let rest: Vec<Vec<Rest>> = match packing.has_short_sums {
            true => panels.map(short_sums::make_room).collect(),
            false => Vec::new(),
        };
        let mut begins: Vec<i32> = sums.iter().map(|sum| sum * 128).collect();
        for (begins, rest) in begins.chunks_exact_mut(LANES).zip(&rest) {
            for Rest { weights, .. } in rest {
                for (begin, weights) in begins.iter_mut().zip(weights.0) {
                    *begin -=
                        weights.into_iter().map(|weight| 128 * i32::from(weight)).sum::<i32>();
                }
            }
        }
        let (scale, bias, divide) = (scale.to_vec(), bias.to_vec(), divide.to_vec());
        Ok(Linear {
            inputs,
            packed,
            #[cfg(target_arch = "x86_64")]
            rest,
            scale,
            bias,
            divide,
            sums,
            begins,
        })
    }

    /// Rows of `x` and `out`, as many at a time as stay near when they are quantised.
    pub fn near<'a>(
        &self,
        x: &'a [f32],
        out: &'a mut [f32],
    ) -> impl Iterator<Item = (&'a [f32], &'a mut [f32])> + use<'a> {
        let rows = (NEAR / self.inputs).max(1);
        x.chunks(rows * self.inputs).zip(out.chunks_mut(rows * self.outputs()))
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.scale.len()
    }
}

/// Rows of activations as steps, and what a step of each row is worth.
#[derive(Default)]
pub struct Steps {
    /// Block by block: sixteen values of each of its rows, then the next sixteen.
    pub(super) sixteens: Vec<[[u8; 4]; 4]>,
    /// The same by fours.
    #[cfg(target_arch = "x86_64")]
    pub(super) fours: Vec<[u8; 4]>,
    pub(super) scale: Vec<f32>,
    pub(super) zero: Vec<i32>,
    /// What short sums of a panel's weights are too large by.
    #[cfg(target_arch = "x86_64")]
    pub(super) excess: Vec<[[i16; 16]; 2]>,
}

/// The sizes of as few blocks of rows as it takes, none above `most`, as even as can be: a block of
/// one row alone would wait for its sums most of the time.
pub fn blocks(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = rows.div_ceil(most);
    (0..count).map(move |at| (rows + at) / count)
}
