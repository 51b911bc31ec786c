//! `undertone config`: what is configured.

use std::process::ExitCode;

use clap::Subcommand;

use super::output;
use crate::app::{self, Config};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration's values, the model folder and the price book
    Check,
    /// Print the configuration in force: defaults, file and environment put together
    Show,
}

impl ConfigCommand {
    pub fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            ConfigCommand::Check => {
                let model = app::check_files(&config)?;
                output::line(&format!(
                    "The values, the model folder and the price book can be used; {model} is served."
                ))
            }
            ConfigCommand::Show => output::line(toml::to_string_pretty(&config)?.trim_end()),
        }
    }
}
