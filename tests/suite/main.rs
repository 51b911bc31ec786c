//! The public surface, over a socket, against the real program. A file per feature; the providers
//! are played by `double`.

mod client;
mod double;
mod gateway;
mod money;
mod verdict;

mod analyze;
mod analyze_report;
mod analyze_rows;
mod batch;
mod billing;
mod cache;
mod calibrate;
mod corrections;
mod errors;
mod escalation;
mod evaluate;
mod failures;
mod house;
mod hub;
mod ledger;
mod models;
mod operations;
mod postgres;
mod prices;
mod replay;
mod sentiment;
mod tasks;
