//! Whether the local model knows what it reads wrong, and what a cascade makes of that: in tables, in
//! JSON and on the page.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::json::{short, summary};
use super::table::{Column, columns, percent};
use crate::cli::output;
use crate::cli::page::{Axis, Interval, Line, Plot, Point};
use crate::evaluation::{Doubt, Measured, Part, Parts, Quality, ReliabilityBin, Subject, wilson};

/// A table with its heading.
struct Rows {
    about: &'static str,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// How well P(wrong) tells the wrong answers.
fn doubts(strategies: &[(String, Measured)]) -> Rows {
    let header = ["strategy", "AUROC of P(wrong)", "AUROC of the margin", "ECE of P(wrong)"];
    let row = |(name, measured): &(String, Measured)| {
        let Doubt { auroc, margin_auroc, ece, .. } = measured.doubt.as_ref()?;
        Some(vec![name.clone(), three(*auroc), three(*margin_auroc), three(Some(*ece))])
    };
    Rows {
        about: "Does the local model know when it is wrong? P(wrong) is its signal ambiguous; the margin, \
                between its two likeliest labels, is what it has to beat",
        header: header.map(str::to_owned).into(),
        rows: strategies.iter().filter_map(row).collect(),
    }
}

/// How good the verdicts are that a cascade keeps, and those that it escalates.
fn parts(subject: Subject, strategies: &[(String, Measured)]) -> Rows {
    let figures: Vec<&Column> = columns(subject).iter().filter(|one| one.is_banded).collect();
    let mut header = vec!["strategy".to_owned(), "kept".to_owned()];
    header.extend(figures.iter().map(|column| column.name.to_owned()));
    header.push("escalated".to_owned());
    header.extend(figures.iter().map(|column| column.name.to_owned()));
    header.extend(figures.iter().map(|column| format!("local {}", column.name)));
    let shown = |quality: &Option<Quality>| -> Vec<String> {
        let value = |column: &&Column| three(quality.as_ref().and_then(column.read));
        figures.iter().map(value).collect()
    };
    let row = |(name, measured): &(String, Measured)| {
        let Parts { kept, escalated, escalated_local } = measured.parts.as_ref()?;
        let texts = |part: &Part| {
            let all = (kept.texts + escalated.texts).max(1);
            format!("{} ({})", part.texts, percent(part.texts as f64 / all as f64))
        };
        let mut row = vec![name.clone(), texts(kept)];
        row.extend(shown(&kept.quality));
        row.push(texts(escalated));
        row.extend(shown(&escalated.quality));
        row.extend(shown(escalated_local));
        Some(row)
    };
    Rows {
        about: "How good are the verdicts that a cascade keeps, and those on what it escalates? Local: \
                what the local model alone makes of the escalated texts",
        header,
        rows: strategies.iter().filter_map(row).collect(),
    }
}

/// Prints both, where there is anything to say.
pub fn print(subject: Subject, strategies: &[(String, Measured)]) -> anyhow::Result<()> {
    for Rows { about, header, rows } in [doubts(strategies), parts(subject, strategies)] {
        if !rows.is_empty() {
            output::line(about)?;
            output::table(&header, &rows, 1)?;
        }
    }
    Ok(())
}

/// `null` where the reader gives no such chance.
pub fn doubt_json(doubt: Option<&Doubt>) -> Value {
    let Some(Doubt { auroc, margin_auroc, ece, reliability }) = doubt else { return Value::Null };
    let bin = |bin: &ReliabilityBin| {
        json!({
            "from": short(bin.from), "to": short(bin.to), "texts": bin.texts,
            "p_wrong": short(bin.confidence), "wrong": short(bin.accuracy),
        })
    };
    json!({
        "auroc": auroc.map(short),
        "margin_auroc": margin_auroc.map(short),
        "ece": short(*ece),
        "reliability": reliability.iter().map(bin).collect::<Vec<_>>(),
    })
}

/// `null` where nothing is escalated by its nature.
pub fn parts_json(parts: Option<&Parts>) -> Value {
    let Some(Parts { kept, escalated, escalated_local }) = parts else { return Value::Null };
    let part = |part: &Part| {
        let mut value = part.quality.as_ref().map_or_else(|| json!({}), summary);
        value["texts"] = json!(part.texts);
        value
    };
    let mut escalated = part(escalated);
    escalated["local"] = escalated_local.as_ref().map_or(Value::Null, summary);
    json!({"kept": part(kept), "escalated": escalated})
}

/// The same for a page, with the curve of P(wrong).
pub fn page(subject: Subject, strategies: &[(String, Measured)]) -> Markup {
    let tables = [doubts(strategies), parts(subject, strategies)];
    if tables.iter().all(|table| table.rows.is_empty()) {
        return html! { p { "No strategy that was measured says how likely it is to be wrong." } };
    }
    html! {
        (curve(strategies))
        @for Rows { about, header, rows } in tables.iter().filter(|table| !table.rows.is_empty()) {
            table {
                caption { (about) }
                thead {
                    tr {
                        @for (at, name) in header.iter().enumerate() {
                            @if at == 0 { th scope="col" { (name) } }
                            @else { th.number scope="col" { (name) } }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 { th scope="row" { (cell) } }
                                @else { td.number { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A cascade's is its local model's, and is not drawn again.
fn curve(strategies: &[(String, Measured)]) -> Markup {
    let mut curves: Vec<(&str, &[ReliabilityBin])> = Vec::new();
    for (name, measured) in strategies {
        let Some(doubt) = &measured.doubt else { continue };
        if !curves.iter().any(|(_, bins)| *bins == doubt.reliability.as_slice()) {
            curves.push((name.as_str(), doubt.reliability.as_slice()));
        }
    }
    let point = |bin: &ReliabilityBin| {
        let wrong = (bin.accuracy * bin.texts as f64).round() as u64;
        let (low, high) = wilson(wrong, bin.texts as u64);
        Point { x: bin.confidence, y: bin.accuracy, interval: Some(Interval { low, high }) }
    };
    let curves: Vec<(&str, Vec<Point>)> =
        curves.into_iter().map(|(name, bins)| (name, bins.iter().map(point).collect())).collect();
    let lines: Vec<Line<'_>> = curves.iter().map(|(name, points)| Line { name, points }).collect();
    let plot = Plot {
        title: "Of the texts with that P(wrong), so many were wrong; on the dashed line it keeps its word",
        x: Axis::share("P(wrong)"),
        y: Axis::share("wrong"),
    };
    html! { @if !lines.is_empty() { (plot.lines(&lines, true)) } }
}

fn three(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.3}"))
}
