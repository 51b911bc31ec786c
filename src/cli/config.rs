//! `undertone config`: what is configured.

use std::process::ExitCode;

use clap::Subcommand;

use super::output;
use crate::app::{self, Config};
use crate::stream;

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration's values, the model folder, the price book, and the properties for Kafka
    Check,
    /// Print the configuration in force: defaults, file and environment put together, and which routing
    /// thresholds count
    Show,
}

impl ConfigCommand {
    pub fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            ConfigCommand::Check => {
                let model = app::check_files(&config)?;
                if config.stream.is_configured() {
                    config.stream.check_worker()?;
                    stream::check(&config.stream)?;
                }
                output::line(&format!(
                    "The values, the model folder and the price book can be used; {model} is served."
                ))
            }
            ConfigCommand::Show => {
                output::line(toml::to_string_pretty(&config)?.trim_end())?;
                output::line(&thresholds(&config))
            }
        }
    }
}

/// As comments, so that what is printed stays a configuration.
fn thresholds(config: &Config) -> String {
    match app::thresholds_in_force(config) {
        Ok((_, all)) => {
            let line =
                |one: &app::InForce| format!("# {} = {} ({})", one.name, one.threshold, one.source);
            let lines: Vec<String> = all.iter().map(line).collect();
            format!("\n# Routing thresholds in force:\n{}", lines.join("\n"))
        }
        Err(error) => format!("\n# Routing thresholds: {error:#}")
            .replace('\n', "\n# ")
            .replacen("\n# ", "\n", 1),
    }
}
