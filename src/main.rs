//! Parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use undertone::cli::{Cli, restart};

fn main() -> ExitCode {
    if let Err(refusal) = restart::without_telemetry() {
        eprintln!("undertone: {refusal}");
        return ExitCode::FAILURE;
    }
    Cli::parse().run()
}
