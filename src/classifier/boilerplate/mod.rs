//! What frames a text and is not its writer's opinion: greeting, courtesy, sign-off, signature, footers, quoted replies, numbers
//! by which it is filed.
//!
//! Owns how these are found, and the way back from what is left to the text as it was sent. It is careful rather than greedy:
//! what could be an opinion stays, and where nothing would be left, everything does. Parsers of replies to mails would find a part of it
//! only; `email_reply_parser`, the one on crates.io, takes any line with a hyphenated word for a signature and backtracks.

mod fields;
mod footers;
mod head;
mod letters;
mod manners;
mod names;
mod phrases;
mod quoted;
mod references;
mod rest;
mod tail;
#[cfg(test)]
mod tests;
mod words;

use std::ops::Range;

pub use rest::{Part, Rest, parted};
use words::Cursor;

/// A text of one line keeps everything where fewer words would be left.
const FEWEST_WORDS: usize = 4;

/// The bytes of a text that frame it: in order, apart, none empty, never all that has words. Linear in the text;
/// one without a frame allocates nothing.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let own = quoted::cut(text, &mut cuts);
    let is_thread = own < text.len() || !cuts.is_empty();
    let greets = cut_head(text, own, &mut cuts);
    cut_tails(text, own, is_thread || greets, &mut cuts);
    if own < text.len() {
        cuts.push((own, text.len()));
    }
    if cuts.is_empty() {
        return Vec::new();
    }
    let ranges = in_order(text, cuts);
    match keeps_enough(text, &ranges) {
        true => ranges,
        false => reference(text),
    }
}

/// Cuts what stands before the first sentence; whether the text greets.
fn cut_head(text: &str, own: usize, cuts: &mut Vec<(usize, usize)>) -> bool {
    let Some((start, end)) = gaps(text, own, cuts).next() else { return false };
    let head = head::find(text, start, end);
    if head.end > start && text[start..head.end].contains(|c: char| !c.is_whitespace()) {
        cuts.push((start, head.end));
    }
    cuts.extend(head.below);
    cuts.sort_unstable();
    head.greets
}

/// Cuts what stands behind the last sentence, through what is cut already.
fn cut_tails(text: &str, own: usize, is_mail: bool, cuts: &mut Vec<(usize, usize)>) {
    let known = std::mem::take(cuts);
    let mut end = own;
    for at in (0..=known.len()).rev() {
        let start = at.checked_sub(1).map_or(0, |before| known[before].1);
        if text[start..end.max(start)].contains(|c: char| !c.is_whitespace()) {
            let (left, above) = tail::find(text, start, end, is_mail);
            if left < start + text[start..end].trim_end().len() {
                cuts.push((left, end));
            }
            cuts.extend(above);
            if left > start {
                break;
            }
        }
        end = at.checked_sub(1).map_or(0, |before| known[before].0);
    }
    cuts.extend(known);
}

/// The parts of the writer's own text between cuts, those without words left out.
fn gaps<'a>(
    text: &'a str,
    own: usize,
    cuts: &'a [(usize, usize)],
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let starts = std::iter::once(0).chain(cuts.iter().map(|cut| cut.1));
    let ends = cuts.iter().map(|cut| cut.0).chain([own]);
    let has_words = |(start, end): &(usize, usize)| !text[*start..*end].trim().is_empty();
    starts.zip(ends).filter(|(start, end)| start < end).filter(has_words)
}

/// Ranges in order, those that meet put together. Before the first words that are left and behind the last ones, what is
/// blank goes along.
fn in_order(text: &str, mut cuts: Vec<(usize, usize)>) -> Vec<Range<usize>> {
    cuts.sort_unstable();
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(cuts.len());
    for (start, end) in cuts {
        match ranges.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ if start < end => ranges.push(start..end),
            _ => {}
        }
    }
    let words = |(start, end): (usize, usize)| {
        let part = &text[start..end];
        let first = start + part.len() - part.trim_start().len();
        (first < end).then(|| (first, start + part.trim_end().len()))
    };
    let mut first = None;
    let last = between(text, &ranges)
        .filter_map(words)
        .inspect(|part| _ = first.get_or_insert(part.0))
        .last();
    let (Some(first), Some((_, last))) = (first, last) else { return ranges };
    if ranges[0].start < first {
        ranges.retain(|range| range.start >= first);
        ranges.insert(0, 0..first);
    }
    if ranges[ranges.len() - 1].end > last {
        ranges.retain(|range| range.end <= last);
        ranges.push(last..text.len());
    }
    ranges
}

/// What is between the ranges.
fn between<'a>(
    text: &str,
    ranges: &'a [Range<usize>],
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let starts = std::iter::once(0).chain(ranges.iter().map(|range| range.end));
    starts.zip(ranges.iter().map(|range| range.start).chain([text.len()]))
}

/// Whether what is left says something by itself.
fn keeps_enough(text: &str, ranges: &[Range<usize>]) -> bool {
    let says = |(start, end): (usize, usize)| {
        let words =
            text[start..end].split_whitespace().filter(|word| word.contains(says_something));
        words.take(FEWEST_WORDS).count()
    };
    let words: usize = between(text, ranges).map(says).sum();
    let is_line = !text.trim().contains('\n');
    words >= if is_line { FEWEST_WORDS } else { 1 }
}

/// A letter, a digit or an emoji.
fn says_something(c: char) -> bool {
    c.is_alphanumeric() || c > '\u{2030}' && !c.is_whitespace()
}

/// The number before a short text, which says nothing in any company.
fn reference(text: &str) -> Vec<Range<usize>> {
    let mut cursor = Cursor::new(text, 0, text.len());
    cursor.skip_blanks();
    match references::leading(cursor) {
        Some(end) if text[end..].contains(says_something) => std::iter::once(0..end).collect(),
        _ => Vec::new(),
    }
}
