//! The command line: a file for each command.

mod analyze;
mod answers;
mod arguments;
mod budgets;
mod calibrate;
mod ceiling;
mod config;
mod corrections;
mod costs;
mod evaluate;
mod focus;
mod greeting;
mod keys;
mod learn;
mod ledger;
pub mod models;
mod output;
pub mod page;
mod prices;
mod providers;
mod reconcile;
mod replay;
pub mod restart;
mod rows;
mod serve;
mod share;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::{BadParameter, Config, ConfigError, NewKeyError, tell_error};
use crate::http::ListenError;

/// A sentiment gateway: a local model reads every text, and an LLM only what the local model cannot
/// be trusted with.
///
/// Start with `undertone serve`; it needs no key and no network. With OPENAI_API_KEY or
/// ANTHROPIC_API_KEY set, sarcastic, ambiguous and mixed text goes to GPT-4o or Claude.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// A configuration file [default: config/undertone.toml where there is one]. Every key can also
    /// be set as UNDERTONE_SECTION__KEY
    #[arg(long, global = true, value_name = "FILE", env = "UNDERTONE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// The table of contents.
#[derive(Subcommand)]
enum Command {
    /// Start the gateway
    Serve(serve::Serve),
    /// Analyse a file of texts
    ///
    /// CSV with a header or JSON lines go in, and the same comes out, in the same order, with the
    /// verdicts added; --report sums them up on a page. A row that cannot be read keeps its place,
    /// with the reason in undertone_error; the exit code is then 1. With --output, the same command
    /// goes on where it was interrupted, and no answer that had arrived is paid for again.
    Analyze(Box<analyze::Analyze>),
    // Its own words, the long ones too.
    Evaluate(Box<evaluate::Evaluate>),
    // Its own words, the long ones too.
    Calibrate(Box<calibrate::Calibrate>),
    Replay(replay::Replay),
    Learn(learn::Learn),
    // Its own words, the long ones too.
    Stream(stream::Stream),
    /// Report what was spent and what was answered for nothing
    Costs(costs::Costs),
    // Its own words, the long ones too.
    #[command(subcommand)]
    Keys(keys::Keys),
    #[command(subcommand)]
    Budgets(budgets::Budgets),
    /// Manage local models
    Models(models::Models),
    /// Check the prices of the configured models, or take over new ones
    #[command(subcommand)]
    Prices(prices::Prices),
    /// Try the configured LLM providers
    #[command(subcommand)]
    Providers(providers::Providers),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print the OpenAPI document that the gateway serves
    Openapi,
    /// Print the JSON Schemas that are asked of the LLMs
    Schemas,
}

impl Cli {
    /// Runs the command. The exit code is 0 for done, 1 for failed or done in part, 2 for wrong
    /// usage.
    pub fn run(self) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let result = runtime
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(self.command.run(self.config.as_deref())));
        result.unwrap_or_else(|error| {
            tell_error(&format!("{error:#}"));
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        })
    }
}

impl Command {
    async fn run(self, file: Option<&std::path::Path>) -> anyhow::Result<ExitCode> {
        let config = || Config::load(file);
        match self {
            Command::Serve(command) => command.run(config()?).await,
            Command::Analyze(command) => command.run(config()?).await,
            Command::Evaluate(command) => command.run(config()?).await,
            Command::Calibrate(command) => command.run(config()?).await,
            Command::Replay(command) => command.run(config()?).await,
            Command::Learn(command) => command.run(config()?).await,
            Command::Stream(command) => command.run(config()?).await,
            Command::Costs(command) => command.run(config()?).await,
            Command::Keys(command) => command.run(config()?).await,
            Command::Budgets(command) => command.run(config()?).await,
            Command::Models(command) => models::run(command, &config()?).await,
            Command::Prices(command) => command.run(&config()?),
            Command::Providers(command) => command.run(config()?).await,
            Command::Config(command) => command.run(file).await,
            Command::Openapi => output::json(&crate::http::openapi_document()),
            Command::Schemas => {
                let all = crate::app::schemas(&config()?.aspects.categories);
                output::json(&all.into_iter().collect::<serde_json::Map<_, _>>())
            }
        }
    }
}

/// Whether the user has to type something else, rather than mend something.
fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<ConfigError>()
        || error.is::<BadParameter>()
        || matches!(error.downcast_ref(), Some(NewKeyError::Option { .. }))
        || matches!(
            error.downcast_ref(),
            Some(ListenError::Address(_) | ListenError::NotLoopback(_))
        )
}
