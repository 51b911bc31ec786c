//! Warnings that a budget is half gone, nearly gone, gone: by metric and log, and by webhook where
//! one is configured. Of several gateways one gives each warning; one that could not be delivered is
//! given again a minute later.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Access;
use crate::store::{self, BudgetState, Store, Subject};
use crate::webhook::Webhook;

/// Per cent of a budget.
const STEPS: [u32; 3] = [50, 80, 100];

/// When a failed delivery is tried again.
const AGAIN_AFTER: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8)];

/// How long a gateway that warns of a budget has it to itself: longer than all of its tries take.
const CLAIM: Duration = Duration::from_secs(60);

/// Tells a warning, and again where it did not arrive.
async fn deliver(webhook: &Webhook, id: &str, warning: &Value) -> Result<(), String> {
    let body = warning.to_string();
    let mut waits = AGAIN_AFTER.iter();
    loop {
        let error = match webhook.send(id, &body).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match waits.next() {
            Some(wait) => tokio::time::sleep(*wait).await,
            None => return Err(error),
        }
    }
}

impl Access {
    /// Looks at what has gone of each budget, and warns of those that have passed a step.
    pub async fn warn(&self) -> Result<(), store::Error> {
        let now = SystemTime::now();
        for state in self.store.budgets(now).await? {
            measure(&state);
            // One after the other: each is told, also of a budget that goes at once.
            if let Some(step) = STEPS.into_iter().find(|step| *step > state.warned)
                && has_reached(&state, step)
                && self.store.claim_warning(state.clone(), step, now, now + CLAIM).await?
            {
                tokio::spawn(tell(self.store.clone(), self.webhook.clone(), state, step));
            }
        }
        Ok(())
    }
}

fn has_reached(state: &BudgetState, step: u32) -> bool {
    let (spent, limit) = (state.spent.pico_sum(), state.budget.limit.pico_sum());
    spent > 0 && spent * 100 >= limit * i128::from(step)
}

fn measure(state: &BudgetState) {
    let labels = [
        ("subject", state.budget.subject.kind().to_owned()),
        ("name", state.budget.subject.name().to_owned()),
        ("period", state.budget.period.name().to_owned()),
    ];
    let (spent, limit) = (state.spent.pico() as f64, state.budget.limit.pico() as f64);
    let ratio = if limit > 0.0 { spent / limit } else { f64::from(u8::from(spent > 0.0)) };
    metrics::gauge!("undertone_budget_spent_ratio", &labels).set(ratio);
}

async fn tell(store: Store, webhook: Option<Webhook>, state: BudgetState, step: u32) {
    let (subject, period) = (&state.budget.subject, state.budget.period.name());
    let (kind, name) = (subject.kind(), subject.name());
    if let Some(webhook) = webhook
        && let Err(error) = deliver(&webhook, &id(&state, step), &warning(&state, step)).await
    {
        tracing::error!(
            kind,
            name,
            period,
            step,
            error,
            "the webhook did not take the warning of \
            a budget; the gateway tries again in a minute"
        );
        return;
    }
    tracing::warn!(kind, name, period, "{step} % of a budget is spent");
    metrics::counter!("undertone_budget_warnings_total", "percent" => step.to_string())
        .increment(1);
    if let Err(error) = store.warned(state.clone(), step).await {
        tracing::warn!(%error, "the store did not record the warning of a budget; the gateway \
            gives it again");
    }
}

/// What tells this warning from others; the same whoever gives it, and however often.
fn id(state: &BudgetState, step: u32) -> String {
    let (subject, period) = (&state.budget.subject, state.budget.period.name());
    let (kind, name, since) = (subject.kind(), subject.name(), state.starts_at.unix_timestamp());
    let whole = format!("{kind}\n{name}\n{period}\n{since}\n{step}");
    format!("budget_{}", &blake3::hash(whole.as_bytes()).to_hex()[..32])
}

fn warning(state: &BudgetState, step: u32) -> Value {
    let time = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    let key_id = match &state.budget.subject {
        Subject::Key(id) => Some(id),
        Subject::Team(_) => None,
    };
    json!({
        "event": "budget",
        "percent": step,
        "team": state.team,
        "key_id": key_id,
        "period": state.budget.period.name(),
        "hard": state.budget.hard,
        "limit_usd": state.budget.limit,
        "spent_usd": state.spent,
        "reserved_usd": state.reserved,
        "starts_at": time(state.starts_at),
        "resets_at": time(state.resets_at()),
    })
}
