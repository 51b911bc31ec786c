//! The kernels as ONNX Runtime's operators: `EncoderLayer`, `Linear` and `LinearGelu`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
};
use ort::value::DynTensorValueType;
use ort::value::TensorElementType::{self, Float32, Int8, Int64};

use super::instructions::Instructions;
use super::layer::{Layer, Scratch};
use super::linear::{Activation, Linear};
use super::norm::Norm;

thread_local! {
    /// Sessions are single-threaded, and one layer is done before the next begins.
    static SCRATCH: RefCell<Workspace> = RefCell::default();
}

#[derive(Default)]
struct Workspace {
    scratch: Scratch,
    /// The tokens of each text of a pass.
    texts: Vec<usize>,
    /// The rows of a pass without its padding, before a layer and after it.
    rows: Vec<f32>,
    out: Vec<f32>,
}

/// One model's packed weights, which its sessions share. Cheap to clone.
#[derive(Clone)]
pub struct Kernels {
    instructions: Instructions,
    layers: Packed<Layer>,
    products: Packed<Linear>,
}

/// By the names of their nodes.
type Packed<T> = Arc<Mutex<HashMap<String, Arc<T>>>>;

impl Kernels {
    /// By the processor's best instructions; none where it has none, or they do not pay off.
    pub fn new() -> Option<Kernels> {
        Kernels::best().filter(|kernels| kernels.instructions.pay_off())
    }

    /// The same, whether they pay off or not.
    pub fn best() -> Option<Kernels> {
        let instructions = Instructions::all().next()?;
        Some(Kernels { instructions, layers: Packed::default(), products: Packed::default() })
    }

    /// The operators for one session.
    ///
    /// # Errors
    /// As ONNX Runtime reports them.
    pub fn domain(&self) -> ort::Result<OperatorDomain> {
        let instructions = self.instructions;
        let product = |activation| LinearOperator {
            instructions,
            products: self.products.clone(),
            activation,
        };
        OperatorDomain::new("undertone")?
            .add(LayerOperator { instructions, layers: self.layers.clone() })?
            .add(product(Activation::None))?
            .add(product(Activation::Gelu))
    }
}

/// Packs a node's weights unless a session before this one did.
fn packed<T>(
    known: &Packed<T>,
    context: &KernelContext<'_>,
    pack: impl FnOnce() -> ort::Result<T>,
) -> ort::Result<Arc<T>> {
    let name = context.node_name()?;
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(packed) = known.get(&name) {
        return Ok(Arc::clone(packed));
    }
    let packed = Arc::new(pack()?);
    known.insert(name, Arc::clone(&packed));
    Ok(packed)
}

struct LayerOperator {
    instructions: Instructions,
    layers: Packed<Layer>,
}

struct LayerKernel(Arc<Layer>);

/// The hidden states [batch, tokens, width] and the mask [batch, tokens] of texts that are padded
/// behind, then the weights of four products and two norms.
const LAYER_INPUTS: [TensorElementType; 22] = [
    Float32, Int64, // x, mask
    Int8, Float32, Float32, Float32, // qkv: weights, scales, biases, divisors
    Int8, Float32, Float32, Float32, // attended
    Float32, Float32, // norm1: weights, biases
    Int8, Float32, Float32, Float32, // inner
    Int8, Float32, Float32, Float32, // outer
    Float32, Float32, // norm2
];

impl Operator for LayerOperator {
    type Kernel<'attr> = LayerKernel;

    fn name(&self) -> &str {
        "EncoderLayer"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        LAYER_INPUTS.map(OperatorInput::required)
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<LayerKernel> {
        let layer = packed(&self.layers, context, || {
            let heads = context.get::<i64>("heads").and_then(|heads| usize::try_from(heads).ok());
            let epsilon = context.get::<f32>("epsilon").ok_or(missing("epsilon"))?;
            let norm = |at| -> ort::Result<Norm> {
                let (weight, bias) = (floats(context, at)?, floats(context, at + 1)?);
                Ok(Norm { weight, bias, epsilon })
            };
            let by = self.instructions;
            let layer = Layer {
                instructions: by,
                heads: heads.ok_or(missing("heads"))?,
                qkv: linear(by, context, 2)?,
                attended: linear(by, context, 6)?,
                norm1: norm(10)?,
                inner: linear(by, context, 12)?,
                outer: linear(by, context, 16)?,
                norm2: norm(20)?,
            };
            layer.check().map_err(ort::Error::new)
        })?;
        Ok(LayerKernel(layer))
    }
}

impl Kernel for LayerKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let x = context.input(0)?.ok_or(missing("the hidden states"))?;
        let mask = context.input(1)?.ok_or(missing("the mask"))?;
        let (shape, x) = x.try_extract_tensor::<f32>()?;
        let (_, mask) = mask.try_extract_tensor::<i64>()?;
        let mut out = context.output(0, shape.to_vec())?.ok_or(missing("the output"))?;
        let (_, out) = out.try_extract_tensor_mut::<f32>()?;
        let &[_, longest, width] = &**shape else {
            return Err(ort::Error::new("the hidden states are not [batch, tokens, width]"));
        };
        let (longest, width) = (longest as usize, width as usize);
        if mask.len() * width != x.len() || width != self.0.attended.outputs() {
            return Err(ort::Error::new("mask, hidden states and weights do not fit together"));
        }
        if x.is_empty() {
            return Ok(());
        }
        SCRATCH
            .with_borrow_mut(|workspace| self.read(x, mask.chunks_exact(longest), out, workspace));
        Ok(())
    }
}

impl LayerKernel {
    fn read<'a>(
        &self,
        x: &[f32],
        masks: impl Iterator<Item = &'a [i64]> + Clone,
        out: &mut [f32],
        Workspace { scratch, texts, rows, out: unpadded }: &mut Workspace,
    ) {
        texts.clear();
        texts.extend(masks.clone().map(|mask| mask.iter().filter(|kept| **kept != 0).count()));
        let width = self.0.attended.outputs();
        let row_count = texts.iter().sum::<usize>();
        if row_count * width == x.len() {
            self.0.run(x, texts, out, scratch);
            return;
        }
        let padded = x.len() / texts.len();
        rows.clear();
        for (x, tokens) in x.chunks_exact(padded).zip(&*texts) {
            rows.extend_from_slice(&x[..tokens * width]);
        }
        unpadded.resize(rows.len(), 0.0);
        self.0.run(rows, texts, unpadded, scratch);
        let mut rest = unpadded.as_slice();
        for (out, tokens) in out.chunks_exact_mut(padded).zip(&*texts) {
            let (text, following) = rest.split_at(tokens * width);
            let (kept, padding) = out.split_at_mut(text.len());
            kept.copy_from_slice(text);
            padding.fill(0.0);
            rest = following;
        }
    }
}

struct LinearOperator {
    instructions: Instructions,
    products: Packed<Linear>,
    activation: Activation,
}

struct LinearKernel {
    instructions: Instructions,
    product: Arc<Linear>,
    activation: Activation,
}

impl Operator for LinearOperator {
    type Kernel<'attr> = LinearKernel;

    fn name(&self) -> &str {
        match self.activation {
            Activation::None => "Linear",
            Activation::Gelu => "LinearGelu",
        }
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [Float32, Int8, Float32, Float32, Float32].map(OperatorInput::required)
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<LinearKernel> {
        let (instructions, activation) = (self.instructions, self.activation);
        let product = packed(&self.products, context, || linear(instructions, context, 1))?;
        Ok(LinearKernel { instructions, product, activation })
    }
}

impl Kernel for LinearKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let x = context.input(0)?.ok_or(missing("the input"))?;
        let (shape, x) = x.try_extract_tensor::<f32>()?;
        let mut shape = shape.to_vec();
        match shape.last_mut() {
            Some(width) if *width == self.product.inputs() as i64 => {
                *width = self.product.outputs() as i64;
            }
            _ => return Err(ort::Error::new("input and weights do not fit together")),
        }
        let mut out = context.output(0, shape)?.ok_or(missing("the output"))?;
        let (_, out) = out.try_extract_tensor_mut::<f32>()?;
        SCRATCH.with_borrow_mut(|workspace| {
            let steps = &mut workspace.scratch.steps;
            self.instructions.multiply(&self.product, x, out, self.activation, steps);
        });
        Ok(())
    }
}

/// The product whose weights, scales, biases and divisors are a node's inputs from `first` on.
fn linear(by: Instructions, context: &KernelContext<'_>, first: usize) -> ort::Result<Linear> {
    let weights = context.constant_input::<DynTensorValueType>(first)?;
    let (_, weights) = weights.try_extract_tensor::<i8>()?;
    let (scale, bias) = (floats(context, first + 1)?, floats(context, first + 2)?);
    let divide = floats(context, first + 3)?;
    Linear::new(by.packing(), weights, &scale, &bias, &divide).map_err(ort::Error::new)
}

fn floats(context: &KernelContext<'_>, input: usize) -> ort::Result<Vec<f32>> {
    let value = context.constant_input::<DynTensorValueType>(input)?;
    Ok(value.try_extract_tensor::<f32>()?.1.to_vec())
}

fn missing(what: &str) -> ort::Error {
    ort::Error::new(format!("{what} is missing"))
}
