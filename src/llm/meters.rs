//! What attempts cost and how many tokens they took, for `/metrics`: approximately, since the ledger is exact.

use crate::pricing::{Settlement, Usd};

/// Picodollars of a dollar.
const PICO: f64 = 1e12;

/// Counts an attempt that has ended. The configured model counts: what a response names is not ours to bound.
pub(super) fn count(provider: &'static str, model: &str, settlement: &Settlement) {
    let labels = [("provider", provider.to_owned()), ("model", model.to_owned())];
    if let Some(cost) = settlement.cost.filter(|cost| *cost > Usd::ZERO) {
        metrics::gauge!("undertone_llm_cost_usd_total", &labels)
            .increment(cost.pico() as f64 / PICO);
    }
    let usage = &settlement.usage;
    for (bucket, tokens) in [
        ("input", usage.input),
        ("output", usage.output),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write_5m.saturating_add(usage.cache_write_1h)),
    ] {
        if tokens > 0 {
            metrics::counter!(
                "undertone_llm_tokens_total",
                "provider" => provider, "model" => model.to_owned(), "bucket" => bucket
            )
            .increment(tokens);
        }
    }
}
