//! `undertone models verify`: whether the files of the models are still what they were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::catalogue::folder_name;
use super::hash::Digests;
use super::list::folders;
use super::lock::{LOCK_FILE, Lock};
use super::manifest::Manifest;
use crate::cli::output::{self, TableOrJson};

/// Check the files of models against their hashes
///
/// The hashes are those of the folder's manifest.json, and of models.lock for what was pulled. A
/// folder that neither speaks of is named as unverifiable; that is a failure only for one that was
/// asked for by name.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The models to check; all of them where none is named
    pub names: Vec<String>,
    /// Where models are kept, a folder each
    #[arg(long, value_name = "DIR", default_value = "models")]
    pub models_dir: PathBuf,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: TableOrJson,
}

/// What was found out about one file, or about a folder as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub model: String,
    /// `None` where there is nothing to hold the folder's files against.
    pub file: Option<String>,
    pub finding: Finding,
    pub expected_sha256: Option<String>,
    pub found_sha256: Option<String>,
    /// Where the expected hash is written down.
    pub source: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    Ok,
    Differs,
    Missing,
    Unverifiable,
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let checks = verify(args)?;
    match args.format {
        TableOrJson::Table => {
            output::line(&checks.iter().map(line).collect::<Vec<_>>().join("\n"))?
        }
        TableOrJson::Json => output::json(&serde_json::json!({ "checks": checks }))?,
    };
    let failed = checks.iter().any(|check| match check.finding {
        Finding::Ok => false,
        Finding::Differs | Finding::Missing => true,
        Finding::Unverifiable => !args.names.is_empty(),
    });
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Reads every file that is spoken of. An error is one of reading, not of what was read.
pub fn verify(args: &VerifyArgs) -> anyhow::Result<Vec<Check>> {
    let lock = Lock::read(&args.models_dir)?;
    let names = if args.names.is_empty() {
        folders(&args.models_dir)?
    } else {
        args.names.iter().map(|name| folder_name(name)).collect()
    };
    let mut checks = Vec::new();
    for name in names {
        checks.extend(folder_checks(&args.models_dir.join(&name), &name, &lock)?);
    }
    Ok(checks)
}

fn folder_checks(folder: &Path, name: &str, lock: &Lock) -> anyhow::Result<Vec<Check>> {
    // A name that is not there is most likely a slip, not a model without hashes.
    std::fs::read_dir(folder)
        .with_context(|| format!("no model `{name}`: cannot read {}", folder.display()))?;
    let expected = expectations(folder, name, lock)?;
    if expected.is_empty() {
        return Ok(vec![Check {
            model: name.to_owned(),
            file: None,
            finding: Finding::Unverifiable,
            expected_sha256: None,
            found_sha256: None,
            source: None,
        }]);
    }
    expected
        .into_iter()
        .map(|(file, (expected, source))| check(folder, name, file, expected, source))
        .collect()
}

/// File → its expected SHA-256 and who says so. A manifest goes before the lock file: it is written
/// by what makes a new graph out of a pulled one, and may leave the pulled one out.
fn expectations(
    folder: &Path,
    name: &str,
    lock: &Lock,
) -> anyhow::Result<BTreeMap<String, (String, &'static str)>> {
    let mut expected = BTreeMap::new();
    let manifest = Manifest::of(folder)?;
    for file in lock.model(name).map(|model| model.files.as_slice()).unwrap_or_default() {
        if manifest.is_none() || folder.join(&file.name).exists() {
            expected.insert(file.name.clone(), (file.sha256.clone(), LOCK_FILE));
        }
    }
    for (file, sha256) in manifest.iter().flat_map(Manifest::hashes) {
        expected.insert(file, (sha256, "manifest.json"));
    }
    Ok(expected)
}

fn check(
    folder: &Path,
    model: &str,
    file: String,
    expected: String,
    source: &'static str,
) -> anyhow::Result<Check> {
    let path = folder.join(&file);
    let found = if path.exists() { Some(Digests::of_file(&path)?.sha256) } else { None };
    let finding = match &found {
        None => Finding::Missing,
        Some(found) if *found == expected => Finding::Ok,
        Some(_) => Finding::Differs,
    };
    Ok(Check {
        model: model.to_owned(),
        file: Some(file),
        finding,
        expected_sha256: Some(expected),
        found_sha256: found,
        source: Some(source),
    })
}

fn line(check: &Check) -> String {
    let what = match &check.file {
        Some(file) => format!("{}/{file}", check.model),
        None => check.model.clone(),
    };
    let or_none = |hash: &Option<String>| hash.clone().unwrap_or_default();
    match check.finding {
        Finding::Ok => format!("ok            {what}"),
        Finding::Differs => format!(
            "differs       {what}: sha256 {}, {} says {}",
            or_none(&check.found_sha256),
            check.source.unwrap_or_default(),
            or_none(&check.expected_sha256)
        ),
        Finding::Missing => {
            format!("missing       {what}: {} lists it", check.source.unwrap_or_default())
        }
        Finding::Unverifiable => {
            format!("unverifiable  {what}: no manifest.json, and {LOCK_FILE} has no entry for it")
        }
    }
}
