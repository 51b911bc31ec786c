//! `undertone config check`: what is wrong, all of it, and what is likely not meant.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::app::{self, Config, Findings, Layered};
use crate::cli::output::{self, TableOrJson};
use crate::{http, stream};

/// What `--format json` prints.
#[derive(Serialize)]
struct Report<'a> {
    /// Whether a start would succeed, and calls at LLMs be accounted for.
    ok: bool,
    errors: Vec<&'a str>,
    warnings: &'a [String],
    notes: &'a [String],
    /// The local model that would be served.
    model: Option<&'a str>,
}

pub async fn run(file: Option<&Path>, format: TableOrJson) -> anyhow::Result<ExitCode> {
    let Layered { config, mut faults } = Config::examine(file)?;
    let findings = match &config {
        Some(config) => {
            let mut findings = app::inspect(config).await;
            addresses(config, &mut faults, &mut findings).await;
            kafka(config, &mut faults, &mut findings);
            findings
        }
        None => Findings::default(),
    };
    let errors: Vec<&str> = faults.iter().chain(&findings.errors).map(String::as_str).collect();
    match format {
        TableOrJson::Table => print(&errors, &findings)?,
        TableOrJson::Json => {
            let Findings { warnings, notes, model, .. } = &findings;
            let (ok, model) = (errors.is_empty(), model.as_deref());
            output::json(&Report { ok, errors: errors.clone(), warnings, notes, model })?;
        }
    }
    Ok(match (faults.is_empty(), errors.is_empty()) {
        (false, _) => ExitCode::from(2),
        (true, false) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
    })
}

fn print(errors: &[&str], findings: &Findings) -> anyhow::Result<()> {
    for error in errors {
        eprintln!("error: {error}");
    }
    for warning in &findings.warnings {
        eprintln!("warning: {warning}");
    }
    for note in &findings.notes {
        output::line(&format!("note: {note}"))?;
    }
    match (errors.len(), &findings.model) {
        (0, Some(model)) => {
            output::line(&format!("The configuration can be used; {model} is served."))?;
        }
        (0, None) => {}
        (1, _) => eprintln!("The configuration cannot be used: there is 1 error."),
        (count, _) => eprintln!("The configuration cannot be used: there are {count} errors."),
    }
    Ok(())
}

/// Whether the addresses are some, and can be listened on.
async fn addresses(config: &Config, faults: &mut Vec<String>, findings: &mut Findings) {
    if let Err(error) = http::address(&config.telemetry.metrics_listen) {
        faults.push(error.to_string().replace("server.listen", "telemetry.metrics_listen"));
    }
    let address = match http::address(&config.server.listen) {
        Ok(address) => address,
        Err(error) => return faults.push(error.to_string()),
    };
    if findings.any_key == Some(false) && !address.ip().is_loopback() {
        findings.notes.push(format!(
            "server.listen is {address}, and there is no key yet: `undertone serve` refuses to start on \
             it until `undertone keys create` has made one."
        ));
    }
    // Whoever listens there may be the gateway whose configuration this is.
    match http::listen(address, true).await {
        Err(http::ListenError::Bind { address, reason })
            if reason.kind() == std::io::ErrorKind::AddrInUse =>
        {
            let note = format!("Somebody listens on server.listen ({address}) already.");
            findings.notes.push(note);
        }
        Err(error) => findings.errors.push(format!("server.listen: {error}")),
        Ok(_) => {}
    }
}

/// What a worker needs, or what a gateway needs that reads the results.
fn kafka(config: &Config, faults: &mut Vec<String>, findings: &mut Findings) {
    let section = &config.stream;
    if !section.is_configured() {
        return;
    }
    if section.input_topic.is_empty() {
        let note = "stream.input_topic is empty: a gateway needs none, `undertone stream` does.";
        findings.notes.push(note.into());
    } else {
        faults.extend(section.worker_faults());
    }
    let refused = stream::check(section).err().map(|error| match error {
        app::ConfigError::Value(fault) => fault,
        other => other.to_string(),
    });
    faults.extend(refused.filter(|fault| !faults.contains(fault)).into_iter().collect::<Vec<_>>());
}
