//! What came of it on a terminal: the curve, what was chosen, and on what it rests.

use std::process::ExitCode;

use super::{Destinations, Outcome};
use crate::app::{Config, ThresholdsFile, named, thresholds_in_force};
use crate::cli::evaluate::{dollars, percent};
use crate::cli::output;
use crate::evaluation::{CurvePoint, Goal, Recorded, Refused, is_never};
use crate::pricing::Usd;
use crate::sentiment::Thresholds;

/// Points of the curve that are printed, beside the chosen one; JSON and the page have all.
const SHOWN: usize = 12;

pub fn print(
    outcome: &Outcome,
    config: &Config,
    destinations: &Destinations,
) -> anyhow::Result<ExitCode> {
    let Outcome { about, subject, texts, certifying, .. } = outcome;
    output::line(&format!(
        "{}: {texts} texts, {}; {} choose, {certifying} certify",
        about.file,
        subject.name(),
        texts - certifying
    ))?;
    for sentence in basis(outcome) {
        output::line(&sentence)?;
    }
    let header = [
        "",
        "to the LLM",
        "LLM $/1k",
        "accuracy",
        &format!("at least ({})", sureness(outcome)),
        "margin only",
        "random",
        "oracle",
    ]
    .map(str::to_owned);
    let chosen = outcome.calibration.chosen.as_ref().ok();
    let curve = &outcome.calibration.curve;
    let mut rows: Vec<Vec<String>> = shown(curve.len(), chosen.map(|chosen| chosen.at))
        .into_iter()
        .map(|at| {
            let is_chosen = chosen.is_some_and(|chosen| chosen.at == at);
            row(outcome, &curve[at], if is_chosen { "chosen" } else { "" })
        })
        .collect();
    // Rules that differ on the half that chose may do the same on this one.
    rows.dedup();
    output::table(&header, &rows, 1)?;
    let Some(chosen) = chosen else { return Ok(ExitCode::FAILURE) };
    output::line(&format!("Chosen: {}", thresholds(&curve[chosen.at].thresholds)))?;
    output::line(&promise(outcome).unwrap_or_default())?;
    // A file that no longer fits the model is no obstacle as long as none is written.
    let in_force = thresholds_in_force(config).map(|(_, all)| all).unwrap_or_default();
    for set in in_force.iter().filter(|one| one.source == "[cascade]") {
        output::line(&format!(
            "note: the configuration's cascade.{} = {} overrides the file",
            set.name, set.threshold
        ))?;
    }
    output::line(&format!("The curve is drawn in {}.", destinations.report.path().display()))?;
    output::line(&match &destinations.thresholds {
        Some(written) => format!(
            "Written: {}. A gateway takes the thresholds when it starts.",
            written.path().display()
        ),
        None => format!(
            "Nothing is applied: no gateway goes by these thresholds. The same command with --apply \
             writes them to {}, for gateways to take when they start.",
            ThresholdsFile::path(&config.classifier).display()
        ),
    })
}

/// What the figures rest on, a sentence each.
pub fn basis(outcome: &Outcome) -> Vec<String> {
    let answerer = &outcome.answerer;
    let model = answerer.model.as_deref().unwrap_or("no provider is configured; an LLM");
    let assumed = outcome.texts - answerer.measured;
    let mut sentences = Vec::new();
    if let Some(of_file) = &answerer.recorded {
        let Recorded { file, sha256, answered, unusable, missing, .. } = of_file;
        let accuracy = answerer.measured_accuracy().map_or("none".into(), percent);
        sentences.push(format!(
            "LLM: recorded answers of {model}, from {file} (SHA-256 {sha256}), to {} of the texts; {accuracy} \
             come out right. Nobody is asked.",
            answered + unusable
        ));
        if unusable + missing > 0 {
            sentences.push(format!(
                "Texts without a recorded answer: {missing}; with an empty one, which leaves the local \
                 verdict: {unusable}."
            ));
        }
        sentences.extend(answerer.cost_notes.iter().map(|note| format!("Cost: {note}.")));
    } else if let Some(accuracy) = answerer.measured_accuracy() {
        sentences.push(format!(
            "LLM: {model} was asked about {} of the texts by earlier evaluations, and was right on {}.",
            answerer.measured,
            percent(accuracy)
        ));
    }
    if assumed > 0 {
        let remedy = match answerer.recorded {
            Some(_) => "",
            None => "; `undertone evaluate --strategies llm` finds out",
        };
        sentences.push(format!(
            "LLM: {model} is ASSUMED to be right on {} of the {assumed} texts that it was not asked \
             about (--llm-accuracy){remedy}.",
            percent(answerer.assumed_accuracy),
        ));
    }
    if !answerer.has_price {
        sentences.push("Cost: not known, so that the fewest calls count as the cheapest.".into());
    }
    sentences
}

/// What is certified, in a sentence; `None` where nothing is.
pub fn promise(outcome: &Outcome) -> Option<String> {
    let chosen = outcome.calibration.chosen.as_ref().ok()?;
    let accuracy = &outcome.calibration.curve[chosen.at].accuracy;
    let cost = match outcome.answerer.has_price {
        true => format!(", for at most ${} per 1,000", dollars(chosen.cost_per_1k_at_most)),
        false => String::new(),
    };
    let condition = match outcome.texts - outcome.answerer.measured {
        0 => "",
        _ => ", if the LLM is as good as assumed",
    };
    Some(format!(
        "Certified, each with {} confidence: at least {:.3} of texts like these come out right \
         ({accuracy:.3} did){cost}{condition}.",
        sureness(outcome),
        chosen.accuracy_at_least,
    ))
}

/// Why nothing is written, and what could be.
pub fn refusal(outcome: &Outcome, refused: &Refused) -> String {
    let confidence = sureness(outcome);
    let texts = outcome.certifying;
    match (outcome.goal, refused) {
        (Goal::MinAccuracy(asked), Refused::Accuracy { certifiable, cost_per_1k }) => {
            let cost = match outcome.answerer.has_price {
                true => format!(", at ${} per 1,000", dollars(*cost_per_1k)),
                false => String::new(),
            };
            format!(
                "an accuracy of {asked} cannot be certified with {confidence} confidence by {texts} \
                 texts; {certifiable:.3} can{cost}. More texts bring the bound closer to what is \
                 measured. Nothing is written."
            )
        }
        (Goal::MaxCostPer1k(asked), Refused::Cost { certifiable }) => format!(
            "a cost of at most ${asked} per 1,000 cannot be certified with {confidence} confidence by \
             {texts} texts; ${} can. More texts bring the bound closer to what is measured. Nothing is \
             written.",
            dollars(*certifiable)
        ),
        _ => "nothing could be certified; nothing is written".into(),
    }
}

/// The confidence, without digits that nobody asked for.
pub fn sureness(outcome: &Outcome) -> String {
    format!("{} %", (outcome.confidence * 1e4).round() / 1e2)
}

/// Signals and thresholds in a line.
pub fn thresholds(all: &Thresholds) -> String {
    let shown = |threshold: f32| match is_never(threshold) {
        true => "never".to_owned(),
        false => threshold.to_string(),
    };
    named(all)
        .map(|(name, value)| format!("{name} {}", shown(value)))
        .collect::<Vec<_>>()
        .join(", ")
}

pub fn cost(outcome: &Outcome, per_1k: Usd) -> String {
    if outcome.answerer.has_price { dollars(per_1k) } else { "unknown".into() }
}

fn row(outcome: &Outcome, point: &CurvePoint, mark: &str) -> Vec<String> {
    let three = |value: f64| format!("{value:.3}");
    vec![
        mark.to_owned(),
        percent(point.escalated),
        cost(outcome, point.cost_per_1k),
        three(point.accuracy),
        three(point.at_least),
        three(point.margin_only),
        three(point.random),
        three(point.oracle),
    ]
}

/// Places spread evenly over so many, the chosen one among them.
fn shown(points: usize, chosen: Option<usize>) -> Vec<usize> {
    let last = points.saturating_sub(1);
    let mut places: Vec<usize> = match points {
        ..=SHOWN => (0..points).collect(),
        _ => (0..SHOWN).map(|step| step * last / (SHOWN - 1)).collect(),
    };
    places.extend(chosen);
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_point_is_shown_among_a_few() {
        assert_eq!(shown(3, Some(1)), [0, 1, 2]);
        let many = shown(64, Some(7));
        assert_eq!((many[0], many.len(), many.contains(&7)), (0, SHOWN + 1, true));
        assert_eq!(many.last(), Some(&63));
    }
}
