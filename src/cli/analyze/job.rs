//! What is done with one row: each task is asked about its text, within the run's ceiling.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::columns::{self, Answer};
use crate::app::{
    Analysis, App, CascadeError, ClassifierError, Company, FailureKind, KEY_TAG, Lane, Owner,
    Request, RequestError, SharedApp,
};
use crate::cli::ceiling::{Ceiling, several};
use crate::pricing::{self, Caller, LimitOf, Usd};
use crate::sentiment::{Outcome, Route, Task};

/// How long a row waits before it asks again for a local model whose queue is full.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What a run asks of every text, and on whose behalf.
pub struct Job {
    pub app: SharedApp,
    pub tasks: Vec<Task>,
    pub route: Route,
    pub ceiling: Option<Ceiling>,
    /// Where rows may share calls.
    pub company: Option<Arc<Company>>,
    /// Names the run on the ledger.
    pub run: String,
    pub team: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// The first budget that had no room for a call.
    pub refused: OnceLock<Box<pricing::Refusal>>,
}

/// A row's answer, and what the summary says of it.
pub struct Done {
    pub answer: Answer,
    /// What it cost in this run; `None`: not known.
    pub cost: Option<Usd>,
    pub kind: Kind,
    /// Whether getting it again could cost money.
    pub is_bought: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Local,
    /// An LLM was wanted, and did not fit the ceiling.
    OverBudget,
    Llm,
    /// No verdict: the row is bad, or nobody answered.
    Failed,
}

impl Done {
    /// A row without a verdict.
    pub fn failed(line: u64, fault: &str, cost: Option<Usd>) -> Done {
        let answer = columns::failure(&format!("line {line}: {fault}"), cost);
        Done { answer, cost, kind: Kind::Failed, is_bought: cost != Some(Usd::ZERO) }
    }

    /// What an earlier run had got and not written: it costs nothing now.
    pub fn kept(answer: Answer) -> Done {
        let kind = match answer.contains_key(columns::ERROR) {
            true => Kind::Failed,
            false => Kind::Llm,
        };
        Done { answer, cost: Some(Usd::ZERO), kind, is_bought: true }
    }
}

/// Why a task has no verdict, and what it cost to learn that.
struct Refusal {
    fault: String,
    cost: Option<Usd>,
}

impl Job {
    pub async fn answer(&self, number: u64, line: u64, text: Arc<str>) -> Done {
        let mut analyses = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            match self.analyse(*task, number, &text).await {
                Ok(analysis) => analyses.push((*task, analysis)),
                Err(Refusal { fault, cost }) => {
                    return Done::failed(line, &fault, plus(spent(&analyses), cost));
                }
            }
        }
        let verdicts: Vec<_> = analyses.iter().map(|(task, one)| (*task, one)).collect();
        let key = self.tags.get(KEY_TAG).map(String::as_str);
        self.app.count_in_windows(key, None, &verdicts);
        let has = |outcome| analyses.iter().any(|(_, analysis)| analysis.outcome == outcome);
        let kind = match () {
            () if has(Outcome::Answered) => Kind::Llm,
            () if has(Outcome::OverBudget) => Kind::OverBudget,
            () => Kind::Local,
        };
        let called = analyses.iter().any(|(_, analysis)| analysis.bill.attempts > 0);
        Done {
            answer: columns::answer(&analyses),
            cost: spent(&analyses),
            kind,
            is_bought: called || kind == Kind::Llm,
        }
    }

    /// One task's analysis. Where an LLM alone was to answer and the ceiling has been reached, the
    /// local one.
    async fn analyse(&self, task: Task, number: u64, text: &Arc<str>) -> Result<Analysis, Refusal> {
        let ceiling = match self.route {
            Route::Local => None,
            Route::Auto | Route::Llm => self.ceiling.as_ref().filter(|_| self.app.has_llm()),
        };
        let allowed = match ceiling {
            Some(ceiling) => Some(ceiling.allow(self.app.worst_attempt(task, text)).await),
            None => None,
        };
        let request = Request {
            task,
            text: Arc::clone(text),
            language: None,
            route: self.route,
            max_cost: allowed,
            deadline: None,
            caller: Caller {
                request_id: format!("{}-{number}", self.run),
                key_id: None,
                team: self.team.clone(),
                tags: self.tags.clone(),
            },
            company: self.company.clone(),
            lane: Lane::Batch,
        };
        let result = self.patiently(request.clone()).await;
        if let (Some(ceiling), Some(allowed)) = (ceiling, allowed) {
            let cost = match &result {
                Ok(analysis) => analysis.bill.cost,
                Err(error) => cost_of(error),
            };
            ceiling.settle(allowed, cost);
        }
        match result {
            Ok(analysis) => {
                // Nobody is told the id of a row: of those that no LLM answers nothing can be learnt.
                self.note(analysis.refusal.clone());
                if analysis.outcome == Outcome::Answered {
                    let Caller { request_id, key_id, team, .. } = request.caller;
                    self.app.remember(&request_id, Owner { key_id, team }, task, text, &analysis);
                }
                Ok(analysis)
            }
            Err(RequestError::Cascade(CascadeError::Llm(failure)))
                if failure.kind == FailureKind::OverBudget && failure.bill.attempts == 0 =>
            {
                self.note(failure.refusal);
                let local = Request { route: Route::Local, max_cost: None, ..request };
                match self.patiently(local).await {
                    Ok(analysis) => Ok(Analysis {
                        reasons: vec![crate::sentiment::Reason::Requested],
                        outcome: Outcome::OverBudget,
                        ..analysis
                    }),
                    Err(error) => Err(refusal(&error)),
                }
            }
            Err(error) => Err(refusal(&error)),
        }
    }

    /// The run's own ceiling is the caller's to know.
    fn note(&self, refusal: Option<Box<pricing::Refusal>>) {
        if let Some(refusal) = refusal.filter(|refusal| refusal.limit_of != LimitOf::Request) {
            let _ = self.refused.set(refusal);
        }
    }

    /// A full queue is this program's own business, and no reason to leave a row without a verdict.
    async fn patiently(&self, request: Request) -> Result<Analysis, RequestError> {
        loop {
            match self.app.analyse(request.clone()).await {
                Err(RequestError::Cascade(CascadeError::Classifier(ClassifierError::Busy {
                    ..
                }))) => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                result => return result,
            }
        }
    }
}

/// What is set aside for a text under a ceiling: what a call with an unknown end counts as.
pub fn allowed(app: &App, tasks: &[Task], text: &str) -> Usd {
    tasks.iter().filter_map(|task| app.worst_attempt(*task, text)).map(several).sum()
}

fn refusal(error: &RequestError) -> Refusal {
    let fault = match error {
        RequestError::Cascade(CascadeError::Llm(failure)) => {
            format!("no LLM answered: {failure}")
        }
        other => other.to_string(),
    };
    Refusal { fault, cost: cost_of(error) }
}

fn cost_of(error: &RequestError) -> Option<Usd> {
    match error {
        RequestError::Cascade(CascadeError::Llm(failure)) => failure.bill.cost,
        _ => Some(Usd::ZERO),
    }
}

fn spent(analyses: &[(Task, Analysis)]) -> Option<Usd> {
    analyses.iter().map(|(_, analysis)| analysis.bill.cost).sum()
}

fn plus(one: Option<Usd>, other: Option<Usd>) -> Option<Usd> {
    Some(one? + other?)
}
