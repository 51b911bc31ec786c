//! stub
use std::process::ExitCode;
use clap::Args;
use crate::app::Config;
#[derive(Args)]
pub struct Models {}
impl Models { pub async fn run(self, _: Config) -> anyhow::Result<ExitCode> { Ok(ExitCode::SUCCESS) } }
