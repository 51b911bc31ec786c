//! The routes, a file each.

mod answer;
pub mod batch;
pub mod costs;
pub mod health;
pub mod metrics;
pub mod openapi;
pub mod sentiment;
