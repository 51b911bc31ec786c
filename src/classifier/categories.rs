//! Which of the configured categories a term belongs to.
//!
//! A category's description is the list of words that it goes by. A term's last word decides,
//! being its head ("customer service" is a service), then the one before it, and so on; words are
//! compared by their stems (Porter 2002, <https://snowballstem.org>).

use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

use crate::sentiment::{Category, words};

/// The name of the category for what fits none.
const OTHER: &str = "other";

/// The configured categories, by the stems of their words.
pub struct Categories {
    stemmer: Stemmer,
    by_stem: HashMap<String, usize>,
    names: Vec<String>,
}

impl Categories {
    /// Where two categories share a word, the first has it; a category's own name comes before all.
    pub fn new(categories: &[Category]) -> Categories {
        let stemmer = Stemmer::create(Algorithm::English);
        let mut by_stem = HashMap::new();
        for text in [
            |category: &Category| category.name.clone(),
            |category: &Category| category.description.clone(),
        ] {
            for (index, category) in categories.iter().enumerate() {
                for stem in stems(&stemmer, &text(category)) {
                    by_stem.entry(stem).or_insert(index);
                }
            }
        }
        let names = categories.iter().map(|category| category.name.clone()).collect();
        Categories { stemmer, by_stem, names }
    }

    /// The category of a term; `other`, where there is one of that name, for what fits none.
    pub fn of(&self, term: &str) -> Option<&str> {
        let stems: Vec<String> = stems(&self.stemmer, term).collect();
        let found = stems.iter().rev().find_map(|stem| self.by_stem.get(stem));
        match found {
            Some(index) => Some(&self.names[*index]),
            None => self.names.iter().map(String::as_str).find(|name| *name == OTHER),
        }
    }
}

fn stems<'a>(stemmer: &'a Stemmer, text: &str) -> impl Iterator<Item = String> + use<'a> {
    words(text).into_iter().map(|word| stemmer.stem(&word).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(name: &str, description: &str) -> Category {
        Category { name: name.into(), description: description.into() }
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
}
