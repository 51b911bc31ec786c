//! Choosing routing thresholds on labelled texts, with bounds that hold whatever the texts are like.
//!
//! One half of the texts chooses: the rules that are most often right for what they cost (`frontier`)
//! become a sequence. The other half certifies: the rules are tested one after the other, each at the
//! full level of error, until one fails; what has passed by then holds together. That is fixed-sequence
//! testing as in "Learn then Test" (Angelopoulos et al. 2021, <https://arxiv.org/abs/2110.01052>, section
//! 2.3); guarantees of this kind for cascades are those of BARGAIN (Zeighami et al. 2025,
//! <https://arxiv.org/abs/2509.02896>). The tests are those of `bounds`.

use super::bounds::Sample;
use super::frontier::frontier;
use crate::pricing::Usd;
use crate::sentiment::{Signals, Thresholds};

/// A threshold that no signal reaches.
pub(super) const NEVER: f32 = 1.01;

/// What is known of a text.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub signals: Signals,
    /// How unsure the local label is by its margin alone: what the signals are compared with.
    pub doubt: f32,
    /// Whether the local verdict is right.
    pub local: bool,
    /// Whether an LLM's is, 0 or 1; or how likely, where that is assumed.
    pub llm: f64,
    /// What asking costs.
    pub cost: Usd,
}

impl Case {
    pub(super) fn is_escalated(&self, thresholds: &Thresholds) -> bool {
        self.signals.named(thresholds).into_iter().any(|(_, value, threshold)| value >= threshold)
    }

    fn local_value(&self) -> f64 {
        f64::from(u8::from(self.local))
    }
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At least so many right, 0 to 1, at the least cost.
    MinAccuracy(f64),
    /// As many right as can be for at most so much for a thousand texts.
    MaxCostPer1k(Usd),
}

/// A rule, and what came of it on the certifying half.
#[derive(Clone, Copy, Debug)]
pub struct CurvePoint {
    pub thresholds: Thresholds,
    /// The share of the texts for which an LLM is asked.
    pub escalated: f64,
    pub cost_per_1k: Usd,
    pub accuracy: f64,
    /// Each is held with the confidence asked for, by itself.
    pub at_least: f64,
    pub at_most: f64,
    /// What the same share of the texts brings where those of the least margin are escalated, any, or
    /// those that gain most.
    pub margin_only: f64,
    pub random: f64,
    pub oracle: f64,
}

/// A rule that is certified. Both bounds hold however it was chosen, each with the confidence asked for.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    /// Its place on the curve.
    pub at: usize,
    pub accuracy_at_least: f64,
    pub cost_per_1k_at_most: Usd,
}

/// Why no rule is certified, and what could be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refused {
    /// The most accurate rule is right this often, at least.
    Accuracy { certifiable: f64, cost_per_1k: Usd },
    /// The cheapest rule costs this much, at most.
    Cost { certifiable: Usd },
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// From the cheapest to the dearest; never empty.
    pub curve: Vec<CurvePoint>,
    pub chosen: Result<Chosen, Refused>,
}

/// `base` with other thresholds for sarcasm, ambiguity and aspects at odds.
pub(super) fn with(base: &Thresholds, values: [f32; 3]) -> Thresholds {
    let [sarcasm, ambiguous, multi_aspect] = values;
    Thresholds { sarcasm, ambiguous, multi_aspect, ..*base }
}

/// Whether a threshold lets no text through.
pub fn is_never(threshold: f32) -> bool {
    threshold > 1.0
}

/// Divides texts, by their places, into those that choose and those that certify. Chance decides, the
/// same on every run, and equal texts stay together: one that stood on both sides would certify itself.
pub fn halves<'a>(texts: impl IntoIterator<Item = &'a str>) -> (Vec<usize>, Vec<usize>) {
    let texts = texts.into_iter().enumerate();
    let mut drawn: Vec<([u8; 32], usize)> =
        texts.map(|(at, text)| (*blake3::hash(text.as_bytes()).as_bytes(), at)).collect();
    drawn.sort_unstable();
    let middle = drawn.len() / 2;
    let cut =
        drawn.get(middle).map_or(0, |(first, _)| drawn.partition_point(|(hash, _)| hash < first));
    let places = |part: &[([u8; 32], usize)]| part.iter().map(|(_, at)| *at).collect();
    (places(&drawn[..cut]), places(&drawn[cut..]))
}

/// Chooses thresholds; what is not searched over keeps that of `base`. Both halves have at least one
/// text. `confidence` lies between 0 and 1.
pub fn calibrate(
    choosing: &[Case],
    certifying: &[Case],
    base: &Thresholds,
    goal: Goal,
    confidence: f64,
) -> Calibration {
    let error = 1.0 - confidence;
    let rules = frontier(choosing, base);
    let measured: Vec<Measured> = rules.iter().map(|rule| Measured::of(certifying, rule)).collect();
    let baselines = Baselines::of(certifying);
    let curve: Vec<CurvePoint> = rules
        .iter()
        .zip(&measured)
        .map(|(rule, measured)| baselines.point(*rule, measured, error))
        .collect();
    let chosen = match goal {
        Goal::MinAccuracy(asked) => accurate(&measured, asked, error),
        Goal::MaxCostPer1k(asked) => affordable(&measured, asked, error),
    };
    Calibration { curve, chosen }
}

/// From the most accurate rule down to the cheapest one that still passes.
fn accurate(measured: &[Measured], asked: f64, error: f64) -> Result<Chosen, Refused> {
    let best = measured.last().expect("a frontier has rules");
    let passes = |rule: &&Measured| rule.accuracy.if_at_most(asked) <= error;
    match measured.iter().rev().take_while(passes).count() {
        0 => Err(Refused::Accuracy {
            certifiable: best.accuracy.at_least(error),
            cost_per_1k: best.cost_per_1k(best.cost.mean()),
        }),
        passed => {
            let at = measured.len() - passed;
            let rule = &measured[at];
            Ok(Chosen {
                at,
                accuracy_at_least: asked,
                cost_per_1k_at_most: rule.cost_per_1k(rule.cost.at_most(shared(error, measured))),
            })
        }
    }
}

/// From the cheapest rule up to the dearest one that still passes.
fn affordable(measured: &[Measured], asked: Usd, error: f64) -> Result<Chosen, Refused> {
    let passes = |rule: &&Measured| rule.cost.if_at_least(rule.share_of_dearest(asked)) <= error;
    match measured.iter().take_while(passes).count() {
        0 => {
            let cheapest = &measured[0];
            Err(Refused::Cost { certifiable: cheapest.cost_per_1k(cheapest.cost.at_most(error)) })
        }
        passed => Ok(Chosen {
            at: passed - 1,
            accuracy_at_least: measured[passed - 1].accuracy.at_least(shared(error, measured)),
            cost_per_1k_at_most: asked,
        }),
    }
}

/// The error that each rule may have for the bounds of all to hold together (Bonferroni): for what is
/// read off a rule that the certifying half itself has picked.
fn shared(error: f64, measured: &[Measured]) -> f64 {
    error / measured.len() as f64
}

/// A rule on the certifying half.
struct Measured {
    escalated: usize,
    texts: usize,
    accuracy: Sample,
    /// As shares of what the dearest text costs.
    cost: Sample,
    dearest: Usd,
}

impl Measured {
    fn of(cases: &[Case], rule: &Thresholds) -> Measured {
        let is_escalated: Vec<bool> = cases.iter().map(|case| case.is_escalated(rule)).collect();
        let each = || cases.iter().zip(&is_escalated);
        let dearest = cases.iter().map(|case| case.cost).max().unwrap_or_default();
        let share = |cost: Usd| cost.pico() as f64 / dearest.pico().max(1) as f64;
        Measured {
            escalated: is_escalated.iter().filter(|is| **is).count(),
            texts: cases.len(),
            accuracy: Sample::of(
                each().map(|(case, is)| if *is { case.llm } else { case.local_value() }),
            ),
            cost: Sample::of(each().map(|(case, is)| if *is { share(case.cost) } else { 0.0 })),
            dearest,
        }
    }

    fn cost_per_1k(&self, share: f64) -> Usd {
        Usd::from_pico((share * self.dearest.pico() as f64 * 1_000.0).round() as i64)
    }

    /// The other way round; 1 is more than a text ever costs.
    fn share_of_dearest(&self, per_1k: Usd) -> f64 {
        let dearest = self.dearest.pico().max(1) as f64;
        (per_1k.pico() as f64 / 1_000.0 / dearest).min(1.0)
    }
}

/// What others than the signals would make of the certifying half, by how many texts are escalated.
struct Baselines {
    texts: f64,
    margin_only: Vec<f64>,
    random: Vec<f64>,
    oracle: Vec<f64>,
}

impl Baselines {
    fn of(cases: &[Case]) -> Baselines {
        let gain = |case: &Case| case.llm - case.local_value();
        let mut doubtful: Vec<&Case> = cases.iter().collect();
        doubtful.sort_by(|one, other| other.doubt.total_cmp(&one.doubt));
        let mut gains: Vec<f64> = cases.iter().map(gain).collect();
        let mean = gains.iter().sum::<f64>() / (gains.len() as f64).max(1.0);
        gains.sort_by(|one, other| other.total_cmp(one));
        let local: f64 = cases.iter().map(Case::local_value).sum();
        let from = |gains: &mut dyn Iterator<Item = f64>| -> Vec<f64> {
            let mut right = local;
            let rest = gains.map(|gain| {
                right += gain;
                right
            });
            std::iter::once(local).chain(rest).collect()
        };
        Baselines {
            texts: cases.len() as f64,
            margin_only: from(&mut doubtful.into_iter().map(gain)),
            random: from(&mut gains.iter().map(|_| mean)),
            // It knows when to stop.
            oracle: from(&mut gains.iter().map(|gain| gain.max(0.0))),
        }
    }

    fn point(&self, thresholds: Thresholds, measured: &Measured, error: f64) -> CurvePoint {
        let at = measured.escalated;
        CurvePoint {
            thresholds,
            escalated: at as f64 / measured.texts as f64,
            cost_per_1k: measured.cost_per_1k(measured.cost.mean()),
            accuracy: measured.accuracy.mean(),
            at_least: measured.accuracy.at_least(error),
            at_most: measured.accuracy.at_most(error),
            margin_only: self.margin_only[at] / self.texts,
            random: self.random[at] / self.texts,
            oracle: self.oracle[at] / self.texts,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    pub const BASE: Thresholds = Thresholds {
        ambiguous: 0.5,
        ambiguous_aspects: None,
        ambiguous_emotions: None,
        sarcasm: 0.5,
        multi_aspect: 0.5,
        out_of_domain: 0.5,
    };

    impl Case {
        pub fn example() -> Case {
            let signals =
                Signals { ambiguous: 0.0, sarcasm: 0.0, multi_aspect: 0.0, out_of_domain: 0.0 };
            let cost = Usd::from_pico(1_000_000_000);
            Case { signals, doubt: 0.0, local: true, llm: 1.0, cost }
        }
    }

    /// Texts of any kind.
    pub fn cases(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Case>> {
        let signals = (0.0f32..=1.0, 0.0f32..=1.0, 0.0f32..=1.0, prop::bool::weighted(0.1));
        let case = (signals, any::<bool>(), any::<bool>(), 1i64..9).prop_map(
            |((ambiguous, sarcasm, multi_aspect, is_foreign), local, llm, cost)| Case {
                signals: Signals {
                    ambiguous,
                    sarcasm,
                    multi_aspect,
                    out_of_domain: f32::from(u8::from(is_foreign)),
                },
                doubt: ambiguous,
                local,
                llm: f64::from(u8::from(llm)),
                cost: Usd::from_pico(cost * 100_000_000),
            },
        );
        vec(case, count)
    }

    /// Texts whose local verdict is wrong as often as `ambiguous` says.
    fn population(random: &mut StdRng, texts: usize, llm: f64) -> Vec<Case> {
        let draw = |_| {
            let ambiguous: f32 = random.random_range(0.0..0.6);
            let local = !random.random_bool(f64::from(ambiguous));
            let example = Case::example();
            let signals = Signals { ambiguous, sarcasm: random.random(), ..example.signals };
            let llm = f64::from(u8::from(random.random_bool(llm)));
            Case { signals, doubt: ambiguous, local, llm, ..example }
        };
        (0..texts).map(draw).collect()
    }

    #[test]
    fn what_is_certified_holds_as_often_as_it_says() {
        let mut random = StdRng::seed_from_u64(7);
        let (mut certified, mut wrong) = (0, 0);
        for _ in 0..200 {
            let (choosing, certifying) =
                (population(&mut random, 150, 0.95), population(&mut random, 150, 0.95));
            let goal = Goal::MinAccuracy(0.84);
            let found = calibrate(&choosing, &certifying, &BASE, goal, 0.9);
            if let Ok(chosen) = found.chosen {
                certified += 1;
                // What it comes to on all texts there are.
                let all = population(&mut random, 4_000, 0.95);
                let rule = Measured::of(&all, &found.curve[chosen.at].thresholds);
                wrong += i32::from(rule.accuracy.mean() < 0.84 - 0.005);
            }
        }
        assert!(certified > 100, "{certified}: it is no use");
        assert!(f64::from(wrong) <= 200.0 * 0.1, "{wrong} of {certified} were promised too much");
    }

    #[test]
    fn the_cheapest_rule_that_is_accurate_enough_is_chosen() {
        let mut random = StdRng::seed_from_u64(1);
        let choosing = population(&mut random, 4_000, 1.0);
        let certifying = population(&mut random, 4_000, 1.0);
        let of = |goal| calibrate(&choosing, &certifying, &BASE, goal, 0.95);
        let found = of(Goal::MinAccuracy(0.85));
        let chosen = found.chosen.expect("it can be had");
        let point = found.curve[chosen.at];
        assert!(point.at_least >= 0.85 && point.at_least < 0.87, "{point:?}");
        assert!(chosen.cost_per_1k_at_most > point.cost_per_1k);
        // Local is right in 0.7; a third of the errors lie in the last 14 % of the doubts.
        assert!(point.escalated > 0.25 && point.escalated < 0.45, "{point:?}");
        assert!(
            is_never(point.thresholds.sarcasm) || point.thresholds.sarcasm > 0.9,
            "it says nothing"
        );
        assert!(point.random < point.accuracy && point.accuracy < point.oracle, "{point:?}");
        assert!((point.margin_only - point.accuracy).abs() < 0.02, "{point:?}");

        let budget = point.cost_per_1k + Usd::from_pico(20_000_000_000);
        let found = of(Goal::MaxCostPer1k(budget));
        let chosen = found.chosen.expect("it can be had");
        let dearer = found.curve[chosen.at];
        assert!(dearer.cost_per_1k < budget && chosen.cost_per_1k_at_most == budget);
        assert!(chosen.accuracy_at_least < dearer.at_least, "many were looked at");
        let refused = of(Goal::MinAccuracy(0.9995)).chosen.expect_err("nobody is that good");
        let Refused::Accuracy { certifiable, .. } = refused else { panic!("{refused:?}") };
        assert!(certifiable < 0.9995 && certifiable > 0.99, "{certifiable}");
    }

    #[test]
    fn equal_texts_stay_on_one_side() {
        let texts = ["a", "b", "a", "c", "d", "e", "a", "f"];
        let (choosing, certifying) = halves(texts);
        assert_eq!(choosing.len() + certifying.len(), texts.len());
        assert!(choosing.len() >= 2 && certifying.len() >= 2, "{choosing:?} {certifying:?}");
        let of_a = |part: &[usize]| part.iter().filter(|at| texts[**at] == "a").count();
        assert!([0, 3].contains(&of_a(&choosing)));
        assert_eq!(halves(texts), halves(texts));
    }

    proptest! {
        #[test]
        fn a_rule_on_the_curve_is_measured_as_it_would_route(cases in cases(2..80)) {
            let (choosing, certifying) = cases.split_at(cases.len() / 2);
            let found = calibrate(choosing, certifying, &BASE, Goal::MinAccuracy(0.5), 0.8);
            for point in &found.curve {
                let escalated: Vec<&Case> = certifying
                    .iter()
                    .filter(|case| !case.signals.reasons(&point.thresholds).is_empty())
                    .collect();
                let share = escalated.len() as f64 / certifying.len() as f64;
                prop_assert!((point.escalated - share).abs() < 1e-12);
                let cost: i64 = escalated.iter().map(|case| case.cost.pico()).sum();
                let per_1k = cost as f64 * 1_000.0 / certifying.len() as f64;
                prop_assert!((point.cost_per_1k.pico() as f64 - per_1k).abs() < 1e3);
                prop_assert!(point.at_least <= point.accuracy && point.accuracy <= point.at_most);
                prop_assert!(point.accuracy <= point.oracle + 1e-9);
            }
            if let Ok(chosen) = found.chosen {
                prop_assert!(found.curve[chosen.at].at_least >= 0.5 - 1e-9);
            }
        }
    }
}
