//! `undertone providers`: whether the configured LLMs answer.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use uuid::Uuid;

use super::output;
use crate::app::{self, Check, Config, Store, start_logs};
use crate::pricing::{Caller, Prices};

#[derive(Subcommand)]
pub enum Providers {
    /// One small real call to each configured provider: key, model, schema accepted, what it cost
    Check,
}

impl Providers {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let Providers::Check = self;
        start_logs(&config.telemetry)?;
        let prices = Arc::new(Prices::new(app::price_book(&config)?));
        let store = Store::open(&config.store).await?;
        let llm = app::open_llm(&config, &prices, &store)?;
        if !llm.is_enabled() {
            anyhow::bail!(
                "no provider has a key: set OPENAI_API_KEY or ANTHROPIC_API_KEY, or name a file in \
                 openai.api_key_file or anthropic.api_key_file"
            );
        }
        for provider in llm.without_key() {
            output::line(&format!("{provider}: left out, it has no key"))?;
        }
        let caller = Caller {
            request_id: Uuid::now_v7().to_string(),
            key_id: None,
            team: None,
            tags: [("command".to_owned(), "providers check".to_owned())].into(),
        };
        let checks = llm.check(&caller, config.llm.deadline()).await;
        store.close().await;
        for check in &checks {
            output::line(&describe(check))?;
        }
        let all_answered = checks.iter().all(|check| check.result.is_ok());
        Ok(if all_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn describe(check: &Check) -> String {
    let Check { provider, model, result } = check;
    match result {
        Ok(answered) => {
            let cost = match answered.bill.cost {
                Some(cost) => format!("{cost} $"),
                None => "an unknown price: see `undertone costs open`".to_owned(),
            };
            format!(
                "{provider}: {} answered as {} within the schema, for {cost}",
                model, answered.model
            )
        }
        Err(failure) => format!("{provider}: {model} did not answer: {}", failure.kind),
    }
}
