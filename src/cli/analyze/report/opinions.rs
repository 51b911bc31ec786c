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

/// Both sides, and what stands between them.
pub fn opinions(terms: &Terms) -> Markup {
    let (liked, disliked) = (terms.liked(), terms.disliked());
    let shown = liked.iter().take(SHOWN).chain(disliked.iter().take(SHOWN));
    let longest = shown.map(|term| term.texts()).max().unwrap_or(0);
    let disputed = terms.disputed();
    let disputed: Vec<&str> = disputed.iter().take(SHOWN).map(|term| term.name()).collect();
    html! {
        ul.legend aria-label="Colours of the bars" {
            @for label in ORDER { li class=(label.name()) { (label.name()) } }
        }
        div.sides {
            (side("Most liked", &liked, Label::Positive, longest))
            (side("Most disliked", &disliked, Label::Negative, longest))
        }
        @if !disputed.is_empty() {
            p { "Liked as often as disliked: " (disputed.join(", ")) "." }
        }
    }
}

/// A sentence that names the first few. What a single text says is no news.
pub fn named(what: &str, terms: &[&Term]) -> Markup {
    let several = terms.iter().filter(|term| term.texts() > 1);
    let names: Vec<&str> = several.take(3).map(|term| term.name()).collect();
    html! {
        @if !names.is_empty() {
            p.lead {
                (what) ": "
                @for (at, name) in names.iter().enumerate() {
                    @if at > 0 { ", " }
                    strong { bdi { (name) } }
                }
                "."
            }
        }
    }
}

fn side(heading: &str, terms: &[&Term], label: Label, longest: u64) -> Markup {
    html! {
        div {
            h3 { (heading) }
            @if terms.is_empty() { p.small { "Nothing." } }
            ol.terms { @for term in terms.iter().take(SHOWN) { (item(term, label, longest)) } }
            @if terms.len() > SHOWN {
                p.small { "and " (count((terms.len() - SHOWN) as u64)) " more" }
            }
        }
    }
}

fn item(term: &Term, label: Label, longest: u64) -> Markup {
    let share = Share::of(term.of(label), term.texts());
    let parts = ORDER.map(|label| Part {
        name: label.name(),
        tone: Tone::Of(label),
        count: term.of(label),
    });
    let (word, quotes) = match label {
        Label::Positive => ("Liked", &term.praise),
        _ => ("Disliked", &term.blame),
    };
    html! {
        li {
            h4 { bdi { (term.name()) } }
            (stacked(term.name(), &parts, longest))
            p.small { (said(word, share)) }
            (quotations(quotes))
        }
    }
}

/// "Liked by 3 of 4 texts, 75 % (30 to 95 %)"
fn said(word: &str, share: Share) -> String {
    let texts = if share.whole == 1 { "text" } else { "texts" };
    let (part, whole) = (count(share.part), count(share.whole));
    let value = percent(share.value());
    format!("{word} by {part} of {whole} {texts}, {value} ({})", range(share.interval()))
}

/// "30 to 95 %"
pub fn range(Interval { low, high }: Interval) -> String {
    format!("{} to {}", percent(low).trim_end_matches(" %"), percent(high))
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
        for (part, whole, expected) in [
            (3, 4, "Liked by 3 of 4 texts, 75 % (30 to 95 %)"),
            (1, 1, "Liked by 1 of 1 text, 100 % (21 to 100 %)"),
            (6_000, 6_000, "Liked by 6,000 of 6,000 texts, 100 % (>99 to 100 %)"),
        ] {
            assert_eq!(said("Liked", Share::of(part, whole)), expected);
        }
    }
}
