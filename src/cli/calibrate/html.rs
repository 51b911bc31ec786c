//! The curve as a page: quality by price, what was chosen, and on what it rests.

use maud::{Markup, html};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Outcome;
use super::table::{basis, cost, promise, sureness, thresholds};
use crate::cli::evaluate::{dollars, percent};
use crate::cli::page::{Axis, Figure, Interval, Line, Page, Plot, Point, figures, section};
use crate::evaluation::{CurvePoint, Recorded};
use crate::pricing::Usd;

pub fn page(outcome: &Outcome) -> Markup {
    let today = OffsetDateTime::now_utc().date();
    let today = today.format(format_description!("[year]-[month]-[day]")).unwrap_or_default();
    let page = Page {
        title: "What escalating buys",
        about: html! {
            (outcome.texts) " labelled texts of " code { (outcome.about.file) } ", "
            (outcome.subject.name()) ", calibrated on " (today) " (UTC) by undertone "
            (env!("CARGO_PKG_VERSION")) "."
        },
        body: html! {
            (section("What was chosen", &chosen(outcome)))
            (section("Accuracy by what it costs", &curve(outcome)))
            (section("Every point of the curve", &points(outcome)))
        },
        notes: html! {
            p {
                "One half of the texts chose the thresholds; all figures are of the other half, "
                (outcome.certifying) " texts. A whisker is the point's own interval, of "
                (sureness(outcome)) " to either side. Margin only escalates as many texts as the "
                "signals do, those of the least margin between the two likeliest labels; random any; the "
                "oracle those that gain most. SHA-256 of the file: " code { (outcome.about.sha256) }
                @if let Some(Recorded { model, file, sha256, .. }) = &outcome.answerer.recorded {
                    ". The LLM's answers are recorded ones of " (model) ", from " code { (file) }
                    ", SHA-256 " code { (sha256) }
                }
            }
        },
    };
    page.render()
}

fn chosen(outcome: &Outcome) -> Markup {
    let Ok(chosen) = &outcome.calibration.chosen else { return html! {} };
    let point = &outcome.calibration.curve[chosen.at];
    let shown = [
        Figure {
            name: "right",
            value: percent(point.accuracy),
            note: format!("at least {}", percent(chosen.accuracy_at_least)),
        },
        Figure {
            name: "per 1,000 texts",
            value: match outcome.answerer.has_price {
                true => format!("${}", dollars(point.cost_per_1k)),
                false => "unknown".into(),
            },
            note: match outcome.answerer.has_price {
                true => format!("at most ${}", dollars(chosen.cost_per_1k_at_most)),
                false => String::new(),
            },
        },
        Figure { name: "to the LLM", value: percent(point.escalated), note: String::new() },
    ];
    html! {
        (figures(&shown))
        p { (promise(outcome).unwrap_or_default()) }
        p { "Thresholds: " (thresholds(&point.thresholds)) "." }
        @for sentence in basis(outcome) { p { (sentence) } }
    }
}

fn curve(outcome: &Outcome) -> Markup {
    let curve = &outcome.calibration.curve;
    let has_price = outcome.answerer.has_price;
    let across = |point: &CurvePoint| match has_price {
        true => in_dollars(point.cost_per_1k),
        false => point.escalated,
    };
    let of = |value: fn(&CurvePoint) -> f64| -> Vec<Point> {
        let point = |one: &CurvePoint| Point { x: across(one), y: value(one), interval: None };
        curve.iter().map(point).collect()
    };
    let signals: Vec<Point> = curve
        .iter()
        .map(|one| {
            let interval = Some(Interval { low: one.at_least, high: one.at_most });
            Point { x: across(one), y: one.accuracy, interval }
        })
        .collect();
    let (margin_only, random, oracle) =
        (of(|one| one.margin_only), of(|one| one.random), of(|one| one.oracle));
    let marked: Vec<Point> = outcome.calibration.chosen.as_ref().map_or(Vec::new(), |chosen| {
        let one = &curve[chosen.at];
        vec![Point { x: across(one), y: one.accuracy, interval: None }]
    });
    let all = signals.iter().flat_map(|one| one.interval.map(|interval| interval.low));
    let lowest = all.chain(random.iter().map(|one| one.y)).fold(1.0, f64::min);
    let most = curve.iter().map(across).fold(0.0, f64::max);
    let x = match has_price {
        true => Axis::up_to("LLM $ per 1,000 texts", most, |value| format!("{value:.2}")),
        false => Axis::share("escalated"),
    };
    let low = (lowest * 20.0).floor() / 20.0;
    let y = Axis::new("accuracy", low, 1.0, |value| format!("{:.1} %", value * 100.0));
    let lines = [
        Line { name: "by the signals", points: &signals },
        Line { name: "margin only", points: &margin_only },
        Line { name: "random", points: &random },
        Line { name: "oracle", points: &oracle },
        Line { name: "chosen", points: &marked },
    ];
    Plot { title: "What each way to route buys", x, y }.lines(&lines, false)
}

fn points(outcome: &Outcome) -> Markup {
    let chosen = outcome.calibration.chosen.as_ref().ok().map(|chosen| chosen.at);
    html! {
        table {
            caption { "From the cheapest rule to the dearest" }
            thead {
                tr {
                    th scope="col" { "thresholds" }
                    @for name in [
                        "to the LLM", "LLM $ per 1,000", "accuracy", "at least", "margin only", "random",
                        "oracle",
                    ] { th.number scope="col" { (name) } }
                }
            }
            tbody {
                @for (at, point) in outcome.calibration.curve.iter().enumerate() {
                    tr {
                        th scope="row" {
                            (thresholds(&point.thresholds))
                            @if chosen == Some(at) { " (chosen)" }
                        }
                        td.number { (percent(point.escalated)) }
                        td.number { (cost(outcome, point.cost_per_1k)) }
                        @for value in [
                            point.accuracy, point.at_least, point.margin_only, point.random, point.oracle,
                        ] { td.number { (format!("{value:.3}")) } }
                    }
                }
            }
        }
    }
}

fn in_dollars(amount: Usd) -> f64 {
    amount.pico() as f64 / 1e12
}
