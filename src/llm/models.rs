//! Which model of a provider is asked: the configured one, or a successor while that has retired or the
//! provider does not know it. Nothing of this is for good: a retirement is a date that is compared with the clock at
//! each use, and a model that was not found is asked for again after a while, by one request.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::Date;
use tokio::time::Instant;

use super::breaker::pause;
use super::config::{Abilities, Error};
use crate::pricing::PriceBook;

/// However short the breaker's pauses are: a request must not ask for a model again that it has just not found.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// A model's id, and what it can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub id: String,
    pub abilities: Abilities,
}

/// The configured model, its successor, that one's successor, and so on.
pub(super) struct Succession {
    provider: &'static str,
    /// Never empty.
    chain: Vec<Model>,
    /// Of each of the chain.
    standings: Mutex<Vec<Standing>>,
    cooldown: Duration,
}

/// What is known of a model.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// How often in a row the provider did not know it.
    not_found: u32,
    /// Not asked before then, where it was not found.
    ask_again: Option<Instant>,
    /// As last told in the log.
    retired: bool,
}

impl Standing {
    fn may_be_asked(&self, now: Instant) -> bool {
        self.ask_again.is_none_or(|at| now >= at)
    }
}

impl Succession {
    /// A model that was not found is left alone for `cooldown`, and longer the more often it is not.
    ///
    /// # Errors
    /// Successors that go in a circle, and a token bound that is none.
    pub fn new(
        provider: &'static str,
        configured: &str,
        table: &BTreeMap<String, Abilities>,
        cooldown: Duration,
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
        let standings = Mutex::new(vec![Standing::default(); chain.len()]);
        Ok(Succession { provider, chain, standings, cooldown: cooldown.max(LEAST_PAUSE) })
    }

    pub fn configured(&self) -> &Model {
        &self.chain[0]
    }

    /// The model that the next call asks; `None` while the provider knows none of them.
    pub fn in_force(&self, book: &PriceBook, today: Date) -> Option<&Model> {
        let place = self.place(&self.standings(), book, today, Instant::now())?;
        Some(&self.chain[place])
    }

    /// The same, for a call that goes now: one that was not found is asked for again by this call
    /// alone. Whoever gets it says how that ended, or [passes](Succession::pass).
    pub fn to_ask(&self, book: &PriceBook, today: Date) -> Option<&Model> {
        let now = Instant::now();
        let mut standings = self.standings();
        for (model, standing) in self.chain.iter().zip(standings.iter_mut()) {
            self.tell_of_retirement(model, standing, makes_way(model, book, today));
        }
        let place = self.place(&standings, book, today, now)?;
        let standing = &mut standings[place];
        if standing.ask_again.is_some() {
            standing.ask_again = now.checked_add(pause(self.cooldown, standing.not_found));
        }
        Some(&self.chain[place])
    }

    /// A model whose retirement date has come makes way only where it has a successor, and only while
    /// that can be asked: otherwise the provider has the last word.
    fn place(
        &self,
        standings: &[Standing],
        book: &PriceBook,
        today: Date,
        now: Instant,
    ) -> Option<usize> {
        let can_be_asked = |place: &usize| standings[*place].may_be_asked(now);
        let places = || (0..self.chain.len()).filter(can_be_asked);
        places()
            .find(|place| !makes_way(&self.chain[*place], book, today))
            .or_else(|| places().next())
    }

    /// The call that was to ask `model` was not made: the next may ask it in its stead.
    pub fn pass(&self, model: &Model) {
        if let Some(standing) = self.of(model, &mut self.standings())
            && standing.ask_again.is_some()
        {
            standing.ask_again = Some(Instant::now());
        }
    }

    /// The provider does not know `model` (now).
    pub fn not_found(&self, model: &Model) {
        let mut standings = self.standings();
        let Some(standing) = self.of(model, &mut standings) else { return };
        standing.not_found = standing.not_found.saturating_add(1);
        let pause = pause(self.cooldown, standing.not_found);
        standing.ask_again = Instant::now().checked_add(pause);
        if standing.not_found == 1 {
            let (provider, model) = (self.provider, &model.id);
            let again_in_seconds = pause.as_secs();
            tracing::warn!(
                provider, %model, again_in_seconds,
                "the provider does not know the model: it is left out, and asked for again from time to time"
            );
            self.show(model, true);
        }
    }

    /// The provider answered for `model`.
    pub fn found(&self, model: &Model) {
        let mut standings = self.standings();
        let Some(standing) = self.of(model, &mut standings) else { return };
        if standing.not_found > 0 {
            (standing.not_found, standing.ask_again) = (0, None);
            let (provider, model) = (self.provider, &model.id);
            tracing::info!(provider, %model, "the provider knows the model again");
            self.show(model, false);
        }
    }

    /// The models that the provider did not know when it was last asked for them.
    pub fn unknown(&self) -> Vec<String> {
        let standings = self.standings();
        let unknown = self.chain.iter().zip(standings.iter());
        let unknown = unknown.filter(|(_, standing)| standing.not_found > 0);
        unknown.map(|(model, _)| model.id.clone()).collect()
    }

    fn tell_of_retirement(&self, model: &Model, standing: &mut Standing, retired: bool) {
        if standing.retired == retired {
            return;
        }
        standing.retired = retired;
        let (provider, model, successor) =
            (self.provider, &model.id, model.abilities.successor.as_deref());
        match retired {
            true => tracing::warn!(
                provider, %model, successor,
                "the retirement date of the model has come: its successor takes over"
            ),
            false => tracing::warn!(
                provider, %model,
                "the retirement date of the model is in the future again: it is asked as before"
            ),
        }
    }

    fn show(&self, model: &str, is_unknown: bool) {
        let labels = [("provider", self.provider.to_owned()), ("model", model.to_owned())];
        metrics::gauge!("undertone_llm_model_unknown", &labels)
            .set(f64::from(u8::from(is_unknown)));
    }

    fn of<'a>(&self, model: &Model, standings: &'a mut [Standing]) -> Option<&'a mut Standing> {
        let place = self.chain.iter().position(|other| other.id == model.id)?;
        standings.get_mut(place)
    }

    /// No code that holds the lock can panic halfway through a change, so a poisoned one is whole.
    fn standings(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether another model is to be asked instead on that day.
fn makes_way(model: &Model, book: &PriceBook, today: Date) -> bool {
    model.abilities.successor.is_some() && book.retires(&model.id).is_some_and(|date| date <= today)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(15);

    fn succession(table: &str) -> Succession {
        Succession::new("p", "m", &toml::from_str(table).unwrap(), COOLDOWN).unwrap()
    }

    fn book() -> PriceBook {
        let model = |id: &str, retires: &str| {
            format!(
                "[[model]]\nid = \"{id}\"\nprovider = \"p\"\n{retires}\n[[model.price]]\nfrom = 2020-01-01\n\
                 tiers = [\"default\"]\ninput = \"1\"\noutput = \"1\"\n"
            )
        };
        PriceBook::parse(&[model("m", "retires = 2027-01-14"), model("n", "")].concat()).unwrap()
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_moment_retires_no_model_for_good() {
        let (models, book) = (succession("[m]\nsuccessor = 'n'"), book());
        let asked = |day| models.to_ask(&book, day).unwrap().id.clone();
        assert_eq!(asked(date!(2026 - 11 - 30)), "m");
        assert_eq!(asked(date!(2038 - 01 - 19)), "n");
        assert_eq!(asked(date!(2026 - 11 - 30)), "m");
        assert_eq!(models.in_force(&book, date!(2027 - 01 - 14)).unwrap().id, "n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_model_not_found_is_asked_for_again_by_one_call_after_ever_longer_pauses() {
        let (models, book) = (succession(""), book());
        let day = date!(2026 - 11 - 30);
        let model = models.to_ask(&book, day).unwrap().clone();
        for seconds in [15, 30, 60, 120, 120] {
            models.not_found(&model);
            assert_eq!(models.unknown(), ["m"]);
            tokio::time::advance(Duration::from_secs(seconds - 1)).await;
            assert_eq!(models.to_ask(&book, day), None, "{seconds}");
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(models.in_force(&book, day), Some(&model), "to look takes nothing");
            assert_eq!(models.to_ask(&book, day), Some(&model));
            assert_eq!(models.to_ask(&book, day), None, "one call asks");
            models.pass(&model);
            assert_eq!(models.to_ask(&book, day), Some(&model), "the first was not made");
        }
        models.found(&model);
        assert!(models.unknown().is_empty());
        assert!((0..9).all(|_| models.to_ask(&book, day) == Some(&model)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_cooldown_a_request_does_not_ask_for_a_missing_model_without_end() {
        let models = Succession::new("p", "m", &BTreeMap::new(), Duration::ZERO).unwrap();
        let day = date!(2026 - 11 - 30);
        let model = models.to_ask(&book(), day).unwrap().clone();
        models.not_found(&model);
        assert_eq!(models.to_ask(&book(), day), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retired_model_is_asked_while_the_provider_does_not_know_its_successor() {
        let (models, book) = (succession("[m]\nsuccessor = 'n'"), book());
        let day = date!(2027 - 02 - 01);
        let successor = models.to_ask(&book, day).unwrap().clone();
        assert_eq!(successor.id, "n");
        models.not_found(&successor);
        assert_eq!(models.to_ask(&book, day).unwrap().id, "m");
    }
}
