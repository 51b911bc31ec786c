//! `undertone models`: get local models, check them, see what is there.
//!
//! This module owns the folder `models/` as a user sees it: what is pulled into it, its lock file,
//! and the tables. Loading and running a model is the classifier's; it comes in as a function.

mod address;
mod catalogue;
mod download;
mod hash;
mod hub;
mod install;
mod list;
mod lock;
mod manifest;
mod next_steps;
mod patience;
mod precision;
mod pull;
mod quantize;
mod screen;
mod verify;
mod wanted;

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::app::{self, Config};

pub use catalogue::{Catalogue, Entry};
pub use hub::Hub;
pub use list::{ListArgs, Listed, State, list};
pub use lock::{LOCK_FILE, Lock, LockedFile, LockedModel};
pub use patience::Patience;
pub use precision::Precision;
pub use pull::{PullArgs, Pulled, pull};
pub use quantize::QuantizeArgs;
pub use verify::{Check, Finding, VerifyArgs, verify};

/// Local models: get them, check them, see what is there
#[derive(Debug, Args)]
pub struct Models {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(ListArgs),
    Pull(PullArgs),
    Quantize(QuantizeArgs),
    Verify(VerifyArgs),
}

/// Runs one of the subcommands.
pub async fn run(models: Models, config: &Config) -> anyhow::Result<ExitCode> {
    let measure = |folder: &Path| app::milliseconds(folder, config);
    match models.command {
        Command::List(args) => list::run(&args, measure),
        Command::Pull(args) => pull::run(&args).await,
        Command::Quantize(args) => quantize::run(&args),
        Command::Verify(args) => verify::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        models: Models,
    }

    #[test]
    fn each_subcommand_is_explained_and_takes_what_it_says() {
        let command = <Line as clap::CommandFactory>::command();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
            for argument in subcommand.get_arguments() {
                assert!(argument.get_help().is_some(), "{}", argument.get_id());
            }
        }
        for line in [
            "models list --format json",
            "models pull owner/repo --revision v1 --models-dir elsewhere --force",
            "models quantize models/distilbert-sst2",
            "models verify a b --format json",
        ] {
            assert!(Line::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Line::try_parse_from(["models", "pull"]).is_err());
    }
}
