//! Bars: shares side by side as a table whose numbers need no drawing, and parts of a whole.
//!
//! Drawn by hand, as all charts here. `plotters` draws on a canvas of fixed pixels in literal
//! colours, and `charming` needs a script engine to draw at all; what they make follows neither the
//! reader's theme nor the width of a telephone, and says nothing to a screen reader. A bar is a
//! `rect`: the styles in `page.css` do the rest.

use maud::{Markup, html};

use super::{Interval, Tone, place};

/// A row of a bar chart.
pub struct Bar<'a> {
    pub name: &'a str,
    pub tone: Tone,
    /// Of the whole width, 0 to 1.
    pub share: f64,
    /// On the same scale.
    pub interval: Option<Interval>,
    /// One for each heading after the first.
    pub values: Vec<String>,
}

/// A table with a bar in each row. The bars repeat what the numbers beside them say, so that a
/// screen reader leaves them out.
pub fn bars(caption: &str, name: &str, headings: &[&str], rows: &[Bar<'_>]) -> Markup {
    html! {
        table.bars {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { (name) }
                    td aria-hidden="true" {}
                    @for heading in headings { th.number scope="col" { (heading) } }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (row.name) }
                        td.drawing aria-hidden="true" {
                            svg.bar width="100%" height="20" {
                                rect.track width="100%" height="20" {}
                                rect class=(row.tone.class()) width=(place(row.share)) height="20" {}
                                @if let Some(interval) = row.interval { (whisker(interval)) }
                            }
                        }
                        @for value in &row.values { td.number { (value) } }
                    }
                }
            }
        }
    }
}

/// Drawn twice, so that it shows on the bar as well as beside it.
fn whisker(Interval { low, high }: Interval) -> Markup {
    let (low, high) = (place(low), place(high));
    html! {
        @for class in ["halo", "whisker"] {
            line class=(class) x1=(low) x2=(high) y1="10" y2="10" {}
            @for end in [&low, &high] { line class=(class) x1=(end) x2=(end) y1="6" y2="14" {} }
        }
    }
}

/// A part of a whole.
pub struct Part<'a> {
    pub name: &'a str,
    pub tone: Tone,
    pub count: u64,
}

/// One bar of several parts; `of` is what the whole is called. `longest` fills the width, so that bars
/// one above the other can be compared.
pub fn stacked(of: &str, parts: &[Part<'_>], longest: u64) -> Markup {
    let mut before = 0;
    let placed = parts.iter().filter(|part| part.count > 0).map(|part| {
        let start = share(before, longest);
        before += part.count;
        (part, start, share(part.count, longest))
    });
    let said: Vec<_> = parts.iter().map(|part| format!("{} {}", part.count, part.name)).collect();
    html! {
        svg.stacked role="img" aria-label={ (of) ": " (said.join(", ")) } width="100%" height="16" {
            rect.track width="100%" height="16" {}
            @for (part, start, width) in placed {
                rect class=(part.tone.class()) x=(place(start)) width=(place(width)) height="16" {
                    title { (part.count) " " (part.name) }
                }
            }
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::Label;

    #[test]
    fn a_bar_has_its_numbers_beside_it() {
        let bar = Bar {
            name: "<positive>",
            tone: Tone::Of(Label::Positive),
            share: 0.25,
            interval: Some(Interval { low: 0.1, high: 0.5 }),
            values: vec!["5".into(), "25 %".into()],
        };
        let drawn = bars("Texts", "Sentiment", &["texts", "share"], &[bar]).into_string();
        for wanted in [
            "<caption>Texts</caption>",
            "<th scope=\"row\">&lt;positive&gt;</th>",
            "class=\"positive\" width=\"25.00%\"",
            "x1=\"10.00%\" x2=\"50.00%\"",
            "<td class=\"number\">25 %</td>",
        ] {
            assert!(drawn.contains(wanted), "{wanted}: {drawn}");
        }
    }

    #[test]
    fn parts_stand_end_to_end_and_are_told_in_words() {
        let part = |name, number, count| Part { name, tone: Tone::Series(number), count };
        let parts = [part("good", 0, 3), part("none", 1, 0), part("bad", 7, 1)];
        let drawn = stacked("Battery", &parts, 4).into_string();
        assert!(drawn.contains("role=\"img\" aria-label=\"Battery: 3 good, 0 none, 1 bad\""));
        assert!(drawn.contains("class=\"series-1\" x=\"75.00%\" width=\"25.00%\""), "{drawn}");
        assert_eq!(drawn.matches("<title>").count(), 2);
        assert!(stacked("Nothing", &[], 0).into_string().contains("track"));
    }
}
