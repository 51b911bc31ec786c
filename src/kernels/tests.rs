//! Each kernel, in each form that this processor has, against the same arithmetic, written out plainly in
//! double precision.

use super::attention::Buffers;
use super::instructions::Instructions;
use super::layer::{Layer, Scratch};
use super::linear::{Activation, Linear, Packing, Steps};
use super::norm::Norm;

/// All forms that this processor has; a run of the tests says which (`--nocapture`).
fn forms() -> Vec<Instructions> {
    let forms: Vec<Instructions> = Instructions::all().collect();
    println!("kernels by {forms:?}");
    forms
}

/// Numbers between −1 and 1, the same ones every time.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn dot<'a>(
    some: impl IntoIterator<Item = &'a f32>,
    others: impl IntoIterator<Item = &'a f32>,
) -> f64 {
    some.into_iter().zip(others).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn check(expected: &[f64], found: &[f32], tolerance: f64) {
    assert_eq!(expected.len(), found.len());
    for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
        let apart = (expected - f64::from(*found)).abs();
        assert!(apart < tolerance, "{at}: {expected} and {found}");
    }
}

/// Φ by the series of the error function.
fn gelu(x: f64) -> f64 {
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..150 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    let erf = (sum * 2.0 / std::f64::consts::PI.sqrt()).clamp(-1.0, 1.0);
    0.5 * x * (1.0 + erf)
}

#[test]
fn a_product_is_that_of_the_quantised_rows() {
    // Weights of 7 bits, and of 8.
    for (rows, inputs, outputs, most) in [
        (1, 16, 16, 127),
        (8, 64, 48, 63),
        (9, 384, 80, 127),
        (17, 96, 400, 63),
        (400, 384, 16, 63),
    ] {
        let weights: Vec<i8> =
            numbers(inputs * outputs, 1).iter().map(|x| (x * most as f32) as i8).collect();
        let scale: Vec<f32> = numbers(outputs, 2).iter().map(|x| x.abs() / 1000.0).collect();
        let bias = numbers(outputs, 3);
        let divide: Vec<f32> = numbers(inputs, 10).iter().map(|x| 1.0 + x.abs()).collect();
        let mut x = numbers(rows * inputs, 4);
        x[..inputs].fill(0.0);
        for activation in [Activation::None, Activation::Gelu] {
            let expected: Vec<f64> = x
                .chunks(inputs)
                .flat_map(|row| {
                    let row: Vec<f32> = row.iter().zip(&divide).map(|(x, by)| x * by).collect();
                    let least = row.iter().copied().fold(0.0, f32::min);
                    let most = row.iter().copied().fold(0.0, f32::max);
                    let step = ((most - least) / 255.0).max(1e-30);
                    let zero = (-least * (1.0 / step)).round_ties_even();
                    let steps: Vec<f32> = row
                        .iter()
                        .map(|x| (x * (1.0 / step)).round_ties_even() + zero)
                        .map(|value| value.clamp(0.0, 255.0) - zero)
                        .collect();
                    let of = |output: usize| {
                        let column =
                            weights[output..].iter().step_by(outputs).map(|w| f32::from(*w));
                        let column: Vec<f32> = column.collect();
                        let worth = f64::from(step) * f64::from(scale[output]);
                        dot(&steps, &column) * worth + f64::from(bias[output])
                    };
                    (0..outputs).map(of).collect::<Vec<_>>()
                })
                .map(|value| if activation == Activation::Gelu { gelu(value) } else { value })
                .collect();
            for by in forms() {
                let product = Linear::new(by.packing(), &weights, &scale, &bias, &divide);
                let product = product.expect("the sizes fit");
                let mut out = vec![f32::NAN; rows * outputs];
                by.multiply(&product, &x, &mut out, activation, &mut Steps::default());
                check(&expected, &out, 1e-4);
            }
        }
    }
}

/// What overflows wherever sums are too narrow: the largest weights and values, of either sign, side by side.
#[test]
fn a_product_of_extremes_is_exact() {
    let (inputs, outputs) = (64, 32);
    let signs = [
        |_| 1,
        |_| -1,
        |at| [1, -1][at % 2],
        |at| [1, 1, -1, -1][at % 4],
        |at| [1, -1][at / 8 % 2],
    ];
    for (most, sign) in
        [63, 64, 127, 128].into_iter().flat_map(|most| signs.map(|sign| (most, sign)))
    {
        let weight = |at: usize| (most * sign(at / outputs)).clamp(-128, 127) as i8;
        let weights: Vec<i8> = (0..inputs * outputs).map(weight).collect();
        let ones = vec![1.0; outputs];
        for x in [1.0, -1.0] {
            let x: Vec<f32> = vec![x; inputs];
            let expected = dot(
                &x,
                &weights.iter().step_by(outputs).map(|w| f32::from(*w)).collect::<Vec<_>>(),
            );
            for by in forms() {
                let bias = vec![0.0; outputs];
                let product = Linear::new(by.packing(), &weights, &ones, &bias, &vec![1.0; inputs]);
                let product = product.expect("the sizes fit");
                let mut out = vec![f32::NAN; outputs];
                by.multiply(&product, &x, &mut out, Activation::None, &mut Steps::default());
                check(&vec![expected; outputs], &out, 0.01);
            }
        }
    }
}

#[test]
fn a_product_of_other_sizes_is_refused() {
    for (weights, outputs, biases, divisors) in
        [(16 * 15, 15, 15, 16), (15 * 16, 16, 16, 15), (256, 16, 15, 16), (256, 16, 16, 15)]
    {
        let (weights, scale) = (vec![0; weights], vec![0.0; outputs]);
        let (bias, divide) = (vec![0.0; biases], vec![1.0; divisors]);
        let packing = Packing { wide: 1, has_short_sums: true };
        assert!(Linear::new(packing, &weights, &scale, &bias, &divide).is_err());
    }
}

#[test]
fn attention_weighs_values_by_keys() {
    for (tokens, heads, depth) in [(1, 1, 16), (2, 2, 32), (15, 3, 16), (16, 12, 32), (37, 2, 64)] {
        let width = heads * depth;
        let qkv = numbers(tokens * 3 * width, 5);
        let part = |token: usize, part: usize, head: usize| {
            &qkv[(token * 3 + part) * width + head * depth..][..depth]
        };
        let mut expected = vec![0.0; tokens * width];
        for (head, query) in (0..heads).flat_map(|head| (0..tokens).map(move |query| (head, query)))
        {
            let shares: Vec<f64> = (0..tokens)
                .map(|key| dot(part(query, 0, head), part(key, 1, head)).exp())
                .collect();
            let whole: f64 = shares.iter().sum();
            for at in 0..depth {
                expected[query * width + head * depth + at] = (0..tokens)
                    .map(|key| shares[key] / whole * f64::from(part(key, 2, head)[at]))
                    .sum();
            }
        }
        for by in forms() {
            let mut out = vec![f32::NAN; tokens * width];
            by.attend(&qkv, width, heads, &mut out, &mut Buffers::default());
            check(&expected, &out, 1e-5);
        }
    }
}

#[test]
fn a_norm_has_mean_and_deviation_of_its_own() {
    let (rows, width) = (3, 64);
    let norm = Norm { weight: numbers(width, 6), bias: numbers(width, 7), epsilon: 1e-12 };
    let (x, residual) = (numbers(rows * width, 8), numbers(rows * width, 9));
    let expected: Vec<f64> = x
        .chunks(width)
        .zip(residual.chunks(width))
        .flat_map(|(x, residual)| {
            let sums: Vec<f64> =
                x.iter().zip(residual).map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
            let mean = sums.iter().sum::<f64>() / width as f64;
            let variance = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / width as f64;
            let parameters = norm.weight.iter().zip(&norm.bias);
            sums.into_iter()
                .zip(parameters)
                .map(|(sum, (weight, bias))| {
                    (sum - mean) / variance.sqrt() * f64::from(*weight) + f64::from(*bias)
                })
                .collect::<Vec<_>>()
        })
        .collect();
    for by in forms() {
        let mut sums = x.clone();
        by.add(&norm, &mut sums, &residual);
        check(&expected, &sums, 1e-5);
    }
}

/// A layer of random weights of 7 bits, by one form.
fn layer(by: Instructions, width: usize) -> Layer {
    let product = |inputs: usize, outputs: usize, seed: u64| {
        let weights: Vec<i8> =
            numbers(inputs * outputs, seed).iter().map(|x| (x * 63.0) as i8).collect();
        let scale = vec![0.002; outputs];
        Linear::new(by.packing(), &weights, &scale, &numbers(outputs, seed), &vec![1.0; inputs])
            .expect("the sizes fit")
    };
    let norm = |seed: u64| Norm {
        weight: numbers(width, seed),
        bias: numbers(width, seed + 1),
        epsilon: 1e-12,
    };
    let layer = Layer {
        instructions: by,
        heads: 3,
        qkv: product(width, 3 * width, 11),
        attended: product(width, width, 12),
        norm1: norm(13),
        inner: product(width, 4 * width, 15),
        outer: product(4 * width, width, 16),
        norm2: norm(17),
    };
    layer.check().expect("the parts fit")
}

/// Bit for bit, on every processor: floats are added in one order. So a text keeps its scores wherever it is read,
/// and a change of this number changes scores.
#[test]
fn every_form_makes_the_same_of_a_text() {
    let (width, texts) = (96, [1, 7, 16, 37]);
    let x = numbers(width * texts.iter().sum::<usize>(), 19);
    for by in forms() {
        let layer = layer(by, width);
        let (mut scratch, mut out) = (Scratch::default(), vec![f32::NAN; x.len()]);
        layer.run(&x, &texts, &mut out, &mut scratch);
        // FNV-1a of the numbers' bits.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in out.iter().flat_map(|x| x.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        assert_eq!(hash, 0xd67d_d321_2f4f_5382, "{by:?}");
    }
}
