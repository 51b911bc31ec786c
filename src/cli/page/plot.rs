//! Points on two axes: lines (with a diagonal, a reliability diagram) and numbered dots.
//!
//! The text alternative is made of the data itself, so that no drawing is without one.

use maud::{Markup, html};

use super::{Interval, Tone, place};

/// Where the axes stand on the drawing, as shares of its width and height.
const LEFT: f64 = 0.12;
const RIGHT: f64 = 0.97;
const TOP: f64 = 0.09;
const BOTTOM: f64 = 0.84;

/// Between two marks of an axis, as a share of it.
const STEPS: u32 = 4;

/// Two axes and what is said of them.
pub struct Plot<'a> {
    pub title: &'a str,
    pub x: Axis<'a>,
    pub y: Axis<'a>,
}

/// What is measured, and from where to where it is shown.
pub struct Axis<'a> {
    name: &'a str,
    low: f64,
    high: f64,
    show: fn(f64) -> String,
}

impl<'a> Axis<'a> {
    /// Values are kept to the axis: what lies outside stands at its end.
    pub fn new(name: &'a str, low: f64, high: f64, show: fn(f64) -> String) -> Axis<'a> {
        Axis { name, low, high, show }
    }

    /// From 0 to 100 %.
    pub fn share(name: &'a str) -> Axis<'a> {
        Axis::new(name, 0.0, 1.0, super::percent)
    }

    /// From 0 to a round number that is not below `most`.
    pub fn up_to(name: &'a str, most: f64, show: fn(f64) -> String) -> Axis<'a> {
        if !most.is_finite() || most <= 0.0 {
            return Axis::new(name, 0.0, 1.0, show);
        }
        let power = 10_f64.powf(most.log10().floor());
        let high = [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().find(|step| step * power >= most);
        Axis::new(name, 0.0, high.unwrap_or(10.0) * power, show)
    }

    fn share_of(&self, value: f64) -> f64 {
        let width = self.high - self.low;
        if width > 0.0 { ((value - self.low) / width).clamp(0.0, 1.0) } else { 0.5 }
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        let width = self.high - self.low;
        (0..=STEPS).map(move |step| self.low + width * f64::from(step) / f64::from(STEPS))
    }
}

/// A point of a line.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// Of `y`.
    pub interval: Option<Interval>,
}

/// Points in the order in which they are joined.
pub struct Line<'a> {
    pub name: &'a str,
    pub points: &'a [Point],
}

/// A point with a name.
pub struct Dot<'a> {
    pub name: &'a str,
    pub x: f64,
    pub y: f64,
}

impl Plot<'_> {
    /// Lines, with their names below. `diagonal` draws where both axes are equal: for a
    /// reliability diagram, where a forecast that is always right would lie.
    pub fn lines(&self, lines: &[Line<'_>], diagonal: bool) -> Markup {
        let said = lines.iter().map(|line| {
            let points = line.points.iter().map(|point| self.said(point.x, point.y));
            format!("{}: {}", line.name, points.collect::<Vec<_>>().join(", "))
        });
        let said = said.collect::<Vec<_>>().join("; ");
        let drawn = html! {
            @if diagonal { (self.diagonal()) }
            @for (number, line) in lines.iter().enumerate() {
                g class=(Tone::Series(number).class()) {
                    @for pair in line.points.windows(2) {
                        @let (from, to) = (self.at(pair[0]), self.at(pair[1]));
                        line.stroke x1=(place(from.0)) y1=(place(from.1))
                            x2=(place(to.0)) y2=(place(to.1)) {}
                    }
                    @for point in line.points { (self.point(*point)) }
                }
            }
        };
        let names = html! {
            ul.legend {
                @for (number, line) in lines.iter().enumerate() {
                    li class=(Tone::Series(number).class()) { (line.name) }
                }
            }
        };
        self.figure(&said, &drawn, &names)
    }

    /// Dots with a number each, which stands for a name below. Names beside dots would lie on each
    /// other on a telephone, where the dots are close.
    pub fn scatter(&self, dots: &[Dot<'_>]) -> Markup {
        let said = |dot: &Dot<'_>| format!("{}: {}", dot.name, self.said(dot.x, dot.y));
        let all = dots.iter().map(said).collect::<Vec<_>>().join("; ");
        let drawn = html! {
            @for (number, dot) in dots.iter().enumerate() {
                @let (x, y) = self.at(Point { x: dot.x, y: dot.y, interval: None });
                g class={ "dot " (Tone::Series(number).class()) } {
                    circle cx=(place(x)) cy=(place(y)) r="9" { title { (said(dot)) } }
                    text x=(place(x)) y=(place(y)) dy="0.35em" text-anchor="middle" {
                        (number + 1)
                    }
                }
            }
        };
        let names = html! {
            ul.legend {
                @for (number, dot) in dots.iter().enumerate() {
                    li class=(Tone::Series(number).class()) { (number + 1) " " (said(dot)) }
                }
            }
        };
        self.figure(&all, &drawn, &names)
    }

    fn figure(&self, said: &str, drawn: &Markup, below: &Markup) -> Markup {
        html! {
            figure {
                figcaption { (self.title) }
                svg.plot role="img" width="100%" height="320"
                    aria-label={ (self.title) ". " (self.y.name) " by " (self.x.name) ". " (said) } {
                    (self.axes())
                    (drawn)
                }
                (below)
            }
        }
    }

    fn axes(&self) -> Markup {
        html! {
            text.name x=(place(LEFT)) y=(place(TOP)) dy="-10" { (self.y.name) }
            text.name x=(place(RIGHT)) y="99%" text-anchor="end" { (self.x.name) }
            @for mark in self.y.marks() {
                @let y = place(down(self.y.share_of(mark)));
                line.grid x1=(place(LEFT)) x2=(place(RIGHT)) y1=(y) y2=(y) {}
                text x=(place(LEFT)) y=(y) dx="-8" dy="0.35em" text-anchor="end" {
                    ((self.y.show)(mark))
                }
            }
            @for mark in self.x.marks() {
                @let x = place(across(self.x.share_of(mark)));
                line.grid x1=(x) x2=(x) y1=(place(TOP)) y2=(place(BOTTOM)) {}
                text x=(x) y=(place(BOTTOM)) dy="1.4em" text-anchor="middle" {
                    ((self.x.show)(mark))
                }
            }
        }
    }

    fn diagonal(&self) -> Markup {
        let (low, high) = (self.x.low.max(self.y.low), self.x.high.min(self.y.high));
        let from = self.at(Point { x: low, y: low, interval: None });
        let to = self.at(Point { x: high, y: high, interval: None });
        html! {
            line.diagonal x1=(place(from.0)) y1=(place(from.1)) x2=(place(to.0)) y2=(place(to.1)) {}
        }
    }

    fn point(&self, point: Point) -> Markup {
        let (x, y) = self.at(point);
        let end = |value: f64| place(down(self.y.share_of(value)));
        html! {
            @if let Some(Interval { low, high }) = point.interval {
                line.thin x1=(place(x)) x2=(place(x)) y1=(end(low)) y2=(end(high)) {}
            }
            circle cx=(place(x)) cy=(place(y)) r="4" {
                title { (self.said(point.x, point.y)) }
            }
        }
    }

    /// Where a point lies on the drawing.
    fn at(&self, point: Point) -> (f64, f64) {
        (across(self.x.share_of(point.x)), down(self.y.share_of(point.y)))
    }

    fn said(&self, x: f64, y: f64) -> String {
        format!("{} at {}", (self.y.show)(y), (self.x.show)(x))
    }
}

fn across(share: f64) -> f64 {
    LEFT + share * (RIGHT - LEFT)
}

fn down(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot<'static> {
        Plot { title: "Trust", x: Axis::share("confidence"), y: Axis::share("accuracy") }
    }

    #[test]
    fn lines_are_drawn_and_told() {
        let interval = Some(Interval { low: 0.4, high: 0.6 });
        let points = [Point { x: 0.0, y: 0.0, interval: None }, Point { x: 0.5, y: 0.5, interval }];
        let drawn = plot().lines(&[Line { name: "<local>", points: &points }], true).into_string();
        let said =
            "aria-label=\"Trust. accuracy by confidence. &lt;local&gt;: 0 % at 0 %, 50 % at 50 %\"";
        assert!(drawn.contains(said), "{drawn}");
        assert!(drawn.contains("class=\"diagonal\" x1=\"12.00%\" y1=\"84.00%\" x2=\"97.00%\""));
        assert!(drawn.contains("<li class=\"series-0\">&lt;local&gt;</li>"), "{drawn}");
        assert_eq!(drawn.matches("class=\"thin\"").count(), 1);
    }

    #[test]
    fn dots_are_numbered_and_named_below() {
        let dots = [Dot { name: "<local>", x: 0.5, y: 1.0 }, Dot { name: "llm", x: 1.0, y: 0.0 }];
        let drawn = plot().scatter(&dots).into_string();
        for wanted in [
            "aria-label=\"Trust. accuracy by confidence. &lt;local&gt;: 100 % at 50 %; llm: 0 % at",
            "<circle cx=\"54.50%\" cy=\"9.00%\" r=\"9\">",
            "<g class=\"dot series-1\">",
            "text-anchor=\"middle\">2</text>",
            "<li class=\"series-0\">1 &lt;local&gt;: 100 % at 50 %</li>",
        ] {
            assert!(drawn.contains(wanted), "{wanted}: {drawn}");
        }
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let show = |value: f64| format!("{value}");
        for (most, high) in [(0.0, 1.0), (0.73, 0.8), (1.0, 1.0), (3.1, 4.0), (812.0, 1000.0)] {
            let axis = Axis::up_to("ms", most, show);
            assert!((axis.high - high).abs() < 1e-9, "{most}: {}", axis.high);
        }
    }
}
