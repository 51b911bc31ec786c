//! Budgets, as HTTP and the command line tell of them.

use std::time::SystemTime;

use serde::Serialize;
use time::OffsetDateTime;

use super::{App, RequestError};
use crate::access::{Grant, Scope};
use crate::pricing::Usd;
use crate::store::{self, BudgetState, Store, Subject};

/// As `/v1/budgets` writes it.
#[derive(Debug, Serialize)]
pub struct BudgetList {
    pub budgets: Vec<BudgetRow>,
}

/// A limit, and what has gone of it in the present period.
#[derive(Debug, Serialize)]
pub struct BudgetRow {
    pub team: Option<String>,
    /// `None`: it is the team's.
    pub key_id: Option<String>,
    pub period: &'static str,
    pub hard: bool,
    pub limit_usd: Usd,
    pub spent_usd: Usd,
    /// For calls in flight, unresolved or unpriced.
    pub reserved_usd: Usd,
    #[serde(with = "time::serde::rfc3339")]
    pub resets_at: OffsetDateTime,
}

impl From<BudgetState> for BudgetRow {
    fn from(state: BudgetState) -> BudgetRow {
        let resets_at = state.resets_at();
        BudgetRow {
            team: state.team,
            key_id: match state.budget.subject {
                Subject::Key(id) => Some(id),
                Subject::Team(_) => None,
            },
            period: state.budget.period.name(),
            hard: state.budget.hard,
            limit_usd: state.budget.limit,
            spent_usd: state.spent,
            reserved_usd: state.reserved,
            resets_at,
        }
    }
}

/// Every limit that is set.
pub async fn all_budgets(store: &Store) -> Result<BudgetList, store::Error> {
    let states = store.budgets(SystemTime::now()).await?;
    Ok(BudgetList { budgets: states.into_iter().map(BudgetRow::from).collect() })
}

impl App {
    /// All of them for who reads costs, else those of the caller's own key and of its team.
    pub async fn budgets(&self, grant: &Grant) -> Result<BudgetList, RequestError> {
        let mut list = all_budgets(&self.store).await?;
        if !grant.may(Scope::CostsRead) {
            let binds = |row: &BudgetRow| match &row.key_id {
                Some(key_id) => Some(key_id.as_str()) == grant.key_id(),
                None => row.team.is_some() && row.team.as_deref() == grant.team(),
            };
            list.budgets.retain(binds);
        }
        Ok(list)
    }
}
