//! Which weights may be multiplied into sums of 16 bits, so that AVX2's `vpmaddubsw` is exact.
//!
//! That instruction multiplies unsigned bytes with signed ones and adds two products in 16 bits. The
//! form for AVX2 adds four such pairs, of the same outputs and of sixteen inputs, before it widens
//! them: a lane of 16 bits then holds the products of eight weights w with values x from 0 to 255,
//! and may have wrapped around. But Σ xw = 128 Σw + Σ (x − 128) w, and the second sum lies within
//! 128 Σ|w|. So where Σ|w| is at most 255, what is left when 128 Σw is taken off, which wraps around
//! too, is that second sum, exactly.
//!
//! Of a pair alone the instruction cuts off what leaves 16 bits. No two weights of one sign may add up
//! to more than 128, then: 255 × 128 = 32,640. Those of 7 bits never do.
//!
//! A weight that there is no room for moves to the rest, where each pair is widened by itself. Of
//! weights of 7 bits these are few; those of 8 bits are as exact, and take longer.

use super::linear::{LANES, Weights};

/// The most that the weights of a lane may add up to, signs aside.
const MOST: i32 = 255;
/// The most that two weights of one sign may add up to.
const MOST_OF_PAIR: i32 = 128;

/// Weights that are multiplied by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// Which four inputs they belong to.
    pub four: usize,
    pub weights: Weights,
}

/// Takes out of a panel, which is 16 outputs wide, what its short sums have no room for.
pub fn make_room(panel: &mut [Weights]) -> Vec<Rest> {
    let mut rest = Vec::new();
    for (at, sixteen) in panel.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        // Rests of these sixteen inputs.
        let first = rest.len();
        for (output, pair) in (0..LANES).flat_map(|output| [(output, 0), (output, 2)]) {
            let mut room = MOST;
            for (place, weights) in sixteen.iter_mut().enumerate() {
                let from = &mut weights.0[output];
                for input in [pair, pair + 1] {
                    let other = if input == pair { 0 } else { from[pair] };
                    let size = i32::from(from[input]).abs();
                    if size <= room && pair_fits(other, from[input]) {
                        room -= size;
                    } else {
                        let weight = std::mem::take(&mut from[input]);
                        put(&mut rest, first, at * 4 + place, (output, input), weight);
                    }
                }
            }
        }
    }
    rest
}

/// Puts a weight of those four inputs where its pair has room.
fn put(rest: &mut Vec<Rest>, first: usize, four: usize, at: (usize, usize), weight: i8) {
    let (output, input) = at;
    let has_room = |rest: &&mut Rest| {
        rest.four == four && pair_fits(rest.weights.0[output][input ^ 1], weight)
    };
    if let Some(rest) = rest[first..].iter_mut().find(has_room) {
        rest.weights.0[output][input] = weight;
        return;
    }
    let mut weights = Weights([[0; 4]; LANES]);
    weights.0[output][input] = weight;
    rest.push(Rest { four, weights });
}

fn pair_fits(a: i8, b: i8) -> bool {
    let (a, b) = (i32::from(a), i32::from(b));
    a.signum() * b.signum() <= 0 || (a + b).abs() <= MOST_OF_PAIR
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `vpmaddubsw` of one lane, which cuts off what leaves 16 bits.
    fn multiply(values: [u8; 2], weights: [i8; 2]) -> i16 {
        let product = |at: usize| i32::from(values[at]) * i32::from(weights[at]);
        (product(0) + product(1)).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    }

    /// What a lane's pairs add up to as the form for AVX2 does it, wrapping around.
    fn short_sum(values: [[u8; 2]; 4], weights: [[i8; 2]; 4]) -> i16 {
        let sum = |values: [[u8; 2]; 4]| {
            values.into_iter().zip(weights).map(|(x, w)| multiply(x, w)).fold(0, i16::wrapping_add)
        };
        sum(values).wrapping_sub(sum([[128; 2]; 4]))
    }

    #[test]
    fn short_sums_and_rests_are_the_whole_product() {
        // What the weights of a lane are, and what values bring its sums to their ends.
        let mut state = 1u64;
        let mut number = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            (state >> 33) % below
        };
        for most in [63u64, 127] {
            for kind in 0..200 {
                let mut panel = [Weights([[0; 4]; LANES]); 4];
                for weight in panel.iter_mut().flat_map(|four| four.0.as_flattened_mut()) {
                    let size = if kind % 2 == 0 { most } else { number(most + 1) };
                    *weight = size as i8 * [1, -1, 1][number(1 + kind % 3) as usize];
                }
                let whole = panel;
                let rest = make_room(&mut panel);
                for (output, pair) in (0..LANES).flat_map(|output| [(output, 0), (output, 2)]) {
                    let lane = |weights: &Weights| [0, 1].map(|at| weights.0[output][pair + at]);
                    let random = whole.map(|_| [number(256) as u8, number(256) as u8]);
                    let largest = whole.map(|w| lane(&w).map(|w| if w > 0 { 255 } else { 0 }));
                    let least = largest.map(|pair| pair.map(|value: u8| 255 - value));
                    for values in [random, largest, least] {
                        let weights = panel.map(|four| lane(&four));
                        let centred = i32::from(short_sum(values, weights));
                        let total: i32 = weights.as_flattened().iter().map(|w| i32::from(*w)).sum();
                        let others = rest.iter().map(|rest| {
                            i32::from(multiply(values[rest.four], lane(&rest.weights)))
                        });
                        let found = centred + 128 * total + others.sum::<i32>();
                        let (values, weights) = (values.as_flattened(), whole.map(|w| lane(&w)));
                        let products = values.iter().zip(weights.as_flattened());
                        let expected: i32 =
                            products.map(|(x, w)| i32::from(*x) * i32::from(*w)).sum();
                        assert_eq!(found, expected);
                    }
                }
            }
        }
    }
}
