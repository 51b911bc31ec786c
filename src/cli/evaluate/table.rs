//! The comparison on a terminal: a row for each strategy, then what is to be known of the figures.

use std::process::ExitCode;

use super::{Comparison, doubt};
use crate::cli::output;
use crate::evaluation::{Basis, Measured, Quality, Subject};
use crate::pricing::Usd;

pub fn print(comparison: &Comparison) -> anyhow::Result<ExitCode> {
    let Comparison { about, answers, subject, texts, strategies, spent } = comparison;
    let (_, first) = &strategies[0];
    let quality = columns(*subject);
    let mut header = vec!["strategy".to_owned()];
    header.extend(quality.iter().map(|column| column.name.to_owned()));
    header.extend(
        ["to the LLM", "p50 ms", "p95 ms", "texts/s", "LLM $/1k", "CPU $/1k", "× price", "× p50"]
            .map(str::to_owned),
    );
    let rows: Vec<Vec<String>> = strategies
        .iter()
        .map(|(typed, measured)| {
            let mut row = vec![typed.clone()];
            row.extend(quality.iter().map(|column| figure(measured, column)));
            if measured.quality.is_none() && measured.band.is_none() {
                "not measured".clone_into(&mut row[1]);
            }
            row.extend([
                percent(measured.escalated),
                measured.latency.map_or("–".into(), |latency| milliseconds(latency.p50)),
                measured.latency.map_or("–".into(), |latency| milliseconds(latency.p95)),
                measured.throughput_per_s.map_or("–".into(), significant),
                provider_cost(measured),
                measured.compute_per_1k.map_or("–".into(), dollars),
                measured.price_ratio(first).map_or("–".into(), significant),
                measured.latency_ratio(first).map_or("–".into(), significant),
            ]);
            row
        })
        .collect();
    output::line(&format!(
        "{}: {}, {}",
        about.file,
        output::several(*texts as u64, "text"),
        subject.name()
    ))?;
    if let Some(answers) = answers {
        output::line(&answers.told())?;
    }
    output::table(&header, &rows, 1)?;
    let has = |basis| strategies.iter().any(|(_, measured)| measured.cost.basis == basis);
    if has(Basis::Projected) {
        output::line("~ projected, not measured: see the notes")?;
    }
    if has(Basis::Counted) {
        output::line("~ counted from tokens, not billed: see the notes")?;
    }
    doubt::print(*subject, strategies)?;
    for (typed, measured) in strategies {
        for note in &measured.notes {
            output::line(&format!("{typed}: {note}"))?;
        }
    }
    if *spent > Usd::ZERO {
        output::line(&format!("This run spent ${spent}."))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A column of quality, and how it is read.
#[derive(Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    pub read: fn(&Quality) -> Option<f64>,
    /// Whether it rises with every text that is right, so that a band has a lower and an upper end.
    pub is_banded: bool,
}

const ACCURACY: Column = banded("accuracy", |quality| Some(quality.classes()?.accuracy));
const ECE: Column =
    Column { name: "ECE", read: |quality| Some(quality.classes()?.ece), is_banded: false };
const MACRO_F1: Column = banded("macro-F1", |quality| match quality {
    Quality::Sentiment(classes) => Some(classes.macro_f1),
    Quality::Emotions(tags) => Some(tags.macro_f1),
    Quality::Sarcasm { .. } | Quality::Aspects(_) => None,
});
const MICRO_F1: Column = banded("micro-F1", |quality| match quality {
    Quality::Emotions(tags) => Some(tags.micro_f1),
    _ => None,
});
const F1: Column = banded("F1", |quality| match quality {
    Quality::Sarcasm { f1, .. } => Some(*f1),
    Quality::Aspects(spans) => Some(spans.f1),
    _ => None,
});
const AUROC: Column = Column {
    name: "AUROC",
    read: |quality| match quality {
        Quality::Sarcasm { auroc, .. } => *auroc,
        _ => None,
    },
    is_banded: false,
};
const PRECISION: Column = banded("precision", |quality| match quality {
    Quality::Aspects(spans) => Some(spans.precision),
    _ => None,
});
const RECALL: Column = banded("recall", |quality| match quality {
    Quality::Aspects(spans) => Some(spans.recall),
    _ => None,
});

const fn banded(name: &'static str, read: fn(&Quality) -> Option<f64>) -> Column {
    Column { name, read, is_banded: true }
}

/// What a subject is compared by, the figure that counts first.
pub fn columns(subject: Subject) -> &'static [Column] {
    match subject {
        Subject::Sentiment => &[ACCURACY, MACRO_F1, ECE],
        Subject::Sarcasm => &[F1, AUROC, ACCURACY, ECE],
        Subject::Emotions => &[MACRO_F1, MICRO_F1],
        Subject::Aspects => &[F1, PRECISION, RECALL],
    }
}

/// A figure of quality, or the band that it lies in.
pub fn figure(measured: &Measured, column: &Column) -> String {
    let shown = |value: f64| format!("{value:.3}");
    match (&measured.quality, &measured.band) {
        (Some(quality), _) => (column.read)(quality).map_or("–".into(), shown),
        (None, Some((lower, upper))) if column.is_banded => {
            match ((column.read)(lower), (column.read)(upper)) {
                (Some(lower), Some(upper)) => format!("{}–{}", shown(lower), shown(upper)),
                _ => "–".into(),
            }
        }
        (None, _) => "–".into(),
    }
}

/// With a mark where it is projected or counted.
pub fn provider_cost(measured: &Measured) -> String {
    match (measured.cost.per_1k, measured.cost.basis) {
        (Some(cost), Basis::Projected | Basis::Counted) => format!("~{}", dollars(cost)),
        (Some(cost), _) => dollars(cost),
        (None, _) => "unknown".into(),
    }
}

/// In digits that can be compared at a glance.
pub fn dollars(amount: Usd) -> String {
    let dollars = amount.pico() as f64 / 1e12;
    match dollars {
        0.0 => "0".into(),
        0.01.. => format!("{dollars:.2}"),
        _ => significant(dollars),
    }
}

pub fn milliseconds(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        _ => significant(value),
    }
}

/// Two digits that count, and no exponent.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor();
    let decimals = (1.0 - magnitude).clamp(0.0, 9.0) as usize;
    format!("{value:.decimals$}")
}

pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        for (value, shown) in
            [(0.0, "0"), (0.000_123_4, "0.00012"), (0.5, "0.50"), (7.26, "7.3"), (1_234.4, "1234")]
        {
            assert_eq!(significant(value), shown);
        }
        for (amount, shown) in [("0", "0"), ("1.434999", "1.43"), ("0.0000213", "0.000021")] {
            assert_eq!(dollars(amount.parse().unwrap()), shown);
        }
        assert_eq!((milliseconds(812.4), milliseconds(2.13)), ("812".into(), "2.1".into()));
        assert_eq!(percent(0.2345), "23.4 %");
    }
}
