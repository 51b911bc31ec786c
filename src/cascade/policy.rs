//! Who answers: a pure function of the signals, their thresholds and what is allowed, so that it
//! can be replayed on logged signals.

use crate::sentiment::{Outcome, Reason, Route, Signals, Thresholds};

/// What is to be done with a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The local verdict stands. Where `reasons` are given, an LLM was wanted and could not be had.
    Local { reasons: Vec<Reason>, outcome: Outcome },
    /// An LLM is to be asked.
    Ask { reasons: Vec<Reason> },
}

/// Whether there is an LLM to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    Granted,
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
    }

    #[test]
    fn a_signal_at_its_threshold_fires() {
        let calm = Signals { ambiguous: 0.1, sarcasm: 0.1, multi_aspect: 0.1, out_of_domain: 0.0 };
        let fired = Signals { sarcasm: 0.5, ..calm };
        assert_eq!(calm.reasons(&THRESHOLDS), []);
        assert_eq!(fired.reasons(&THRESHOLDS), [Reason::Sarcasm]);
    }
}
