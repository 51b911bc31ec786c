//! `undertone config`: what is configured.

use std::process::ExitCode;

use clap::Subcommand;

use super::output;
use crate::app::{self, Config};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Check that the configuration, the model folder and the price book can be used
    Check,
    /// Print the configuration in force: defaults, file and environment put together
    Show,
}

impl ConfigCommand {
    pub fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            ConfigCommand::Check => {
                let model = app::check_files(&config)?;
                output::line(&format!("The configuration can be used; it serves {model}."))
            }
            ConfigCommand::Show => output::line(toml::to_string_pretty(&config)?.trim_end()),
        }
    }
}
