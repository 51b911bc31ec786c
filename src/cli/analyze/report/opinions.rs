//! What is liked and what is disliked, side by side, in numbers and in the users' words.

use maud::{Markup, html};

use super::quote::Quotes;
use super::terms::{Term, Terms};
use crate::cli::page::{Interval, Part, Tone, count, percent, stacked};
use crate::cli::share::Share;
use crate::sentiment::Label;

/// Terms that are shown of each kind: as many as a reader still reads.
const SHOWN: usize = 8;

/// The order in which a bar shows what the texts make of a term.
const ORDER: [Label; 4] = [Label::Positive, Label::Neutral, Label::Mixed, Label::Negative];

/// Both sides, and what stands between them; `things` is what the terms are called.
pub fn opinions(terms: &Terms, things: &str) -> Markup {
    let disputed = terms.disputed();
    let disputed: Vec<&str> = disputed.iter().take(SHOWN).map(|term| term.name()).collect();
    html! {
        ul.legend aria-label="Colours of the bars" {
            @for label in ORDER { li class=(label.name()) { (label.name()) } }
        }
        div.sides {
            (side("Most liked", things, &terms.liked(), Label::Positive))
            (side("Most disliked", things, &terms.disliked(), Label::Negative))
        }
        @if !disputed.is_empty() {
            p { "Liked as often as disliked: " (disputed.join(", ")) "." }
        }
    }
}

/// The names of the first few, for a sentence.
pub fn names(terms: &[&Term]) -> Markup {
    html! {
        @for (at, term) in terms.iter().take(3).enumerate() {
            @if at > 0 { ", " }
            strong { bdi { (term.name()) } }
        }
    }
}

fn side(heading: &str, things: &str, terms: &[&Term], label: Label) -> Markup {
    html! {
        div {
            h3 { (heading) }
            @if terms.is_empty() { p.small { "No " (things) "." } }
            ol.terms { @for term in terms.iter().take(SHOWN) { (item(term, label)) } }
            @if terms.len() > SHOWN {
                p.small { "and " (count((terms.len() - SHOWN) as u64)) " more" }
            }
        }
    }
}

fn item(term: &Term, label: Label) -> Markup {
    let share = Share::of(term.of(label), term.texts());
    let parts = ORDER.map(|label| Part {
        name: label.name(),
        tone: Tone::Of(label),
        count: term.of(label),
    });
    let (verb, quotes) = match label {
        Label::Positive => ("like", &term.praise),
        _ => ("dislike", &term.blame),
    };
    html! {
        li {
            h4 { bdi { (term.name()) } }
            (stacked(term.name(), &parts))
            p.small { (said(share, verb)) }
            (quotations(quotes))
        }
    }
}

/// "3 of 4 texts like it: 75 % (30 to 95 %)"
fn said(share: Share, verb: &str) -> String {
    let texts = if share.whole == 1 { "text" } else { "texts" };
    let (part, whole) = (count(share.part), count(share.whole));
    let value = percent(share.value());
    format!("{part} of {whole} {texts} {verb} it: {value} ({})", range(share.interval()))
}

/// "30 to 95 %"
pub fn range(Interval { low, high }: Interval) -> String {
    format!("{:.0} to {:.0} %", low * 100.0, high * 100.0)
}

/// The users' own words. Their direction is their own too.
fn quotations(quotes: &Quotes) -> Markup {
    html! {
        @if !quotes.list().is_empty() {
            ul.quotes {
                @for quote in quotes.list() {
                    li {
                        q dir="auto" { (quote.before) mark { (quote.term) } (quote.after) }
                        " " span.source { "row " (count(quote.row)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_with_its_range() {
        assert_eq!(said(Share::of(3, 4), "like"), "3 of 4 texts like it: 75 % (30 to 95 %)");
        assert_eq!(said(Share::of(1, 1), "like"), "1 of 1 text like it: 100 % (21 to 100 %)");
    }
}
