//! A product's INT8 weights, packed as both forms of the kernels read them, and a pass's activations.

/// Outputs whose weights lie side by side.
pub const LANES: usize = 16;
/// Groups of outputs that a panel of weights is wide.
pub const WIDE: usize = 3;
pub const PANEL: usize = WIDE * LANES;

/// The weights of 16 outputs for four inputs.
#[derive(Clone, Copy)]
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
    /// What a step of each output's weights is worth.
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// What each input is multiplied with before it is quantised; its weights make up for it.
    pub(super) divide: Vec<f32>,
    /// The sum of each output's weights, by which a row's zero point is taken off.
    pub(super) sums: Vec<i32>,
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
}

/// Rows of activations as steps, and what a step of each row is worth.
#[derive(Default)]
pub struct Steps {
    /// Block by block: four values of each of its rows, then the next four; as bytes where AVX-512
    /// multiplies them, else as 16 bits.
    pub(super) bytes: Vec<u8>,
    pub(super) shorts: Vec<i16>,
    pub(super) scale: Vec<f32>,
    pub(super) zero: Vec<i32>,
}

/// The sizes of as few blocks of rows as it takes, none above `most`, as even as can be: a block of
/// one row alone would wait for its sums most of the time.
pub fn blocks(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = rows.div_ceil(most);
    (0..count).map(move |at| (rows + at) / count)
}
