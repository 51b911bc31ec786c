//! `undertone config`: what is configured.

mod check;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::output::{self, TableOrJson};
use crate::app::{self, Config};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Check all that a start would find wrong, and tell all of it
    ///
    /// The values, names that are near to a key's, the environment, the model, the price book, the
    /// providers' keys, the log filter, the addresses, the store, the properties for Kafka. Nothing is
    /// created or sent. Exit code 2 where a value has to be changed, 1 where something that the
    /// configuration names cannot be used, 0 otherwise.
    Check {
        #[arg(long, value_enum, default_value_t)]
        format: TableOrJson,
    },
    /// Print the configuration in force: defaults, file and environment put together, and which routing
    /// thresholds count
    Show,
}

impl ConfigCommand {
    pub async fn run(self, file: Option<&Path>) -> anyhow::Result<ExitCode> {
        match self {
            ConfigCommand::Check { format } => check::run(file, format).await,
            ConfigCommand::Show => {
                let config = Config::load(file)?;
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
