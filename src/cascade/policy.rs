//! Who answers: a pure function of the signals, their thresholds and what is allowed, so that it
//! can be replayed on logged signals.

use crate::pricing::Usd;
use crate::sentiment::{Outcome, Reason, Route, Signals, Thresholds};

/// What is to be done with a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The local verdict stands. Where `reasons` are given, an LLM was wanted and could not be had.
    Local { reasons: Vec<Reason>, outcome: Outcome },
    /// An LLM is to be asked.
    Ask { reasons: Vec<Reason> },
}

/// What may be spent on asking an LLM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Whatever it costs.
    Granted,
    /// No more than can be expected of it: the chance that a text needs help times what a correction
    /// is worth. `price` is what a call will likely cost; `None`: not known.
    Weighed { correction: Usd, price: Option<Usd> },
    /// No provider is configured.
    Disabled,
}

pub fn decide(
    route: Route,
    signals: &Signals,
    thresholds: &Thresholds,
    allowance: Allowance,
) -> Decision {
    let reasons = match route {
        Route::Local => Vec::new(),
        Route::Auto => signals.reasons(thresholds),
        Route::Llm => {
            std::iter::once(Reason::Requested).chain(signals.reasons(thresholds)).collect()
        }
    };
    match allowance {
        _ if reasons.is_empty() => Decision::Local { reasons, outcome: Outcome::NotNeeded },
        Allowance::Disabled => Decision::Local { reasons, outcome: Outcome::Disabled },
        Allowance::Granted => Decision::Ask { reasons },
        // Whoever asks for an LLM has weighed it.
        Allowance::Weighed { .. } if route == Route::Llm => Decision::Ask { reasons },
        Allowance::Weighed { price: None, .. } => {
            Decision::Local { reasons, outcome: Outcome::OverBudget }
        }
        Allowance::Weighed { correction, price: Some(price) } => {
            match f64::from(signals.need()) * correction.pico() as f64 >= price.pico() as f64 {
                true => Decision::Ask { reasons },
                false => Decision::Local { reasons: Vec::new(), outcome: Outcome::NotNeeded },
            }
        }
    }
}

/// The same after the dice have been thrown: where they fell so, a text that would stay local by
/// itself is asked about, so that it is known how often the local verdicts that stand are wrong.
pub fn sample(decision: Decision, route: Route, allowance: Allowance, dice: bool) -> Decision {
    match decision {
        Decision::Local { outcome: Outcome::NotNeeded, .. }
            if dice && route == Route::Auto && allowance != Allowance::Disabled =>
        {
            Decision::Ask { reasons: vec![Reason::Sampled] }
        }
        decision => decision,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signals() -> impl Strategy<Value = Signals> {
        (0.0f32..=1.0, 0.0f32..=1.0, 0.0f32..=1.0, 0.0f32..=1.0).prop_map(
            |(ambiguous, sarcasm, multi_aspect, out_of_domain)| Signals {
                ambiguous,
                sarcasm,
                multi_aspect,
                out_of_domain,
            },
        )
    }

    const THRESHOLDS: Thresholds = Thresholds {
        ambiguous: 0.6,
        ambiguous_aspects: None,
        ambiguous_emotions: None,
        sarcasm: 0.5,
        multi_aspect: 0.4,
        out_of_domain: 0.5,
    };

    fn asks(decision: &Decision) -> bool {
        matches!(decision, Decision::Ask { .. })
    }

    proptest! {
        #[test]
        fn a_local_request_is_never_asked_about_nor_given_a_reason(signals in signals()) {
            let decision = decide(Route::Local, &signals, &THRESHOLDS, Allowance::Granted);
            let expected = Decision::Local { reasons: vec![], outcome: Outcome::NotNeeded };
            prop_assert_eq!(decision, expected);
        }

        #[test]
        fn a_request_for_the_llm_is_always_asked_about_and_says_so(signals in signals()) {
            match decide(Route::Llm, &signals, &THRESHOLDS, Allowance::Granted) {
                Decision::Ask { reasons } => prop_assert_eq!(reasons[0], Reason::Requested),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn what_is_weighed_is_asked_about_if_it_pays_and_the_signals_call_for_it(
            signals in signals(), correction in 0..1_000_000_i64, price in 0..1_000_000_i64,
        ) {
            let weighed = |correction, price: Option<i64>| Allowance::Weighed {
                correction: Usd::from_pico(correction), price: price.map(Usd::from_pico),
            };
            let decide = |allowance| decide(Route::Auto, &signals, &THRESHOLDS, allowance);
            let Decision::Ask { reasons } = decide(Allowance::Granted) else {
                let calm = decide(weighed(correction, Some(price)));
                prop_assert_eq!(calm, decide(Allowance::Granted));
                return Ok(());
            };
            let need = f64::from(signals.need());
            let stays = Decision::Local { reasons: vec![], outcome: Outcome::NotNeeded };
            match decide(weighed(correction, Some(price))) {
                Decision::Ask { reasons: same } => {
                    prop_assert_eq!(&same, &reasons);
                    prop_assert!(need * correction as f64 >= price as f64);
                    let dearer_mistake = decide(weighed(correction + 1, Some(price)));
                    prop_assert!(asks(&dearer_mistake));
                    let cheaper_call = decide(weighed(correction, Some(price / 2)));
                    prop_assert!(asks(&cheaper_call));
                }
                local => {
                    prop_assert_eq!(&local, &stays);
                    prop_assert!(need * (correction as f64) < price as f64);
                }
            }
            prop_assert!(asks(&decide(weighed(correction, Some(0)))));
            let unknown = Decision::Local { reasons, outcome: Outcome::OverBudget };
            prop_assert_eq!(decide(weighed(correction, None)), unknown);
        }

        #[test]
        fn the_need_is_a_chance_and_no_less_than_that_of_any_signal(signals in signals()) {
            let need = f64::from(signals.need());
            prop_assert!((0.0..=1.0).contains(&need));
            for (name, value, _) in signals.named(&THRESHOLDS) {
                prop_assert!(need >= f64::from(value) - 1e-6, "{}", name);
            }
        }

        #[test]
        fn who_asks_for_the_llm_is_not_weighed(signals in signals()) {
            let nothing = Allowance::Weighed { correction: Usd::ZERO, price: None };
            let decision = decide(Route::Llm, &signals, &THRESHOLDS, nothing);
            prop_assert!(asks(&decision), "{:?}", decision);
        }

        #[test]
        fn more_of_a_signal_never_takes_a_reason_away(mut signals in signals(), more in 0.0f32..1.0) {
            let before = signals.reasons(&THRESHOLDS);
            signals.sarcasm = (signals.sarcasm + more).min(1.0);
            let after = signals.reasons(&THRESHOLDS);
            prop_assert!(before.iter().all(|reason| after.contains(reason)));
        }

        #[test]
        fn without_a_provider_nobody_is_asked_and_the_reasons_stay(signals in signals()) {
            let granted = decide(Route::Auto, &signals, &THRESHOLDS, Allowance::Granted);
            let disabled = decide(Route::Auto, &signals, &THRESHOLDS, Allowance::Disabled);
            match (granted, disabled) {
                (Decision::Ask { reasons: wanted }, Decision::Local { reasons, outcome }) => {
                    prop_assert_eq!(wanted, reasons);
                    prop_assert_eq!(outcome, Outcome::Disabled);
                }
                (plain, same) => prop_assert_eq!(plain, same),
            }
        }

        #[test]
        fn the_dice_matter_only_where_nothing_else_speaks_for_an_llm(signals in signals()) {
            let thrown = |route, allowance, dice| {
                let decision = decide(route, &signals, &THRESHOLDS, allowance);
                (decision.clone(), sample(decision, route, allowance, dice))
            };
            match thrown(Route::Auto, Allowance::Granted, true) {
                (Decision::Local { .. }, sampled) => {
                    prop_assert_eq!(sampled, Decision::Ask { reasons: vec![Reason::Sampled] });
                }
                (asked, same) => prop_assert_eq!(asked, same),
            }
            for (route, allowance, dice) in [
                (Route::Auto, Allowance::Granted, false),
                (Route::Auto, Allowance::Disabled, true),
                (Route::Local, Allowance::Granted, true),
                (Route::Llm, Allowance::Granted, true),
            ] {
                let (decision, same) = thrown(route, allowance, dice);
                prop_assert_eq!(decision, same);
            }
        }
    }

    #[test]
    fn a_signal_at_its_threshold_fires() {
        let calm = Signals { ambiguous: 0.1, sarcasm: 0.1, multi_aspect: 0.1, out_of_domain: 0.0 };
        let fired = Signals { sarcasm: 0.5, ..calm };
        assert_eq!(calm.reasons(&THRESHOLDS), []);
        assert_eq!(fired.reasons(&THRESHOLDS), [Reason::Sarcasm]);
    }
}
