//! Parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use undertone::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
