//! The comparison as a page: who is how good for what price, how far each can be believed, what it
//! takes for what, how long it lets one wait, and what of it was measured.

use maud::{Markup, html};
use time::OffsetDateTime;
use time::macros::format_description;

use super::table::{columns, dollars, figure, milliseconds, percent, provider_cost, significant};
use super::{Comparison, doubt};
use crate::cli::page::{
    Axis, Bar, Dot, Interval, Line, Page, Plot, Point, Tone, bars, confusion, section,
};
use crate::evaluation::{Basis, Classes, LabelFigures, Measured, Quality};
use crate::pricing::Usd;

pub fn page(comparison: &Comparison) -> Markup {
    let Comparison { about, answers, subject, texts, strategies, .. } = comparison;
    let today = OffsetDateTime::now_utc().date();
    let today = today.format(format_description!("[year]-[month]-[day]")).unwrap_or_default();
    let title = format!("Who reads {} best?", subject.name());
    let page = Page {
        title: &title,
        about: html! {
            (texts) " labelled texts of " code { (about.file) } ", measured on " (today) " (UTC) by "
            "undertone " (env!("CARGO_PKG_VERSION")) "."
            @if let Some(answers) = answers { " " (answers.told()) "." }
        },
        body: html! {
            (section("At a glance", &glance(comparison)))
            (section("Quality for the price", &price(strategies)))
            (section("How far a confidence can be believed", &trust(strategies)))
            (section("Whether the local model knows when it is wrong", &doubt::page(*subject, strategies)))
            (section("What is taken for what", &taken(strategies)))
            (section("How long one text takes", &waiting(strategies)))
            (section("What was measured, and what was not", &basis(comparison)))
        },
        notes: html! {
            p {
                "Scores count as far as their labels occur in the file. An interval is Wilson's, of 95 %, or "
                "the band between an LLM no better than the local model and one that is always right. "
                "SHA-256 of the file: " code { (about.sha256) }
                @if answers.is_some() {
                    ". Recorded answers were given before this comparison; nobody was asked for them"
                }
            }
        },
    };
    page.render()
}

/// The figure that strategies are compared by: where it is, and from where to where it may be.
struct Standing {
    likely: Option<f64>,
    interval: Option<Interval>,
}

impl Standing {
    fn of(measured: &Measured) -> Standing {
        let headline = |quality: &Quality| quality.headline().1;
        match (&measured.quality, &measured.band) {
            (Some(quality), _) => {
                let accuracy = match quality {
                    Quality::Sentiment(Classes { accuracy_interval: (low, high), .. }) => {
                        Some(Interval { low: *low, high: *high })
                    }
                    _ => None,
                };
                Standing { likely: Some(headline(quality)), interval: accuracy }
            }
            (None, Some((lower, upper))) => {
                let (low, high) = (headline(lower), headline(upper));
                Standing { likely: Some(low), interval: Some(Interval { low, high }) }
            }
            (None, None) => Standing { likely: None, interval: None },
        }
    }
}

fn glance(comparison: &Comparison) -> Markup {
    let Comparison { subject, strategies, .. } = comparison;
    let (_, first) = &strategies[0];
    let quality = columns(*subject);
    let headline = &quality[0];
    let rows: Vec<Bar<'_>> = strategies
        .iter()
        .enumerate()
        .map(|(at, (typed, measured))| {
            let standing = Standing::of(measured);
            Bar {
                name: typed,
                tone: Tone::Series(at),
                share: standing.likely.unwrap_or(0.0),
                interval: standing.interval,
                values: vec![match standing.likely {
                    Some(_) => figure(measured, headline),
                    None => "not measured".to_owned(),
                }],
            }
        })
        .collect();
    html! {
        p.lead { (lead(strategies)) }
        (bars(&format!("By {}; a whisker is how far off it may be", headline.name), "strategy", &[headline.name], &rows))
        table {
            caption { "All figures; ratios are against " code { (strategies[0].0) } }
            thead {
                tr {
                    th scope="col" { "strategy" }
                    @for column in quality { th.number scope="col" { (column.name) } }
                    @for name in ["escalated", "LLM $ per 1,000", "CPU $ per 1,000", "× price", "× p50"] {
                        th.number scope="col" { (name) }
                    }
                }
            }
            tbody {
                @for (typed, measured) in strategies {
                    tr {
                        th scope="row" { (typed) }
                        @for column in quality { td.number { (figure(measured, column)) } }
                        td.number { (percent(measured.escalated)) }
                        td.number { (provider_cost(measured)) }
                        td.number { (measured.compute_per_1k.map_or("–".into(), dollars)) }
                        td.number { (measured.price_ratio(first).map_or("–".into(), significant)) }
                        td.number { (measured.latency_ratio(first).map_or("–".into(), significant)) }
                    }
                }
            }
        }
    }
}

/// What a reader takes away who reads one sentence.
fn lead(strategies: &[(String, Measured)]) -> Markup {
    let best = strategies
        .iter()
        .filter_map(|(typed, measured)| Some((typed, measured.quality.as_ref()?.headline())))
        .max_by(|(_, (_, one)), (_, (_, other))| one.total_cmp(other));
    let cheapest = strategies
        .iter()
        .filter_map(|(typed, measured)| Some((typed, measured.price_per_1k()?)))
        .min_by_key(|(_, price)| *price);
    html! {
        @match best {
            Some((typed, (name, value))) => {
                "Of what was measured, " strong { (typed) } " reads best, with " (name.replace('_', "-")) " "
                (format!("{value:.3}")) "."
            }
            None => "No quality was measured.",
        }
        @if let Some((typed, price)) = cheapest {
            " " strong { (typed) } " is the cheapest, at $" (dollars(price)) " for a thousand texts."
        }
    }
}

/// What a thousand texts cost in all.
fn price_of(measured: &Measured) -> Option<f64> {
    measured.price_per_1k().map(|price| price.pico() as f64 / 1e12)
}

fn price(strategies: &[(String, Measured)]) -> Markup {
    let mut dots: Vec<(String, f64, f64)> = Vec::new();
    for (typed, measured) in strategies {
        let (Some(price), Standing { likely: Some(likely), interval }) =
            (price_of(measured), Standing::of(measured))
        else {
            continue;
        };
        match (&measured.quality, interval) {
            (None, Some(Interval { low, high })) => {
                dots.push((format!("{typed}, at worst"), price, low));
                dots.push((format!("{typed}, at best"), price, high));
            }
            _ => dots.push((typed.clone(), price, likely)),
        }
    }
    if dots.is_empty() {
        return html! { p { "Nothing was measured that has a price." } };
    }
    let most = dots.iter().map(|(_, price, _)| *price).fold(0.0, f64::max);
    let show = |dollars: f64| format!("${}", significant(dollars));
    let plot = Plot {
        title: "Up is better, left is cheaper",
        x: Axis::up_to("US dollars for 1,000 texts, provider and processor", most, show),
        y: Axis::share("quality"),
    };
    let dots: Vec<Dot<'_>> = dots.iter().map(|(name, x, y)| Dot { name, x: *x, y: *y }).collect();
    let unmeasured: Vec<&str> = strategies
        .iter()
        .filter(|(_, measured)| Standing::of(measured).likely.is_none())
        .map(|(typed, _)| typed.as_str())
        .collect();
    html! {
        (plot.scatter(&dots))
        @if !unmeasured.is_empty() {
            p.small { "Not measured, and so not shown: " (unmeasured.join(", ")) "." }
        }
    }
}

/// A strategy of one label a text.
fn classes(measured: &Measured) -> Option<&Classes> {
    measured.quality.as_ref()?.classes()
}

fn trust(strategies: &[(String, Measured)]) -> Markup {
    let curves: Vec<(&str, Vec<Point>)> = strategies
        .iter()
        .filter_map(|(typed, measured)| {
            let bins = classes(measured)?.reliability.iter();
            let point = |bin: &crate::evaluation::ReliabilityBin| {
                let right = (bin.accuracy * bin.texts as f64).round() as u64;
                let (low, high) = crate::evaluation::wilson(right, bin.texts as u64);
                Point { x: bin.confidence, y: bin.accuracy, interval: Some(Interval { low, high }) }
            };
            Some((typed.as_str(), bins.map(point).collect()))
        })
        .collect();
    if curves.is_empty() {
        return html! { p { "No strategy that was measured gives a text one label with a score." } };
    }
    let lines: Vec<Line<'_>> = curves.iter().map(|(name, points)| Line { name, points }).collect();
    let plot = Plot {
        title: "Of the texts with that confidence, so many were right; on the dashed line it keeps its word",
        x: Axis::share("confidence"),
        y: Axis::share("right"),
    };
    html! {
        (plot.lines(&lines, true))
        table {
            caption { "Expected calibration error: how far off a confidence is on the average (15 bins)" }
            tbody {
                @for (typed, measured) in strategies {
                    @if let Some(classes) = classes(measured) {
                        tr { th scope="row" { (typed) } td.number { (format!("{:.3}", classes.ece)) } }
                    }
                }
            }
        }
    }
}

fn taken(strategies: &[(String, Measured)]) -> Markup {
    html! {
        @for (typed, measured) in strategies {
            @match &measured.quality {
                Some(Quality::Sentiment(classes) | Quality::Sarcasm { classes, .. }) => {
                    (matrix(typed, classes))
                    (per_label(typed, &classes.per_label))
                }
                Some(Quality::Emotions(tags)) => (per_label(typed, &tags.per_label)),
                Some(Quality::Aspects(spans)) => p {
                    (typed) ": of the aspects that it names " (percent(spans.precision))
                    " are right; of those that there are it finds " (percent(spans.recall)) "."
                },
                None => p.small { (typed) ": not measured" },
            }
        }
    }
}

fn matrix(typed: &str, classes: &Classes) -> Markup {
    let mut labels = classes.confusion.labels.clone();
    let said_nothing = classes.confusion.nothing.iter().any(|count| *count > 0);
    let mut counts: Vec<Vec<u64>> = classes
        .confusion
        .counts
        .iter()
        .map(|row| row.iter().map(|count| *count as u64).collect())
        .collect();
    if said_nothing {
        labels.push("none");
        for (row, nothing) in counts.iter_mut().zip(&classes.confusion.nothing) {
            row.push(*nothing as u64);
        }
    }
    html! { (confusion(typed, &labels, &counts)) }
}

fn per_label(typed: &str, figures: &[(&'static str, LabelFigures)]) -> Markup {
    let shown = |value: f64| format!("{value:.3}");
    html! {
        table {
            caption { (typed) ", label by label" }
            thead {
                tr {
                    th scope="col" { "label" }
                    @for name in ["precision", "recall", "F1", "texts"] {
                        th.number scope="col" { (name) }
                    }
                }
            }
            tbody {
                @for (label, of) in figures {
                    tr {
                        th scope="row" { (label) }
                        td.number { (shown(of.precision)) }
                        td.number { (shown(of.recall)) }
                        td.number { (shown(of.f1)) }
                        td.number { (of.support) }
                    }
                }
            }
        }
    }
}

fn waiting(strategies: &[(String, Measured)]) -> Markup {
    let longest = strategies
        .iter()
        .filter_map(|(_, measured)| measured.latency.map(|latency| latency.p95))
        .fold(0.0, f64::max)
        .max(1e-9);
    let rows: Vec<Bar<'_>> = strategies
        .iter()
        .enumerate()
        .map(|(at, (typed, measured))| {
            let latency = measured.latency;
            let shown = |read: fn(&crate::evaluation::Latency) -> f64| {
                latency.map_or("–".into(), |latency| milliseconds(read(&latency)))
            };
            Bar {
                name: typed,
                tone: Tone::Series(at),
                share: latency.map_or(0.0, |latency| latency.p95 / longest),
                interval: None,
                values: vec![
                    shown(|latency| latency.p50),
                    shown(|latency| latency.p95),
                    shown(|latency| latency.p99),
                    measured.throughput_per_s.map_or("–".into(), significant),
                ],
            }
        })
        .collect();
    bars(
        "Milliseconds, one text at a time; the bar is the 95th percentile. Texts a second, with as many \
         at work as may be",
        "strategy",
        &["p50", "p95", "p99", "texts/s"],
        &rows,
    )
}

fn basis(comparison: &Comparison) -> Markup {
    let Comparison { strategies, spent, .. } = comparison;
    html! {
        ul {
            @for (typed, measured) in strategies {
                li { strong { (typed) } ": " (said_of(measured)) "." }
            }
        }
        @if *spent > Usd::ZERO { p { "This run spent $" (spent) "." } }
    }
}

fn said_of(measured: &Measured) -> String {
    let quality = match (&measured.quality, &measured.band) {
        (Some(_), _) => format!("quality measured on {} texts", measured.texts),
        (None, Some(_)) => "quality known as a band".to_owned(),
        (None, None) => "quality not measured".to_owned(),
    };
    let cost = match measured.cost.basis {
        Basis::Measured => "cost measured",
        Basis::Projected => "cost projected from counted tokens (~)",
        Basis::Recorded => "cost as recorded",
        Basis::Counted => "cost counted from tokens, not billed (~)",
        Basis::Unknown => "cost unknown, the model has no price",
    };
    let notes = measured.notes.iter().map(String::as_str);
    [quality.as_str(), cost].into_iter().chain(notes).collect::<Vec<_>>().join("; ")
}
