//! What the program's HTML reports share: a page that is one file, its figures, its charts, and how
//! it gets to disk. What a report says is its command's business.
//!
//! A page needs nothing beside itself: no script, no font, no other host, and its own security
//! policy forbids them should a text ever get through as markup. It reads in the light and in the
//! dark, on a telephone, on paper and by ear. `maud` escapes whatever is spliced in, so a user's
//! text is never more than text.

mod bars;
mod confusion;
mod destination;
mod plot;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::sentiment::Label;

pub use bars::{Bar, Part, bars, stacked};
pub use confusion::confusion;
pub use destination::Destination;
pub use plot::{Axis, Dot, Line, Plot, Point};

const STYLE: &str = include_str!("page.css");

/// Nothing but the page's own style may load or run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'";

/// A report.
pub struct Page<'a> {
    pub title: &'a str,
    /// Under the title: what it is of, and when it was made.
    pub about: Markup,
    pub body: Markup,
    /// At the end, in small print: how to read it.
    pub notes: Markup,
}

impl Page<'_> {
    pub fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        p.about { (self.about) }
                    }
                    main { (self.body) }
                    footer { (self.notes) }
                }
            }
        }
    }
}

/// A part of a page, under its heading.
pub fn section(heading: &str, body: &Markup) -> Markup {
    html! {
        section {
            h2 { (heading) }
            (body)
        }
    }
}

/// A number that a reader takes away.
pub struct Figure<'a> {
    pub name: &'a str,
    pub value: String,
    /// How sure it is, or of how many; empty for none.
    pub note: String,
}

pub fn figures(figures: &[Figure<'_>]) -> Markup {
    html! {
        dl.figures {
            @for figure in figures {
                div {
                    dt { (figure.name) }
                    dd {
                        span.value { (figure.value) }
                        @if !figure.note.is_empty() { span.note { (figure.note) } }
                    }
                }
            }
        }
    }
}

/// From where to where a value may lie, in the value's own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// What a colour stands for; the style gives each one a shade for the light and one for the dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Of(Label),
    /// The first, second … of things that have no colour of their own.
    Series(usize),
}

impl Tone {
    /// As many as the style has; then they begin again.
    const SERIES: usize = 6;

    fn class(self) -> String {
        match self {
            Tone::Of(label) => label.name().to_owned(),
            Tone::Series(number) => format!("series-{}", number % Tone::SERIES),
        }
    }
}

/// A share as a reader is told it: `43 %`, and `<1 %` for what is there and rounds to nothing.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        small if small > 0.0 && small < 1.0 => "<1 %".to_owned(),
        nearly if nearly < 100.0 && nearly > 99.0 => ">99 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

/// A count in groups of three digits.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A place on the width or height of a drawing. Percentages, not pixels: a drawing then fills the
/// room that it gets and its letters keep their size, which no scaled `viewBox` does on a telephone.
fn place(share: f64) -> String {
    format!("{:.2}%", share.clamp(0.0, 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_alone_and_escapes_what_it_is_given() {
        let hostile = "<script>alert(\"1\")</script>";
        let page = Page {
            title: hostile,
            about: html! { (hostile) },
            body: section(
                hostile,
                &figures(&[Figure { name: hostile, value: hostile.into(), note: hostile.into() }]),
            ),
            notes: html! {},
        };
        let page = page.render().into_string();
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 7);
        for outside in ["http://", "https://", "url(", "@import", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
        for wanted in ["prefers-color-scheme: dark", "@media print", "width=device-width"] {
            assert!(page.contains(wanted), "{wanted}");
        }
    }

    #[test]
    fn numbers_are_written_for_people() {
        for (number, written) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), written);
        }
        for (share, written) in
            [(0.0, "0 %"), (0.001, "<1 %"), (0.434, "43 %"), (0.999, ">99 %"), (1.0, "100 %")]
        {
            assert_eq!(percent(share), written);
        }
    }
}
