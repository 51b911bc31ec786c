//! `undertone providers`: whether the configured LLMs answer.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use super::output;
use crate::app::{self, Config, start_logs};
use crate::store::Store;

#[derive(Subcommand)]
pub enum Providers {
    /// One small real call to each configured provider: key, model, schema accepted, what it cost
    Check,
}

impl Providers {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let Providers::Check = self;
        start_logs(&config.telemetry)?;
        let book = Arc::new(app::price_book(&config)?);
        let store = Store::open(&config.store).await?;
        let llm = app::open_llm(&config, &book, &store)?;
        if !llm.is_enabled() {
            anyhow::bail!(
                "no provider has a key: set OPENAI_API_KEY or ANTHROPIC_API_KEY, or name a file in \
                 openai.api_key_file or anthropic.api_key_file"
            );
        }
        let checks = llm.check().await;
        store.close().await;
        let mut code = ExitCode::SUCCESS;
        for check in checks {
            let _ = &check;
            code = ExitCode::FAILURE;
        }
        output::line("")?;
        Ok(code)
    }
}
