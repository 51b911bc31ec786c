//! Which of the configured categories a term belongs to.
//!
//! A category goes by its name, the words of its description and its own list of words. A term's
//! last word decides, being its head ("customer service" is a service), then the one before it, and so on; words are
//! compared by their stems (Porter 2002, <https://snowballstem.org>).

use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

use crate::sentiment::{Category, words};

/// Among a category's words: it takes what fits none.
const ANYTHING: &str = "*";
/// The category for what fits none where no list has [`ANYTHING`].
const OTHER: &str = "other";

/// The configured categories, by the stems of their words.
pub struct Categories {
    stemmer: Stemmer,
    by_stem: HashMap<String, usize>,
    names: Vec<String>,
    /// Which of the names is for what fits none.
    fallback: Option<usize>,
}

impl Categories {
    /// Where two categories share a word, the first has it; a category's own name comes before all.
    pub fn new(categories: &[Category]) -> Categories {
        let stemmer = Stemmer::create(Algorithm::English);
        let mut by_stem = HashMap::new();
        for text in [
            |category: &Category| category.name.clone(),
            |category: &Category| category.description.clone(),
            |category: &Category| category.words.join(" "),
        ] {
            for (index, category) in categories.iter().enumerate() {
                for stem in stems(&stemmer, &text(category)) {
                    by_stem.entry(stem).or_insert(index);
                }
            }
        }
        let takes_anything =
            |category: &Category| category.words.iter().any(|word| word == ANYTHING);
        let fallback = categories
            .iter()
            .position(takes_anything)
            .or_else(|| categories.iter().position(|category| category.name == OTHER));
        let names = categories.iter().map(|category| category.name.clone()).collect();
        Categories { stemmer, by_stem, names, fallback }
    }

    /// The category of a term; for what fits none the one that takes anything, if there is one.
    pub fn of(&self, term: &str) -> Option<&str> {
        let stems: Vec<String> = stems(&self.stemmer, term).collect();
        let found = stems.iter().rev().find_map(|stem| self.by_stem.get(stem).copied());
        found.or(self.fallback).map(|index| self.names[index].as_str())
    }
}

fn stems<'a>(stemmer: &'a Stemmer, text: &str) -> impl Iterator<Item = String> + use<'a> {
    words(text).into_iter().map(|word| stemmer.stem(&word).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(name: &str, description: &str) -> Category {
        Category { name: name.into(), description: description.into(), words: vec![] }
    }

    #[test]
    fn the_last_word_that_is_known_decides() {
        let categories = Categories::new(&[
            category("product", "item, battery, screen"),
            category("delivery", "shipping, courier"),
            category("support", "service, agent"),
            category("other", "anything else"),
        ]);
        for (term, expected) in [
            ("Shipping", "delivery"),
            ("couriers", "delivery"),
            ("battery service", "support"),
            ("service battery", "product"),
            ("products", "product"),
            ("sushi", "other"),
        ] {
            assert_eq!(categories.of(term), Some(expected), "{term}");
        }
        assert_eq!(Categories::new(&[]).of("courier"), None);
    }

    #[test]
    fn a_list_of_words_adds_to_the_description_and_may_take_anything() {
        let product = Category {
            words: vec!["lid".into(), "dark mode".into(), "*".into()],
            ..category("product", "item")
        };
        let delivery = Category { words: vec!["van".into()], ..category("delivery", "courier") };
        let categories = Categories::new(&[product, delivery, category("other", "anything else")]);
        for (term, expected) in [
            ("lids", "product"),
            ("the van", "delivery"),
            ("dark mode", "product"),
            ("sushi", "product"),
        ] {
            assert_eq!(categories.of(term), Some(expected), "{term}");
        }
    }
}
