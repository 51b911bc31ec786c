//! The labelled file, whole: a row that cannot be measured refuses the file, since what is left out
//! without a word makes any figure look better.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::app::BadParameter;
use crate::cli::arguments::usage;
use crate::cli::rows::{Input, Row, open};
use crate::evaluation::{AspectSpan, Dataset, Example, Subject, Truth};

/// Rows that are told one by one; of the rest, only how many.
const TOLD: usize = 10;

const BUFFER_BYTES: usize = 1 << 16;

/// Which file it is, for whoever compares two reports.
#[derive(Clone, Debug)]
pub struct About {
    pub file: String,
    pub sha256: String,
}

/// The labelled file, with what its rows are called.
#[derive(Debug)]
pub struct Labelled {
    pub dataset: Dataset,
    /// The `id` of each text, where its row has one.
    pub ids: Vec<Option<String>>,
    pub about: About,
}

/// # Errors
/// A file that cannot be read, holds no rows, or holds one that cannot be measured; the first ones
/// are named with their lines.
pub fn read(path: &Path, subject: Subject) -> anyhow::Result<Labelled> {
    let about = About { file: path.display().to_string(), sha256: sha256(path)? };
    let mut input =
        Input::open(Some(path), "text").map_err(|error| under_own_name(error, "--data"))?;
    let (mut examples, mut ids) = (Vec::new(), Vec::new());
    let mut faults = Vec::new();
    while let Some(row) = input.next() {
        let row = row.with_context(|| format!("the rest of {} cannot be read", path.display()))?;
        let line = row.line;
        ids.push(input.field(&row.original, "id").filter(|id| !id.is_empty()));
        match example(&input, row, subject) {
            Ok(example) => examples.push(example),
            Err(fault) => faults.push(format!("line {line}: {fault}")),
        }
    }
    if !faults.is_empty() {
        anyhow::bail!("{} has rows that cannot be measured:{}", path.display(), told(faults));
    }
    anyhow::ensure!(
        !examples.is_empty(),
        "{} has no rows: each needs a `text` and a field `{}`",
        path.display(),
        subject.field()
    );
    let names_none =
        |one: &Example| matches!(&one.truth, Truth::Aspects(spans) if spans.is_empty());
    anyhow::ensure!(
        !examples.iter().all(names_none),
        "{} names no aspect in any row: there is nothing that could be found or missed",
        path.display()
    );
    Ok(Labelled { dataset: Dataset { subject, examples }, ids, about })
}

/// The first of the faults, a line each, and how many more there are.
pub fn told(mut faults: Vec<String>) -> String {
    let rest = match faults.len() {
        ..=TOLD => String::new(),
        all => format!("\n  and {} more", all - TOLD),
    };
    faults.truncate(TOLD);
    format!("\n  {}{rest}", faults.join("\n  "))
}

/// What is wrong with the file's columns is the file's fault here: no option but that of the file
/// names them.
pub fn under_own_name(error: anyhow::Error, option: &'static str) -> anyhow::Error {
    match error.downcast::<BadParameter>() {
        Ok(BadParameter { message, .. }) => usage(option, message),
        Err(other) => other,
    }
}

fn example(input: &Input, row: Row, subject: Subject) -> Result<Example, String> {
    let text = row.text?;
    let name = subject.field();
    let field = input.field(&row.original, name);
    let field = field.ok_or_else(|| format!("the field \"{name}\" is missing"))?;
    let truth =
        Truth::parse(subject, &field).map_err(|fault| format!("the field \"{name}\" {fault}"))?;
    match &truth {
        Truth::Aspects(spans) => check_spans(spans, &text)?,
        Truth::Sentiment(_) | Truth::Sarcasm(_) | Truth::Emotions(_) => {}
    }
    Ok(Example { text, truth })
}

fn check_spans<'a>(
    spans: impl IntoIterator<Item = &'a AspectSpan>,
    text: &Arc<str>,
) -> Result<(), String> {
    let length = text.chars().count();
    match spans.into_iter().find(|span| span.to > length) {
        None => Ok(()),
        Some(AspectSpan { to, .. }) => Err(format!(
            "the field \"aspects\" has a to of {to}; the text has {length} code points"
        )),
    }
}

/// Of a whole file.
pub fn sha256(path: &Path) -> anyhow::Result<String> {
    let mut file = open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer);
        match read.with_context(|| format!("{} cannot be read", path.display()))? {
            0 => return Ok(hex::encode(hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}
