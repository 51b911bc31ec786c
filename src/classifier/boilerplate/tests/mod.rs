//! Texts with what frames them, texts that only look framed, and what holds for any text.

mod framed;
mod opinions;
mod properties;

use super::*;

/// What is left of a text, if anything frames it.
fn rest(text: &str) -> Option<Rest> {
    let cuts = find(text);
    (!cuts.is_empty()).then(|| Rest::new(text, &cuts))
}

fn left(text: &str) -> String {
    Part::new(text, rest(text).as_ref()).text.to_owned()
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    let wrong = rows.iter().filter(|(text, expected)| left(text) != *expected);
    let told: Vec<String> = wrong
        .map(|(text, expected)| format!("{text:?}\n  is {:?}\n not {expected:?}", left(text)))
        .collect();
    assert!(told.is_empty(), "{} of {}:\n{}", told.len(), rows.len(), told.join("\n"));
}

#[track_caller]
fn keeps(texts: &[&str]) {
    let rows: Vec<(&str, &str)> = texts.iter().map(|text| (*text, *text)).collect();
    check(&rows);
}
