//! What recorded answers cost: as recorded, else counted from their tokens, else from the request that
//! the gateway would have sent.

use super::{Answer, ModelAnswers};
use crate::app::{App, Tariff};
use crate::evaluation::{Basis, Dataset};
use crate::pricing::Usd;
use crate::sentiment::Task;

/// What each of certain answers cost, and how that is known.
pub struct Bill {
    /// In the order in which they were asked for.
    pub costs: Vec<Option<Usd>>,
    recorded: usize,
    by_tokens: usize,
    by_request: usize,
    /// How requests are counted; `None` where the model has no price.
    counting: Option<String>,
    model: String,
}

impl Bill {
    /// Of the answers to the texts at these places; where a text has none, of one that would come.
    pub fn of(app: &App, dataset: &Dataset, answers: &ModelAnswers, places: &[usize]) -> Bill {
        let (task, tariff) = (dataset.subject.task(), app.tariff(&answers.model));
        let mut bill = Bill {
            costs: Vec::with_capacity(places.len()),
            recorded: 0,
            by_tokens: 0,
            by_request: 0,
            counting: tariff.as_ref().map(|tariff| tariff.counting(task)),
            model: answers.model.clone(),
        };
        for at in places {
            let text = &dataset.examples[*at].text;
            let cost = bill.one(answers.answers[*at].as_ref(), tariff.as_ref(), task, text);
            bill.costs.push(cost);
        }
        bill
    }

    fn one(
        &mut self,
        answer: Option<&Answer>,
        tariff: Option<&Tariff>,
        task: Task,
        text: &str,
    ) -> Option<Usd> {
        if let Some(cost) = answer.and_then(|answer| answer.cost) {
            self.recorded += 1;
            return Some(cost);
        }
        let usage = answer.and_then(|answer| answer.usage);
        if let Some(cost) = usage.and_then(|usage| tariff?.of_tokens(&usage)) {
            self.by_tokens += 1;
            return Some(cost);
        }
        let cost = tariff?.of_request(task, text)?;
        self.by_request += 1;
        Some(cost)
    }

    /// What all of it comes to, as far as it is known, and of how many.
    pub fn total(&self) -> (Usd, usize) {
        let known: Vec<Usd> = self.costs.iter().flatten().copied().collect();
        (known.iter().copied().sum(), known.len())
    }

    pub fn basis(&self) -> Basis {
        match self.by_tokens + self.by_request {
            0 if self.recorded == 0 => Basis::Unknown,
            0 => Basis::Recorded,
            _ => Basis::Counted,
        }
    }

    /// How the costs are known, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let (all, model) = (self.costs.len(), &self.model);
        let unknown = all - self.total().1;
        let mut notes = Vec::new();
        if self.by_tokens > 0 {
            notes.push(format!(
                "the cost of {} of {all} answers is counted from their recorded tokens, at today's \
                 price of {model}",
                self.by_tokens
            ));
        }
        if let Some(counting) = self.counting.as_ref().filter(|_| self.by_request > 0) {
            notes.push(format!(
                "the cost of {} of {all} answers is counted, not billed: {counting}, at today's price \
                 of {model}",
                self.by_request
            ));
        }
        if unknown > 0 && self.counting.is_none() {
            notes.push(format!(
                "what {unknown} of {all} answers cost is not known: the price book has no price for \
                 {model}"
            ));
        } else if unknown > 0 {
            notes.push(format!(
                "what {unknown} of {all} answers cost is not known: {model} was asked in other words \
                 than the gateway's, and no tokens are recorded"
            ));
        }
        notes
    }
}
