//! The section `[classifier]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::pricing::Usd;
use crate::sentiment::Label;

/// As configured; `config/undertone.toml` says what each key means and holds its default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub model: PathBuf,
    pub bundled: PathBuf,
    pub onnxruntime: PathBuf,
    pub threads: usize,
    pub batch_size: usize,
    pub queue: usize,
    pub max_wait_ms: u64,
    pub max_tokens: usize,
    /// Whether what frames a text, and is no opinion, is left out.
    pub boilerplate: bool,
    pub cpu_hour_usd: Usd,
    #[serde(default)]
    pub labels: BTreeMap<String, Label>,
    pub languages: Vec<String>,
    /// A model that reads a share of the texts beside this one, and answers nobody.
    #[serde(default)]
    pub shadow: Option<PathBuf>,
    pub shadow_share: f32,
}

impl Config {
    /// The folder of the model that runs in shadow, if one does.
    pub fn shadow(&self) -> Option<&Path> {
        self.shadow.as_deref().filter(|folder| !folder.as_os_str().is_empty())
    }

    /// Sessions to run: as configured, else one for each core that this process may use.
    pub fn sessions(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}
