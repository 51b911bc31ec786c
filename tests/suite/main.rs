//! The public surface, over a socket, against the real program. A file per feature; the providers
//! are played by `double`.

mod client;
mod double;
mod gateway;
mod metrics;
mod money;
mod verdict;
mod worker;

mod analyze;
mod analyze_report;
mod analyze_rows;
mod batch;
mod billing;
mod budgets;
mod cache;
mod calibrate;
mod cheaper;
mod corrections;
mod errors;
mod escalation;
mod evaluate;
mod failures;
mod house;
mod hub;
mod journal;
mod keys;
mod learning;
mod ledger;
mod models;
mod operations;
mod postgres;
mod prices;
mod reckoning;
mod regions;
mod replay;
mod sentiment;
mod sharing;
mod stream;
mod stream_chaos;
mod stream_llm;
mod tasks;
mod tls;
mod trends;
mod watching;
