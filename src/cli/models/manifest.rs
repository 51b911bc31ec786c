//! What of a folder's `manifest.json` concerns files: the graph's name and precision, and every
//! hash. The rest of the manifest is the classifier's.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::precision::Precision;

const MANIFEST: &str = "manifest.json";
const FORMAT: u64 = 1;

/// The file's own words, read for what they say of files.
#[derive(Clone, Debug)]
pub struct Manifest(Value);

impl Manifest {
    /// `None` where the folder has none, as after a pull.
    pub fn of(folder: &Path) -> anyhow::Result<Option<Manifest>> {
        let path = folder.join(MANIFEST);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let value: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        ensure!(
            value["format"].as_u64() == Some(FORMAT),
            "{} has format {}, and this program reads {FORMAT}",
            path.display(),
            value["format"]
        );
        Ok(Some(Manifest(value)))
    }

    pub fn graph(&self) -> Option<&str> {
        self.0["graph"]["file"].as_str()
    }

    pub fn precision(&self) -> Option<Precision> {
        self.0["graph"]["precision"].as_str().map(Precision::named)
    }

    /// Name of a file → its SHA-256, for every object that has `file` and `sha256`, however deep.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        collect(&self.0, &mut found);
        found
    }
}

fn collect(value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(object) => {
            if let (Some(Value::String(file)), Some(Value::String(sha256))) =
                (object.get("file"), object.get("sha256"))
            {
                found.insert(file.clone(), sha256.to_ascii_lowercase());
            }
            object.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
