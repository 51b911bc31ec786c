//! What operators are told of the providers: their state, and whether they work at all.

use std::sync::Arc;
use std::time::Duration;

use time::Date;
use tokio::time::Instant;

use super::ask::Asked;
use super::breaker::BreakerState;
use super::lane::Lane;
use super::provider::Fault;
use super::{Answered, Failure, Limits, Llm, Question, today};
use crate::pricing::Caller;
use crate::sentiment::Task;

/// How long before a model retires its operator is told.
pub const NOTICE: time::Duration = time::Duration::days(60);

/// One provider's state, as seen without calling it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderHealth {
    pub provider: &'static str,
    /// The model that the next call asks; the configured one once the provider knows none.
    pub model: String,
    pub breaker: BreakerState,
    /// What is wrong with it, as far as it has not answered since: a refused key, an empty account, an unknown model.
    pub fault: Option<Fault>,
    /// The models that it did not know when it was last asked for them.
    pub unknown_models: Vec<String>,
    /// Where the model in force retires within 60 days: when.
    pub retires: Option<Date>,
}

/// What one small real call came to.
#[derive(Clone, Debug)]
pub struct Check {
    pub provider: &'static str,
    /// As configured; what answered is in the result.
    pub model: String,
    pub result: Result<Answered, Failure>,
}

impl Llm {
    /// One entry a provider that has a key, in order of fallback.
    pub fn health(&self) -> Vec<ProviderHealth> {
        let day = today();
        self.lanes
            .iter()
            .map(|lane| {
                let model = lane.models.in_force(&self.prices.current(), day);
                ProviderHealth {
                    provider: lane.name(),
                    model: model.unwrap_or(lane.models.configured()).id.clone(),
                    breaker: lane.breaker_state(),
                    fault: lane.fault(),
                    unknown_models: lane.models.unknown(),
                    retires: self.retires_soon(lane, day),
                }
            })
            .collect()
    }

    /// One small real call to each provider that has a key, on the ledger like any other.
    pub async fn check(&self, caller: &Caller, timeout: Duration) -> Vec<Check> {
        let question = Question {
            task: Task::Sentiment,
            text: "The soup was lovely.".into(),
            language: Some("en".into()),
            hint: None,
            categories: Arc::default(),
        };
        let mut checks = Vec::with_capacity(self.lanes.len());
        for lane in &self.lanes {
            let limits = Limits { deadline: Instant::now() + timeout, max_cost: None };
            let questions = std::slice::from_ref(&question);
            let asked = Asked { questions, caller, limits: &limits };
            checks.push(Check {
                provider: lane.name(),
                model: lane.models.configured().id.clone(),
                result: self.ask_only(lane, &asked).await,
            });
        }
        checks
    }

    /// Logs which models in force retire within 60 days.
    pub fn warn_of_retirements(&self) {
        let day = today();
        for lane in &self.lanes {
            if let (Some(model), Some(date)) =
                (lane.models.in_force(&self.prices.current(), day), self.retires_soon(lane, day))
            {
                let successor = model.abilities.successor.as_deref().unwrap_or("none");
                let (provider, model) = (lane.name(), &model.id);
                tracing::warn!(provider, %model, %date, successor, "a configured model retires soon");
            }
        }
    }

    fn retires_soon(&self, lane: &Lane, day: Date) -> Option<Date> {
        let model = lane.models.in_force(&self.prices.current(), day)?;
        self.prices.current().retires(&model.id).filter(|date| *date <= day.saturating_add(NOTICE))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::llm::testing::{Ledger, Stage, answer, caller, dollars, error};
    use crate::llm::{Config, FailureKind};
    use crate::pricing::{PriceBook, Prices};

    #[tokio::test(start_paused = true)]
    async fn a_check_asks_each_provider_on_its_own() {
        let script = vec![("p", "m", vec![error(401)]), ("q", "n", vec![answer()])];
        let stage = Stage::with(Config::default(), Ledger::default(), script);
        let checks = stage.llm.check(&caller(), Duration::from_secs(20)).await;
        assert_eq!((checks[0].provider, checks[0].model.as_str()), ("p", "m"));
        assert_eq!(checks[0].result.as_ref().unwrap_err().kind, FailureKind::Rejected);
        assert_eq!(checks[1].result.as_ref().unwrap().bill.cost, Some(dollars(7)));
        assert_eq!(stage.ledger.settlements.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_retirement_within_sixty_days_is_told() {
        let retires = |days: i64| {
            let date = today() + time::Duration::days(days);
            let book = format!(
                "[[model]]\nid = \"m\"\nprovider = \"p\"\nretires = {date}\n[[model.price]]\n\
                 from = 2020-01-01\ntiers = [\"default\"]\ninput = \"1\"\noutput = \"1\"\n"
            );
            let mut stage = Stage::new([]);
            let llm = Arc::get_mut(&mut stage.llm).unwrap();
            llm.prices = Arc::new(Prices::new(PriceBook::parse(&book).unwrap()));
            (llm.health().remove(0).retires, date)
        };
        let (soon, date) = retires(60);
        assert_eq!(soon, Some(date));
        assert_eq!(retires(61).0, None);
    }
}
