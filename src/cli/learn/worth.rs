//! Which texts are most worth a person's label.
//!
//! Worth is the chance that two readers, each drawn from its own scores, would name different labels:
//! 1 − Σ p q, for the local model and the LLM that answered; of a text that one of them read alone, that
//! it would differ with itself (expected disagreement, as in query by committee; Settles 2009, section 3.2,
//! <https://burrsettles.com/pub/settles.activelearning.pdf>). Of texts that are nearly alike the first is
//! enough.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use anyhow::Context;

use super::corpus::{Corpus, Entry};
use crate::private;
use crate::sentiment::{Scores, words};

/// From which share of common words and pairs of words on two texts are nearly alike.
const ALIKE: f64 = 0.6;

/// A text to be labelled.
pub struct Chosen<'a> {
    pub entry: &'a Entry,
    pub worth: f32,
}

/// At most so many of the texts of which no person has said anything, the worthiest first.
pub fn choose(corpus: &Corpus, count: usize) -> Vec<Chosen<'_>> {
    let unsaid = corpus.entries.iter().filter(|entry| !entry.is_spoken_of());
    let mut candidates: Vec<Chosen<'_>> =
        unsaid.map(|entry| Chosen { entry, worth: worth(entry) }).collect();
    candidates.sort_by(|one, other| other.worth.total_cmp(&one.worth));
    let mut chosen: Vec<(Chosen<'_>, HashSet<u64>)> = Vec::new();
    for candidate in candidates {
        if chosen.len() == count {
            break;
        }
        let shingles = shingles(&candidate.entry.text);
        if !chosen.iter().any(|(_, other)| likeness(&shingles, other) >= ALIKE) {
            chosen.push((candidate, shingles));
        }
    }
    chosen.into_iter().map(|(candidate, _)| candidate).collect()
}

fn worth(entry: &Entry) -> f32 {
    let of_llm = entry.last_answer().map(|verdict| verdict.scores);
    let known = |one: Option<Scores>| one.unwrap_or(entry.last.scores).as_array();
    let (local, llm) = (known(entry.local.or(of_llm)), known(of_llm.or(entry.local)));
    let agree: f32 = local.iter().zip(llm).map(|(p, q)| p * q).sum();
    1.0 - agree
}

/// The words of a text and its pairs of neighbours, as hashes.
fn shingles(text: &str) -> HashSet<u64> {
    let words = words(text);
    let hash = |words: &[String]| {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        hasher.finish()
    };
    words.chunks(1).chain(words.windows(2)).map(hash).collect()
}

/// Jaccard's index.
fn likeness(one: &HashSet<u64>, other: &HashSet<u64>) -> f64 {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    if all == 0 { 1.0 } else { common as f64 / all as f64 }
}

/// Writes them as CSV that `evaluate` and `make domain` take once `label` is filled in.
pub fn write(chosen: &[Chosen<'_>], file: &Path) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        // They are users' texts.
        private::tighten(file);
        let opened = private::options().write(true).create(true).truncate(true).open(file)?;
        let mut writer = csv::Writer::from_writer(opened);
        writer.write_record(["text", "label", "suggested", "by", "worth", "id"])?;
        for Chosen { entry, worth } in chosen {
            let (suggested, by) = match entry.last_answer() {
                Some(verdict) => (verdict.scores.label(), "llm"),
                None => (entry.last.scores.label(), "local"),
            };
            let worth = format!("{worth:.3}");
            writer.write_record([&entry.text, "", suggested.name(), by, &worth, &entry.id])?;
        }
        Ok(writer.flush()?)
    };
    write().with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_a_word_are_nearly_alike_and_others_not() {
        let like = |one: &str, other: &str| likeness(&shingles(one), &shingles(other));
        let long = "The courier left my parcel in the rain again and nobody answers the phone";
        assert!(like(long, &long.replace("again", "today")) >= ALIKE);
        assert!(like(long, &format!("{long}!!!")) == 1.0);
        assert!(like(long, "The phone is great and the courier was quick") < ALIKE);
        assert!(like("Fine.", "Not fine.") < ALIKE);
    }
}
