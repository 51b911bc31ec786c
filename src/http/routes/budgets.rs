//! `GET /v1/budgets`: how much of each limit is gone.

use axum::Extension;
use axum::Json;
use axum::extract::State;

use crate::app::{BudgetList, Grant, SharedApp};
use crate::http::Problem;

/// All of them for who reads costs, else those of the caller's own key and of its team.
pub async fn budgets(
    State(app): State<SharedApp>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<BudgetList>, Problem> {
    Ok(Json(app.budgets(&grant).await?))
}
