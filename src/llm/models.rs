//! Which model of a provider is in force: the configured one, or a successor once that has retired.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use time::Date;

use super::config::{Abilities, Error};
use crate::pricing::PriceBook;

/// A model's id, and what it can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub id: String,
    pub abilities: Abilities,
}

/// The configured model, its successor, that one's successor, and so on. Who has gone does not come
/// back before the next start.
pub(super) struct Succession {
    provider: &'static str,
    /// Never empty.
    chain: Vec<Model>,
    /// How many of the chain have gone.
    gone: AtomicUsize,
}

impl Succession {
    /// # Errors
    /// Successors that go in a circle, and a token bound that is none.
    pub fn new(
        provider: &'static str,
        configured: &str,
        table: &BTreeMap<String, Abilities>,
    ) -> Result<Succession, Error> {
        let mut chain: Vec<Model> = Vec::new();
        let mut next = Some(configured.to_owned());
        while let Some(id) = next {
            let key = |field| format!("{provider}.models.\"{id}\".{field}");
            if chain.iter().any(|model| model.id == id) {
                return Err(Error::value(
                    key("successor"),
                    &id,
                    "successors must not go in a circle",
                ));
            }
            let abilities = table.get(&id).cloned().unwrap_or_default();
            let bound = abilities.tokens_per_byte;
            if !(bound > 0.0 && bound <= 1.0) {
                let expected = "it must be above 0 and at most 1";
                return Err(Error::value(key("tokens_per_byte"), bound, expected));
            }
            next = abilities.successor.clone();
            chain.push(Model { id, abilities });
        }
        Ok(Succession { provider, chain, gone: AtomicUsize::new(0) })
    }

    pub fn configured(&self) -> &Model {
        &self.chain[0]
    }

    /// The model to ask on that day; `None` once the provider knows none of them. A model whose
    /// retirement date has come makes way only where it has a successor: without one, the provider
    /// has the last word.
    pub fn in_force(&self, book: &PriceBook, today: Date) -> Option<&Model> {
        loop {
            let model = self.chain.get(self.gone.load(Ordering::Acquire))?;
            let retired = book.retires(&model.id).is_some_and(|date| date <= today);
            if !retired || model.abilities.successor.is_none() {
                return Some(model);
            }
            self.retire(model, "its retirement date has come");
        }
    }

    /// The provider does not know `model` any more. Whoever says so first switches for all.
    pub fn not_found(&self, model: &Model) {
        self.retire(model, "the provider does not know it");
    }

    fn retire(&self, model: &Model, reason: &str) {
        let Some(place) = self.chain.iter().position(|other| other.id == model.id) else { return };
        let first = self
            .gone
            .compare_exchange(place, place + 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        let (provider, model) = (self.provider, &model.id);
        match self.chain.get(place + 1) {
            Some(successor) if first => {
                let successor = &successor.id;
                tracing::warn!(provider, %model, %successor, reason, "the successor takes over");
            }
            None if first => {
                tracing::error!(provider, %model, reason, "no successor is configured: not called again");
            }
            _ => {}
        }
    }
}
