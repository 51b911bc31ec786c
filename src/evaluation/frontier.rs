//! The routing rules worth choosing among: for every cost the thresholds that are most often right.
//!
//! A rule is a threshold for each of three signals, out of a grid of quantiles. Each text belongs to
//! one cell of that grid, and what a rule leaves to the local model is all that lies beyond it in every
//! direction: sums over a corner of the grid (Crow 1984, "summed-area tables"), so that 70,000 rules cost
//! one pass over the texts and one over the cells.

use super::thresholds::{Case, NEVER, with};
use crate::sentiment::{Signals, Thresholds};

/// Thresholds that are tried of each signal, beside never.
const STEPS: usize = 40;

/// The smallest share of the texts that a threshold is tried for; each further one is larger by the
/// same factor, up to all of them.
const LEAST_SHARE: f64 = 0.005;

/// The most rules that come of a search: evenly by cost, both ends included.
const MOST_RULES: usize = 64;

/// Thresholds have so many steps between 0 and 1, so that people can read them.
const RESOLUTION: f32 = 1e4;

/// What certain texts have in common: sums over them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    /// By how much an LLM would be right more often than the local model.
    gain: f64,
    cost: i64,
}

impl Sums {
    fn add(&mut self, other: Sums, times: i8) {
        self.gain += f64::from(times) * other.gain;
        self.cost += i64::from(times) * other.cost;
    }
}

/// The rules from the cheapest to the dearest, each one right more often than any that costs no more.
/// Signals beside the three keep the thresholds of `base`.
pub fn frontier(cases: &[Case], base: &Thresholds) -> Vec<Thresholds> {
    let grids = Grid::of_each(cases);
    let beyond = corner_sums(cases, base, &grids);
    let total = cases.iter().fold(Sums::default(), |mut total, case| {
        total.add(case.sums(), 1);
        total
    });
    let [wide, deep, high] = grids.each_ref().map(|grid| grid.thresholds.len());
    let mut rules: Vec<(Sums, [usize; 3])> = Vec::with_capacity(wide * deep * high);
    for a in 0..wide {
        for b in 0..deep {
            for c in 0..high {
                let mut escalated = total;
                escalated.add(beyond[place(&grids, [a, b, c])], -1);
                rules.push((escalated, [a, b, c]));
            }
        }
    }
    rules.sort_by(|(one, at), (other, beside)| {
        let by_gain = other.gain.total_cmp(&one.gain);
        one.cost.cmp(&other.cost).then(by_gain).then(at.cmp(beside))
    });
    let mut best = f64::NEG_INFINITY;
    rules.retain(|(sums, _)| {
        // Sums of the same parts in another order are no gain.
        let is_better = sums.gain > best + 1e-9;
        best = best.max(sums.gain);
        is_better
    });
    let thinned = thinned(&rules);
    let values = |at: [usize; 3]| [0, 1, 2].map(|axis| grids[axis].thresholds[at[axis]]);
    thinned.into_iter().map(|at| with(base, values(at))).collect()
}

/// For evenly spaced costs the dearest rule that costs no more.
fn thinned(rules: &[(Sums, [usize; 3])]) -> Vec<[usize; 3]> {
    let Some(((first, _), (last, _))) = rules.first().zip(rules.last()) else { return Vec::new() };
    let width = (last.cost - first.cost) as f64;
    let mut kept: Vec<[usize; 3]> = Vec::with_capacity(MOST_RULES);
    for step in 0..MOST_RULES {
        let share = step as f64 / (MOST_RULES - 1) as f64;
        let most = first.cost + (width * share).round() as i64;
        let within = rules.partition_point(|(sums, _)| sums.cost <= most);
        let at = rules[within.max(1) - 1].1;
        if kept.last() != Some(&at) {
            kept.push(at);
        }
    }
    kept
}

/// The thresholds of one signal, the highest first.
struct Grid {
    thresholds: Vec<f32>,
}

impl Grid {
    fn of_each(cases: &[Case]) -> [Grid; 3] {
        let of = |signal: usize| {
            let mut values: Vec<f32> =
                cases.iter().map(|case| searched(&case.signals)[signal]).collect();
            values.sort_by(|a, b| b.total_cmp(a));
            let factor = (1.0 / LEAST_SHARE).powf(1.0 / (STEPS - 1) as f64);
            let shares = (0..STEPS).map(|step| LEAST_SHARE * factor.powi(step as i32));
            let mut thresholds = vec![NEVER];
            for share in shares {
                let texts = ((share * values.len() as f64).round() as usize).min(values.len());
                // Rounded down, so that the text which it is made for is above it.
                let at = texts.checked_sub(1).map(|at| values[at]);
                let Some(value) = at.map(|value| (value * RESOLUTION).floor() / RESOLUTION) else {
                    continue;
                };
                if thresholds.last().is_none_or(|before| value < *before) {
                    thresholds.push(value);
                }
            }
            Grid { thresholds }
        };
        [of(0), of(1), of(2)]
    }

    /// The first threshold that a value reaches; as many as there are where it reaches none.
    fn first_reached(&self, value: f32) -> usize {
        self.thresholds.partition_point(|threshold| value < *threshold)
    }
}

/// The signals that are searched over, in the order of [`with`].
fn searched(signals: &Signals) -> [f32; 3] {
    [signals.sarcasm, signals.ambiguous, signals.multi_aspect]
}

/// Where the sums of a rule, or of a cell, stand. Cells have one more place on each axis, for values
/// that reach no threshold.
fn place(grids: &[Grid; 3], [a, b, c]: [usize; 3]) -> usize {
    let [_, deep, high] = grids.each_ref().map(|grid| grid.thresholds.len() + 1);
    (a * deep + b) * high + c
}

/// For each rule the sums over the texts that none of its thresholds is reached by.
fn corner_sums(cases: &[Case], base: &Thresholds, grids: &[Grid; 3]) -> Vec<Sums> {
    let sizes = grids.each_ref().map(|grid| grid.thresholds.len());
    let mut cells = vec![Sums::default(); sizes.iter().map(|size| size + 1).product()];
    // What the other signals escalate no rule leaves to the local model.
    let never = with(base, [NEVER; 3]);
    for case in cases.iter().filter(|case| !case.is_escalated(&never)) {
        let values = searched(&case.signals);
        let at = [0, 1, 2].map(|axis| grids[axis].first_reached(values[axis]));
        cells[place(grids, at)].add(case.sums(), 1);
    }
    // From "in this cell" to "here or further on", an axis at a time.
    for axis in 0..3 {
        for a in (0..=sizes[0]).rev() {
            for b in (0..=sizes[1]).rev() {
                for c in (0..=sizes[2]).rev() {
                    let mut next = [a, b, c];
                    next[axis] += 1;
                    if next[axis] <= sizes[axis] {
                        let further = cells[place(grids, next)];
                        cells[place(grids, [a, b, c])].add(further, 1);
                    }
                }
            }
        }
    }
    // Below a threshold is beyond its own cell.
    let mut beyond = vec![Sums::default(); cells.len()];
    for a in 0..sizes[0] {
        for b in 0..sizes[1] {
            for c in 0..sizes[2] {
                let cell = cells[place(grids, [a + 1, b + 1, c + 1])];
                beyond[place(grids, [a, b, c])] = cell;
            }
        }
    }
    beyond
}

impl Case {
    fn sums(&self) -> Sums {
        Sums { gain: self.llm - f64::from(u8::from(self.local)), cost: self.cost.pico() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluation::thresholds::tests::{BASE, cases};

    /// Gain and cost of a rule, text by text.
    fn plainly(cases: &[Case], rule: &Thresholds) -> (f64, i64) {
        let escalated = cases.iter().filter(|case| case.is_escalated(rule));
        escalated
            .fold((0.0, 0), |(gain, cost), case| (gain + case.sums().gain, cost + case.sums().cost))
    }

    proptest! {
        #[test]
        fn dearer_rules_are_better_and_no_rule_of_the_grid_beats_them(cases in cases(1..14)) {
            let found = frontier(&cases, &BASE);
            let figures: Vec<(f64, i64)> =
                found.iter().map(|rule| plainly(&cases, rule)).collect();
            for pair in figures.windows(2) {
                prop_assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{:?}", figures);
            }
            let (gain, dearest) = figures[figures.len() - 1];
            let grids = Grid::of_each(&cases);
            let [first, second, third] = &grids;
            let pairs = first.thresholds.iter().flat_map(|a| {
                second.thresholds.iter().map(move |b| (*a, *b))
            });
            let all = pairs.flat_map(|(a, b)| third.thresholds.iter().map(move |c| [a, b, *c]));
            for values in all {
                let (other, cost) = plainly(&cases, &with(&BASE, values));
                prop_assert!(other <= gain + 1e-6, "{:?} gains {} for {}", values, other, cost);
                if cost <= figures[0].1 {
                    prop_assert!(other <= figures[0].0 + 1e-6);
                }
            }
            prop_assert!(dearest >= figures[0].1);
            prop_assert!(found.len() <= MOST_RULES);
        }
    }

    #[test]
    fn thresholds_escalate_the_shares_that_they_are_made_for() {
        let case = |at: u32| {
            let value = at as f32 / 1000.0;
            let signals =
                Signals { ambiguous: value, sarcasm: value, multi_aspect: 0.0, out_of_domain: 0.0 };
            Case { signals, ..Case::example() }
        };
        let cases: Vec<Case> = (0..1000).map(case).collect();
        let [sarcasm, _, multi_aspect] = Grid::of_each(&cases);
        assert_eq!(sarcasm.thresholds.len(), STEPS + 1);
        assert_eq!((sarcasm.thresholds[0], sarcasm.thresholds[1]), (NEVER, 0.995));
        assert_eq!(sarcasm.thresholds[STEPS], 0.0, "all of them");
        assert_eq!(multi_aspect.thresholds, [NEVER, 0.0], "it never says anything");
    }
}
