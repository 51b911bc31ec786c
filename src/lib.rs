//! Undertone: a sentiment gateway. A local model reads every text; only what it cannot be trusted
//! with goes to an LLM, and every attempt at one is on a ledger before it is sent.
//!
//! The modules in reading order. Each names only modules above it (`tests/suite/house.rs` holds that).

pub mod json;
pub mod kernels;
pub mod mask;
pub mod pricing;
pub mod private;
pub mod sentiment;
pub mod webhook;

pub mod cache;
pub mod classifier;
pub mod trends;

pub mod llm;
pub mod store;

pub mod access;
pub mod cascade;
pub mod evaluation;

pub mod app;

pub mod http;
pub mod stream;

pub mod cli;
