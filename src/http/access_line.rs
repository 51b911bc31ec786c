//! One line of the log for each request, at INFO: who asked for what, what came of it, what it cost and how
//! long it took. Never a text, a key, or a path as it was sent. A batch has its line once it is over.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};

use super::Problem;
use super::wire::AnalysisResponse;
use crate::pricing::Usd;
use crate::sentiment::Outcome;

/// The name by which `telemetry.log` can turn the lines off: `info,undertone::access=off`.
const TARGET: &str = "undertone::access";

/// What is asked every few seconds by machines is logged at DEBUG, while it succeeds.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What is known of a request once its answer begins.
pub struct AccessLine {
    pub method: Method,
    /// The route's template; ids are not in it.
    pub route: String,
    pub status: StatusCode,
    pub team: Option<String>,
    pub key_id: Option<String>,
    pub caller: Option<IpAddr>,
    pub request_id: String,
    pub started: Instant,
}

/// What an answer about one text says of itself, among its extensions.
#[derive(Clone, Debug)]
pub struct Told {
    outcome: Option<&'static str>,
    cached: Option<bool>,
    /// `None`: not known yet.
    cost: Option<Usd>,
}

impl From<&AnalysisResponse> for Told {
    fn from(answer: &AnalysisResponse) -> Told {
        Told {
            outcome: Some(answer.escalation.outcome.name()),
            cached: Some(answer.cached),
            cost: cost_of(answer),
        }
    }
}

fn cost_of(answer: &AnalysisResponse) -> Option<Usd> {
    answer.cost_usd.as_deref().and_then(|amount| amount.parse().ok())
}

impl Told {
    /// What a problem says of itself, where an LLM was wanted.
    pub fn of_problem(problem: &Problem) -> Option<Told> {
        problem.cost().map(|cost| Told { outcome: None, cached: None, cost })
    }
}

impl AccessLine {
    /// The line of a request that is answered.
    pub fn write(&self, told: Option<&Told>) {
        let AccessLine { method, status, caller, started, .. } = self;
        let (team, key_id) = (self.team.as_deref(), self.key_id.as_deref());
        let (route, request_id) = (self.route.as_str(), self.request_id.as_str());
        let (method, status) = (method.as_str(), status.as_u16());
        let caller = caller.map(|address| address.to_string());
        let (caller, ms) = (caller.as_deref(), milliseconds(started.elapsed()));
        if status < 400 && PROBES.contains(&route) {
            tracing::debug!(
                target: TARGET, method, route, status, team, key_id, caller, ms, request_id,
                "answered"
            );
            return;
        }
        let outcome = told.and_then(|told| told.outcome);
        let cached = told.and_then(|told| told.cached);
        let escalated = outcome.map(|outcome| outcome == "answered" && cached == Some(false));
        let cost =
            told.map(|told| told.cost.map_or_else(|| "unknown".into(), |usd| usd.to_string()));
        let cost_usd = cost.as_deref();
        tracing::info!(
            target: TARGET, method, route, status, team, key_id, caller, outcome, escalated, cached,
            cost_usd, ms, request_id, "answered"
        );
    }

    fn write_batch(&self, tally: &Tally) {
        let AccessLine { method, status, caller, started, .. } = self;
        let (team, key_id) = (self.team.as_deref(), self.key_id.as_deref());
        let (route, request_id) = (self.route.as_str(), self.request_id.as_str());
        let (method, status) = (method.as_str(), status.as_u16());
        let caller = caller.map(|address| address.to_string());
        let (caller, ms) = (caller.as_deref(), milliseconds(started.elapsed()));
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (texts, failed) = (count(&tally.texts), count(&tally.failed));
        let (escalated, cached) = (count(&tally.escalated), count(&tally.cached));
        let cost = *tally.cost.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = cost.0.map_or_else(|| "unknown".into(), |usd| usd.to_string());
        let cost_usd = cost.as_str();
        tracing::info!(
            target: TARGET, method, route, status, team, key_id, caller, texts, failed, escalated,
            cached, cost_usd, ms, request_id, "a batch is over"
        );
    }
}

/// To the microsecond.
fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

/// What came of the items of a batch so far, among its answer's extensions.
#[derive(Debug, Default)]
pub struct Tally {
    texts: AtomicU64,
    failed: AtomicU64,
    escalated: AtomicU64,
    cached: AtomicU64,
    cost: Mutex<Cost>,
}

/// A sum; `None` once a part of it is not known.
#[derive(Clone, Copy, Debug)]
struct Cost(Option<Usd>);

impl Default for Cost {
    fn default() -> Cost {
        Cost(Some(Usd::ZERO))
    }
}

impl Tally {
    pub fn count(&self, answer: &Result<AnalysisResponse, Problem>) {
        self.texts.fetch_add(1, Ordering::Relaxed);
        let cost = match answer {
            Ok(answer) => {
                let answered = answer.escalation.outcome == Outcome::Answered;
                let counter = if answer.cached { &self.cached } else { &self.escalated };
                counter.fetch_add(u64::from(answered || answer.cached), Ordering::Relaxed);
                cost_of(answer)
            }
            Err(problem) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                problem.cost().unwrap_or(Some(Usd::ZERO))
            }
        };
        let mut sum = self.cost.lock().unwrap_or_else(PoisonError::into_inner);
        sum.0 = sum.0.zip(cost).map(|(sum, cost)| sum + cost);
    }
}

/// Writes a batch's line once its answer is over, whoever ended it.
pub struct BatchLine {
    pub line: AccessLine,
    pub tally: Arc<Tally>,
}

impl Drop for BatchLine {
    fn drop(&mut self) {
        self.line.write_batch(&self.tally);
    }
}
