//! The routes, a file each.

pub mod answer;
pub mod batch;
pub mod budgets;
pub mod costs;
pub mod feedback;
pub mod health;
pub mod live;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod trends;
